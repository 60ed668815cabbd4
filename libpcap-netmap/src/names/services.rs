//! Services and protocols by name.

use crate::abi::eproto;
use crate::resolve;
use filter::PortProtocol;
use libc::{c_char, c_int};
use std::ffi::{CStr, CString};

/// No protocol, or more than one (`PROTO_UNDEF`).
const UNDEFINED: c_int = -1;

/// Ethernet protocols by name; a row without a name is the last.
#[unsafe(no_mangle)]
pub static eproto_db: [eproto; 13] = [
    eproto { s: c"aarp".as_ptr(), p: 0x80f3 },
    eproto { s: c"arp".as_ptr(), p: 0x0806 },
    eproto { s: c"atalk".as_ptr(), p: 0x809b },
    eproto { s: c"decnet".as_ptr(), p: 0x6003 },
    eproto { s: c"ip".as_ptr(), p: 0x0800 },
    eproto { s: c"ip6".as_ptr(), p: 0x86dd },
    eproto { s: c"lat".as_ptr(), p: 0x6004 },
    eproto { s: c"loopback".as_ptr(), p: 0x9000 },
    eproto { s: c"mopdl".as_ptr(), p: 0x6001 },
    eproto { s: c"moprc".as_ptr(), p: 0x6002 },
    eproto { s: c"rarp".as_ptr(), p: 0x8035 },
    eproto { s: c"sca".as_ptr(), p: 0x6007 },
    eproto { s: std::ptr::null(), p: 0 },
];

/// A service's port and the transport protocol that has it (-1: both have).
fn port(name: &CStr) -> Option<(c_int, c_int)> {
    resolve::port(name).map(|(number, protocol)| {
        let protocol = match protocol {
            PortProtocol::Tcp => libc::IPPROTO_TCP,
            PortProtocol::Udp => libc::IPPROTO_UDP,
            PortProtocol::Both => UNDEFINED,
        };
        (number.into(), protocol)
    })
}

/// One end of a range: a number, or a service's name.
fn end_of_range(text: &[u8]) -> Option<(c_int, c_int)> {
    if text.iter().all(u8::is_ascii_digit) {
        return std::str::from_utf8(text).ok()?.parse().ok().map(|number| (number, UNDEFINED));
    }
    port(&CString::new(text).ok()?)
}

/// A service's port, and its protocol: `IPPROTO_TCP`, `IPPROTO_UDP`, or -1 when both have the port. 1 when found.
///
/// # Safety
/// `name` is NULL or NUL-terminated, the others are NULL or may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pcap_nametoport(name: *const c_char, number: *mut c_int, protocol: *mut c_int) -> c_int {
    if name.is_null() || number.is_null() || protocol.is_null() {
        return 0;
    }
    // SAFETY: not NULL, terminated by the caller's promise.
    let Some(found) = port(unsafe { CStr::from_ptr(name) }) else { return 0 };
    // SAFETY: not NULL; the caller's promise.
    unsafe { (*number, *protocol) = found };
    1
}

/// A range of ports, numbers or names with `-` between them: its ends, and the protocol that both have, or -1.
/// 1 when found. As in libpcap 1.11, what follows a number is not ignored.
///
/// # Safety
/// As [`pcap_nametoport`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pcap_nametoportrange(
    name: *const c_char,
    first: *mut c_int,
    last: *mut c_int,
    protocol: *mut c_int,
) -> c_int {
    if name.is_null() || first.is_null() || last.is_null() || protocol.is_null() {
        return 0;
    }
    // SAFETY: not NULL, terminated by the caller's promise.
    let name = unsafe { CStr::from_ptr(name) }.to_bytes();
    let Some(dash) = name.iter().position(|&c| c == b'-') else { return 0 };
    let ends = end_of_range(&name[..dash]).zip(end_of_range(&name[dash + 1..]));
    let Some(((from, from_protocol), (to, to_protocol))) = ends else { return 0 };
    // SAFETY: none is NULL; the caller's promise.
    unsafe {
        *first = from;
        *last = to;
        *protocol = if from_protocol == to_protocol { from_protocol } else { UNDEFINED };
    }
    1
}

/// An IP protocol's number, or -1.
///
/// # Safety
/// `name` is NULL or NUL-terminated.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pcap_nametoproto(name: *const c_char) -> c_int {
    if name.is_null() {
        return UNDEFINED;
    }
    // SAFETY: not NULL, terminated by the caller's promise.
    resolve::protocol(unsafe { CStr::from_ptr(name) }).unwrap_or(UNDEFINED)
}

/// An Ethernet protocol's number, or -1.
///
/// # Safety
/// `name` is NULL or NUL-terminated.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pcap_nametoeproto(name: *const c_char) -> c_int {
    if name.is_null() {
        return UNDEFINED;
    }
    // SAFETY: both are not NULL and terminated: the caller's promise, and the table's rows but the last.
    let row = eproto_db.iter().find(|row| unsafe { !row.s.is_null() && libc::strcmp(row.s, name) == 0 });
    row.map_or(UNDEFINED, |row| row.p.into())
}

/// An 802.2 protocol's number, or -1.
///
/// # Safety
/// `name` is NULL or NUL-terminated.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pcap_nametollc(name: *const c_char) -> c_int {
    if name.is_null() {
        return UNDEFINED;
    }
    // SAFETY: not NULL, terminated by the caller's promise.
    match unsafe { CStr::from_ptr(name) }.to_bytes() {
        b"iso" => 0xfe,
        b"stp" => 0x42,
        b"ipx" => 0xe0,
        b"netbeui" => 0xf0,
        _ => UNDEFINED,
    }
}
