//! Time for frames: CLOCK_REALTIME in nanoseconds, mostly from the processor's counter.
//!
//! Reading the counter costs 12 ns, the system's clock 30. Between two readings of the system's clock, at most
//! [`STEP_NS`] apart, time is the last reading plus counted ticks at the rate of the interval before; so a wrong rate
//! can be wrong only for that long, and a clock that is set is followed within it.

use crate::sys;

const STEP_NS: u64 = 10_000_000;

/// A clock of one thread's own.
pub struct Clock {
    anchor_ticks: u64,
    anchor_ns: u64,
    /// Nanoseconds per tick, 32 bits after the point; 0 = not known yet.
    rate: u64,
    /// The anchor serves this many ticks.
    valid_ticks: u64,
    last_ns: u64,
}

/// A moment, to be compared with others of this thread's.
#[derive(Clone, Copy, Debug, Default)]
pub struct Moment(u64);

impl Default for Clock {
    fn default() -> Self {
        Clock::new()
    }
}

impl Clock {
    /// A clock that has not ticked yet.
    pub fn new() -> Clock {
        Clock { anchor_ticks: 0, anchor_ns: 0, rate: 0, valid_ticks: 0, last_ns: 0 }
    }

    /// Nanoseconds of CLOCK_REALTIME; never less than the last time, unless the system's clock was set back by more
    /// than a step.
    #[inline]
    pub fn now(&mut self) -> u64 {
        match ticks() {
            Some(ticks) => self.at(ticks),
            None => {
                self.last_ns = sys::realtime_ns();
                self.last_ns
            }
        }
    }

    /// This moment, which costs no more than reading the counter.
    #[inline(always)]
    pub fn moment() -> Moment {
        Moment(ticks().unwrap_or(0))
    }

    /// Whether moments have times without asking the system, once the clock has ticked for a while.
    #[inline]
    pub fn counts() -> bool {
        ticks().is_some()
    }

    /// The time of a moment just now, if it came at most `ns` nanoseconds after the other one and that can be told.
    #[inline(always)]
    pub fn time_if_soon(&mut self, moment: Moment, after: Moment, ns: u64) -> Option<u64> {
        let time = self.at(moment.0);
        let passed = (u128::from(moment.0.wrapping_sub(after.0)) * u128::from(self.rate)) >> 32;
        (self.rate != 0 && passed <= u128::from(ns)).then_some(time)
    }

    /// The time at which the counter has shown this.
    #[inline(always)]
    fn at(&mut self, ticks: u64) -> u64 {
        let passed = ticks.wrapping_sub(self.anchor_ticks);
        if passed >= self.valid_ticks {
            return self.read_system();
        }
        let ns = self.anchor_ns + ((u128::from(passed) * u128::from(self.rate)) >> 32) as u64;
        if ns > self.last_ns {
            self.last_ns = ns;
        }
        self.last_ns
    }

    /// The time that the last call of [`Clock::now`] gave.
    #[inline]
    pub fn last(&self) -> u64 {
        self.last_ns
    }

    #[cold]
    fn read_system(&mut self) -> u64 {
        let (ticks, ns) = read_both();
        let passed_ticks = ticks.wrapping_sub(self.anchor_ticks);
        let passed_ns = ns.wrapping_sub(self.anchor_ns);
        // A rate is learned from intervals long enough to be exact and short enough not to hold a clock step.
        if self.anchor_ns == 0 || passed_ns > 100 * STEP_NS || passed_ticks == 0 {
            (self.anchor_ticks, self.anchor_ns) = (ticks, ns);
            self.valid_ticks = 0;
        } else if passed_ns >= STEP_NS {
            self.rate = ((u128::from(passed_ns) << 32) / u128::from(passed_ticks)) as u64;
            self.valid_ticks = ((u128::from(STEP_NS) << 32) / u128::from(self.rate.max(1))) as u64;
            (self.anchor_ticks, self.anchor_ns) = (ticks, ns);
        }
        if ns > self.last_ns || self.last_ns - ns > STEP_NS {
            self.last_ns = ns;
        }
        self.last_ns
    }
}

