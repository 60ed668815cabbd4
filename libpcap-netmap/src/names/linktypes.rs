//! Link types by name: `pcap_datalink_*`.

use crate::abi::PCAP_ERROR;
use crate::error::keep_text;
use filter::linktypes;
use libc::{c_char, c_int};
use std::cell::RefCell;
use std::ffi::{CStr, CString};

/// The name of a link type, or `DLT` and its number.
pub(crate) fn linktype_or_dlt(linktype: c_int) -> String {
    linktypes::name(linktype).map_or_else(|| format!("DLT {linktype}"), |name| name.to_string_lossy().into_owned())
}

/// The link type of a name in any case, or -1.
///
/// # Safety
/// `name` is NULL or NUL-terminated.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pcap_datalink_name_to_val(name: *const c_char) -> c_int {
    if name.is_null() {
        return PCAP_ERROR;
    }
    // SAFETY: not NULL, terminated by the caller's promise.
    linktypes::by_name(unsafe { CStr::from_ptr(name) }.to_bytes()).unwrap_or(PCAP_ERROR)
}

/// The name of a link type, or NULL.
#[unsafe(no_mangle)]
pub extern "C" fn pcap_datalink_val_to_name(linktype: c_int) -> *const c_char {
    linktypes::name(linktype).map_or(std::ptr::null(), CStr::as_ptr)
}

/// A link type in words, or NULL.
#[unsafe(no_mangle)]
pub extern "C" fn pcap_datalink_val_to_description(linktype: c_int) -> *const c_char {
    linktypes::description(linktype).map_or(std::ptr::null(), CStr::as_ptr)
}

/// A link type in words, or its number in memory of this thread until its next call.
#[unsafe(no_mangle)]
pub extern "C" fn pcap_datalink_val_to_description_or_dlt(linktype: c_int) -> *const c_char {
    thread_local!(static KEPT: RefCell<CString> = RefCell::default());
    match linktypes::description(linktype) {
        Some(description) => description.as_ptr(),
        None => keep_text(&KEPT, format!("DLT {linktype}")),
    }
}
