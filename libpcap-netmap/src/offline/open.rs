//! Opening savefiles: `pcap_open_offline`, `pcap_fopen_offline`.

use super::Offline;
use super::stream::{Stream, standard_input};
use crate::abi::*;
use crate::error::{Errbuf, text_at};
use crate::guard;
use crate::handle::{Handle, Source};
use libc::{FILE, c_char, c_int, c_uint};
use savefile::error::Strerror;
use savefile::{Precision, Reader};
use std::fs::File;
use std::io;
use std::os::fd::FromRawFd;

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
    // SAFETY: passed on, here and below.
    unsafe {
        guard::errbuf(errbuf, std::ptr::null_mut(), || {
            told(errbuf, named(name).and_then(|stream| open(stream, precision)))
        })
    }
}

/// Reads a savefile from `file`, which the handle owns afterwards.
///
/// # Safety
/// `file` is NULL or open; `errbuf` as in [`pcap_open_offline`].
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
    // SAFETY: passed on, here and below.
    unsafe {
        guard::errbuf(errbuf, std::ptr::null_mut(), || {
            let opened = if file.is_null() {
                Err("Null FILE * pointer provided to savefile open routine".into())
            } else {
                open(Stream::stdio(file), precision)
            };
            told(errbuf, opened)
        })
    }
}

/// The handle for C, or NULL and the text. Success leaves the caller's buffer as it was.
///
/// # Safety
/// `errbuf` is NULL or has `PCAP_ERRBUF_SIZE` writable bytes.
unsafe fn told(errbuf: *mut c_char, opened: Result<Offline, String>) -> *mut Handle {
    match opened {
        Ok(offline) => Handle::into_raw(Source::Offline(Box::new(offline))),
        Err(why) => {
            // SAFETY: by the caller's promise.
            unsafe { Errbuf::write(errbuf, format_args!("{why}")) };
            std::ptr::null_mut()
        }
    }
}

/// The stream of a name.
///
/// # Safety
/// `name` is NULL or NUL-terminated.
unsafe fn named(name: *const c_char) -> Result<Stream, String> {
    if name.is_null() {
        return Err("A null pointer was supplied as the file name".into());
    }
    // SAFETY: not NULL, terminated by the caller's promise.
    let text = unsafe { text_at(name) };
    if text == "-" {
        let file = standard_input();
        if file.is_null() {
            return Err("The standard input is not open".into());
        }
        // SAFETY: the program keeps its standard input open.
        return Ok(unsafe { Stream::stdio(file) });
    }
    // SAFETY: a terminated name. Not `File::open`, which goes on after a signal where fopen doesn't.
    let fd = unsafe { libc::open(name, libc::O_RDONLY | libc::O_CLOEXEC) };
    if fd == -1 {
        return Err(format!("{text}: {}", Strerror(&io::Error::last_os_error())));
    }
    // SAFETY: just opened, and nobody else's.
    Ok(Stream::Descriptor(unsafe { File::from_raw_fd(fd) }))
}

fn open(mut stream: Stream, precision: c_uint) -> Result<Offline, String> {
    let asked = match precision as c_int {
        PCAP_TSTAMP_PRECISION_NANO => Precision::Nano,
        _ => Precision::Micro,
    };
    let ahead = !stream.is_shared();
    let reader = {
        let _lock = stream.lock();
        Reader::open(stream, asked, ahead).map_err(|error| error.to_string())?
    };
    // libpcap, too, looks at the file first.
    if precision > PCAP_TSTAMP_PRECISION_NANO as c_uint {
        return Err(format!("unknown time stamp resolution {precision}"));
    }
    Ok(Offline::new(reader))
}
