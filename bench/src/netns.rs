//! A network namespace with a veth pair, for libpcap as it is: made by a thread, gone with its descriptor.

use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::process::Command;

/// The namespace; interfaces `v0` and `v1` are the two ends.
pub struct VethPair(File);

impl VethPair {
    /// Makes it. It has no name and leaves nothing behind.
    ///
    /// # Errors
    /// Without the right to make one (root), without `ip`, or without veth in the kernel.
    pub fn make() -> Result<VethPair, String> {
        std::thread::spawn(|| {
            // SAFETY: unshare takes flags only, and changes this new thread alone.
            if unsafe { libc::unshare(libc::CLONE_NEWNET) } != 0 {
                return Err(format!("making a network namespace: {} (root may)", io::Error::last_os_error()));
            }
            // The kernel's own IPv6 chatter would be among the frames.
            let _ = fs::write("/proc/sys/net/ipv6/conf/default/disable_ipv6", "1");
            for words in ["link add v0 type veth peer name v1", "link set v0 arp off up", "link set v1 arp off up"] {
                let out = Command::new("ip").args(words.split(' ')).output().map_err(|e| format!("ip: {e}"))?;
                if !out.status.success() {
                    return Err(format!("ip {words}: {}", String::from_utf8_lossy(&out.stderr).trim()));
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
