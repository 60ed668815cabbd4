//! What a handle is: link type, snap length, sizes, versions, error text.

use crate::abi::*;
use crate::dead::Dead;
use crate::error::ErrorText;
use crate::guard;
use crate::handle::{self, Active, Handle, Live, Source};
use crate::names;
use crate::offline::Offline;
use crate::options::{copy_list, give_list};
use libc::{FILE, c_char, c_int};

/// Asks an activated handle of ours, or a dead one, or passes the call to the system's library.
macro_rules! ask {
    ($p:ident, $function:ident, $answer:expr, $dead:expr, $file:expr) => {
        // SAFETY: by the promise of the exported function's caller.
        match unsafe { handle::source($p) } {
            None => PCAP_ERROR,
            // SAFETY: passed on.
            Some(Source::System(s)) => unsafe { (s.library.$function)(s.p) },
            Some(Source::Live(live)) => asked(live, $answer),
            Some(Source::Dead(dead)) => $dead(dead),
            Some(Source::Offline(file)) => $file(file),
        }
    };
}

/// A handle that is only created has the number for that, and its text stays as it was.
fn asked(live: &Live, answer: impl FnOnce(&Active) -> c_int) -> c_int {
    match live.peek() {
        Some(active) => answer(active),
        None if live.is_created() => PCAP_ERROR_NOT_ACTIVATED,
        None => PCAP_ERROR,
    }
}

/// The link type, `DLT_*`.
///
/// # Safety
/// `p` is NULL or an open handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pcap_datalink(p: *mut Handle) -> c_int {
    ask!(p, pcap_datalink, |_| DLT_EN10MB, |dead: &Dead| dead.linktype, |file: &Offline| file.info.linktype)
}

/// The link type with what a savefile's header says besides.
///
/// # Safety
/// `p` is NULL or an open handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pcap_datalink_ext(p: *mut Handle) -> c_int {
    ask!(p, pcap_datalink_ext, |_| 0, |_| 0, |file: &Offline| file.info.linktype_ext as c_int)
}

/// The snap length, bytes.
///
/// # Safety
/// `p` is NULL or an open handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pcap_snapshot(p: *mut Handle) -> c_int {
    ask!(p, pcap_snapshot, |active| active.snaplen, |dead: &Dead| dead.snaplen, |file: &Offline| file.info.snaplen
        as c_int)
}

/// Whether a savefile has the other byte order.
///
/// # Safety
/// `p` is NULL or an open handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pcap_is_swapped(p: *mut Handle) -> c_int {
    ask!(p, pcap_is_swapped, |_| 0, |_| 0, |file: &Offline| file.info.swapped.into())
}

/// A savefile's major version.
///
/// # Safety
/// `p` is NULL or an open handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pcap_major_version(p: *mut Handle) -> c_int {
    ask!(p, pcap_major_version, |_| 0, |_| 0, |file: &Offline| file.info.major.into())
}

/// A savefile's minor version.
///
/// # Safety
/// `p` is NULL or an open handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pcap_minor_version(p: *mut Handle) -> c_int {
    ask!(p, pcap_minor_version, |_| 0, |_| 0, |file: &Offline| file.info.minor.into())
}

/// Bytes of a buffer that holds any frame the handle may hand out.
///
/// # Safety
/// `p` is NULL or an open handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pcap_bufsize(p: *mut Handle) -> c_int {
    ask!(p, pcap_bufsize, |active| active.snaplen, |_| 0, |file: &Offline| {
        // SAFETY: by the caller's promise; a callback of this thread runs while nobody holds a reference.
        unsafe { file.bufsize() }
    })
}

/// A savefile's stream; NULL for other handles.
///
/// # Safety
/// `p` is NULL or an open handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pcap_file(p: *mut Handle) -> *mut FILE {
    // SAFETY: by the caller's promise.
    match unsafe { handle::source(p) } {
        // SAFETY: passed on.
        Some(Source::System(s)) => unsafe { (s.library.pcap_file)(s.p) },
        // SAFETY: by the caller's promise.
        Some(Source::Offline(file)) => guard::offline(file, std::ptr::null_mut(), || unsafe { file.file() }),
        _ => std::ptr::null_mut(),
    }
}

