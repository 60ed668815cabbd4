//! Whether a reader that does not move has only been waiting for a processor.
//!
//! With more programs than processors its turn may come later than the flow-control time ends (six busy programs on two
//! processors: one transfer in forty lost frames so). What it waited for a processor does not count, then. /proc tells
//! (proc(5)): a thread that is runnable, and whose time on a processor does not grow, waits for one. Where /proc is out of
//! reach, or its numbers mean others there, nothing is found, and all time counts.

use std::time::{Duration, Instant};

/// Looks at one thread, now and then.
pub struct Waiting {
    thread: u32,
    /// When it was last looked at, and how long it had run then. `None`: not runnable.
    last: Option<(Instant, Option<u64>)>,
}

impl Waiting {
    /// To look at the thread with this number.
    pub fn new(thread: u32) -> Waiting {
        Waiting { thread, last: None }
    }

    /// Looks, if it is the first time since [`Waiting::forget`], and says whether.
    pub fn begin(&mut self, now: Instant) -> bool {
        let first = self.last.is_none();
        if first {
            self.last = Some((now, ran_ns(self.thread)));
        }
        first
    }

    /// How long the thread waited for a processor since the last look. `None`: there was none, or less than `least` ago.
    pub fn since_last_look(&mut self, now: Instant, least: Duration) -> Option<Duration> {
        let (at, ran_then) = self.last.filter(|(at, _)| now.duration_since(*at) >= least)?;
        let ran = ran_ns(self.thread);
        self.last = Some((now, ran));
        let Some((then, ran)) = ran_then.zip(ran) else { return Some(Duration::ZERO) };
        Some(now.duration_since(at).saturating_sub(Duration::from_nanos(ran.saturating_sub(then))))
    }

    /// It moved.
    pub fn forget(&mut self) {
        self.last = None;
    }
}

/// Whether a process is stopped, by a signal or a debugger. So it is also said of one that can't be looked at.
pub fn is_stopped(process: u32) -> bool {
    state(process).is_none_or(|state| "TtZX".contains(state))
}

/// The letter of proc(5) for a thread's state.
fn state(thread: u32) -> Option<char> {
    let stat = std::fs::read_to_string(format!("/proc/{thread}/stat")).ok()?;
    // The name, which may hold anything, ends at the last parenthesis; the state is next.
    let (_, after_name) = stat.rsplit_once(')')?;
    after_name.trim_start().chars().next()
}

/// How long a runnable thread has run, in nanoseconds, as far as the scheduler's last tick knows.
fn ran_ns(thread: u32) -> Option<u64> {
    if state(thread)? != 'R' {
        return None;
    }
    let schedstat = std::fs::read_to_string(format!("/proc/{thread}/schedstat")).ok()?;
    schedstat.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Child, Command};

    const LEAST: Duration = Duration::from_millis(20);

    /// A program that runs for ever, on the first processor.
    struct Busy(Child);

    impl Busy {
        fn start(niceness: &str) -> Busy {
            let mut command = Command::new("taskset");
            command.args(["-c", "0", "nice", "-n", niceness, "sh", "-c", "while :; do :; done"]);
            Busy(command.spawn().expect("taskset(1)"))
        }
    }

    impl Drop for Busy {
        fn drop(&mut self) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }

    #[test]
    fn who_gets_a_seventieth_of_a_processor_waits_for_it() {
        let (_other, meek) = (Busy::start("0"), Busy::start("19"));
        let mut waiting = Waiting::new(meek.0.id());
        waiting.begin(Instant::now());
        let found = (0..500).any(|_| {
            std::thread::sleep(LEAST);
            waiting.since_last_look(Instant::now(), LEAST / 2).is_some_and(|waited| waited >= LEAST)
        });
        assert!(found);
    }

    #[test]
    fn who_sleeps_or_is_not_there_does_not_wait() {
        let mut sleeper = Command::new("sleep").arg("60").spawn().expect("sleep(1)");
        assert!(!is_stopped(sleeper.id()) && is_stopped(u32::MAX));
        for thread in [sleeper.id(), u32::MAX] {
            let mut waiting = Waiting::new(thread);
            std::thread::sleep(LEAST);
            let now = Instant::now();
            assert_eq!(waiting.since_last_look(now, LEAST), None, "not looked yet");
            assert!(waiting.begin(now) && !waiting.begin(now + LEAST));
            assert_eq!(waiting.since_last_look(now + LEAST / 2, LEAST), None, "too soon");
            assert_eq!(waiting.since_last_look(now + LEAST, LEAST), Some(Duration::ZERO));
        }
        sleeper.kill().expect("it runs");
        sleeper.wait().expect("our child");
    }
}
