//! Time stamp types by name: `pcap_tstamp_type_*`.

use crate::abi::PCAP_ERROR;
use libc::{c_char, c_int};
use std::ffi::CStr;

/// Name and description, by number (`PCAP_TSTAMP_*`).
static TYPES: [(&CStr, &CStr); 6] = [
    (c"host", c"Host"),
    (c"host_lowprec", c"Host, low precision"),
    (c"host_hiprec", c"Host, high precision"),
    (c"adapter", c"Adapter"),
    (c"adapter_unsynced", c"Adapter, not synced with system time"),
    (c"host_hiprec_unsynced", c"Host, high precision, not synced with system time"),
];

fn of(tstamp_type: c_int) -> Option<&'static (&'static CStr, &'static CStr)> {
    TYPES.get(usize::try_from(tstamp_type).ok()?)
}

/// The time stamp type of a name in any case, or `PCAP_ERROR`.
///
/// # Safety
/// `name` is NULL or NUL-terminated.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pcap_tstamp_type_name_to_val(name: *const c_char) -> c_int {
    if name.is_null() {
        return PCAP_ERROR;
    }
    // SAFETY: not NULL, terminated by the caller's promise.
    let name = unsafe { CStr::from_ptr(name) }.to_bytes();
    let row = TYPES.iter().position(|row| row.0.to_bytes().eq_ignore_ascii_case(name));
    row.map_or(PCAP_ERROR, |row| row as c_int)
}

/// The name of a time stamp type, or NULL.
#[unsafe(no_mangle)]
pub extern "C" fn pcap_tstamp_type_val_to_name(tstamp_type: c_int) -> *const c_char {
    of(tstamp_type).map_or(std::ptr::null(), |row| row.0.as_ptr())
}

/// A time stamp type in words, or NULL.
#[unsafe(no_mangle)]
pub extern "C" fn pcap_tstamp_type_val_to_description(tstamp_type: c_int) -> *const c_char {
    of(tstamp_type).map_or(std::ptr::null(), |row| row.1.as_ptr())
}
