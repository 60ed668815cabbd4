//! What many expressions came to.

use super::compare::Findings;
use std::fmt;

/// The names of the counters, as they are printed.
const NAMES: [&str; 14] = [
    "expressions",
    "accepted",
    "refused",
    "frames",
    "matched",
    "ours",
    "theirs",
    "programs",
    "shorter",
    "longer",
    "faults",
    "known",
    "contradictions",
    "differences",
];

/// Counters of a run; they add up over processes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally([u64; NAMES.len()]);

/// A counter's place.
#[derive(Clone, Copy)]
#[repr(usize)]
pub enum Counter {
    /// Looked at.
    Expressions,
    /// By both.
    Accepted,
    /// By both or one of them.
    Refused,
    /// Run through four programs each.
    Frames,
    /// Accepted by libpcap's unoptimized program.
    Matched,
    /// Instructions of our optimized programs.
    Ours,
    /// Of libpcap's.
    Theirs,
    /// How many those are.
    Programs,
    /// Of them, those where ours is the shorter one.
    Shorter,
    /// Where it is the longer one.
    Longer,
    /// Expressions where libpcap's optimizer changes a verdict.
    Faults,
    /// Expressions with a known difference.
    Known,
    /// Of them, those of which one library alone finds out that nothing can match.
    Contradictions,
    /// Expressions with another one.
    Differences,
}

impl Tally {
    /// Nothing counted yet.
    pub fn new() -> Tally {
        Tally::default()
    }

    /// A counter's value.
    pub fn get(&self, counter: Counter) -> u64 {
        self.0[counter as usize]
    }

    /// Counts up.
    pub fn add(&mut self, counter: Counter, by: u64) {
        self.0[counter as usize] += by;
    }

    /// Counts one expression, its differences apart.
    pub fn count(&mut self, findings: &Findings) {
        self.add(Counter::Expressions, 1);
        self.add(if findings.accepted { Counter::Accepted } else { Counter::Refused }, 1);
        self.add(Counter::Frames, findings.frames);
        self.add(Counter::Matched, findings.matched);
        self.add(Counter::Faults, findings.their_fault.is_some().into());
        if let Some((ours, theirs)) = findings.lengths {
            self.count_lengths(ours, theirs);
        }
    }

    /// Counts the instructions of two optimized programs.
    pub fn count_lengths(&mut self, ours: usize, theirs: usize) {
        self.add(Counter::Programs, 1);
        self.add(Counter::Ours, ours as u64);
        self.add(Counter::Theirs, theirs as u64);
        self.add(Counter::Shorter, (ours < theirs).into());
        self.add(Counter::Longer, (ours > theirs).into());
    }

    /// Adds the counters of a line that another process printed.
    pub fn add_line(&mut self, line: &str) {
        for pair in line.split_whitespace() {
            let Some((name, value)) = pair.split_once('=') else { continue };
            if let (Some(at), Ok(value)) = (NAMES.iter().position(|n| *n == name), value.parse::<u64>()) {
                self.0[at] += value;
            }
        }
    }

    /// In words.
    pub fn summary(&self) -> String {
        let mean = |sum| self.get(sum) as f64 / self.get(Counter::Programs).max(1) as f64;
        format!(
            "{} expressions: {} accepted, {} refused; three verdicts on each of {} frames, {} of which match; instructions \
             ours {:.3}, libpcap's {:.3} in the mean of {} (shorter {}, longer {}); libpcap's optimizer wrong in {}; {} known \
             differences, {} of them in seeing that nothing can match; {} others",
            self.get(Counter::Expressions),
            self.get(Counter::Accepted),
            self.get(Counter::Refused),
            self.get(Counter::Frames),
            self.get(Counter::Matched),
            mean(Counter::Ours),
            mean(Counter::Theirs),
            self.get(Counter::Programs),
            self.get(Counter::Shorter),
            self.get(Counter::Longer),
            self.get(Counter::Faults),
            self.get(Counter::Known),
            self.get(Counter::Contradictions),
            self.get(Counter::Differences),
        )
    }
}

/// A line for [`Tally::add_line`].
impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("tally")?;
        NAMES.iter().zip(self.0).try_for_each(|(name, value)| write!(f, " {name}={value}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_add_up() {
        let mut one = Tally::new();
        one.add(Counter::Accepted, 3);
        one.add(Counter::Differences, 2);
        let mut sum = one;
        sum.add_line(&one.to_string());
        assert_eq!((sum.get(Counter::Accepted), sum.get(Counter::Differences)), (6, 4));
    }
}
