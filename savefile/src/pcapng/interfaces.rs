//! Interfaces of a section: all that is kept of one is how to read its times.
//!
//! A section may describe as many interfaces as it likes. Neighbours whose times are alike share an entry, and so many
//! entries are allowed that no real file needs them: otherwise a small compressed file could ask for gigabytes.

use super::options::Resolution;
use crate::Precision;
use crate::error::PcapngError;

/// Entries of a section at most: 4 MiB of them.
const MOST: usize = 1 << 16;

pub(super) struct Interfaces {
    runs: Vec<Run>,
    count: u32,
    /// The run that was asked for last, and its interfaces: from the first, so many.
    last: Times,
    first: u32,
    interfaces: u32,
}

/// Interfaces in a row whose times are alike, up to and without `end`.
struct Run {
    end: u32,
    times: Times,
}

impl Interfaces {
    pub(super) fn new(precision: Precision) -> Interfaces {
        let microseconds = Resolution { units: 1_000_000, binary: false };
        let last = Times::new(microseconds, 0, precision);
        Interfaces { runs: Vec::new(), count: 0, last, first: 0, interfaces: 0 }
    }

    /// A new section has none.
    pub(super) fn clear(&mut self) {
        self.runs.clear();
        (self.count, self.first, self.interfaces) = (0, 0, 0);
    }

    /// Adds the next interface.
    ///
    /// # Errors
    /// There are too many.
    pub(super) fn add(&mut self, times: Times) -> Result<(), PcapngError> {
        const LARGEST: u32 = 1 << 31;
        if self.count == LARGEST {
            return Err(PcapngError::TooManyInterfaces(LARGEST));
        }
        let full = self.runs.len() == MOST;
        match self.runs.last_mut() {
            Some(run) if run.times.is_like(&times) => run.end += 1,
            _ if full => return Err(PcapngError::TooManyInterfaces(MOST as u32)),
            _ => self.runs.push(Run { end: self.count + 1, times }),
        }
        self.count += 1;
        Ok(())
    }

    /// The times of an interface; `None` when the section has no such one.
    #[inline(always)]
    pub(super) fn times(&mut self, interface: u32) -> Option<&mut Times> {
        if interface.wrapping_sub(self.first) >= self.interfaces {
            self.look_up(interface)?;
        }
        Some(&mut self.last)
    }

    #[cold]
    fn look_up(&mut self, interface: u32) -> Option<()> {
        let at = self.runs.partition_point(|run| run.end <= interface);
        let run = self.runs.get(at)?;
        self.first = at.checked_sub(1).and_then(|before| self.runs.get(before)).map_or(0, |before| before.end);
        self.interfaces = run.end - self.first;
        self.last = run.times.clone();
        Some(())
    }
}

/// What turns an interface's times into seconds and fractions of those asked for.
///
/// Frames come in the order of time, more or less: the second that one fell into is kept, and no division is needed for
/// the next in it.
#[derive(Clone)]
pub(super) struct Times {
    /// Units in a second.
    units: u64,
    offset: i64,
    scale: Scale,
    /// A second that a frame fell into: where it begins, and its number, the offset added.
    begin: u64,
    second: i64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Scale {
    Same,
    Up(u64),
    ThousandDown,
    Down(u64),
    /// Powers of two: the fractions asked for in a second, and by how many bits the product is moved.
    Binary(u64, u32),
}

impl Times {
    pub(super) fn new(Resolution { units, binary }: Resolution, offset: i64, precision: Precision) -> Times {
        let asked: u64 = match precision {
            Precision::Micro => 1_000_000,
            Precision::Nano => 1_000_000_000,
        };
        let scale = if units == asked {
            Scale::Same
        } else if binary {
            Scale::Binary(asked, units.trailing_zeros())
        } else if units < asked {
            Scale::Up(asked / units)
        } else if units / asked == 1000 {
            Scale::ThousandDown
        } else {
            Scale::Down(units / asked)
        };
        Times { units, offset, scale, begin: 0, second: offset }
    }

    fn is_like(&self, other: &Times) -> bool {
        (self.units, self.offset, self.scale) == (other.units, other.offset, other.scale)
    }

    /// Seconds and fraction of a time.
    #[inline(always)]
    pub(super) fn split(&mut self, time: u64) -> (i64, i64) {
        // Both questions: near the end of the counter the difference may wrap into a second.
        if time < self.begin || time.wrapping_sub(self.begin) >= self.units {
            self.another_second(time);
        }
        let within = time.wrapping_sub(self.begin);
        let fraction = match self.scale {
            Scale::Same => within,
            Scale::Up(factor) => within * factor,
            Scale::ThousandDown => within / 1000,
            Scale::Down(divisor) => within / divisor,
            Scale::Binary(asked, bits) => ((u128::from(within) * u128::from(asked)) >> bits) as u64,
        };
        (self.second, fraction as i64)
    }

    #[cold]
    fn another_second(&mut self, time: u64) {
        let second = time / self.units;
        self.begin = second * self.units;
        self.second = (second as i64).wrapping_add(self.offset);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn decimal(exponent: u32) -> Resolution {
        Resolution { units: 10u64.pow(exponent), binary: false }
    }

    #[test]
    fn interfaces_alike_share_an_entry() {
        let mut interfaces = Interfaces::new(Precision::Micro);
        for _ in 0..100_000 {
            interfaces.add(Times::new(decimal(6), 0, Precision::Micro)).unwrap();
        }
        interfaces.add(Times::new(decimal(9), 7, Precision::Micro)).unwrap();
        assert_eq!(interfaces.runs.len(), 2);
        assert_eq!(interfaces.times(99_999).unwrap().split(1_500_000), (1, 500_000));
        assert_eq!(interfaces.times(100_000).unwrap().split(1_500_000_000), (8, 500_000));
        assert_eq!(interfaces.times(0).unwrap().split(1), (0, 1));
        assert!(interfaces.times(100_001).is_none());
        interfaces.clear();
        assert!(interfaces.times(0).is_none());
    }

    #[test]
    fn entries_are_bounded() {
        let mut interfaces = Interfaces::new(Precision::Micro);
        let added = (0..MOST as i64 + 1).map(|i| interfaces.add(Times::new(decimal(6), i, Precision::Micro)));
        assert_eq!(added.last(), Some(Err(PcapngError::TooManyInterfaces(65_536))));
        assert!(size_of::<Run>() <= 64);
    }

    proptest! {
        #[test]
        fn times_are_split_as_division_does(
            exponent in 0u32..64,
            binary: bool,
            nano: bool,
            offset: i64,
            times in proptest::collection::vec(any::<u64>(), 1..20),
            near in proptest::collection::vec(0u64..5_000_000_000, 1..20),
        ) {
            let resolution =
                if binary { Resolution { units: 1 << exponent, binary } } else { decimal(exponent % 20) };
            let precision = if nano { Precision::Nano } else { Precision::Micro };
            let asked: u128 = if nano { 1_000_000_000 } else { 1_000_000 };
            let mut split = Times::new(resolution, offset, precision);
            for time in times.into_iter().chain(near) {
                let (second, within) = (time / resolution.units, u128::from(time % resolution.units));
                let expected = (within * asked / u128::from(resolution.units)) as i64;
                prop_assert_eq!(split.split(time), ((second as i64).wrapping_add(offset), expected));
            }
        }
    }
}
