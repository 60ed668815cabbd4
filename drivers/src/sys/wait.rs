//! Sleeping until a descriptor says something: poll(2), eventfd(2), epoll(7).

use super::{check, owned, uncancelled};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::time::Duration;

/// What [`poll`] found on one descriptor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ready {
    /// Something can be read.
    pub readable: bool,
    /// An error waits, or the other end is gone.
    pub failed: bool,
}

/// Sleeps until one of `fds` is readable or has an error, or `timeout` is over (`None`: never).
///
/// # Errors
/// `Interrupted` after a signal, and what else poll(2) says.
pub fn poll<const N: usize>(fds: [BorrowedFd<'_>; N], timeout: Option<Duration>) -> io::Result<[Ready; N]> {
    poll_numbers(fds.map(|fd| fd.as_raw_fd()), timeout)
}

/// As [`poll`], for descriptors whose owner gave only their numbers. One that is not open has an error.
///
/// # Errors
/// As [`poll`].
pub fn poll_numbers<const N: usize>(fds: [RawFd; N], timeout: Option<Duration>) -> io::Result<[Ready; N]> {
    let mut polled = fds.map(|fd| libc::pollfd { fd, events: libc::POLLIN, revents: 0 });
    let mut timeout = timeout.map(|t| libc::timespec {
        tv_sec: libc::time_t::try_from(t.as_secs()).unwrap_or(libc::time_t::MAX),
        tv_nsec: t.subsec_nanos().into(),
    });
    let timeout = timeout.as_mut().map_or(std::ptr::null_mut(), std::ptr::from_mut);
    // SAFETY: rules 1 to 3: `N` pollfds that the kernel fills, a timespec or NULL.
    check(unsafe { uncancelled::ppoll(polled.as_mut_ptr(), N as libc::nfds_t, timeout) })?;
    let failed = libc::POLLERR | libc::POLLHUP | libc::POLLNVAL;
    Ok(polled.map(|p| Ready { readable: p.revents & libc::POLLIN != 0, failed: p.revents & failed != 0 }))
}

/// A descriptor that is readable while it is set.
pub struct Event(OwnedFd);

impl Event {
    /// One that is not set.
    ///
    /// # Errors
    /// What eventfd(2) says.
    pub fn new() -> io::Result<Event> {
        // SAFETY: no memory is passed.
        owned(unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) }.into()).map(Event)
    }

    /// Sets it. Async-signal-safe.
    pub fn set(&self) {
        let one = 1u64;
        // SAFETY: eight bytes of a local. A counter that is full stays set.
        unsafe { uncancelled::write(self.0.as_raw_fd(), (&raw const one).cast(), size_of::<u64>()) };
    }

    /// Clears it. True when it was set.
    pub fn clear(&self) -> bool {
        let mut count = 0u64;
        // SAFETY: eight bytes of a local; the descriptor never blocks.
        unsafe { uncancelled::read(self.0.as_raw_fd(), (&raw mut count).cast(), size_of::<u64>()) > 0 }
    }

    /// The descriptor.
    pub fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// A descriptor that is readable while one of several others is.
pub struct Any(OwnedFd);

impl Any {
    /// Of none yet.
    ///
    /// # Errors
    /// What epoll_create1(2) says.
    pub fn new() -> io::Result<Any> {
        // SAFETY: no memory is passed.
        owned(unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) }.into()).map(Any)
    }

    /// Also of `fd`, until that is closed.
    ///
    /// # Errors
    /// What epoll_ctl(2) says.
    pub fn add(&self, fd: BorrowedFd<'_>) -> io::Result<()> {
        self.add_number(fd.as_raw_fd())
    }

    /// As [`Any::add`], for a descriptor whose owner gave only its number.
    ///
    /// # Errors
    /// As [`Any::add`]; `EBADF` for one that is not open.
    pub fn add_number(&self, fd: RawFd) -> io::Result<()> {
        let mut event = libc::epoll_event { events: libc::EPOLLIN as u32, u64: 0 };
        let any = self.0.as_raw_fd();
        // SAFETY: rules 1 to 3; a number that is no open descriptor is refused.
        check(unsafe { libc::epoll_ctl(any, libc::EPOLL_CTL_ADD, fd, &mut event) }.into()).map(drop)
    }

    /// The descriptor's number.
    pub fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_readable_while_it_is_set() {
        let (event, other, any) = (Event::new().unwrap(), Event::new().unwrap(), Any::new().unwrap());
        any.add(event.as_fd()).unwrap();
        any.add(other.as_fd()).unwrap();
        let look = || poll([event.as_fd(), any.0.as_fd()], Some(Duration::ZERO)).unwrap().map(|r| r.readable);
        assert_eq!(look(), [false, false]);
        event.set();
        event.set();
        assert_eq!(look(), [true, true]);
        assert!(event.clear() && !event.clear());
        assert_eq!(look(), [false, false]);
        other.set();
        assert_eq!(look(), [false, true]);
    }
}
