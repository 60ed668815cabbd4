//! The netmap kernel module's device: ioctl(2) on `/dev/netmap`.

use super::check;
use nm_core::abi::{
    NETMAP_REQ_PORT_INFO_GET, NETMAP_REQ_REGISTER, NIOCCTRL, NIOCRXSYNC, NIOCTXSYNC, nmreq_header, nmreq_port_info_get,
    nmreq_register,
};
use std::io;
use std::mem::offset_of;
use std::os::fd::{AsRawFd, BorrowedFd};

/// Bytes of a request's header.
pub const HEADER: usize = size_of::<nmreq_header>();

/// Bytes as the kernel reads and writes them in place, aligned as its structs are.
#[repr(C, align(8))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bytes<const N: usize>(pub [u8; N]);

/// Which rings a sync is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Send what the transmit rings hold.
    Tx,
    /// Give receive slots back, learn of new frames.
    Rx,
}

/// `NIOCCTRL`: a request without options, whose body is `body`; both are answered in place.
///
/// # Errors
/// What the module says; `EINVAL` for a kind of request that is not known here, or a body of another size than its.
pub fn control(fd: BorrowedFd<'_>, header: &mut Bytes<HEADER>, body: &mut [u8]) -> io::Result<()> {
    let kind_at = offset_of!(nmreq_header, nr_reqtype);
    let needed = match u16::from_ne_bytes([header.0[kind_at], header.0[kind_at + 1]]) {
        NETMAP_REQ_REGISTER => size_of::<nmreq_register>(),
        NETMAP_REQ_PORT_INFO_GET => size_of::<nmreq_port_info_get>(),
        _ => return Err(io::Error::from_raw_os_error(libc::EINVAL)),
    };
    if body.len() != needed {
        return Err(io::Error::from_raw_os_error(libc::EINVAL));
    }
    let address = body.as_mut_ptr().expose_provenance() as u64;
    let options_at = offset_of!(nmreq_header, nr_options);
    header.0[options_at..options_at + 8].fill(0);
    let body_at = offset_of!(nmreq_header, nr_body);
    header.0[body_at..body_at + 8].copy_from_slice(&address.to_ne_bytes());
    // SAFETY: rules 1 to 3: the kernel reads and writes a header, aligned, without options, and of the body as many bytes
    // as its kind has, which it has (checked).
    check(unsafe { libc::ioctl(fd.as_raw_fd(), NIOCCTRL as libc::Ioctl, header.0.as_mut_ptr()) }.into()).map(drop)
}

/// `NIOCTXSYNC`, `NIOCRXSYNC`: all bound rings of a direction.
///
/// # Errors
/// What the module says: `EIO` or `ENXIO` when the interface is gone.
pub fn sync(fd: BorrowedFd<'_>, direction: Direction) -> io::Result<()> {
    let what = match direction {
        Direction::Tx => NIOCTXSYNC,
        Direction::Rx => NIOCRXSYNC,
    };
    // SAFETY: rule 1; no memory is passed.
    check(unsafe { libc::ioctl(fd.as_raw_fd(), what as libc::Ioctl, std::ptr::null_mut::<u8>()) }.into()).map(drop)
}
