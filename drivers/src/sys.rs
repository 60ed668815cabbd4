//! The system calls that drivers need, each as a safe function; the only address of `unsafe` in this crate.
//!
//! Rules that the SAFETY comments below cite:
//! 1. Descriptors come from [`OwnedFd`] or [`std::os::fd::BorrowedFd`]: they are open while the call lasts.
//! 2. A struct that the kernel reads is whole: every byte of it is initialized, gaps are fields of their own.
//! 3. A pointer that is given to the kernel is that of a reference or slice that outlives the call, with its own length; what the kernel
//!    does not touch after the call has no lifetime beyond it.
//! 4. A descriptor that a call returned belongs to nobody else.

pub mod bpf;
pub mod card;
pub mod helper;
pub mod interface;
pub mod netdev;
pub mod netlink;
pub mod netmap;
pub mod packet;
pub mod tap;
mod uncancelled;
pub mod wait;
pub mod xdp;

use std::io;
use std::os::fd::{FromRawFd, OwnedFd};

/// A system call's result, or the error that it left.
fn check(result: libc::c_long) -> io::Result<libc::c_long> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

/// A descriptor that a system call returned.
fn owned(result: libc::c_long) -> io::Result<OwnedFd> {
    let fd = check(result)?;
    // SAFETY: rule 4.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as libc::c_int) })
}

/// `RLIMIT_MEMLOCK`, in bytes.
pub fn locked_memory_limit() -> u64 {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: rule 3; the call fails for unknown resources only.
    unsafe { libc::getrlimit(libc::RLIMIT_MEMLOCK, &mut limit) };
    limit.rlim_cur
}
