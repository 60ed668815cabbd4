//! A clean end on SIGINT or SIGTERM.

use crate::cli::Error;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use std::io::Write;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Whether the user wants us to end. The first signal asks for it; a second one ends the process as if nobody
/// had caught it, for the case that we hang.
pub struct Stop {
    requested: Arc<AtomicBool>,
    /// Readable from the first signal on; never read.
    readable: UnixStream,
    written: UnixStream,
}

impl Stop {
    /// Catches the signals from now on.
    ///
    /// # Errors
    /// [`Error::Failed`] when the system refuses a descriptor or a handler.
    pub fn on_signals() -> Result<Stop, Error> {
        let failed = |e| Error::io("catching signals", e);
        let requested = Arc::new(AtomicBool::new(false));
        let (readable, written) = UnixStream::pair().map_err(failed)?;
        for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
            // In this order: the second signal finds the flag set.
            signal_hook::flag::register_conditional_default(signal, requested.clone()).map_err(failed)?;
            signal_hook::flag::register(signal, requested.clone()).map_err(failed)?;
            signal_hook::low_level::pipe::register(signal, written.try_clone().map_err(failed)?).map_err(failed)?;
        }
        Ok(Stop { requested, readable, written })
    }

    /// Ends all as a signal would.
    pub fn request(&self) {
        // ORDER: Relaxed; nothing else is published with the flag.
        self.requested.store(true, Ordering::Relaxed);
        // One byte in an otherwise empty stream: does not block, and what matters is that it is readable.
        let _ = (&self.written).write(&[0]);
    }

    /// A signal has come, or [`Stop::request`] was called.
    pub fn requested(&self) -> bool {
        // ORDER: Relaxed; nothing else is published with the flag.
        self.requested.load(Ordering::Relaxed)
    }

    /// Sleeps until a signal comes or `timeout` is over (`None`: for ever). True when we shall end.
    ///
    /// # Errors
    /// [`Error::Failed`] when the system refuses to poll.
    pub fn wait(&self, timeout: Option<Duration>) -> Result<bool, Error> {
        self.wait_for(&[], timeout).map(|_| self.requested())
    }

    /// As [`Stop::wait`], also until one of `fds` is readable. Returns which of them are.
    ///
    /// # Errors
    /// As [`Stop::wait`].
    pub fn wait_for(&self, fds: &[BorrowedFd<'_>], timeout: Option<Duration>) -> Result<Vec<bool>, Error> {
        let deadline = timeout.and_then(|t| Instant::now().checked_add(t));
        let mut polled: Vec<PollFd<'_>> = Vec::with_capacity(fds.len() + 1);
        polled.push(PollFd::from_borrowed_fd(self.readable.as_fd(), PollFlags::IN));
        polled.extend(fds.iter().map(|fd| PollFd::from_borrowed_fd(*fd, PollFlags::IN)));
        loop {
            let left = deadline.map(|d| timespec(d.saturating_duration_since(Instant::now())));
            match poll(&mut polled, left.as_ref()) {
                Ok(_) => return Ok(polled[1..].iter().map(|fd| !fd.revents().is_empty()).collect()),
                // The signal's handler has run: the next look finds our descriptor readable if it was one of ours.
                Err(Errno::INTR) => {}
                Err(e) => return Err(Error::io("poll", e)),
            }
        }
    }
}

fn timespec(duration: Duration) -> Timespec {
    Timespec { tv_sec: i64::try_from(duration.as_secs()).unwrap_or(i64::MAX), tv_nsec: duration.subsec_nanos().into() }
}
