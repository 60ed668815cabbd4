//! Savefiles: the system's library reads them.

use crate::abi::*;
use crate::create::from_system;
use crate::handle::Handle;
use libc::{FILE, c_char, c_uint};

/// Opens a savefile (`-`: the standard input); NULL with the text in `errbuf` when that fails.
///
/// # Safety
/// `name` is NULL or NUL-terminated; `errbuf` is NULL or has `PCAP_ERRBUF_SIZE` writable bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pcap_open_offline(name: *const c_char, errbuf: *mut c_char) -> *mut Handle {
    // SAFETY: passed on.
    unsafe { pcap_open_offline_with_tstamp_precision(name, PCAP_TSTAMP_PRECISION_MICRO as c_uint, errbuf) }
}

/// As [`pcap_open_offline`], with `PCAP_TSTAMP_PRECISION_*`.
///
/// # Safety
/// As [`pcap_open_offline`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pcap_open_offline_with_tstamp_precision(
    name: *const c_char,
    precision: c_uint,
    errbuf: *mut c_char,
) -> *mut Handle {
    // SAFETY: passed on.
    unsafe { from_system(errbuf, |s| (s.pcap_open_offline_with_tstamp_precision)(name, precision, errbuf)) }
}

/// Reads a savefile from `file`, which the handle owns afterwards.
///
/// # Safety
/// `file` is open; `errbuf` as in [`pcap_open_offline`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pcap_fopen_offline(file: *mut FILE, errbuf: *mut c_char) -> *mut Handle {
    // SAFETY: passed on.
    unsafe { pcap_fopen_offline_with_tstamp_precision(file, PCAP_TSTAMP_PRECISION_MICRO as c_uint, errbuf) }
}

/// As [`pcap_fopen_offline`], with `PCAP_TSTAMP_PRECISION_*`.
///
/// # Safety
/// As [`pcap_fopen_offline`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pcap_fopen_offline_with_tstamp_precision(
    file: *mut FILE,
    precision: c_uint,
    errbuf: *mut c_char,
) -> *mut Handle {
    // SAFETY: passed on.
    unsafe { from_system(errbuf, |s| (s.pcap_fopen_offline_with_tstamp_precision)(file, precision, errbuf)) }
}
