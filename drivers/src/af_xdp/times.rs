//! The times of frames: CLOCK_MONOTONIC in the kernel's program, CLOCK_REALTIME for who captures.

use crate::sys::xdp::monotonic_ns;
use nm_core::sys::realtime_ns;

/// How long the difference of the two clocks is taken to stay what it was: a clock that is set is followed within it.
const REFRESH_NS: u64 = 50_000_000;

/// What has to be added to one clock to get the other.
pub struct Times {
    offset: u64,
    /// The last time of the first clock for which it holds.
    valid_until: u64,
}

impl Times {
    pub fn new() -> Times {
        Times { offset: 0, valid_until: 0 }
    }

    /// CLOCK_REALTIME when the other clock was at `monotonic`.
    #[inline(always)]
    pub fn realtime(&mut self, monotonic: u64) -> u64 {
        if monotonic > self.valid_until {
            self.refresh();
        }
        monotonic.wrapping_add(self.offset)
    }

    /// The same of any time but 0, while it is known without a look at the clocks.
    #[inline(always)]
    pub fn known(&self, monotonic: u64) -> Option<u64> {
        (monotonic.wrapping_sub(1) < self.valid_until).then(|| monotonic.wrapping_add(self.offset))
    }

    /// Of some tries the one that took least: a thread may be kept from running between two readings.
    #[cold]
    fn refresh(&mut self) {
        let mut least = u64::MAX;
        for _ in 0..3 {
            let before = monotonic_ns();
            let real = realtime_ns();
            let after = monotonic_ns();
            if after - before < least {
                least = after - before;
                self.offset = real.wrapping_sub(before + least / 2);
                self.valid_until = after + REFRESH_NS;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frames_time_is_that_of_the_systems_clock() {
        let mut times = Times::new();
        for _ in 0..100 {
            let before = realtime_ns();
            let told = times.realtime(monotonic_ns());
            let after = realtime_ns();
            // The clocks are read one after the other, and the thread may be kept from running meanwhile.
            assert!(told + 1_000_000 > before && told < after + 1_000_000, "{before} {told} {after}");
        }
        // A frame that is older than the difference.
        let now = monotonic_ns();
        assert!(times.realtime(now - 10_000_000) < times.realtime(now));
    }
}
