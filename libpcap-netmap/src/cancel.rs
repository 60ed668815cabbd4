//! Threads that others cancel (`pthread_cancel`): programs end their capture thread so, and count on libpcap's reads being
//! cancellation points.
//!
//! glibc ends such a thread by unwinding its stack from within a system call. No frame of ours that owns something may lie on the
//! way, least of all a guard, which would take it for a panic: the program aborts. So
//!
//! - what a guard runs is *held*: a cancellation waits. Where calls are too many for that ([`crate::guard::live_quick`]), system calls
//!   are made in a way that glibc does not know as cancellation points;
//! - a reader comes out of its guard each time before it waits, which it does for a [`SLICE`] at most, to a [`point`] in a frame
//!   that owns nothing; so does a writer after it wrote to a file.
//!
//! The main thread is spared the slices: whoever cancels threads keeps that one.

use libc::c_int;
use nm_core::sys;
use std::cell::Cell;
use std::time::Duration;

/// How long a thread sleeps at most before it looks whether it is cancelled.
pub(crate) const SLICE: Duration = Duration::from_millis(100);

const PTHREAD_CANCEL_DISABLE: c_int = 1;
const PTHREAD_CANCEL_DEFERRED: c_int = 0;

unsafe extern "C-unwind" {
    fn pthread_testcancel();
    fn pthread_setcancelstate(state: c_int, old: *mut c_int) -> c_int;
    fn pthread_setcanceltype(kind: c_int, old: *mut c_int) -> c_int;
}

/// While it lives, the thread is not cancelled.
pub(crate) struct Held(c_int);

/// Holds cancellation back.
pub(crate) fn hold() -> Held {
    let mut old = PTHREAD_CANCEL_DISABLE;
    // SAFETY: an int to write to. Disabling does not unwind.
    unsafe { pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &raw mut old) };
    Held(old)
}

impl Drop for Held {
    fn drop(&mut self) {
        // SAFETY: no place to write to. Unwinds only a thread that asked to be cancelled at any moment, wherever it is.
        unsafe { pthread_setcancelstate(self.0, std::ptr::null_mut()) };
    }
}

/// The thread ends here if it was cancelled: to be called from frames that own nothing, outside of guards.
#[inline(always)]
pub(crate) fn point() {
    // SAFETY: no arguments; the frames up to the program's own have nothing to drop, as with a callback that throws.
    unsafe { pthread_testcancel() };
}

/// Makes a thread that asked to be cancelled at any moment, as ettercap's do, wait for a point. Returns what it asked for.
#[inline(always)]
pub(crate) fn defer() -> c_int {
    let mut kind = PTHREAD_CANCEL_DEFERRED;
    if is_possible() {
        // SAFETY: an int to write to. Deferring does not unwind.
        unsafe { pthread_setcanceltype(PTHREAD_CANCEL_DEFERRED, &raw mut kind) };
    }
    kind
}

/// Gives it what it asked for: a [`point`] for such a thread.
#[inline(always)]
pub(crate) fn undefer(kind: c_int) {
    if kind != PTHREAD_CANCEL_DEFERRED {
        // SAFETY: no place to write to; otherwise as in `point`.
        unsafe { pthread_setcanceltype(kind, std::ptr::null_mut()) };
    }
}

/// Whether somebody may cancel this thread.
#[inline(always)]
pub(crate) fn is_possible() -> bool {
    thread_local!(static SECOND: Cell<Option<bool>> = const { Cell::new(None) });
    // A child that a second thread forks goes on as one, for which it only looks in vain.
    SECOND.get().unwrap_or_else(|| {
        let second = sys::thread_id() != std::process::id();
        SECOND.set(Some(second));
        second
    })
}
