//! What the kernel tells of an interface, and two things that are set on it: ioctls of netdevice(7).

use super::{check, netlink, owned};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

/// Link types of `SIOCGIFHWADDR` whose frames begin with an Ethernet header.
const ETHERNET_LIKE: [u16; 2] = [libc::ARPHRD_ETHER, libc::ARPHRD_LOOPBACK];

/// An interface of this network namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interface {
    /// Its number.
    pub index: u32,
    /// Administratively up.
    pub up: bool,
    /// Bytes of a frame behind its Ethernet header, at most.
    pub mtu: u32,
    /// Its frames begin with an Ethernet header.
    pub ethernet: bool,
    /// What it is sent comes back.
    pub loopback: bool,
}

impl Interface {
    /// The interface called `name`.
    ///
    /// # Errors
    /// `ENODEV` when there is none, and what else socket(2) says.
    pub fn find(name: &str) -> io::Result<Interface> {
        let socket = control_socket()?;
        let no_device = || io::Error::from_raw_os_error(libc::ENODEV);
        let mut request = Request::named(name).ok_or_else(no_device)?;
        request.call(&socket, libc::SIOCGIFINDEX)?;
        let index = request.number();
        request.call(&socket, libc::SIOCGIFFLAGS)?;
        let flags = request.flags();
        request.call(&socket, libc::SIOCGIFMTU)?;
        let mtu = request.number();
        request.call(&socket, libc::SIOCGIFHWADDR)?;
        let family = request.address_family();
        Ok(Interface {
            index: u32::try_from(index).map_err(|_| no_device())?,
            up: libc::c_int::from(flags) & libc::IFF_UP != 0,
            mtu: u32::try_from(mtu).unwrap_or(0),
            ethernet: ETHERNET_LIKE.contains(&family),
            loopback: libc::c_int::from(flags) & libc::IFF_LOOPBACK != 0,
        })
    }

    /// Whether the interface with this number is up, whatever it is called now; `None` when there is none, or it is about to go: one
    /// that is taken away goes down first, tells so, and is there for some 50 us more, in which the question waits.
    pub fn is_up(index: u32) -> Option<bool> {
        match netlink::up_and_mtu(index) {
            Ok((up, _)) => Some(up),
            Err(e) if e.raw_os_error() == Some(libc::ENODEV) => None,
            // What can't be asked is asked again.
            Err(_) => Some(false),
        }
    }

    /// What the interface with this number has now for [`Interface::mtu`]; `None` when that can't be asked.
    pub fn mtu_of(index: u32) -> Option<u32> {
        netlink::up_and_mtu(index).ok().map(|(_, mtu)| mtu)
    }
}

/// Sets the MTU of an interface, bytes.
///
/// # Errors
/// What the kernel says.
pub fn set_mtu(name: &str, mtu: u32) -> io::Result<()> {
    let mut request = Request::named(name).ok_or(io::ErrorKind::InvalidInput)?;
    request.0.ifr_ifru.ifru_mtu = libc::c_int::try_from(mtu).map_err(|_| io::ErrorKind::InvalidInput)?;
    request.call(&control_socket()?, libc::SIOCSIFMTU)
}

/// Frames that wait to be sent by an interface, at most.
///
/// # Errors
/// What the kernel says.
pub fn set_queue_len(name: &str, frames: u32) -> io::Result<()> {
    let mut request = Request::named(name).ok_or(io::ErrorKind::InvalidInput)?;
    // The same place of the union as the MTU's.
    request.0.ifr_ifru.ifru_mtu = libc::c_int::try_from(frames).map_err(|_| io::ErrorKind::InvalidInput)?;
    request.call(&control_socket()?, libc::SIOCSIFTXQLEN)
}

/// Sets an interface administratively up.
///
/// # Errors
/// What the kernel says.
pub fn set_up(name: &str) -> io::Result<()> {
    let mut request = Request::named(name).ok_or(io::ErrorKind::InvalidInput)?;
    let socket = control_socket()?;
    request.call(&socket, libc::SIOCGIFFLAGS)?;
    request.0.ifr_ifru.ifru_flags = request.flags() | libc::IFF_UP as libc::c_short;
    request.call(&socket, libc::SIOCSIFFLAGS)
}

/// Frames that an interface lost, received ones and ones to be sent; `None` when it is not there.
pub fn drops(name: &str) -> Option<[u64; 2]> {
    let table = std::fs::read_to_string("/proc/thread-self/net/dev").ok()?;
    let line = table.lines().find_map(|line| line.trim_start().strip_prefix(name)?.strip_prefix(':'))?;
    // Eight columns of what was received (bytes, packets, errors, drops, full queues, ...), then of what was sent.
    let columns: Vec<u64> = line.split_whitespace().map_while(|word| word.parse().ok()).collect();
    Some([columns.get(3)? + columns.get(4)?, *columns.get(11)?])
}

/// An `ifreq`, the argument of all these ioctls.
pub(super) struct Request(pub(super) libc::ifreq);

impl Request {
    pub(super) fn empty() -> Request {
        // SAFETY: all zeroes is a valid ifreq.
        Request(unsafe { std::mem::zeroed() })
    }

    /// `None` for a name that no interface can have.
    pub(super) fn named(name: &str) -> Option<Request> {
        let mut request = Request::empty();
        if name.is_empty() || name.len() >= libc::IFNAMSIZ || name.bytes().any(|b| b == 0) {
            return None;
        }
        for (to, from) in request.0.ifr_name.iter_mut().zip(name.bytes()) {
            *to = from as libc::c_char;
        }
        Some(request)
    }

    /// The name in it.
    pub(super) fn name(&self) -> String {
        let bytes: Vec<u8> = self.0.ifr_name.iter().map(|c| *c as u8).take_while(|b| *b != 0).collect();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    fn number(&self) -> libc::c_int {
        // SAFETY: all that this union holds is numbers; any bytes are one.
        unsafe { self.0.ifr_ifru.ifru_ifindex }
    }

    fn flags(&self) -> libc::c_short {
        // SAFETY: as above.
        unsafe { self.0.ifr_ifru.ifru_flags }
    }

    fn address_family(&self) -> u16 {
        // SAFETY: as above.
        unsafe { self.0.ifr_ifru.ifru_hwaddr.sa_family }
    }

    pub(super) fn call(&mut self, fd: &impl AsRawFd, what: libc::c_ulong) -> io::Result<()> {
        // SAFETY: rules 1 to 3: an ifreq that the kernel reads and fills.
        check(unsafe { libc::ioctl(fd.as_raw_fd(), what as libc::Ioctl, &mut self.0) }.into()).map(drop)
    }
}

pub(super) fn control_socket() -> io::Result<OwnedFd> {
    // SAFETY: no memory is passed.
    owned(unsafe { libc::socket(libc::AF_INET, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0) }.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loopback_interface_is_found_and_others_are_not() {
        let lo = Interface::find("lo").expect("every namespace has one");
        assert!(lo.ethernet && lo.loopback && lo.mtu > 0 && Interface::is_up(lo.index) == Some(lo.up));
        assert!(drops("lo").is_some() && drops("no such name").is_none() && drops("l").is_none());
        assert!(Interface::is_up(0x7fff_fff0).is_none());
        for name in ["", "no such name", "sixteen-bytes-lo", "a\0b"] {
            let error = Interface::find(name).expect_err(name);
            assert_eq!(error.raw_os_error(), Some(libc::ENODEV), "{name}");
        }
    }
}
