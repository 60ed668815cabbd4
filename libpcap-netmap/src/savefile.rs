//! Savefiles: the system's library reads and writes them.

use crate::abi::*;
use crate::create::from_system;
use crate::error::{ErrorText, text_at};
use crate::guard;
use crate::handle::{self, ForeignHandle, Handle, Live, Source};
use crate::system::{self, System};
use libc::{FILE, c_char, c_int, c_long, c_uchar, c_uint};

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

/// A handle without a device of the system's library, which opens a dumper in the place of one of ours.
struct StandIn {
    library: &'static System,
    p: *mut ForeignHandle,
}

impl StandIn {
    /// # Errors
    /// Why there is none.
    fn new(linktype: c_int, snaplen: c_int, precision: c_int) -> Result<StandIn, &'static str> {
        let library = system::get()?;
        // SAFETY: takes any numbers.
        let p = unsafe { (library.pcap_open_dead_with_tstamp_precision)(linktype, snaplen, precision as c_uint) };
        if p.is_null() { Err("Cannot allocate memory") } else { Ok(StandIn { library, p }) }
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        // SAFETY: opened by `new`, closed here alone.
        unsafe { (self.library.pcap_close)(self.p) };
    }
}

/// Opens a dumper on a handle of the system's library: `p`'s own, or one that stands for `p`.
///
/// # Safety
/// `p` is NULL or an open handle.
unsafe fn dump(
    p: *mut Handle,
    what: &str,
    open: impl FnOnce(&System, *mut ForeignHandle) -> *mut pcap_dumper_t,
) -> *mut pcap_dumper_t {
    // SAFETY: by the caller's promise.
    match unsafe { handle::source(p) } {
        None => std::ptr::null_mut(),
        Some(Source::System(s)) => open(s.library, s.p),
        Some(Source::Dead(dead)) => dump_by(&dead.error, dead.linktype, dead.snaplen, dead.precision, open),
        Some(Source::Live(live)) => guard::live(live, std::ptr::null_mut(), || dump_live(live, what, open)),
    }
}

fn dump_live(
    live: &Live,
    what: &str,
    open: impl FnOnce(&System, *mut ForeignHandle) -> *mut pcap_dumper_t,
) -> *mut pcap_dumper_t {
    if live.is_created() {
        live.fail(PCAP_ERROR, format_args!("{what}: not-yet-activated pcap_t passed to pcap_dump_open"));
        return std::ptr::null_mut();
    }
    match live.active() {
        Ok(active) => dump_by(&live.error, DLT_EN10MB, active.snaplen, active.precision, open),
        Err(_) => std::ptr::null_mut(),
    }
}

fn dump_by(
    error: &ErrorText,
    linktype: c_int,
    snaplen: c_int,
    precision: c_int,
    open: impl FnOnce(&System, *mut ForeignHandle) -> *mut pcap_dumper_t,
) -> *mut pcap_dumper_t {
    let stand_in = match StandIn::new(linktype, snaplen, precision) {
        Ok(stand_in) => stand_in,
        Err(why) => {
            error.set(format_args!("{why}"));
            return std::ptr::null_mut();
        }
    };
    let dumper = open(stand_in.library, stand_in.p);
    if dumper.is_null() {
        // SAFETY: an open handle, whose text is terminated.
        let why = unsafe { text_at((stand_in.library.pcap_geterr)(stand_in.p)) };
        error.set(format_args!("{why}"));
    }
    dumper
}

/// Opens a savefile for writing (`-`: the standard output); NULL with the text in the handle when that fails.
///
/// # Safety
/// `p` is NULL or an open handle; `name` is NULL or NUL-terminated.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pcap_dump_open(p: *mut Handle, name: *const c_char) -> *mut pcap_dumper_t {
    // SAFETY: by the caller's promise.
    unsafe { dump(p, &text_at(name), |s, theirs| (s.pcap_dump_open)(theirs, name)) }
}

/// As [`pcap_dump_open`], writing on at the end of the file.
///
/// # Safety
/// As [`pcap_dump_open`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pcap_dump_open_append(p: *mut Handle, name: *const c_char) -> *mut pcap_dumper_t {
    // SAFETY: by the caller's promise.
    unsafe { dump(p, &text_at(name), |s, theirs| (s.pcap_dump_open_append)(theirs, name)) }
}

/// As [`pcap_dump_open`], to an open stream, which the dumper owns afterwards.
///
/// # Safety
/// `p` is NULL or an open handle; `file` is open.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pcap_dump_fopen(p: *mut Handle, file: *mut FILE) -> *mut pcap_dumper_t {
    // SAFETY: by the caller's promise.
    unsafe { dump(p, "stream", |s, theirs| (s.pcap_dump_fopen)(theirs, file)) }
}

/// Writes a packet to a dumper; made to be a callback of `pcap_loop`, with the dumper as the user's argument.
///
/// # Safety
/// `dumper` is open; `header` and `packet` belong together.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pcap_dump(dumper: *mut c_uchar, header: *const pcap_pkthdr, packet: *const c_uchar) {
    if let Ok(system) = system::get() {
        // SAFETY: passed on.
        unsafe { (system.pcap_dump)(dumper, header, packet) };
    }
}

/// A dumper's stream.
///
/// # Safety
/// `dumper` is open.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pcap_dump_file(dumper: *mut pcap_dumper_t) -> *mut FILE {
    // SAFETY: passed on.
    system::get().map_or(std::ptr::null_mut(), |s| unsafe { (s.pcap_dump_file)(dumper) })
}

/// Where a dumper writes next, bytes from the beginning.
///
/// # Safety
/// `dumper` is open.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pcap_dump_ftell(dumper: *mut pcap_dumper_t) -> c_long {
    // SAFETY: passed on.
    system::get().map_or(PCAP_ERROR.into(), |s| unsafe { (s.pcap_dump_ftell)(dumper) })
}

/// As [`pcap_dump_ftell`], in 64 bits everywhere.
///
/// # Safety
/// `dumper` is open.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pcap_dump_ftell64(dumper: *mut pcap_dumper_t) -> i64 {
    // SAFETY: passed on.
    system::get().map_or(PCAP_ERROR.into(), |s| unsafe { (s.pcap_dump_ftell64)(dumper) })
}

/// Writes out what a dumper still buffers: 0, or `PCAP_ERROR`.
///
/// # Safety
/// `dumper` is open.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pcap_dump_flush(dumper: *mut pcap_dumper_t) -> c_int {
    // SAFETY: passed on.
    system::get().map_or(PCAP_ERROR, |s| unsafe { (s.pcap_dump_flush)(dumper) })
}

/// Closes a dumper.
///
/// # Safety
/// `dumper` is open; nobody uses it afterwards.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pcap_dump_close(dumper: *mut pcap_dumper_t) {
    if let Ok(system) = system::get() {
        // SAFETY: passed on.
        unsafe { (system.pcap_dump_close)(dumper) };
    }
}
