//! The module as the rest of the driver sees it.

use crate::sys::netmap::{self, Bytes, Direction, HEADER};
use crate::sys::wait::{Ready, poll};
use nm_core::shm::mapping::Mapping;
use std::fs::{File, OpenOptions};
use std::io;
use std::num::NonZeroU16;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::sync::Arc;
use std::time::Duration;

/// The module's device.
pub const PATH: &str = "/dev/netmap";

/// What the netmap module's device does: one of these is bound to one port at most.
pub trait Device: Send + Sync + 'static {
    /// `NIOCCTRL`: a request and its body as the module's structs have their bytes, answered in place. The caller fills all of it but
    /// the body's address.
    ///
    /// # Errors
    /// What the module says.
    fn control(&self, header: &mut Bytes<HEADER>, body: &mut [u8]) -> io::Result<()>;

    /// The first `len` bytes of the bound port's memory, which the module calls `memory` where it gave it a number.
    ///
    /// # Errors
    /// What mmap(2) says.
    fn map(&self, len: usize, memory: Option<NonZeroU16>) -> io::Result<Arc<Mapping>>;

    /// `NIOCTXSYNC`, `NIOCRXSYNC`.
    ///
    /// # Errors
    /// `EIO` or `ENXIO` when the interface is gone.
    fn sync(&self, direction: Direction) -> io::Result<()>;

    /// Sleeps until a receive ring has a slot beyond its `cur`, `wake` is readable, or the time is over; syncs receive rings as the
    /// module's poll does.
    ///
    /// # Errors
    /// `Interrupted` after a signal, and what else poll(2) says.
    fn poll(&self, wake: BorrowedFd<'_>, timeout: Option<Duration>) -> io::Result<Ready>;

    /// A descriptor that is readable while a receive ring has a slot beyond its `cur`.
    fn raw_fd(&self) -> RawFd;
}

/// The kernel's.
pub struct Module(File);

impl Module {
    /// Opens it.
    ///
    /// # Errors
    /// `ENOENT` when the module is not loaded.
    pub fn open() -> io::Result<Module> {
        OpenOptions::new().read(true).write(true).open(PATH).map(Module)
    }
}

impl Device for Module {
    fn control(&self, header: &mut Bytes<HEADER>, body: &mut [u8]) -> io::Result<()> {
        netmap::control(self.0.as_fd(), header, body)
    }

    fn map(&self, len: usize, memory: Option<NonZeroU16>) -> io::Result<Arc<Mapping>> {
        Mapping::of_memory(self.0.as_fd(), len, memory)
    }

    fn sync(&self, direction: Direction) -> io::Result<()> {
        netmap::sync(self.0.as_fd(), direction)
    }

    fn poll(&self, wake: BorrowedFd<'_>, timeout: Option<Duration>) -> io::Result<Ready> {
        poll([self.0.as_fd(), wake], timeout).map(|[device, _]| device)
    }

    fn raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}
