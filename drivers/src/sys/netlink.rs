//! What rtnetlink(7) tells about an interface by its number: which XDP program it has, what its card lost, and how it is now.

use super::{check, owned};
use std::io;
use std::os::fd::AsRawFd;

const RTM_NEWLINK: u16 = 16;
const RTM_GETLINK: u16 = 18;
const NLMSG_ERROR: u16 = 2;
const NLM_F_REQUEST: u16 = 1;
const IFLA_MTU: u16 = 4;
const IFLA_LINKINFO: u16 = 18;
const IFLA_INFO_KIND: u16 = 1;
const IFLA_STATS64: u16 = 23;
const IFLA_XDP: u16 = 43;
const IFLA_XDP_PROG_ID: u16 = 4;
/// The programs of each hook, when several are attached: native, generic, hardware.
const IFLA_XDP_IDS: [u16; 3] = [5, 6, 7];
/// `NLA_TYPE_MASK`
const ATTRIBUTE_TYPE: u16 = 0x3fff;

/// Bytes of `struct nlmsghdr`, and of `struct ifinfomsg`.
const HEADER: usize = 16;
const INTERFACE: usize = 16;

/// The number of the XDP program of an interface, `None` when it has none.
///
/// # Errors
/// What the kernel says: `ENODEV` when there is no such interface.
pub fn xdp_program_id(ifindex: u32) -> io::Result<Option<u32>> {
    read_answer(&ask(ifindex)?)
}

/// Frames that an interface's card lost before its driver could hand them on: no room in its own memory, or in its ring.
///
/// # Errors
/// As [`xdp_program_id`].
pub fn lost_frames(ifindex: u32) -> io::Result<u64> {
    /// `struct rtnl_link_stats64`: rx_fifo_errors and rx_missed_errors, by their places among words of 64 bits.
    const LOST: [usize; 2] = [14, 15];
    let answer = ask(ifindex)?;
    let stats = attribute(attributes(&answer)?, IFLA_STATS64).unwrap_or(&[]);
    let word = |at: usize| stats.get(8 * at..)?.first_chunk().copied().map(u64::from_ne_bytes);
    Ok(LOST.into_iter().filter_map(word).sum())
}

/// What sort of interface the kernel has made itself: `bridge`, `macvlan`, `veth`, … `None` for a card.
///
/// # Errors
/// As [`xdp_program_id`].
pub fn kind(ifindex: u32) -> io::Result<Option<String>> {
    read_kind(&ask(ifindex)?)
}

fn read_kind(answer: &[u8]) -> io::Result<Option<String>> {
    let Some(info) = attribute(attributes(answer)?, IFLA_LINKINFO) else { return Ok(None) };
    let text = |value: &[u8]| String::from_utf8_lossy(value).trim_end_matches('\0').to_string();
    Ok(attribute(info, IFLA_INFO_KIND).map(text))
}

/// Whether an interface is administratively up, and its MTU. The question waits for changes that are under way; ioctls don't.
///
/// # Errors
/// As [`xdp_program_id`].
pub fn up_and_mtu(ifindex: u32) -> io::Result<(bool, u32)> {
    read_up_and_mtu(&ask(ifindex)?)
}

fn read_up_and_mtu(answer: &[u8]) -> io::Result<(bool, u32)> {
    let mtu = attribute(attributes(answer)?, IFLA_MTU).and_then(|value| u32_at(value, 0));
    // The flags of `struct ifinfomsg`, which `attributes` has found to be there.
    let flags = u32_at(answer, HEADER + 8).unwrap_or(0);
    Ok((flags & libc::IFF_UP as u32 != 0, mtu.unwrap_or(0)))
}

/// What the kernel tells about an interface.
fn ask(ifindex: u32) -> io::Result<Vec<u8>> {
    let mut request = [0_u8; HEADER + INTERFACE];
    request[..4].copy_from_slice(&((HEADER + INTERFACE) as u32).to_ne_bytes());
    request[4..6].copy_from_slice(&RTM_GETLINK.to_ne_bytes());
    request[6..8].copy_from_slice(&NLM_F_REQUEST.to_ne_bytes());
    request[HEADER + 4..HEADER + 8].copy_from_slice(&ifindex.to_ne_bytes());
    exchange(libc::NETLINK_ROUTE, &request)
}

/// Sends a request to one of netlink's families of subjects, and returns the first message that comes back, and what comes with it.
pub(super) fn exchange(protocol: libc::c_int, request: &[u8]) -> io::Result<Vec<u8>> {
    // SAFETY: three integers.
    let socket = owned(libc::c_long::from(unsafe {
        libc::socket(libc::AF_NETLINK, libc::SOCK_RAW | libc::SOCK_CLOEXEC, protocol)
    }))?;
    // SAFETY: rules 1 and 3.
    check(unsafe { libc::send(socket.as_raw_fd(), request.as_ptr().cast(), request.len(), 0) } as libc::c_long)?;
    let mut answer = vec![0_u8; 1 << 16];
    // SAFETY: rules 1 and 3.
    let len =
        check(unsafe { libc::recv(socket.as_raw_fd(), answer.as_mut_ptr().cast(), answer.len(), 0) } as libc::c_long)?;
    answer.truncate(len as usize);
    Ok(answer)
}

