//! A tap: an interface whose card is this process. It vanishes with the descriptor, however the process ends.

use super::interface::Request;
use super::{check, uncancelled};
use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::fs::OpenOptionsExt;

const TUNSETIFF: libc::c_ulong = 0x4004_54ca;
const TUNSETOFFLOAD: libc::c_ulong = 0x4004_54d0;

/// A tap. Reading and writing never block.
pub struct Tap {
    file: File,
    name: String,
}

impl Tap {
    /// A new one, whose name begins with `prefix` and ends with a number of the kernel's choice; down, and without any
    /// offloads: frames come to us cut to the MTU and with their checksums filled in.
    ///
    /// # Errors
    /// `ENOENT` or `ENODEV` without the tun driver, `EPERM` without `CAP_NET_ADMIN`, and what else the system says.
    pub fn new(prefix: &str) -> io::Result<Tap> {
        let file = OpenOptions::new().read(true).write(true).custom_flags(libc::O_NONBLOCK).open("/dev/net/tun")?;
        let mut request = Request::named(&format!("{prefix}%d")).ok_or(io::ErrorKind::InvalidInput)?;
        request.0.ifr_ifru.ifru_flags = (libc::IFF_TAP | libc::IFF_NO_PI) as libc::c_short;
        request.call(&file, TUNSETIFF)?;
        // SAFETY: an ioctl that takes a number.
        check(unsafe { libc::ioctl(file.as_raw_fd(), TUNSETOFFLOAD as libc::Ioctl, 0 as libc::c_ulong) }.into())?;
        Ok(Tap { file, name: request.name() })
    }

    /// The interface's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The next frame that was sent to the tap: its bytes at the front of `to`; `None` when there is none.
    ///
    /// # Errors
    /// What read(2) says.
    pub fn read(&self, to: &mut [u8]) -> io::Result<Option<usize>> {
        // SAFETY: rules 1 and 3.
        match check(unsafe { uncancelled::read(self.file.as_raw_fd(), to.as_mut_ptr().cast(), to.len()) }) {
            Ok(n) => Ok(Some(n as usize)),
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// The kernel receives `frame` from the tap.
    ///
    /// # Errors
    /// What write(2) says.
    pub fn write(&self, frame: &[u8]) -> io::Result<()> {
        // SAFETY: rules 1 and 3.
        check(unsafe { uncancelled::write(self.file.as_raw_fd(), frame.as_ptr().cast(), frame.len()) }).map(drop)
    }
}

impl AsFd for Tap {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}
