//! The system calls that are made while frames come and go, by their numbers.
//!
//! C's functions of these names are cancellation points: `pthread_cancel` unwinds the stack of a thread that is inside one, and no frame
//! of Rust's that owns something can be unwound by it.
//!
//! All return what the system call does, -1 with `errno` set for an error; their conditions are those of C's functions.

use libc::{c_int, c_long, c_void, mmsghdr, nfds_t, pollfd, timespec};
use std::ptr::null;

/// # Safety
/// `fds` is `count` descriptors to look at; `timeout` is NULL or a time, to which the kernel writes.
pub unsafe fn ppoll(fds: *mut pollfd, count: nfds_t, timeout: *mut timespec) -> c_long {
    // SAFETY: by the caller's promise; no signal mask.
    unsafe { libc::syscall(libc::SYS_ppoll, fds, count, timeout, null::<c_void>(), 8usize) }
}

/// # Safety
/// `to` has room for `len` bytes.
pub unsafe fn read(fd: c_int, to: *mut c_void, len: usize) -> c_long {
    // SAFETY: by the caller's promise.
    unsafe { libc::syscall(libc::SYS_read, fd, to, len) }
}

/// # Safety
/// `from` has `len` bytes.
pub unsafe fn write(fd: c_int, from: *const c_void, len: usize) -> c_long {
    // SAFETY: by the caller's promise.
    unsafe { libc::syscall(libc::SYS_write, fd, from, len) }
}

/// # Safety
/// `to` has room for `len` bytes.
pub unsafe fn recv(fd: c_int, to: *mut c_void, len: usize, flags: c_int) -> c_long {
    let nobody = null::<c_void>();
    // SAFETY: by the caller's promise; no address is asked for.
    unsafe { libc::syscall(libc::SYS_recvfrom, fd, to, len, flags, nobody, nobody) }
}

/// # Safety
/// `from` has `len` bytes.
#[inline]
pub unsafe fn send(fd: c_int, from: *const c_void, len: usize, flags: c_int) -> c_long {
    // SAFETY: by the caller's promise; no address is given.
    unsafe { libc::syscall(libc::SYS_sendto, fd, from, len, flags, null::<c_void>(), 0usize) }
}

/// # Safety
/// `messages` is `count` messages, each with the pieces that it tells of.
pub unsafe fn sendmmsg(fd: c_int, messages: *mut mmsghdr, count: u32, flags: c_int) -> c_long {
    // SAFETY: by the caller's promise.
    unsafe { libc::syscall(libc::SYS_sendmmsg, fd, messages, count, flags) }
}
