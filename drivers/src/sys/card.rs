//! A card's interface while it is open: how many queues it has, promiscuous mode until we end, and its end.

use super::interface::Request;
use super::{check, owned};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

/// `struct ethtool_channels`.
#[repr(C)]
#[derive(Default)]
struct Channels {
    command: u32,
    max: [u32; 4],
    rx: u32,
    tx: u32,
    other: u32,
    combined: u32,
}

const ETHTOOL_GCHANNELS: u32 = 0x3c;

/// The receive queues of an interface: 1 where its driver does not tell.
pub fn receive_queues(name: &str) -> u32 {
    let Ok(watch) = socket(0) else { return 1 };
    let mut channels = Channels { command: ETHTOOL_GCHANNELS, ..Channels::default() };
    let Some(mut request) = Request::named(name) else { return 1 };
    request.0.ifr_ifru.ifru_data = (&raw mut channels).cast();
    // The struct lives until the call is over, and nobody uses the pointer later.
    if request.call(&watch, libc::SIOCETHTOOL).is_ok() {
        return (channels.rx + channels.combined).max(1);
    }
    sysfs_queues(name).unwrap_or(1)
}

/// The driver of an interface, by its own name; `None` where it does not tell.
pub fn driver(name: &str) -> Option<String> {
    const ETHTOOL_GDRVINFO: u32 = 0x3;
    /// `struct ethtool_drvinfo`: a command, then the driver's name in 32 bytes, and more.
    #[repr(C)]
    struct Info {
        command: u32,
        driver: [u8; 32],
        rest: [u8; 160],
    }
    const _: () = assert!(size_of::<Info>() == 196);
    let socket = super::interface::control_socket().ok()?;
    let mut info = Info { command: ETHTOOL_GDRVINFO, driver: [0; 32], rest: [0; 160] };
    let mut request = Request::named(name)?;
    request.0.ifr_ifru.ifru_data = (&raw mut info).cast();
    // The struct lives until the call is over, and nobody uses the pointer later.
    request.call(&socket, libc::SIOCETHTOOL).ok()?;
    let text: Vec<u8> = info.driver.iter().copied().take_while(|byte| *byte != 0).collect();
    (!text.is_empty()).then(|| String::from_utf8_lossy(&text).into_owned())
}

/// What sysfs tells; it may be another namespace's, where an interface of the same name has another number.
fn sysfs_queues(name: &str) -> Option<u32> {
    let folder = std::path::Path::new("/sys/class/net").join(name);
    let number: u32 = std::fs::read_to_string(folder.join("ifindex")).ok()?.trim().parse().ok()?;
    if super::interface::Interface::find(name).ok()?.index != number {
        return None;
    }
    let entries = std::fs::read_dir(folder.join("queues")).ok()?;
    let count = entries.flatten().filter(|e| e.file_name().to_string_lossy().starts_with("rx-")).count();
    (count > 0).then_some(count as u32)
}

fn socket(protocol: libc::c_int) -> io::Result<OwnedFd> {
    // SAFETY: three integers.
    owned(unsafe { libc::socket(libc::AF_PACKET, libc::SOCK_RAW | libc::SOCK_CLOEXEC, protocol) }.into())
}

/// Tells when an interface goes down or away, and keeps it in promiscuous mode. A packet socket that receives nothing:
/// the kernel gives both back when it is closed, however the process ends.
pub struct Watch(OwnedFd);

/// What happened to a watched interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News {
    /// Nothing.
    None,
    /// It went down, and may come up again.
    Down,
}

impl Watch {
    /// Watches the interface with number `index`.
    ///
    /// # Errors
    /// `EPERM` without `CAP_NET_RAW`, `ENODEV`, `ENETDOWN`.
    pub fn new(index: u32) -> io::Result<Watch> {
        let watch = Watch(socket(0)?);
        let nothing = [libc::sock_filter { code: (libc::BPF_RET | libc::BPF_K) as u16, jt: 0, jf: 0, k: 0 }];
        let program = libc::sock_fprog { len: 1, filter: nothing.as_ptr().cast_mut() };
        watch.set(libc::SOL_SOCKET, libc::SO_ATTACH_FILTER, &program)?;
        // SAFETY: all zeroes is a valid sockaddr_ll.
        let mut address: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
        address.sll_family = libc::AF_PACKET as u16;
        // A socket without a protocol is told of nothing. This one is for private use: hardly a frame ever has it.
        address.sll_protocol = 0x88b5_u16.to_be();
        address.sll_ifindex = index as libc::c_int;
        let len = size_of_val(&address) as libc::socklen_t;
        // SAFETY: rules 1 to 3.
        check(unsafe { libc::bind(watch.0.as_raw_fd(), (&raw const address).cast(), len) }.into())?;
        match watch.take_error()? {
            Some(error) => Err(error),
            None => Ok(watch),
        }
    }

    /// The interface takes in all frames until the watch ends.
    ///
    /// # Errors
    /// What setsockopt(2) says.
    pub fn promiscuous(&self, index: u32) -> io::Result<()> {
        let request = libc::packet_mreq {
            mr_ifindex: index as libc::c_int,
            mr_type: libc::PACKET_MR_PROMISC as u16,
            mr_alen: 0,
            mr_address: [0; 8],
        };
        self.set(libc::SOL_PACKET, libc::PACKET_ADD_MEMBERSHIP, &request)
    }

    /// What happened since the last call; clears it.
    ///
    /// # Errors
    /// Anything but that the interface is down.
    pub fn news(&self) -> io::Result<News> {
        match self.take_error()? {
            None => Ok(News::None),
            Some(e) if e.raw_os_error() == Some(libc::ENETDOWN) => Ok(News::Down),
            Some(e) => Err(e),
        }
    }

    fn take_error(&self) -> io::Result<Option<io::Error>> {
        let mut errno: libc::c_int = 0;
        let mut len = size_of_val(&errno) as libc::socklen_t;
        let (fd, to) = (self.0.as_raw_fd(), (&raw mut errno).cast());
        // SAFETY: the kernel fills at most `len` bytes of a local.
        check(unsafe { libc::getsockopt(fd, libc::SOL_SOCKET, libc::SO_ERROR, to, &mut len) }.into())?;
        Ok((errno != 0).then(|| io::Error::from_raw_os_error(errno)))
    }

    fn set<T>(&self, level: libc::c_int, name: libc::c_int, value: &T) -> io::Result<()> {
        let len = size_of::<T>() as libc::socklen_t;
        // SAFETY: rules 1 to 3; the program that one value points to lives in `new` until the call is over.
        let r = unsafe { libc::setsockopt(self.0.as_raw_fd(), level, name, std::ptr::from_ref(value).cast(), len) };
        check(r.into()).map(drop)
    }
}

impl AsFd for Watch {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interface_that_tells_nothing_has_one_queue() {
        assert_eq!(receive_queues("lo"), 1);
        assert_eq!(receive_queues("no such name"), 1);
    }
}
