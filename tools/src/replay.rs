//! nmreplay's insides: when each frame of a capture is due, and where the frames come from.

use crate::cli::Error;
use crate::pcap::{Handle, PcapError, Read};
use std::time::Duration;

/// What decides when a frame goes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Timing {
    /// As far apart as in the file, divided by a factor.
    Recorded {
        /// 2 is twice as fast.
        speed: f64,
    },
    /// So many frames a second.
    Frames(f64),
    /// So many bits a second, counting the frames' bytes.
    Bits(f64),
    /// As fast as they go.
    Top,
}

/// Counts frames and says when the next one is due. A frame's time follows from the schedule alone, never from
/// when an earlier one really went.
#[derive(Debug)]
pub struct Schedule {
    timing: Timing,
    frames: u64,
    bytes: u64,
    /// The recorded time of this round's first frame.
    first_ns: Option<i64>,
    /// When this round's first frame is due.
    round: Duration,
    last: Duration,
}

impl Schedule {
    /// Nothing sent yet.
    pub fn new(timing: Timing) -> Schedule {
        Schedule { timing, frames: 0, bytes: 0, first_ns: None, round: Duration::ZERO, last: Duration::ZERO }
    }

    /// The file begins again: its first frame is due with the last one of the round before.
    pub fn next_round(&mut self) {
        self.first_ns = None;
        self.round = self.last;
    }

    /// When, counted from the start, a frame recorded at `time_ns` with `len` bytes is due; `None`: at once. A
    /// frame recorded before the round's first one is due with it.
    pub fn due(&mut self, time_ns: i64, len: usize) -> Option<Duration> {
        let seconds = match self.timing {
            Timing::Top => return None,
            Timing::Recorded { speed } => {
                let first = *self.first_ns.get_or_insert(time_ns);
                time_ns.saturating_sub(first).max(0) as f64 / 1e9 / speed
            }
            Timing::Frames(rate) => self.frames as f64 / rate,
            Timing::Bits(rate) => self.bytes as f64 * 8.0 / rate,
        };
        self.frames += 1;
        self.bytes += len as u64;
        let due = Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX);
        self.last = match self.timing {
            Timing::Recorded { .. } => self.round.saturating_add(due),
            _ => due,
        };
        Some(self.last)
    }
}

/// The frames of a capture file, from the file or, once read, from memory.
pub struct Source {
    path: String,
    from: From,
}

enum From {
    File(Handle),
    Memory { frames: Vec<Stored>, bytes: Vec<u8>, next: usize },
}

struct Stored {
    start: usize,
    len: usize,
    wire_len: u32,
    time_ns: i64,
}

/// One frame of the file.
#[derive(Clone, Copy, Debug)]
pub struct Recorded<'a> {
    /// Its bytes.
    pub bytes: &'a [u8],
    /// Nanoseconds since 1970.
    pub time_ns: i64,
    /// The file holds less of it than was on the wire.
    pub cut: bool,
}

impl Source {
    /// Opens a capture file; `-` is standard input.
    ///
    /// # Errors
    /// [`PcapError`].
    pub fn open(path: &str) -> Result<Source, PcapError> {
        Ok(Source { path: path.into(), from: From::File(Handle::open_file(path)?) })
    }

    /// Reads the rest of the file into memory.
    ///
    /// # Errors
    /// [`PcapError`].
    pub fn load(&mut self) -> Result<(), PcapError> {
        let (mut frames, mut bytes) = (Vec::new(), Vec::new());
        if let From::File(file) = &mut self.from {
            while let Read::Frame(frame) = file.read()? {
                frames.push(Stored {
                    start: bytes.len(),
                    len: frame.bytes.len(),
                    wire_len: frame.wire_len,
                    time_ns: frame.time_ns,
                });
                bytes.extend_from_slice(frame.bytes);
            }
            self.from = From::Memory { frames, bytes, next: 0 };
        }
        Ok(())
    }

    /// The link type of the file's frames; only before [`Source::load`].
    pub fn link_type(&mut self) -> Option<i32> {
        match &mut self.from {
            From::File(file) => Some(file.link_type()),
            From::Memory { .. } => None,
        }
    }

    /// The next frame; `None` at the end.
    ///
    /// # Errors
    /// [`PcapError`].
    pub fn next_frame(&mut self) -> Result<Option<Recorded<'_>>, PcapError> {
        match &mut self.from {
            From::File(file) => match file.read()? {
                Read::Frame(frame) => Ok(Some(Recorded {
                    bytes: frame.bytes,
                    time_ns: frame.time_ns,
                    cut: frame.wire_len as usize > frame.bytes.len(),
                })),
                Read::Nothing | Read::End => Ok(None),
            },
            From::Memory { frames, bytes, next } => Ok(frames.get(*next).map(|stored| {
                *next += 1;
                Recorded {
                    bytes: &bytes[stored.start..stored.start + stored.len],
                    time_ns: stored.time_ns,
                    cut: stored.wire_len as usize > stored.len,
                }
            })),
        }
    }

    /// Begins again.
    ///
    /// # Errors
    /// [`Error::Failed`] when the file can't be opened again.
    pub fn rewind(&mut self) -> Result<(), Error> {
        match &mut self.from {
            From::File(file) => *file = Handle::open_file(&self.path)?,
            From::Memory { next, .. } => *next = 0,
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(schedule: &mut Schedule, time_ns: i64) -> u64 {
        schedule.due(time_ns, 1_000).unwrap().as_micros() as u64
    }

    #[test]
    fn recorded_gaps_are_kept_and_scaled() {
        let mut schedule = Schedule::new(Timing::Recorded { speed: 2.0 });
        assert_eq!(at(&mut schedule, 5_000_000), 0);
        assert_eq!(at(&mut schedule, 7_000_000), 1_000);
        // A clock that stepped back while recording.
        assert_eq!(at(&mut schedule, 1_000_000), 0);
        assert_eq!(at(&mut schedule, 9_000_000), 2_000);
        schedule.next_round();
        assert_eq!(at(&mut schedule, 5_000_000), 2_000);
        assert_eq!(at(&mut schedule, 7_000_000), 3_000);
    }

    #[test]
    fn rates_go_on_over_rounds() {
        let mut schedule = Schedule::new(Timing::Frames(100.0));
        assert_eq!([at(&mut schedule, 9), at(&mut schedule, 9)], [0, 10_000]);
        schedule.next_round();
        assert_eq!(at(&mut schedule, 9), 20_000);

        let mut schedule = Schedule::new(Timing::Bits(8e6));
        assert_eq!([at(&mut schedule, 9), at(&mut schedule, 9)], [0, 1_000]);
        assert_eq!(Schedule::new(Timing::Top).due(9, 9), None);
    }

    #[test]
    fn absurd_times_are_not_due_rather_than_wrong() {
        let mut schedule = Schedule::new(Timing::Recorded { speed: 1e-300 });
        assert_eq!(schedule.due(i64::MIN, 60), Some(Duration::ZERO));
        assert_eq!(schedule.due(i64::MAX, 60), Some(Duration::MAX));
        schedule.next_round();
        schedule.due(0, 60);
        assert_eq!(schedule.due(1, 60), Some(Duration::MAX));
    }
}
