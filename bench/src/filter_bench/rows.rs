//! The rows: what is measured, and what is asked of us.

use super::expressions::{self as texts, HOST_AND_PORT, PORT};
use super::frames::{FRAMES, Frames};
use super::work::Work;
use crate::contest::{Contestant, Entry, play};
use crate::options::Options;
use crate::rows::{Finding, OURS};
use crate::table::{Bound, Comparison, Line, Quantity, Verdict, short};
use compat_tests::filters::case::Case;
use compat_tests::filters::library::{Library, Target};
use compat_tests::filters::tally::{Counter, Tally};
use filter::Insn;
use filter::engine::{Filter, Jit};
use std::ffi::CString;
use std::hint::black_box;

const LIBPCAP: &str = "libpcap";
const TARGET: Target = Target { dlt: 1, snaplen: 262_144, netmask: 0xffff_ffff };
/// What Linux takes.
const MOST_INSTRUCTIONS: usize = 4096;

/// What the rows share.
pub struct Bench<'a> {
    /// How long.
    pub options: &'a Options,
    /// Ours.
    pub ours: Library,
    /// The system's.
    pub theirs: Library,
    /// What verdicts are passed on.
    pub frames: Frames,
}

impl Bench<'_> {
    fn compare(
        &self,
        what: &str,
        quantity: Quantity,
        contestants: Vec<(&str, Result<Work<'_>, String>)>,
    ) -> Comparison {
        let entries: Vec<Entry<'_>> = contestants
            .into_iter()
            .map(|(name, work)| (name.to_string(), work.map(|w| Box::new(w) as Box<dyn Contestant + '_>)))
            .collect();
        Comparison { what: what.to_string(), quantity, standings: play(entries, self.options.rounds, self.options.ms) }
    }

    fn compiling<'b>(&'b self, library: &'b Library, text: &str) -> Result<Work<'b>, String> {
        let text = CString::new(text).map_err(|e| e.to_string())?;
        let dead = library.dead(TARGET);
        dead.compile(&text, true)?;
        Ok(Work::whole(move || {
            black_box(dead.compile(&text, true).is_ok());
            1
        }))
    }

    fn program(library: &Library, text: &str) -> Result<Vec<Insn>, String> {
        library.compile(TARGET, text.as_bytes(), true)
    }

    /// Compiling lists: a bound in milliseconds, and in instructions.
    fn list(&self, what: &str, text: &str, bound_ms: f64, peer: &str, peer_text: &str) -> Finding {
        let contestants =
            vec![(OURS, self.compiling(&self.ours, text)), (peer, self.compiling(&self.theirs, peer_text))];
        let comparison = self.compare(what, Quantity::LONG_CALL, contestants);
        let figure = comparison.quantity.spread(&comparison.standings[0]).map(|s| s.median);
        let held_against = format!("{peer}: {}", comparison.quantity.text(&comparison.standings[1]));
        let ours = comparison.quantity.text(&comparison.standings[0]);
        let line = Line {
            what: what.to_string(),
            ours: ours.clone(),
            peer: held_against,
            ratio: "—".to_string(),
            target: format!("at most {bound_ms} ms"),
            verdict: figure.map_or(skipped(&comparison), |ms| met(ms <= bound_ms)),
        };
        Finding { lines: vec![line], comparisons: vec![comparison] }
    }

    fn instructions(&self, what: &str, text: &str) -> Line {
        let program = Self::program(&self.ours, text);
        Line {
            what: format!("{what}: instructions"),
            ours: program.as_ref().map_or_else(Clone::clone, |p| p.len().to_string()),
            peer: "—".to_string(),
            ratio: "—".to_string(),
            target: format!("at most {MOST_INSTRUCTIONS}"),
            verdict: met(program.is_ok_and(|p| p.len() <= MOST_INSTRUCTIONS)),
        }
    }

    /// Compiling 1,000 and 10,000 hosts; libpcap takes 99 s for 1,000, so it compiles 100.
    pub fn hosts(&self) -> Finding {
        let hundred = texts::hosts(100);
        let peer = "libpcap, 100 hosts";
        let mut all = self.list("compiling 1,000 hosts", &texts::hosts(1000), 10.0, peer, &hundred);
        all.lines.push(self.instructions("1,000 hosts", &texts::hosts(1000)));
        let more = self.list("compiling 10,000 hosts", &texts::hosts(10_000), 100.0, peer, &hundred);
        all.lines.extend(more.lines);
        all.comparisons.extend(more.comparisons);
        let steps = |n| Self::program(&self.ours, &texts::hosts(n)).map(|program| longest_path(&program));
        all.lines.push(match (steps(10_000), steps(1000)) {
            (Ok(many), Ok(few)) => Line {
                what: "10,000 hosts: instructions of the longest way through".to_string(),
                ours: many.to_string(),
                peer: format!("1,000 hosts: {few}"),
                ratio: "—".to_string(),
                target: "at most 20 more".to_string(),
                verdict: met(many <= few + 20),
            },
            (Err(why), _) | (_, Err(why)) => failed("10,000 hosts: instructions of the longest way through", why),
        });
        all
    }

    /// Compiling 1,000 ports.
    pub fn ports(&self) -> Finding {
        let text = texts::ports(1000);
        let mut all = self.list("compiling 1,000 ports", &text, 10.0, "libpcap, 100 ports", &texts::ports(100));
        all.lines.push(self.instructions("1,000 ports", &text));
        all
    }

    /// Compiling what people type.
    pub fn short(&self) -> Finding {
        let mut all = Finding::default();
        for text in [PORT, HOST_AND_PORT] {
            let contestants =
                vec![(OURS, self.compiling(&self.ours, text)), (LIBPCAP, self.compiling(&self.theirs, text))];
            let comparison = self.compare(&format!("compiling `{text}`"), Quantity::CALL, contestants);
            all.lines.push(comparison.judge(OURS, LIBPCAP, Bound::AtMost(1.0)));
            all.comparisons.push(comparison);
        }
        all
    }

    /// Instructions of optimized programs, over generated expressions.
    pub fn mean(&self) -> Finding {
        const EXPRESSIONS: u64 = 10_000;
        let mut tally = Tally::new();
        for number in 0..EXPRESSIONS {
            let case = Case::numbered(1, number);
            let compile = |library: &Library| library.compile(case.target, case.text.as_bytes(), true);
            if let (Ok(ours), Ok(theirs)) = (compile(&self.ours), compile(&self.theirs)) {
                tally.count_lengths(ours.len(), theirs.len());
            }
        }
        let mean = |sum| tally.get(sum) as f64 / tally.get(Counter::Programs).max(1) as f64;
        let (ours, theirs) = (mean(Counter::Ours), mean(Counter::Theirs));
        let line = Line {
            what: format!("instructions of optimized programs, mean of {}", tally.get(Counter::Programs)),
            ours: format!("{ours:.2}"),
            peer: format!("{LIBPCAP}: {theirs:.2}"),
            ratio: short(ours / theirs),
            target: Bound::AtMost(1.0).to_string(),
            verdict: met(ours <= theirs && tally.get(Counter::Programs) > 0),
        };
        Finding { lines: vec![line], comparisons: Vec::new() }
    }

    /// Runs `verdict` on all frames; the loop around it is taken off when `inside`.
    fn passing<'b>(&'b self, inside: bool, verdict: impl Fn(&[u8]) -> u32 + 'b) -> Work<'b> {
        let frames = &self.frames;
        let turn = move || {
            let mut sum = 0u32;
            for frame in frames.iter() {
                sum = sum.wrapping_add(verdict(black_box(frame)));
            }
            black_box(sum);
            FRAMES as u64
        };
        let empty = move || {
            let mut sum = 0u32;
            for frame in frames.iter() {
                sum = sum.wrapping_add(black_box(frame).len() as u32);
            }
            black_box(sum);
        };
        if inside { Work::inside(turn, empty) } else { Work::whole(turn) }
    }

    fn interpreted<'b>(&'b self, text: &str, inside: bool) -> Result<Work<'b>, String> {
        let program = Self::program(&self.theirs, text)?;
        Ok(self.passing(inside, move |frame| self.theirs.verdict(&program, frame, frame.len() as u32)))
    }

    /// A verdict as a handle with a filter has it, against libpcap's interpreter on libpcap's program.
    pub fn verdict(&self) -> Finding {
        let mut all = Finding::default();
        let hundred = texts::hosts(100);
        for (name, text, peer, peer_text, bound) in [
            ("tcp port 80", PORT.to_string(), LIBPCAP, PORT.to_string(), 0.25),
            ("20 terms", texts::twenty_terms(), LIBPCAP, texts::twenty_terms(), 0.25),
            ("100 hosts", hundred.clone(), LIBPCAP, hundred.clone(), 0.05),
            ("1,000 hosts", texts::hosts(1000), "libpcap, 100 hosts", hundred, 0.05),
        ] {
            let ours = Self::program(&self.ours, &text).and_then(|program| {
                let filter = Filter::new(program).ok_or("not a valid program")?;
                Ok(self.passing(true, move |frame| filter.verdict(frame, frame.len() as u32)))
            });
            let contestants = vec![(OURS, ours), (peer, self.interpreted(&peer_text, true))];
            let comparison = self.compare(&format!("a verdict on a handle: {name}"), Quantity::CALL, contestants);
            all.lines.push(comparison.judge(OURS, peer, Bound::AtMost(bound)));
            all.comparisons.push(comparison);
        }
        all
    }

    /// The calls for a program without a handle.
    pub fn calls(&self) -> Finding {
        let mut all = Finding::default();
        for (name, text, bound) in [(PORT, PORT.to_string(), 1.0), ("100 hosts", texts::hosts(100), 0.1)] {
            for call in ["bpf_filter", "pcap_offline_filter"] {
                let contestants = [(OURS, &self.ours), (LIBPCAP, &self.theirs)].map(|(who, library)| {
                    let work = Self::program(library, &text).map(|program| {
                        let whole = call == "bpf_filter";
                        self.passing(false, move |frame| match whole {
                            true => library.verdict(&program, frame, frame.len() as u32),
                            false => library.offline_verdict(&program, frame, frame.len() as u32),
                        })
                    });
                    (who, work)
                });
                let comparison = self.compare(&format!("{call}: {name}"), Quantity::CALL, contestants.into());
                all.lines.push(comparison.judge(OURS, LIBPCAP, Bound::AtMost(bound)));
                all.comparisons.push(comparison);
            }
        }
        all
    }

    /// Translating to machine code.
    pub fn jit(&self) -> Finding {
        const MOST_NS: f64 = 20_000.0;
        let work = Self::program(&self.ours, PORT).map(|program| {
            Work::whole(move || {
                black_box(Jit::compile(&program).is_some());
                1
            })
        });
        let comparison = self.compare(&format!("JIT compilation of `{PORT}`"), Quantity::CALL, vec![(OURS, work)]);
        let figure = comparison.quantity.spread(&comparison.standings[0]).map(|s| s.median);
        let line = Line {
            what: comparison.what.clone(),
            ours: comparison.quantity.text(&comparison.standings[0]),
            peer: "—".to_string(),
            ratio: "—".to_string(),
            target: format!("at most {} µs", MOST_NS / 1e3),
            verdict: figure.map_or(skipped(&comparison), |ns| met(ns <= MOST_NS)),
        };
        Finding { lines: vec![line], comparisons: vec![comparison] }
    }
}

fn met(holds: bool) -> Verdict {
    if holds { Verdict::Met } else { Verdict::NotMet }
}

fn skipped(comparison: &Comparison) -> Verdict {
    Verdict::Skipped(comparison.standings[0].failed.clone().unwrap_or_default())
}

fn failed(what: &str, why: String) -> Line {
    let dash = || "—".to_string();
    Line {
        what: what.to_string(),
        ours: dash(),
        peer: dash(),
        ratio: dash(),
        target: dash(),
        verdict: Verdict::Skipped(why),
    }
}

/// Instructions on the longest way through a program without loops.
fn longest_path(program: &[Insn]) -> usize {
    use filter::insn::op;
    let mut longest = vec![0; program.len() + 1];
    for at in (0..program.len()).rev() {
        let after = |skip: usize| longest.get(at + 1 + skip).copied().unwrap_or(0);
        let insn = program[at];
        longest[at] = 1 + match insn.code & 7 {
            op::RET => 0,
            op::JMP if insn.code & 0xf0 == op::JA => after(insn.k as usize),
            op::JMP => after(insn.jt.into()).max(after(insn.jf.into())),
            _ => after(0),
        };
    }
    longest[0]
}
