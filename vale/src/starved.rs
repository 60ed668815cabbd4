//! Whether a reader that does not move has only been waiting for a processor.
//!
//! With more programs than processors its turn may come later than the flow-control time ends (six busy programs on two
//! processors: one transfer in forty lost frames so). What it waited for a processor does not count, then. /proc tells
//! (proc(5)): how long a thread has run, and how long it waited, as far as that is over. One that is runnable has waited for all the
//! time that it did not run: if it slept for some of it, that is not told, and is to its benefit. Where /proc is out of
//! reach, or its numbers mean others there, nothing is found, and all time counts.
//!
//! While nobody has waited for frames at a port, its reader may be any thread of the process that opened it, and who sends may be
//! that process. A thread that looks at itself does not wait for a processor.

use nm_core::shm::port_page::OPENER;
use nm_core::sys;
use std::time::{Duration, Instant};

/// Of a process with more threads only so many are looked at: each takes some microseconds.
const MOST_THREADS: usize = 64;

/// Looks at one thread, now and then.
pub struct Waiting {
    thread: u32,
    /// Any other one of its process may be meant.
    opener: bool,
    /// When was looked last, and what was seen.
    last: Option<(Instant, Vec<Seen>)>,
}

/// What a thread has done so far, as far as the scheduler's last tick knows.
#[derive(Clone, Copy, Debug)]
struct Seen {
    thread: u32,
    runnable: bool,
    ran: Duration,
    waited: Duration,
}

impl Seen {
    fn look(thread: u32, runnable: bool) -> Option<Seen> {
        times(thread).map(|(ran, waited)| Seen { thread, runnable, ran, waited })
    }

    /// How long it waited for a processor since it was seen so, as long ago.
    fn waited_since(self, before: Seen, ago: Duration) -> Duration {
        let not_run = ago.saturating_sub(self.ran.saturating_sub(before.ran));
        if self.runnable { not_run } else { not_run.min(self.waited.saturating_sub(before.waited)) }
    }
}

impl Waiting {
    /// To look at a thread: [`nm_core::shm::port_page::SleepLine::thread`].
    pub fn new(thread: u32) -> Waiting {
        Waiting { thread: thread & !OPENER, opener: thread & OPENER != 0, last: None }
    }

    /// Looks, if it is the first time since [`Waiting::forget`], and says whether the thread is runnable: then nobody can tell how
    /// long it has waited.
    pub fn begin(&mut self, now: Instant) -> Option<bool> {
        if self.last.is_some() {
            return None;
        }
        let seen = self.see();
        let runnable = seen.iter().any(|seen| seen.runnable);
        self.last = Some((now, seen));
        Some(runnable)
    }

    /// How long the thread waited for a processor since the last look. `None`: there was none, or less than `least` ago.
    pub fn since_last_look(&mut self, now: Instant, least: Duration) -> Option<Duration> {
        let (at, before) = self.last.take_if(|(at, _)| now.duration_since(*at) >= least)?;
        let seen = self.see();
        // Of several that may be meant, the one that waited longest: while the others run, it does not.
        let waited = seen.iter().filter_map(|seen| {
            let before = before.iter().find(|before| before.thread == seen.thread)?;
            Some(seen.waited_since(*before, now.duration_since(at)))
        });
        let waited = waited.max().unwrap_or_default();
        self.last = Some((now, seen));
        Some(waited)
    }

    /// It moved.
    pub fn forget(&mut self) {
        self.last = None;
    }

    fn see(&self) -> Vec<Seen> {
        let own = sys::thread_id();
        let waits = |thread: u32| thread != own && state(thread) == Some('R');
        let runnable = waits(self.thread);
        if runnable || !self.opener {
            return Seen::look(self.thread, runnable).into_iter().collect();
        }
        let others = threads_of(self.thread).filter(|thread| *thread != own).take(MOST_THREADS);
        others.filter_map(|thread| Seen::look(thread, waits(thread))).collect()
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

/// All threads of a thread's process.
fn threads_of(thread: u32) -> impl Iterator<Item = u32> {
    let tasks = std::fs::read_dir(format!("/proc/{thread}/task")).into_iter().flatten().flatten();
    tasks.filter_map(|task| task.file_name().to_str()?.parse().ok())
}

/// How long a thread has run, and how long it has waited for a processor.
fn times(thread: u32) -> Option<(Duration, Duration)> {
    let schedstat = std::fs::read_to_string(format!("/proc/{thread}/schedstat")).ok()?;
    let mut words = schedstat.split_whitespace().map(|word| word.parse().ok().map(Duration::from_nanos));
    let (ran, waited) = (words.next()??, words.next()??);
    // A kernel that counts neither says 0.
    (!ran.is_zero()).then_some((ran, waited))
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
        while state(sleeper.id()) != Some('S') {
            std::thread::sleep(LEAST);
        }
        assert!(!is_stopped(sleeper.id()) && is_stopped(u32::MAX));
        for thread in [sleeper.id(), !OPENER] {
            let mut waiting = Waiting::new(thread);
            std::thread::sleep(LEAST);
            let now = Instant::now();
            assert_eq!(waiting.since_last_look(now, LEAST), None, "not looked yet");
            assert_eq!((waiting.begin(now), waiting.begin(now + LEAST)), (Some(false), None));
            assert_eq!(waiting.since_last_look(now + LEAST / 2, LEAST), None, "too soon");
            assert_eq!(waiting.since_last_look(now + LEAST, LEAST), Some(Duration::ZERO));
        }
        sleeper.kill().expect("it runs");
        sleeper.wait().expect("our child");
    }

    #[test]
    fn what_is_not_told_is_to_the_readers_benefit() {
        let seen = |runnable, ran, waited| Seen { thread: 1, runnable, ran: LEAST * ran, waited: LEAST * waited };
        let before = seen(false, 10, 10);
        for (now, waited) in [
            (seen(true, 10, 10), 5),
            (seen(true, 12, 10), 3),
            (seen(true, 17, 10), 0),
            (seen(false, 10, 10), 0),
            (seen(false, 11, 12), 2),
            (seen(false, 12, 99), 3),
        ] {
            assert_eq!(now.waited_since(before, LEAST * 5), LEAST * waited, "{now:?}");
        }
    }

    #[test]
    fn who_looks_at_itself_does_not_wait_but_others_of_its_process_may() {
        let own = sys::thread_id();
        assert_eq!(Waiting::new(own).begin(Instant::now()), Some(false));
        let over = std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|threads| {
            // ORDER: Relaxed; nothing comes with it.
            threads.spawn(|| {
                while !over.load(std::sync::atomic::Ordering::Relaxed) {
                    std::hint::spin_loop();
                }
            });
            // It is seen when it has run for a tick of the scheduler's.
            let end = Instant::now() + Duration::from_secs(60);
            let seen = loop {
                match Waiting::new(own | OPENER).begin(Instant::now()) {
                    Some(false) if Instant::now() < end => std::thread::sleep(LEAST),
                    seen => break seen,
                }
            };
            over.store(true, std::sync::atomic::Ordering::Relaxed);
            assert_eq!(seen, Some(true));
        });
    }
}
