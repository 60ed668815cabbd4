//! One expression in both libraries: accepted or refused, in which words, and the verdicts on frames.

use super::case::Case;
use super::corpus::{Corpus, Frame};
use super::library::Library;
use super::{guide, spoil};
use crate::random::Random;
use filter::Insn;

/// What libpcap says where its optimizer finds that nothing can match.
pub const REJECTS_ALL: &str = "expression rejects all packets";

/// Captured frames of the link type that each expression is run on.
const CAPTURED: usize = 60;
/// Walks down its branches.
const WALKS: usize = 40;

/// In what the libraries differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Both refuse, in other words.
    Text,
    /// We refuse what libpcap accepts.
    OursRefuses,
    /// We accept what libpcap refuses.
    TheirsRefuses,
    /// A frame has another verdict than by libpcap's unoptimized program.
    Verdict,
    /// Our optimized program has another verdict than our unoptimized one.
    Optimizer,
    /// Our program has another verdict in our engine than in libpcap's.
    Engine,
    /// Our program is none to libpcap's `bpf_validate`.
    Invalid,
}

/// A difference, with all that it takes to see it again.
#[derive(Clone, Debug)]
pub struct Difference {
    /// In what.
    pub kind: Kind,
    /// Of which expression.
    pub case: Case,
    /// Whether our program was to be optimized.
    pub optimize: bool,
    /// An error's text, or a verdict.
    pub ours: String,
    /// The same of libpcap.
    pub theirs: String,
    /// The frame that shows a verdict.
    pub frame: Option<Frame>,
}

/// What came of one expression.
#[derive(Default)]
pub struct Findings {
    /// The first of each kind, by whether we were to optimize.
    pub differences: Vec<Difference>,
    /// Both accept it.
    pub accepted: bool,
    /// Frames on which all programs ran.
    pub frames: u64,
    /// Of them, those that libpcap's unoptimized program accepts.
    pub matched: u64,
    /// Instructions of the optimized programs, ours and libpcap's.
    pub lengths: Option<(usize, usize)>,
    /// A frame on which libpcap's optimized program has another verdict than its unoptimized one.
    pub their_fault: Option<Frame>,
}

/// Both libraries, and frames.
pub struct Arena {
    /// The one under test.
    pub ours: Library,
    /// The system's.
    pub theirs: Library,
    /// Captured frames.
    pub corpus: Corpus,
}

type Compiled = Result<Vec<Insn>, String>;

impl Arena {
    /// Compiles and runs a case everywhere.
    pub fn examine(&self, case: &Case) -> Findings {
        self.examine_on(case, &[])
    }

    /// The same, on these frames too, before all others.
    pub fn examine_on(&self, case: &Case, frames: &[Frame]) -> Findings {
        let text = case.text.as_bytes();
        let compile = |library: &Library| [false, true].map(|optimize| library.compile(case.target, text, optimize));
        let (ours, theirs) = (compile(&self.ours), compile(&self.theirs));
        let mut findings = Findings::default();
        if let [Ok(reference), their_optimized] = &theirs {
            let mut frames = frames.to_vec();
            frames.extend(self.frames(case, reference));
            self.run(case, &frames, &ours, reference, their_optimized, &mut findings);
        }
        for optimize in [false, true] {
            let level = usize::from(optimize);
            let differ = |kind, ours: &str, theirs: &str| {
                let (ours, theirs) = (ours.to_string(), theirs.to_string());
                Difference { kind, case: case.clone(), optimize, ours, theirs, frame: None }
            };
            match (&ours[level], &theirs[level]) {
                (Ok(ours), Ok(theirs)) => {
                    findings.accepted = true;
                    if optimize {
                        findings.lengths = Some((ours.len(), theirs.len()));
                    }
                }
                (Err(a), Err(b)) if a == b => {}
                (Err(a), Err(b)) => findings.differences.push(differ(Kind::Text, a, b)),
                (Err(a), Ok(_)) => findings.differences.push(differ(Kind::OursRefuses, a, "accepted")),
                // Its optimizer is wrong: a frame matches.
                (Ok(_), Err(b)) if b == REJECTS_ALL && findings.their_fault.is_some() => {}
                (Ok(_), Err(b)) => findings.differences.push(differ(Kind::TheirsRefuses, "accepted", b)),
            }
            if let Ok(program) = &ours[level] {
                if !self.theirs.accepts(program) {
                    findings.differences.push(differ(Kind::Invalid, "not valid", "valid"));
                }
            }
        }
        findings
    }

