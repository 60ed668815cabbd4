//! Hosts and networks by name.

use crate::resolve;
use libc::{addrinfo, c_char, c_uint};
use std::ffi::CStr;

unsafe extern "C" {
    fn gethostbyname(name: *const c_char) -> *mut libc::hostent;
}

/// A host's IPv4 addresses in host order, a list that ends with NULL; NULL when it has none. List and addresses
/// are gethostbyname(3)'s own, good until the next look-up by that or by this.
///
/// # Safety
/// `name` is NULL or NUL-terminated; no other thread looks up in this way meanwhile.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pcap_nametoaddr(name: *const c_char) -> *mut *mut c_uint {
    if name.is_null() {
        return std::ptr::null_mut();
    }
    // SAFETY: a terminated name; the list ends with NULL, and its addresses are of four bytes for AF_INET, all in
    // memory that nobody else uses until the next look-up.
    unsafe {
        let host = gethostbyname(name);
        if host.is_null() || (*host).h_addrtype != libc::AF_INET {
            return std::ptr::null_mut();
        }
        let list = (*host).h_addr_list.cast::<*mut c_uint>();
        let mut place = list;
        while !(*place).is_null() {
            let address = *place;
            address.write_unaligned(u32::from_be(address.read_unaligned()));
            place = place.add(1);
        }
        list
    }
}

/// A host's addresses of either version, which `freeaddrinfo` frees; NULL when it has none.
///
/// # Safety
/// `name` is NULL or NUL-terminated.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pcap_nametoaddrinfo(name: *const c_char) -> *mut addrinfo {
    if name.is_null() {
        return std::ptr::null_mut();
    }
    // SAFETY: not NULL, terminated by the caller's promise.
    resolve::host(unsafe { CStr::from_ptr(name) })
}

/// A network's number in host order, or 0.
///
/// # Safety
/// `name` is NULL or NUL-terminated.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pcap_nametonetaddr(name: *const c_char) -> c_uint {
    if name.is_null() {
        return 0;
    }
    // SAFETY: not NULL, terminated by the caller's promise.
    resolve::network(unsafe { CStr::from_ptr(name) }).unwrap_or(0)
}
