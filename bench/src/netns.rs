//! A network namespace with a veth pair: made by a thread, gone with its descriptor.

use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::process::Command;

/// Frames that an interface of this process's namespace has received, by its own count.
///
/// # Errors
/// When there is no such interface.
pub fn received_by(interface: &str) -> Result<u64, String> {
    let table = fs::read_to_string("/proc/self/net/dev").map_err(|e| format!("/proc/self/net/dev: {e}"))?;
    let row = table.lines().find_map(|line| line.trim_start().strip_prefix(interface)?.strip_prefix(':'));
    // Bytes, then frames.
    let frames = row.and_then(|row| row.split_whitespace().nth(1)?.parse().ok());
    frames.ok_or_else(|| format!("{interface}: no such interface"))
}

/// The namespace; interfaces `v0` and `v1` are the two ends.
pub struct VethPair(File);

impl VethPair {
    /// Makes it. It has no name and leaves nothing behind.
    ///
    /// # Errors
    /// Without the right to make one (root), without `ip`, or without veth in the kernel.
    pub fn make() -> Result<VethPair, String> {
        VethPair::make_with(&[])
    }

    /// The same, and then more: each a program and its arguments.
    ///
    /// # Errors
    /// As [`VethPair::make`]; when one of the programs fails.
    pub fn make_with(more: &'static [&'static str]) -> Result<VethPair, String> {
        std::thread::spawn(move || {
            // SAFETY: unshare takes flags only, and changes this new thread alone.
            if unsafe { libc::unshare(libc::CLONE_NEWNET) } != 0 {
                return Err(format!("making a network namespace: {} (root may)", io::Error::last_os_error()));
            }
            // The kernel's own IPv6 chatter would be among the frames.
            let _ = fs::write("/proc/sys/net/ipv6/conf/default/disable_ipv6", "1");
            let pair =
                ["ip link add v0 type veth peer name v1", "ip link set v0 arp off up", "ip link set v1 arp off up"];
            for line in pair.iter().chain(more) {
                let mut words = line.split(' ');
                let program = words.next().unwrap_or_default();
                let out = Command::new(program).args(words).output().map_err(|e| format!("{program}: {e}"))?;
                if !out.status.success() {
                    return Err(format!("{line}: {}", String::from_utf8_lossy(&out.stderr).trim()));
                }
            }
            File::open("/proc/thread-self/ns/net").map(VethPair).map_err(|e| format!("/proc/thread-self/ns/net: {e}"))
        })
        .join()
        .map_err(|_| "making a network namespace failed".to_string())?
    }

    /// The namespace.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