fn read_answer(answer: &[u8]) -> io::Result<Option<u32>> {
    let Some(xdp) = attribute(attributes(answer)?, IFLA_XDP) else { return Ok(None) };
    let id = |kind| attribute(xdp, kind).and_then(|value| u32_at(value, 0)).filter(|&id| id != 0);
    Ok(id(IFLA_XDP_PROG_ID).or_else(|| IFLA_XDP_IDS.into_iter().find_map(id)))
}

/// The attributes of an interface.
fn attributes(answer: &[u8]) -> io::Result<&[u8]> {
    let garbled = || io::Error::from(io::ErrorKind::InvalidData);
    match u16_at(answer, 4).ok_or_else(garbled)? {
        NLMSG_ERROR => {
            let error = u32_at(answer, HEADER).ok_or_else(garbled)? as i32;
            Err(io::Error::from_raw_os_error(error.wrapping_neg()))
        }
        RTM_NEWLINK => answer.get(HEADER + INTERFACE..).ok_or_else(garbled),
        _ => Err(garbled()),
    }
}

pub(super) fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().copied().map(u16::from_ne_bytes)
}

pub(super) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().copied().map(u32::from_ne_bytes)
}

/// The value of the attribute of this type: a length and a type of 16 bits each, the value, filled up to a multiple of 4.
pub(super) fn attribute(mut attributes: &[u8], kind: u16) -> Option<&[u8]> {
    loop {
        let len = usize::from(u16_at(attributes, 0)?);
        let value = attributes.get(4..len)?;
        if u16_at(attributes, 2)? & ATTRIBUTE_TYPE == kind {
            return Some(value);
        }
        attributes = attributes.get(len.next_multiple_of(4)..)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attr(kind: u16, value: &[u8]) -> Vec<u8> {
        let mut bytes = [(value.len() as u16 + 4).to_ne_bytes(), kind.to_ne_bytes()].concat();
        bytes.extend(value);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }

    fn answer(kind: u16, rest: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0; HEADER];
        bytes[4..6].copy_from_slice(&kind.to_ne_bytes());
        bytes.extend(rest);
        bytes
    }

    #[test]
    fn answers_are_read() {
        let link = |attributes: &[u8]| answer(RTM_NEWLINK, &[&[0; INTERFACE], attributes].concat());
        let name = attr(3, b"eth0\0");
        let one = attr(IFLA_XDP | 0x8000, &[attr(2, &[2]), attr(4, &42_u32.to_ne_bytes())].concat());
        let several = attr(IFLA_XDP, &[attr(2, &[4]), attr(6, &7_u32.to_ne_bytes())].concat());
        let none = attr(IFLA_XDP, &attr(2, &[0]));
        let id = |attributes: &[&[u8]]| read_answer(&link(&attributes.concat())).expect("an answer");
        assert_eq!(id(&[&name, &one]), Some(42));
        assert_eq!(id(&[&several]), Some(7));
        assert_eq!(id(&[&name, &none]), None);
        assert_eq!(id(&[&name]), None);
        assert_eq!(id(&[]), None);
    }

    #[test]
    fn an_interface_of_the_kernels_own_says_its_kind() {
        let link = |attributes: &[u8]| answer(RTM_NEWLINK, &[&[0; INTERFACE], attributes].concat());
        let info = attr(IFLA_LINKINFO | 0x8000, &[attr(2, &[0; 9]), attr(IFLA_INFO_KIND, b"bridge\0")].concat());
        assert_eq!(
            read_kind(&link(&[attr(3, b"br0\0"), info].concat())).expect("an answer").as_deref(),
            Some("bridge")
        );
        assert_eq!(read_kind(&link(&attr(IFLA_LINKINFO, &[]))).expect("an answer"), None);
        assert_eq!(read_kind(&link(&[])).expect("an answer"), None);
        assert!(kind(0x7fff_fff0).is_err());
    }

    #[test]
    fn an_interface_says_whether_it_is_up() {
        let mut link = answer(RTM_NEWLINK, &[0; INTERFACE]);
        assert_eq!(read_up_and_mtu(&link).expect("an answer"), (false, 0));
        link[HEADER + 8..][..4].copy_from_slice(&(libc::IFF_UP as u32 | 0x1000).to_ne_bytes());
        link.extend(attr(IFLA_MTU, &1500_u32.to_ne_bytes()));
        assert_eq!(read_up_and_mtu(&link).expect("an answer"), (true, 1500));
        assert!(up_and_mtu(0x7fff_fff0).is_err());
    }

    #[test]
    fn errors_and_garbage_are_errors() {
        let error = read_answer(&answer(NLMSG_ERROR, &(-libc::ENODEV).to_ne_bytes())).expect_err("an error");
        assert_eq!(error.raw_os_error(), Some(libc::ENODEV));
        for bytes in [&[][..], &[0; 5], &answer(RTM_NEWLINK, &[0; 3]), &answer(3, &[0; 16])] {
            assert!(read_answer(bytes).is_err(), "{bytes:?}");
        }
        // A length that is shorter than the attribute's head, or longer than all.
        for len in [0_u16, 3, 200] {
            let mut bytes = answer(RTM_NEWLINK, &[0; INTERFACE + 8]);
            bytes[HEADER + INTERFACE..][..2].copy_from_slice(&len.to_ne_bytes());
            assert_eq!(read_answer(&bytes).expect("an answer"), None);
        }
    }
}
