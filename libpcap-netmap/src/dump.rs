//! Writing savefiles: `pcap_dump_open` and what follows.
//!
//! A dumper *is* the C stream that it writes to, as with libpcap: programs cast one to the other, mix their own writes
//! with ours, and rely on what C's streams do when a program exits, is killed or forks. What is written, and what a file must
//! be to be appended to, says the crate `savefile`; [`stream`] puts it into the stream.

mod stream;

use crate::abi::*;
use crate::error::{Errbuf, text_at};
use crate::guard;
use crate::handle::{self, Handle, Source};
use crate::options::pcap_get_tstamp_precision;
use crate::properties::{pcap_datalink, pcap_datalink_ext, pcap_geterr, pcap_snapshot};
use libc::{FILE, c_char, c_int, c_long, c_uchar};
use savefile::error::Strerror;
use savefile::write::append;
use savefile::write::pcap::{self, Header, record_header};
use savefile::{Error, Precision};
use std::io;
use std::ptr;

unsafe extern "C" {
    /// C's stream: text of the program that is buffered there stays before ours.
    static stdout: *mut FILE;
}

/// What opening a dumper comes to; the error is the text for the handle.
type Opened = Result<*mut FILE, String>;

/// Opens a dumper on a handle of any kind, and leaves the text there when it fails.
///
/// # Safety
/// `p` is NULL or an open handle.
unsafe fn dumper(p: *mut Handle, what: &str, appends: bool, open: impl FnOnce(Header) -> Opened) -> *mut pcap_dumper_t {
    // SAFETY: by the caller's promise; the text of a handle has PCAP_ERRBUF_SIZE bytes.
    unsafe {
        let Some(source) = handle::source(p) else { return ptr::null_mut() };
        guard::errbuf(pcap_geterr(p), ptr::null_mut(), || {
            let Some(header) = header(p, source, what, appends) else { return ptr::null_mut() };
            match header.and_then(open) {
                Ok(file) => file.cast(),
                Err(text) => {
                    Errbuf::write(pcap_geterr(p), format_args!("{text}"));
                    ptr::null_mut()
                }
            }
        })
    }
}

/// The header of a file for a handle's frames; the error is the text for the handle. `None`: it was poisoned, and keeps its text.
///
/// # Safety
/// `p` is an open handle, `source` its own.
unsafe fn header(p: *mut Handle, source: &Source, what: &str, appends: bool) -> Option<Result<Header, String>> {
    // SAFETY: by the caller's promise.
    let (dlt, ext, snaplen, precision) =
        unsafe { (pcap_datalink(p), pcap_datalink_ext(p), pcap_snapshot(p), pcap_get_tstamp_precision(p)) };
    let created = match source {
        Source::Live(live) if live.is_created() => true,
        Source::Live(live) if live.peek().is_none() => return None,
        Source::System(_) => dlt == PCAP_ERROR_NOT_ACTIVATED,
        _ => false,
    };
    if created {
        return Some(Err(format!("{what}: not-yet-activated pcap_t passed to pcap_dump_open")));
    }
    // libpcap, when it appends, does not count what a savefile said besides of its link type.
    let ext = if appends { 0 } else { ext as u32 };
    let precision = if precision == PCAP_TSTAMP_PRECISION_NANO { Precision::Nano } else { Precision::Micro };
    let header = Header::of_handle(dlt, ext, snaplen as u32, precision);
    // Nor does it then name the link type that can't be saved.
    Some(header.map_err(|_| format!("{what}: {}", Error::NotSaveable { dlt: if appends { -1 } else { dlt } })))
}

/// As C says it: the name, and the text of the last system call's error.
fn failed(what: &str) -> String {
    format!("{what}: {}", Strerror(&io::Error::last_os_error()))
}

const NO_NAME: &str = "A null pointer was supplied as the file name";

/// What a name is called in a text that comes before the name is looked at.
///
/// # Safety
/// `name` is NULL or NUL-terminated.
unsafe fn name_text(name: *const c_char) -> String {
    // SAFETY: by the caller's promise.
    if name.is_null() { "(null)".to_string() } else { unsafe { text_at(name) } }
}

/// Writes a file's header to `file`.
///
/// # Safety
/// `file` is open.
unsafe fn begin(file: *mut FILE, header: Header, what: &str) -> Result<(), String> {
    let bytes = header.to_bytes();
    // SAFETY: by the caller's promise; the bytes are ours.
    match unsafe { libc::fwrite(bytes.as_ptr().cast(), bytes.len(), 1, file) } {
        1 => Ok(()),
        _ => Err(failed(&format!("Can't write to {what}"))),
    }
}

/// # Safety
/// As [`begin`]; a stream that fails is closed, unless it is the standard output.
unsafe fn begin_or_close(file: *mut FILE, header: Header, what: &str) -> Opened {
    // SAFETY: by the caller's promise.
    unsafe {
        begin(file, header, what).map(|()| file).inspect_err(|_| {
            if file != stdout {
                libc::fclose(file);
            }
        })
    }
}

