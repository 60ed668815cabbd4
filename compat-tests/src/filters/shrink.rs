//! Smaller expressions and frames that show the same difference.

use super::case::Case;
use super::compare::{Arena, Difference};
use super::corpus::Frame;

/// Compilations that a shrinking may take.
const TRIES: u32 = 400;

/// The smallest difference found that `interests`, of the same kind.
pub fn shrink(arena: &Arena, from: Difference, interests: &dyn Fn(&Difference) -> bool) -> Difference {
    let mut tries = TRIES;
    let mut best = from;
    let mut again = |case: Case, best: &Difference| {
        tries = tries.checked_sub(1)?;
        let frames: Vec<Frame> = best.frame.iter().cloned().collect();
        let found = arena.examine_on(&case, &frames).differences;
        found.into_iter().find(|d| d.kind == best.kind && interests(d))
    };
    let mut words: Vec<String> = split(&best.case.text);
    let mut chunk = words.len().div_ceil(2);
    while chunk > 0 && !words.is_empty() {
        let mut at = 0;
        while at < words.len() {
            let mut fewer = words.clone();
            fewer.drain(at..(at + chunk).min(fewer.len()));
            let case = Case { text: fewer.join(" "), ..best.case.clone() };
            match again(case, &best) {
                Some(smaller) => {
                    best = smaller;
                    words = fewer;
                }
                None => at += chunk,
            }
        }
        chunk /= 2;
    }
    let usual = Case { frame_seed: best.case.frame_seed, ..Case::of(1, &best.case.text) };
    for case in
        [usual.clone(), Case { target: super::library::Target { dlt: best.case.target.dlt, ..usual.target }, ..usual }]
    {
        if case.target != best.case.target {
            if let Some(smaller) = again(case, &best) {
                best = smaller;
            }
        }
    }
    smaller_frame(arena, best)
}

/// Words, brackets and operators.
fn split(text: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        let mut rest = word;
        while let Some(at) = rest.find(['(', ')', '[', ']']) {
            if at > 0 {
                words.push(rest[..at].to_string());
            }
            words.push(rest[at..=at].to_string());
            rest = &rest[at + 1..];
        }
        if !rest.is_empty() {
            words.push(rest.to_string());
        }
    }
    words
}

/// The frame shorter, and with zeros, as far as the verdicts still differ.
fn smaller_frame(arena: &Arena, mut best: Difference) -> Difference {
    let Some(mut frame) = best.frame.clone() else { return best };
    let (target, text) = (best.case.target, best.case.text.as_bytes());
    let (Ok(ours), Ok(theirs)) =
        (arena.ours.compile(target, text, best.optimize), arena.theirs.compile(target, text, false))
    else {
        return best;
    };
    let differs = |frame: &Frame| {
        let program = if best.kind == super::compare::Kind::Engine { &ours } else { &theirs };
        let expected = arena.theirs.verdict(program, &frame.bytes, frame.wirelen);
        let verdict = arena.ours.verdict(&ours, &frame.bytes, frame.wirelen);
        (verdict != expected).then(|| (verdict.to_string(), expected.to_string()))
    };
    if differs(&frame).is_none() {
        return best;
    }
    for len in 0..frame.bytes.len() {
        let shorter = Frame { bytes: frame.bytes[..len].to_vec(), wirelen: frame.wirelen };
        if differs(&shorter).is_some() {
            frame = shorter;
            break;
        }
    }
    for at in 0..frame.bytes.len() {
        let mut plainer = frame.clone();
        plainer.bytes[at] = 0;
        if differs(&plainer).is_some() {
            frame = plainer;
        }
    }
    if let Some((ours, theirs)) = differs(&frame) {
        (best.ours, best.theirs) = (ours, theirs);
        best.frame = Some(frame);
    }
    best
}
