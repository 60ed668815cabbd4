//! Contestants that do the same work over and over, by themselves.

use crate::clock;
use crate::contest::{Contestant, Outcome};

/// Some work, and what of it is not to be counted.
pub struct Work<'a> {
    /// One turn of it; returns how many calls that was.
    pub turn: Box<dyn FnMut() -> u64 + 'a>,
    /// The same without the calls.
    pub empty: Option<Box<dyn FnMut() + 'a>>,
}

impl<'a> Work<'a> {
    /// Work that counts whole.
    pub fn whole(turn: impl FnMut() -> u64 + 'a) -> Work<'a> {
        Work { turn: Box::new(turn), empty: None }
    }

    /// Work of which the loop around it is taken off.
    pub fn inside(turn: impl FnMut() -> u64 + 'a, empty: impl FnMut() + 'a) -> Work<'a> {
        Work { turn: Box::new(turn), empty: Some(Box::new(empty)) }
    }
}

impl Contestant for Work<'_> {
    fn round(&mut self, ms: u64, _number: u64) -> Result<Outcome, String> {
        let end = clock::now_ns() + ms * 1_000_000;
        let (mut calls, mut ns) = (0, 0i64);
        loop {
            let begun = clock::now_ns();
            calls += (self.turn)();
            let done = clock::now_ns();
            ns += (done - begun) as i64;
            if let Some(empty) = &mut self.empty {
                empty();
                ns -= (clock::now_ns() - done) as i64;
            }
            if clock::now_ns() >= end {
                break;
            }
        }
        // What takes no time at all is not known better than to a tenth of a nanosecond.
        let seconds = (ns as f64).max(calls as f64 / 10.0) / 1e9;
        Ok(Outcome { sent: calls, received: calls, seconds, ..Outcome::default() })
    }

    fn crosses_cpus(&self) -> bool {
        false
    }
}