/// Opens a savefile for writing (`-`: the standard output); NULL with the text in the handle when that fails.
///
/// # Safety
/// `p` is NULL or an open handle; `name` is NULL or NUL-terminated.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pcap_dump_open(p: *mut Handle, name: *const c_char) -> *mut pcap_dumper_t {
    // SAFETY: by the caller's promise.
    unsafe {
        let what = name_text(name);
        dumper(p, &what, false, |header| {
            if name.is_null() {
                return Err(NO_NAME.to_string());
            }
            if what == "-" {
                return begin_or_close(stdout, header, "standard output");
            }
            let file = libc::fopen(name, c"wbe".as_ptr());
            if file.is_null() { Err(failed(&what)) } else { begin_or_close(file, header, &what) }
        })
    }
}

/// As [`pcap_dump_open`], to an open stream, which the dumper owns afterwards.
///
/// # Safety
/// `p` is NULL or an open handle; `file` is NULL or open.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pcap_dump_fopen(p: *mut Handle, file: *mut FILE) -> *mut pcap_dumper_t {
    if file.is_null() {
        return ptr::null_mut();
    }
    // SAFETY: by the caller's promise.
    unsafe { dumper(p, "stream", false, |header| begin_or_close(file, header, "stream")) }
}

/// As [`pcap_dump_open`], writing on at the end of the file. One that has a header must have the same.
///
/// # Safety
/// As [`pcap_dump_open`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pcap_dump_open_append(p: *mut Handle, name: *const c_char) -> *mut pcap_dumper_t {
    // SAFETY: by the caller's promise.
    unsafe {
        let what = name_text(name);
        dumper(p, &what, true, |header| {
            if name.is_null() {
                return Err(NO_NAME.to_string());
            }
            if what == "-" {
                return begin_or_close(stdout, header, "standard output");
            }
            let file = libc::fopen(name, c"ab+e".as_ptr());
            if file.is_null() {
                return Err(failed(&what));
            }
            go_on(file, header, &what).map(|()| file).inspect_err(|_| {
                libc::fclose(file);
            })
        })
    }
}

/// Goes to the end of a file to which frames may be appended.
///
/// # Safety
/// `file` is open for reading and for writing at its end.
unsafe fn go_on(file: *mut FILE, header: Header, what: &str) -> Result<(), String> {
    let mut first = [0u8; pcap::HEADER];
    // SAFETY: by the caller's promise; the bytes are ours.
    unsafe {
        if libc::fseek(file, 0, libc::SEEK_SET) == -1 {
            return Err(failed(&format!("Can't seek to the beginning of {what}")));
        }
        match libc::fread(first.as_mut_ptr().cast(), 1, first.len(), file) {
            _ if libc::ferror(file) != 0 => return Err(failed(what)),
            0 => begin(file, header, what)?,
            read => append::check(&first[..read], header).map_err(|why| format!("{what}: {why}"))?,
        }
        if libc::fseek(file, 0, libc::SEEK_END) == -1 {
            return Err(failed(&format!("Can't seek to the end of {what}")));
        }
    }
    Ok(())
}

/// Writes a packet to a dumper; made to be a callback of `pcap_loop`, with the dumper as the user's argument. A stream that
/// has failed (`ferror`) gets no more.
///
/// # Safety
/// `dumper` is NULL or open; `header` and `packet` belong together.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn pcap_dump(dumper: *mut c_uchar, header: *const pcap_pkthdr, packet: *const c_uchar) {
    // SAFETY: by the caller's promise.
    unsafe {
        if let (false, Some(h)) = (dumper.is_null(), header.as_ref()) {
            // Seconds are 32 bits without a sign, good to 2106.
            let record = record_header(h.ts.tv_sec as u32, h.ts.tv_usec as u32, h.caplen, h.len);
            stream::write(dumper.cast(), u128::from_ne_bytes(record), packet, h.caplen as usize);
        }
    }
}

/// A dumper's stream.
///
/// # Safety
/// `dumper` is NULL or open.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pcap_dump_file(dumper: *mut pcap_dumper_t) -> *mut FILE {
    dumper.cast()
}

/// Where a dumper writes next, bytes from the beginning; −1: its stream has no place.
///
/// # Safety
/// `dumper` is NULL or open.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pcap_dump_ftell(dumper: *mut pcap_dumper_t) -> c_long {
    // SAFETY: by the caller's promise.
    if dumper.is_null() { PCAP_ERROR.into() } else { unsafe { libc::ftell(dumper.cast()) } }
}

/// As [`pcap_dump_ftell`], in 64 bits everywhere.
///
/// # Safety
/// `dumper` is NULL or open.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pcap_dump_ftell64(dumper: *mut pcap_dumper_t) -> i64 {
    // SAFETY: by the caller's promise.
    if dumper.is_null() { PCAP_ERROR.into() } else { unsafe { libc::ftello(dumper.cast()) } }
}

/// Writes out what a dumper still buffers: 0, or `PCAP_ERROR` with `errno` set.
///
/// # Safety
/// `dumper` is NULL or open.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pcap_dump_flush(dumper: *mut pcap_dumper_t) -> c_int {
    // SAFETY: by the caller's promise.
    if dumper.is_null() || unsafe { libc::fflush(dumper.cast()) } == libc::EOF { PCAP_ERROR } else { 0 }
}

/// Closes a dumper, and its stream.
///
/// # Safety
/// `dumper` is NULL or open; nobody uses it afterwards.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pcap_dump_close(dumper: *mut pcap_dumper_t) {
    if !dumper.is_null() {
        // SAFETY: by the caller's promise.
        unsafe { libc::fclose(dumper.cast()) };
    }
}