    /// The frames for a case: captured, led down the branches of `program`, spoilt, cut, and random.
    fn frames(&self, case: &Case, program: &[Insn]) -> Vec<Frame> {
        let mut random = Random::from_seed(case.frame_seed);
        let dlt = case.target.dlt;
        let mut frames: Vec<Frame> = (0..CAPTURED).map(|_| self.corpus.one(&mut random, dlt)).collect();
        for number in 0..20 {
            frames.push(spoil::flipped(&mut random, &frames[number]));
        }
        for number in 0..WALKS {
            let start = match number % 3 {
                0 => Frame::whole(Vec::new()),
                _ => self.corpus.one(&mut random, dlt),
            };
            let walk = guide::walk(program, start, &mut random);
            if number < 20 {
                frames.extend(spoil::cuts(&walk.frame, &walk.ends));
            }
            if number < 3 {
                frames.extend(spoil::short_ones(&walk.frame));
            }
            frames.push(spoil::flipped(&mut random, &walk.frame));
            frames.push(walk.frame);
        }
        frames.extend(spoil::noise(&mut random));
        frames
    }

    fn run(
        &self,
        case: &Case,
        frames: &[Frame],
        ours: &[Compiled; 2],
        reference: &[Insn],
        their_optimized: &Compiled,
        findings: &mut Findings,
    ) {
        for (number, frame) in frames.iter().enumerate() {
            let Frame { bytes, wirelen } = frame;
            if !guide::ends(reference, frame) {
                continue;
            }
            let expected = self.theirs.verdict(reference, bytes, *wirelen);
            findings.frames += 1;
            findings.matched += u64::from(expected != 0);
            let theirs = match their_optimized {
                Ok(program) => self.theirs.verdict(program, bytes, *wirelen),
                Err(_) => 0,
            };
            if theirs != expected && findings.their_fault.is_none() {
                findings.their_fault = Some(frame.clone());
            }
            let mut unoptimized = None;
            for (optimize, ours) in [false, true].into_iter().zip(ours) {
                let mut differ = |kind, ours: String, theirs: u32| {
                    let known = |d: &Difference| d.kind == kind && d.optimize == optimize;
                    if !findings.differences.iter().any(known) {
                        let (case, frame, theirs) = (case.clone(), Some(frame.clone()), theirs.to_string());
                        findings.differences.push(Difference { kind, case, optimize, ours, theirs, frame });
                    }
                };
                let program = match ours {
                    Ok(program) => program,
                    Err(why) => {
                        if why == REJECTS_ALL && expected != 0 {
                            differ(Kind::Verdict, why.clone(), expected);
                        }
                        continue;
                    }
                };
                let verdict = if number % 8 == 7 {
                    self.ours.offline_verdict(program, bytes, *wirelen)
                } else {
                    self.ours.verdict(program, bytes, *wirelen)
                };
                if verdict != expected {
                    differ(Kind::Verdict, verdict.to_string(), expected);
                }
                let before = *unoptimized.get_or_insert(verdict);
                if verdict != before {
                    differ(Kind::Optimizer, verdict.to_string(), before);
                }
                if number % 4 == 3 {
                    let elsewhere = self.theirs.verdict(program, bytes, *wirelen);
                    if elsewhere != verdict {
                        differ(Kind::Engine, verdict.to_string(), elsewhere);
                    }
                }
            }
        }
    }

    /// A difference as text, with the programs and how to see it again.
    pub fn tell(&self, difference: &Difference) -> String {
        let Difference { kind, case, optimize, ours, theirs, frame } = difference;
        let target = case.target;
        let name = super::link_types::name(target.dlt);
        let how = if *optimize { "optimized" } else { "not optimized" };
        let mut text = format!(
            "difference: {kind:?} ({how})\n  expression: {}\n  link type:  {} {name}, snap length {}, netmask {:#x}\n  \
             libpcap:    {theirs}\n  ours:       {ours}\n",
            case.text, target.dlt, target.snaplen, target.netmask
        );
        let mut again = format!("filter-compare one {} '{}'", target.dlt, case.text);
        if let Some(Frame { bytes, wirelen }) = frame {
            let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            text += &format!("  frame:      {} of {wirelen} bytes: {hex}\n", bytes.len());
            again += &format!(" {hex}");
            for (whose, library, optimize) in
                [("libpcap's, not optimized", &self.theirs, false), ("ours", &self.ours, *optimize)]
            {
                if let Ok(program) = library.compile(target, case.text.as_bytes(), optimize) {
                    text += &format!("  {whose}:\n    {}\n", self.theirs.listing(&program).join("\n    "));
                }
            }
        }
        text + &format!("  again: {again}\n")
    }
}
