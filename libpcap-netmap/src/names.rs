//! Names and numbers: the library's version, link types, time stamp types, hosts, ports and protocols.
//!
//! The system's library looks up; without it, nothing is found.

use crate::abi::*;
use crate::system;
use libc::{FILE, addrinfo, c_char, c_int, c_uchar, c_uint, c_void};

const VERSION: &str = concat!("libpcap version 1.10.3 (libpcap-netmap ", env!("CARGO_PKG_VERSION"), ")\0");

/// The version of libpcap's interface that is served, and of this library in parentheses.
#[unsafe(no_mangle)]
pub extern "C" fn pcap_lib_version() -> *const c_char {
    VERSION.as_ptr().cast()
}

/// The version of libpcap's interface, as old programs read it.
#[unsafe(no_mangle)]
pub static pcap_version: [u8; 7] = *b"1.10.3\0";

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

/// Exports functions that only the system's library knows, each with its answer when there is none.
macro_rules! pass {
    ($($(#[$doc:meta])* $name:ident($($argument:ident: $type:ty),*) -> $result:ty, else $without:expr;)*) => {$(
        $(#[$doc])*
        ///
        /// # Safety
        /// Strings are NUL-terminated, other pointers may be written or are NULL where libpcap allows it.
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $name($($argument: $type),*) -> $result {
            match system::get() {
                // SAFETY: passed on.
                Ok(system) => unsafe { (system.$name)($($argument),*) },
                Err(_) => $without,
            }
        }
    )*};
}

pass! {
    /// The link type of a name, or -1.
    pcap_datalink_name_to_val(name: *const c_char) -> c_int, else PCAP_ERROR;
    /// The name of a link type, or NULL.
    pcap_datalink_val_to_name(linktype: c_int) -> *const c_char, else std::ptr::null();
    /// A link type in words, or NULL.
    pcap_datalink_val_to_description(linktype: c_int) -> *const c_char, else std::ptr::null();
    /// A link type in words, or its number.
    pcap_datalink_val_to_description_or_dlt(linktype: c_int) -> *const c_char, else c"DLT unknown".as_ptr();
    /// The time stamp type of a name, or `PCAP_ERROR`.
    pcap_tstamp_type_name_to_val(name: *const c_char) -> c_int, else PCAP_ERROR;
    /// The name of a time stamp type, or NULL.
    pcap_tstamp_type_val_to_name(tstamp_type: c_int) -> *const c_char, else std::ptr::null();
    /// A time stamp type in words, or NULL.
    pcap_tstamp_type_val_to_description(tstamp_type: c_int) -> *const c_char, else std::ptr::null();
    /// A host's IPv4 addresses, or NULL.
    pcap_nametoaddr(name: *const c_char) -> *mut *mut c_uint, else std::ptr::null_mut();
    /// A host's addresses, which `freeaddrinfo` frees, or NULL.
    pcap_nametoaddrinfo(name: *const c_char) -> *mut addrinfo, else std::ptr::null_mut();
    /// A network's number, or 0.
    pcap_nametonetaddr(name: *const c_char) -> c_uint, else 0;
    /// A service's port and protocol: 1 when found.
    pcap_nametoport(name: *const c_char, port: *mut c_int, protocol: *mut c_int) -> c_int, else 0;
    /// A range of ports: 1 when found.
    pcap_nametoportrange(name: *const c_char, first: *mut c_int, last: *mut c_int, protocol: *mut c_int) -> c_int,
        else 0;
    /// An IP protocol's number, or -1.
    pcap_nametoproto(name: *const c_char) -> c_int, else -1;
    /// An Ethernet protocol's number, or -1.
    pcap_nametoeproto(name: *const c_char) -> c_int, else -1;
    /// An 802.2 protocol's number, or -1.
    pcap_nametollc(name: *const c_char) -> c_int, else -1;
    /// The next line of a file like `ethers(5)`, in static memory, or NULL.
    pcap_next_etherent(file: *mut FILE) -> *mut c_void, else std::ptr::null_mut();
}

/// Bytes of an Ethernet address.
const ETHER: usize = 6;

/// An Ethernet address in memory that the caller frees with `free`.
fn give_address(address: [u8; ETHER]) -> *mut c_uchar {
    // SAFETY: malloc gives memory for the copy, or NULL.
    unsafe {
        let copy = libc::malloc(ETHER).cast::<c_uchar>();
        if !copy.is_null() {
            copy.copy_from_nonoverlapping(address.as_ptr(), ETHER);
        }
        copy
    }
}

/// Reads `0:1:2:aa:bb:cc` and its like: hexadecimal digits, bytes of one digit allowed before a separator.
fn ether_address(text: &[u8]) -> [u8; ETHER] {
    let mut address = [0; ETHER];
    let mut text = text;
    for byte in &mut address {
        if let [b':' | b'.' | b'-', rest @ ..] = text {
            text = rest;
        }
        for _ in 0..2 {
            let Some(digit) = text.first().and_then(|&c| char::from(c).to_digit(16)) else { break };
            *byte = (*byte << 4) | digit as u8;
            text = &text[1..];
        }
    }
    address
}

/// An Ethernet address from text, in memory that the caller frees; NULL when there is no memory.
///
/// # Safety
/// `text` is NULL or NUL-terminated.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pcap_ether_aton(text: *const c_char) -> *mut c_uchar {
    if text.is_null() {
        return std::ptr::null_mut();
    }
    // SAFETY: by the caller's promise.
    give_address(ether_address(unsafe { std::ffi::CStr::from_ptr(text) }.to_bytes()))
}

unsafe extern "C" {
    fn ether_hostton(hostname: *const c_char, address: *mut [u8; ETHER]) -> c_int;
}

/// A host's Ethernet address by `ethers(5)`, in memory that the caller frees; NULL when it has none.
///
/// # Safety
/// `name` is NULL or NUL-terminated.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pcap_ether_hostton(name: *const c_char) -> *mut c_uchar {
    let mut address = [0; ETHER];
    // SAFETY: `name` by the caller's promise; C's ether_addr is these six bytes.
    if name.is_null() || unsafe { ether_hostton(name, &mut address) } != 0 {
        return std::ptr::null_mut();
    }
    give_address(address)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::text_at;

    #[test]
    fn the_version_is_what_programs_parse() {
        // SAFETY: a static string.
        let version = unsafe { text_at(pcap_lib_version()) };
        assert_eq!(version, format!("libpcap version 1.10.3 (libpcap-netmap {})", env!("CARGO_PKG_VERSION")));
    }

    #[test]
    fn ethernet_addresses_are_read() {
        assert_eq!(ether_address(b"00:11:22:aa:BB:ff"), [0, 0x11, 0x22, 0xaa, 0xbb, 0xff]);
        assert_eq!(ether_address(b"0:1:2:a:b:c"), [0, 1, 2, 10, 11, 12]);
        assert_eq!(ether_address(b"0011.22aa.bbff"), [0, 0x11, 0x22, 0xaa, 0xbb, 0xff]);
        assert_eq!(ether_address(b"001122aabbff"), [0, 0x11, 0x22, 0xaa, 0xbb, 0xff]);
        assert_eq!(ether_address(b""), [0; 6]);
    }
}
