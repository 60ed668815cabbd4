//! Programs on interfaces. The kernel holds them by the link's descriptor: when that is closed, by whatever end of the process, they are gone.

use crate::Error;
use crate::sys::bpf::{self, TcHook, XdpMode};
use crate::sys::netlink;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// A program on an interface, until this is dropped.
#[derive(Debug)]
pub struct Link(OwnedFd);

impl Link {
    /// Puts `program` in place of the link's: each frame meets one of them, and none meets neither.
    ///
    /// # Errors
    /// When the kernel refuses, for one because the interface is gone.
    pub fn replace(&self, program: BorrowedFd<'_>) -> Result<(), Error> {
        bpf::link_update(self.0.as_fd(), program).map_err(|source| Error::system("replace a program", source))
    }

    /// The interface's number; 0 when it has been taken away.
    ///
    /// # Errors
    /// When the kernel does not tell.
    pub fn ifindex(&self) -> Result<u32, Error> {
        let info = bpf::link_info(self.0.as_fd());
        info.map(|info| info.ifindex).map_err(|source| Error::system("ask about a link", source))
    }
}

impl AsFd for Link {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Attaches an XDP program to an interface.
///
/// # Errors
/// [`Error::Attached`] when there is one already, by its name; [`Error::NoHook`] when the driver has no such mode.
pub fn attach_xdp(program: BorrowedFd<'_>, ifindex: u32, mode: XdpMode) -> Result<Link, Error> {
    let hook = match mode {
        XdpMode::Generic => "generic XDP",
        XdpMode::Native => "native XDP",
        XdpMode::Hardware => "XDP in hardware",
    };
    bpf::link_xdp(program, ifindex, mode).map(Link).map_err(|source| match source.raw_os_error() {
        Some(libc::EBUSY | libc::EEXIST) => match netlink::xdp_program_id(ifindex) {
            Ok(Some(id)) => Error::Attached { ifindex, name: name_of(id), id },
            _ => Error::system("attach an XDP program", source),
        },
        Some(libc::EOPNOTSUPP) => Error::NoHook { ifindex, hook, source },
        _ => Error::system("attach an XDP program", source),
    })
}

/// A program's name; empty when it has none, is gone, or may not be looked at.
fn name_of(id: u32) -> String {
    let info = bpf::program_by_id(id).and_then(|program| bpf::program_info(program.as_fd()));
    info.map(|info| info.name).unwrap_or_default()
}

/// Attaches a traffic-control program to an interface, behind those that are there.
///
/// # Errors
/// [`Error::NoHook`] on kernels before 6.6.
pub fn attach_tcx(program: BorrowedFd<'_>, ifindex: u32, hook: TcHook) -> Result<Link, Error> {
    bpf::link_tcx(program, ifindex, hook).map(Link).map_err(|source| match source.raw_os_error() {
        Some(libc::EINVAL | libc::EOPNOTSUPP) => Error::NoHook { ifindex, hook: "TCX hook (Linux 6.6)", source },
        _ => Error::system("attach a traffic-control program", source),
    })
}
