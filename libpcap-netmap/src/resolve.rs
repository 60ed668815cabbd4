//! Names to numbers by the system's files and services: hosts, networks, services, protocols, Ethernet addresses.
//!
//! The calls of C's library are those that libpcap makes, so that both find the same.

use filter::{PortProtocol, Resolve};
use libc::{addrinfo, c_char, c_int};
use std::ffi::{CStr, CString};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Bytes of an Ethernet address.
pub(crate) const ETHER: usize = 6;

/// For the strings of one entry of networks(5) or protocols(5).
const ENTRY: usize = 1024;

#[repr(C)]
struct netent {
    n_name: *mut c_char,
    n_aliases: *mut *mut c_char,
    n_addrtype: c_int,
    n_net: u32,
}

unsafe extern "C" {
    fn getnetbyname_r(
        name: *const c_char,
        entry: *mut netent,
        strings: *mut c_char,
        strings_len: libc::size_t,
        result: *mut *mut netent,
        h_errno: *mut c_int,
    ) -> c_int;
    fn getprotobyname_r(
        name: *const c_char,
        entry: *mut libc::protoent,
        strings: *mut c_char,
        strings_len: libc::size_t,
        result: *mut *mut libc::protoent,
    ) -> c_int;
    fn ether_hostton(hostname: *const c_char, address: *mut [u8; ETHER]) -> c_int;
}

/// The answers of getaddrinfo(3), which `freeaddrinfo` frees.
///
/// # Errors
/// Its number.
fn look_up(node: Option<&CStr>, service: Option<&CStr>, kind: c_int, protocol: c_int) -> Result<*mut addrinfo, c_int> {
    let or_null = |text: Option<&CStr>| text.map_or(std::ptr::null(), CStr::as_ptr);
    let mut found = std::ptr::null_mut();
    // SAFETY: all-zero hints are valid; the names are NULL or terminated; `found` may be written.
    let status = unsafe {
        let mut hints: addrinfo = std::mem::zeroed();
        hints.ai_family = libc::AF_UNSPEC;
        hints.ai_socktype = kind;
        hints.ai_protocol = protocol;
        libc::getaddrinfo(or_null(node), or_null(service), &hints, &mut found)
    };
    if status == 0 { Ok(found) } else { Err(status) }
}

/// A host's addresses, which `freeaddrinfo` frees, or NULL. Asked for one kind of socket, each comes once.
pub(crate) fn host(name: &CStr) -> *mut addrinfo {
    look_up(Some(name), None, libc::SOCK_STREAM, libc::IPPROTO_TCP).unwrap_or(std::ptr::null_mut())
}

/// Address and port of each answer; then the list is gone.
///
/// # Safety
/// `list` is NULL or came from [`look_up`]; nobody else has it.
unsafe fn drain(list: *mut addrinfo) -> Vec<(IpAddr, u16)> {
    let mut all = Vec::new();
    let mut next = list;
    // SAFETY: a list of getaddrinfo's ends with NULL, and its addresses are as long as their family has them.
    unsafe {
        while let Some(answer) = next.as_ref() {
            next = answer.ai_next;
            if answer.ai_addr.is_null() {
                continue;
            }
            match answer.ai_family {
                libc::AF_INET => {
                    let address = answer.ai_addr.cast::<libc::sockaddr_in>().read_unaligned();
                    let ip = Ipv4Addr::from(u32::from_be(address.sin_addr.s_addr));
                    all.push((ip.into(), u16::from_be(address.sin_port)));
                }
                libc::AF_INET6 => {
                    let address = answer.ai_addr.cast::<libc::sockaddr_in6>().read_unaligned();
                    all.push((Ipv6Addr::from(address.sin6_addr.s6_addr).into(), u16::from_be(address.sin6_port)));
                }
                _ => {}
            }
        }
        if !list.is_null() {
            libc::freeaddrinfo(list);
        }
    }
    all
}

/// A service's port for one transport protocol: `Some(None)` when there is no such service, `None` when it can't be
/// told.
fn service(name: &CStr, protocol: c_int) -> Option<Option<u16>> {
    let kind = if protocol == libc::IPPROTO_UDP { libc::SOCK_DGRAM } else { libc::SOCK_STREAM };
    match look_up(None, Some(name), kind, protocol) {
        // SAFETY: from `look_up`, given to nobody.
        Ok(list) => Some(unsafe { drain(list) }.first().map(|answer| answer.1)),
        Err(libc::EAI_NONAME | libc::EAI_SERVICE) => Some(None),
        Err(_) => None,
    }
}

