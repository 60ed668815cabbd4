//! Rates while it runs, and at the end.

use crate::units::{bits, per_second, pps};
use std::time::{Duration, Instant};

/// Bytes that a frame takes on a wire beside its own: checksum 4, preamble 8, gap 12.
const WIRE_OVERHEAD: u64 = 24;
/// Frames between two readings of the clock.
const LOOK_EVERY: u64 = 64;

/// Counts frames; prints their rate to standard error each interval.
pub struct Meter {
    interval: Duration,
    started: Instant,
    /// When frames were counted last, as far as the clock was read.
    ended: Instant,
    reported: Instant,
    total: Count,
    since_report: Count,
    since_look: u64,
}

#[derive(Clone, Copy, Default)]
struct Count {
    frames: u64,
    bytes: u64,
    batches: u64,
}

impl Meter {
    /// Starts now.
    pub fn start(interval: Duration) -> Meter {
        let now = Instant::now();
        let none = Count::default();
        Meter { interval, started: now, ended: now, reported: now, total: none, since_report: none, since_look: 0 }
    }

    /// Counts a batch.
    pub fn add(&mut self, frames: u64, bytes: u64) {
        for count in [&mut self.total, &mut self.since_report] {
            count.frames += frames;
            count.bytes += bytes;
            count.batches += 1;
        }
        self.since_look += frames;
        if self.since_look >= LOOK_EVERY {
            self.look();
        }
    }

    /// The time that the summary refers to begins now.
    pub fn restart_clock(&mut self) {
        self.started = Instant::now();
        self.ended = self.started;
    }

    /// Reads the clock; prints a line when an interval is over.
    pub fn look(&mut self) {
        let now = Instant::now();
        if std::mem::take(&mut self.since_look) > 0 {
            self.ended = now;
        }
        let time = now - self.reported;
        if time >= self.interval {
            let Count { frames, bytes, batches } = std::mem::take(&mut self.since_report);
            self.reported = now;
            eprintln!(
                "{}  {}  ({frames} frames in {:.3} s, {:.2} a batch)",
                pps(per_second(frames, time)),
                bits(per_second(bytes * 8, time)),
                time.as_secs_f64(),
                mean(frames, batches),
            );
        }
    }

    /// Until the next line is due.
    pub fn until_report(&self) -> Duration {
        self.interval.saturating_sub(self.reported.elapsed())
    }

    /// Frames counted.
    pub fn frames(&self) -> u64 {
        self.total.frames
    }

    /// `sent 1000000 frames, 60000000 bytes in 0.080 s: 12.500 Mpps, …` for the `verb` "sent".
    pub fn summary(mut self, verb: &str) -> String {
        self.look();
        let Count { frames, bytes, batches } = self.total;
        let time = self.ended - self.started;
        format!(
            "{verb} {frames} frames, {bytes} bytes in {:.3} s: {}, {} ({} on a wire), {:.2} frames a batch\n",
            time.as_secs_f64(),
            pps(per_second(frames, time)),
            bits(per_second(bytes * 8, time)),
            bits(per_second((bytes + frames * WIRE_OVERHEAD) * 8, time)),
            mean(frames, batches),
        )
    }
}

fn mean(sum: u64, count: u64) -> f64 {
    sum as f64 / count.max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_counts_all_batches() {
        let mut meter = Meter::start(Duration::from_secs(3600));
        meter.add(100, 6000);
        meter.add(50, 3000);
        assert_eq!(meter.frames(), 150);
        let summary = meter.summary("sent");
        assert!(summary.starts_with("sent 150 frames, 9000 bytes in 0.0"), "{summary}");
        assert!(summary.ends_with("75.00 frames a batch\n"), "{summary}");
    }
}