/// The counter and the system's clock at the same moment: of some tries the closest, since a thread may be kept from
/// running between the two.
fn read_both() -> (u64, u64) {
    let mut best = (0, 0);
    let mut closest = u64::MAX;
    for _ in 0..4 {
        let before = ticks().unwrap_or(0);
        let ns = sys::realtime_ns();
        let apart = ticks().unwrap_or(0).wrapping_sub(before);
        if apart < closest {
            (closest, best) = (apart, (before + apart / 2, ns));
        }
        // A few hundred ticks are the usual cost of the call; more than that, and it was interrupted.
        if apart < 2_000 {
            break;
        }
    }
    best
}

/// The processor's counter, where it runs at a constant rate on all processors.
#[inline(always)]
fn ticks() -> Option<u64> {
    #[cfg(target_arch = "x86_64")]
    {
        use std::sync::atomic::{AtomicU8, Ordering};
        static CONSTANT: AtomicU8 = AtomicU8::new(0);
        // ORDER: Relaxed; a cached answer that every thread computes alike.
        match CONSTANT.load(Ordering::Relaxed) {
            // SAFETY: RDTSC exists on every x86-64 processor.
            2 => Some(unsafe { core::arch::x86_64::_rdtsc() }),
            1 => None,
            _ => {
                let constant = counter_is_constant();
                CONSTANT.store(if constant { 2 } else { 1 }, Ordering::Relaxed);
                None
            }
        }
    }
    #[cfg(target_arch = "aarch64")]
    {
        let t: u64;
        // SAFETY: the virtual counter can be read from user space on Linux.
        unsafe { core::arch::asm!("mrs {}, cntvct_el0", out(reg) t, options(nostack, nomem, preserves_flags)) };
        Some(t)
    }
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    {
        None
    }
}

/// Whether the kernel itself keeps time by the counter, the best proof that it is constant everywhere.
#[cfg(target_arch = "x86_64")]
fn counter_is_constant() -> bool {
    std::fs::read_to_string("/sys/devices/system/clocksource/clocksource0/current_clocksource")
        .is_ok_and(|s| matches!(s.trim(), "tsc" | "kvm-clock" | "hyperv_clocksource_tsc_page"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn last_is_what_now_gave_from_the_first_time_on() {
        // The first clock of a process is asked before it is known whether the counter serves.
        for _ in 0..3 {
            let mut c = Clock::new();
            assert_eq!(c.now(), c.last());
        }
    }

    #[test]
    fn follows_the_system_clock() {
        let mut c = Clock::new();
        let end = sys::realtime_ns() + 80_000_000;
        let mut worst = 0i64;
        let mut last = 0;
        loop {
            let before = sys::realtime_ns();
            let t = c.now();
            let after = sys::realtime_ns();
            assert!(t >= last, "time went back");
            last = t;
            // A preempted round says nothing.
            if after - before < 2_000 {
                worst = worst.max((t as i64 - after as i64).abs().max(before as i64 - t as i64));
            }
            if after > end {
                break;
            }
        }
        assert!(worst < 200_000, "off by {worst} ns");
    }

    #[test]
    fn a_moment_just_now_has_a_time() {
        let mut c = Clock::new();
        let end = sys::realtime_ns() + 80_000_000;
        let mut told = 0;
        while sys::realtime_ns() < end {
            let (before, first) = (sys::realtime_ns(), Clock::moment());
            let second = Clock::moment();
            let time = c.time_if_soon(second, first, 1_000_000);
            assert!(time.is_none_or(|t| t + 200_000 > before && t < sys::realtime_ns() + 200_000));
            told += u32::from(time.is_some());
            assert_eq!(c.time_if_soon(first, second, 1_000_000), None, "the earlier one is not after the later one");
        }
        assert!(told > 0 || ticks().is_none());
    }
}
