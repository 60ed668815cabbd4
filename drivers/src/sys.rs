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

/// Whether the kernel's version is below `major.minor`; false when it does not tell.
pub fn kernel_is_before(major: u32, minor: u32) -> bool {
    let text = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    version(&text).is_some_and(|version| version < (major, minor))
}

/// The first two numbers of `6.18.44-something`.
fn version(text: &str) -> Option<(u32, u32)> {
    let mut numbers = text.split(|c: char| !c.is_ascii_digit()).map(|number| number.parse().ok());
    Some((numbers.next()??, numbers.next()??))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernels_have_versions() {
        assert_eq!(version("6.18.44-fc\n"), Some((6, 18)));
        assert_eq!(version("5.9-rc1"), Some((5, 9)));
        assert_eq!(version("5"), None);
        assert_eq!(version(""), None);
        assert!(!kernel_is_before(2, 6) && kernel_is_before(1000, 0));
    }
}
