//! What many readings came to.

use super::compare::Findings;
use std::fmt;

/// The names of the counters, as they are printed.
const NAMES: [&str; 8] = ["readings", "opened", "failed", "frames", "known", "different", "crashes", "lost"];

/// Counters of a run; they add up over processes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally([u64; NAMES.len()]);

/// A counter's place.
#[derive(Clone, Copy)]
#[repr(usize)]
pub enum Counter {
    /// Files read by both.
    Readings,
    /// Of them, those that libpcap opens.
    Opened,
    /// Those that it opens and that end with an error.
    Failed,
    /// Frames that both gave alike.
    Frames,
    /// Readings with a known difference.
    Known,
    /// With another.
    Different,
    /// In which the system's library crashed.
    Crashes,
    /// In which ours did, or nobody knows who.
    Lost,
}

impl Tally {
    /// A counter's value.
    pub fn get(&self, counter: Counter) -> u64 {
        self.0[counter as usize]
    }

    /// Counts up.
    pub fn add(&mut self, counter: Counter, by: u64) {
        self.0[counter as usize] += by;
    }

    /// Counts one reading.
    pub fn count(&mut self, findings: &Findings) {
        self.add(Counter::Readings, 1);
        self.add(Counter::Opened, findings.opened.into());
        self.add(Counter::Failed, findings.failed.into());
        self.add(Counter::Frames, findings.frames);
        self.add(Counter::Known, findings.known.is_some().into());
        self.add(Counter::Different, findings.difference.is_some().into());
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
}

/// A line for [`Tally::add_line`], and for people.
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
        let mut one = Tally::default();
        one.add(Counter::Frames, 3);
        let mut sum = one;
        sum.add_line(&one.to_string());
        assert_eq!((sum.get(Counter::Frames), sum.get(Counter::Different)), (6, 0));
    }
}