/// A service's port, and the transport protocols that know it by this name; TCP's when UDP has another.
pub(crate) fn port(name: &CStr) -> Option<(u16, PortProtocol)> {
    let tcp = service(name, libc::IPPROTO_TCP)?;
    let udp = service(name, libc::IPPROTO_UDP)?;
    match (tcp, udp) {
        (Some(tcp), Some(udp)) if tcp == udp => Some((tcp, PortProtocol::Both)),
        (Some(tcp), _) => Some((tcp, PortProtocol::Tcp)),
        (None, udp) => udp.map(|udp| (udp, PortProtocol::Udp)),
    }
}

/// A network's number in host order.
pub(crate) fn network(name: &CStr) -> Option<u32> {
    let mut entry = netent { n_name: std::ptr::null_mut(), n_aliases: std::ptr::null_mut(), n_addrtype: 0, n_net: 0 };
    let mut strings = [0 as c_char; ENTRY];
    let (mut found, mut why) = (std::ptr::null_mut(), 0);
    // SAFETY: a terminated name, an entry, room for its strings of the size that is told, and two results.
    let status =
        unsafe { getnetbyname_r(name.as_ptr(), &mut entry, strings.as_mut_ptr(), ENTRY, &mut found, &mut why) };
    if status != 0 || found.is_null() { None } else { Some(entry.n_net) }
}

/// An IP protocol's number.
pub(crate) fn protocol(name: &CStr) -> Option<c_int> {
    let mut strings = [0 as c_char; ENTRY];
    let mut found = std::ptr::null_mut();
    // SAFETY: an all-zero entry is valid; a terminated name, room of the size that is told, and a result.
    let (status, entry) = unsafe {
        let mut entry: libc::protoent = std::mem::zeroed();
        (getprotobyname_r(name.as_ptr(), &mut entry, strings.as_mut_ptr(), ENTRY, &mut found), entry)
    };
    if status != 0 || found.is_null() { None } else { Some(entry.p_proto) }
}

/// A host's Ethernet address by ethers(5).
pub(crate) fn ether(name: &CStr) -> Option<[u8; ETHER]> {
    let mut address = [0; ETHER];
    // SAFETY: a terminated name; C's ether_addr is these six bytes.
    if unsafe { ether_hostton(name.as_ptr(), &mut address) } == 0 { Some(address) } else { None }
}

/// What the filter compiler asks.
pub(crate) struct SystemNames;

impl Resolve for SystemNames {
    fn addresses(&self, name: &str) -> Vec<IpAddr> {
        let Ok(name) = CString::new(name) else { return Vec::new() };
        // SAFETY: from `look_up`, given to nobody.
        unsafe { drain(host(&name)) }.into_iter().map(|answer| answer.0).collect()
    }

    fn network(&self, name: &str) -> Option<u32> {
        network(&CString::new(name).ok()?)
    }

    fn port(&self, name: &str) -> Option<(u16, PortProtocol)> {
        port(&CString::new(name).ok()?)
    }

    fn protocol(&self, name: &str) -> Option<u16> {
        u16::try_from(protocol(&CString::new(name).ok()?)?).ok()
    }

    fn ether(&self, name: &str) -> Option<[u8; ETHER]> {
        ether(&CString::new(name).ok()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_every_system_knows_is_found() {
        assert!(SystemNames.addresses("127.0.0.1").contains(&IpAddr::from([127, 0, 0, 1])));
        assert_eq!(SystemNames.addresses("::1"), [IpAddr::from(Ipv6Addr::LOCALHOST)]);
        assert_eq!(SystemNames.addresses("no such host"), Vec::<IpAddr>::new());
        assert_eq!(SystemNames.port("8080"), Some((8080, PortProtocol::Both)));
        assert_eq!(SystemNames.protocol("tcp"), Some(6));
        assert_eq!(SystemNames.protocol("no such protocol"), None);
        assert_eq!(SystemNames.network("no such network"), None);
        assert_eq!(SystemNames.ether("no such host"), None);
    }
}
