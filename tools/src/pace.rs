//! Doing things at their time: sleep, then watch the clock for the last stretch.

use crate::cli::Error;
use crate::stop::Stop;
use std::num::NonZeroU64;
use std::time::{Duration, Instant};

/// How long before its time a sleeper rises: a wake-up from idle takes tens of microseconds, now and then more.
const WATCH: Duration = Duration::from_micros(80);

/// The start of a schedule. Due times count from it, so lateness of one step never moves the next: no drift.
pub struct Pace {
    start: Instant,
}

impl Pace {
    /// Starts now.
    pub fn start() -> Pace {
        // Without this the kernel may add 50 us to each sleep. Where it refuses, sleeps are only less exact.
        let _ = rustix::thread::set_current_timer_slack(NonZeroU64::new(1));
        Pace { start: Instant::now() }
    }

    /// Since the start.
    pub fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }

    /// Comes back `due` after the start, at once when that is past. True when the user wants to end.
    ///
    /// # Errors
    /// As [`Stop::wait`].
    pub fn until(&self, due: Duration, stop: &Stop) -> Result<bool, Error> {
        loop {
            let left = due.saturating_sub(self.elapsed());
            if left.is_zero() || stop.requested() {
                return Ok(stop.requested());
            }
            if left > WATCH {
                stop.wait(Some(left - WATCH))?;
            } else {
                std::hint::spin_loop();
            }
        }
    }
}