/// The link types that the handle may have, in a list that [`pcap_free_datalinks`] frees; returns how many.
///
/// # Safety
/// `p` is NULL or an open handle; `list` may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pcap_list_datalinks(p: *mut Handle, list: *mut *mut c_int) -> c_int {
    if list.is_null() {
        return PCAP_ERROR;
    }
    // SAFETY: by the caller's promise.
    match unsafe { handle::source(p) } {
        None => PCAP_ERROR,
        // SAFETY: passed on; the system's list is freed by the system.
        Some(Source::System(s)) => unsafe {
            let mut theirs = std::ptr::null_mut();
            let count = (s.library.pcap_list_datalinks)(s.p, &mut theirs);
            copy_list(list, theirs, count, s.library.pcap_free_datalinks)
        },
        Some(Source::Live(live)) => guard::live(live, PCAP_ERROR, || match live.active() {
            // SAFETY: not NULL, the caller's.
            Ok(_) => unsafe { give_list(list, &[DLT_EN10MB]) },
            Err(code) => code,
        }),
        // SAFETY: not NULL, the caller's.
        Some(Source::Dead(dead)) => unsafe { give_list(list, &[dead.linktype]) },
        // SAFETY: as above.
        Some(Source::Offline(file)) => unsafe { give_list(list, &[file.info.linktype]) },
    }
}

/// Frees what [`pcap_list_datalinks`] gave.
///
/// # Safety
/// `list` came from there, or is NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pcap_free_datalinks(list: *mut c_int) {
    // SAFETY: from malloc; NULL is allowed.
    unsafe { libc::free(list.cast()) };
}

/// Sets the link type to one of [`pcap_list_datalinks`].
///
/// # Safety
/// `p` is NULL or an open handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pcap_set_datalink(p: *mut Handle, linktype: c_int) -> c_int {
    // SAFETY: by the caller's promise.
    match unsafe { handle::source(p) } {
        None => PCAP_ERROR,
        // SAFETY: passed on.
        Some(Source::System(s)) => unsafe { (s.library.pcap_set_datalink)(s.p, linktype) },
        Some(Source::Live(live)) => guard::live(live, PCAP_ERROR, || set_datalink(live, linktype)),
        Some(Source::Offline(file)) if linktype >= 0 && linktype == file.info.linktype => 0,
        Some(Source::Offline(file)) => not_supported(&file.error, linktype),
        Some(Source::Dead(dead)) if linktype >= 0 && linktype == dead.linktype => 0,
        Some(Source::Dead(dead)) => not_supported(&dead.error, linktype),
    }
}

fn set_datalink(live: &Live, linktype: c_int) -> c_int {
    if live.peek().is_some() && linktype == DLT_EN10MB {
        return 0;
    }
    not_supported(&live.error, linktype)
}

fn not_supported(error: &ErrorText, linktype: c_int) -> c_int {
    let name = names::linktype_or_dlt(linktype);
    error.set(format_args!("{name} is not one of the DLTs supported by this device"));
    PCAP_ERROR
}

/// The text of the handle's last error, valid until the next one or the handle's end.
///
/// # Safety
/// `p` is NULL or an open handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pcap_geterr(p: *mut Handle) -> *mut c_char {
    // SAFETY: by the caller's promise.
    match unsafe { handle::source(p) } {
        None => c"no handle was given".as_ptr().cast_mut(),
        // SAFETY: passed on.
        Some(Source::System(s)) => unsafe { (s.library.pcap_geterr)(s.p) },
        Some(Source::Live(live)) => live.error.as_ptr(),
        Some(Source::Offline(file)) => file.error.as_ptr(),
        Some(Source::Dead(dead)) => dead.error.as_ptr(),
    }
}

unsafe extern "C" {
    /// C's stream: text of the program that is buffered there stays before ours.
    static stderr: *mut FILE;
}

/// Prints `prefix` and the text of the handle's last error to the standard error stream.
///
/// # Safety
/// `p` is NULL or an open handle; `prefix` is NULL or NUL-terminated.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pcap_perror(p: *mut Handle, prefix: *const c_char) {
    // SAFETY: by the caller's promise.
    unsafe {
        if let Some(Source::System(s)) = handle::source(p) {
            return (s.library.pcap_perror)(s.p, prefix);
        }
        let prefix = if prefix.is_null() { c"".as_ptr() } else { prefix };
        libc::fprintf(stderr, c"%s: %s\n".as_ptr(), prefix, pcap_geterr(p));
    }
}
