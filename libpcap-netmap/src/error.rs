//! Error text and error numbers: the one type that writes C's buffers, the one map to `PCAP_ERROR_*`.

use crate::abi::*;
use libc::{c_char, c_int};
use nm_core::PortError;
use std::cell::{RefCell, UnsafeCell};
use std::ffi::{CStr, CString};
use std::fmt::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::LocalKey;

pub(crate) const NOT_ACTIVATED: &str = "This handle hasn't been activated yet";
/// Two spaces, as libpcap has them where a device type has no name.
pub(crate) const ACTIVATED: &str = "can't perform  operation on activated capture";

/// The number that C gets for `error`.
pub(crate) fn code(error: &PortError) -> c_int {
    match error {
        PortError::Name(_)
        | PortError::NotFound { .. }
        | PortError::NoDevice { .. }
        | PortError::Unsupported { .. } => PCAP_ERROR_NO_SUCH_DEVICE,
        PortError::Permission { .. } | PortError::Denied { .. } => PCAP_ERROR_PERM_DENIED,
        PortError::NotUp { .. } => PCAP_ERROR_IFACE_NOT_UP,
        _ => PCAP_ERROR,
    }
}

/// Writes text into `PCAP_ERRBUF_SIZE` bytes: always NUL-terminated, cut at a character.
pub(crate) struct Errbuf {
    start: *mut u8,
    len: usize,
    full: bool,
}

impl Errbuf {
    /// Replaces what the caller's buffer holds; does nothing for NULL.
    ///
    /// # Safety
    /// `errbuf` is NULL or has `PCAP_ERRBUF_SIZE` writable bytes that nobody else uses meanwhile.
    pub(crate) unsafe fn write(errbuf: *mut c_char, text: fmt::Arguments<'_>) {
        if errbuf.is_null() {
            return;
        }
        let mut to = Errbuf { start: errbuf.cast(), len: 0, full: false };
        // A text that fails half-way keeps its first half.
        let _ = to.write_fmt(text);
        // SAFETY: len <= PCAP_ERRBUF_SIZE - 1 (write_str), so this byte is the buffer's.
        unsafe { to.start.add(to.len).write(0) };
    }

    /// Makes the caller's buffer the empty string.
    ///
    /// # Safety
    /// As [`Errbuf::write`].
    pub(crate) unsafe fn clear(errbuf: *mut c_char) {
        // SAFETY: passed on.
        unsafe { Errbuf::write(errbuf, format_args!("")) };
    }
}

impl Write for Errbuf {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if self.full {
            return Ok(());
        }
        let room = PCAP_ERRBUF_SIZE - 1 - self.len;
        let mut take = text.len().min(room);
        while !text.is_char_boundary(take) {
            take -= 1;
        }
        self.full = take < text.len();
        // SAFETY: take <= room, so source and target are in bounds; a Rust string and C's buffer don't overlap.
        unsafe { self.start.add(self.len).copy_from_nonoverlapping(text.as_ptr(), take) };
        self.len += take;
        Ok(())
    }
}

/// The error text of a handle: what `pcap_geterr` points to.
///
/// Two threads of one handle (one reads, one sends) may fail at once, so writers take turns; C reads it unlocked,
/// as with libpcap.
pub(crate) struct ErrorText {
    bytes: UnsafeCell<[c_char; PCAP_ERRBUF_SIZE]>,
    writing: AtomicBool,
}

impl ErrorText {
    pub(crate) fn new() -> ErrorText {
        ErrorText { bytes: UnsafeCell::new([0; PCAP_ERRBUF_SIZE]), writing: AtomicBool::new(false) }
    }

    /// Replaces the text. When another thread is writing its own at this very moment, that one stays.
    pub(crate) fn set(&self, text: fmt::Arguments<'_>) {
        // ORDER: Acquire with the Release below: the earlier writer's bytes are behind us.
        if self.writing.swap(true, Ordering::Acquire) {
            return;
        }
        // SAFETY: the buffer is PCAP_ERRBUF_SIZE long and `writing` makes us its only writer.
        unsafe { Errbuf::write(self.as_ptr(), text) };
        // ORDER: Release to the Acquire above.
        self.writing.store(false, Ordering::Release);
    }

    pub(crate) fn as_ptr(&self) -> *mut c_char {
        self.bytes.get().cast()
    }

    pub(crate) fn text(&self) -> String {
        // SAFETY: the buffer is always NUL-terminated.
        unsafe { text_at(self.as_ptr()) }
    }
}

/// C's string at `text`, whatever its encoding; empty for NULL.
///
/// # Safety
/// `text` is NULL or a NUL-terminated string.
pub(crate) unsafe fn text_at(text: *const c_char) -> String {
    if text.is_null() {
        return String::new();
    }
    // SAFETY: by the caller's promise.
    unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned()
}

/// The words for a `PCAP_ERROR_*` or `PCAP_WARNING_*`; `None` for any other number.
pub(crate) fn status_text(status: c_int) -> Option<&'static CStr> {
    Some(match status {
        PCAP_WARNING => c"Generic warning",
        PCAP_WARNING_TSTAMP_TYPE_NOTSUP => c"That type of time stamp is not supported by that device",
        PCAP_WARNING_PROMISC_NOTSUP => c"That device doesn't support promiscuous mode",
        PCAP_ERROR => c"Generic error",
        PCAP_ERROR_BREAK => c"Loop terminated by pcap_breakloop",
        PCAP_ERROR_NOT_ACTIVATED => c"The pcap_t has not been activated",
        PCAP_ERROR_ACTIVATED => c"The setting can't be changed after the pcap_t is activated",
        PCAP_ERROR_NO_SUCH_DEVICE => c"No such device exists",
        PCAP_ERROR_RFMON_NOTSUP => c"That device doesn't support monitor mode",
        PCAP_ERROR_NOT_RFMON => c"That operation is supported only in monitor mode",
        PCAP_ERROR_PERM_DENIED => c"You don't have permission to perform this capture on that device",
        PCAP_ERROR_IFACE_NOT_UP => c"That device is not up",
        PCAP_ERROR_CANTSET_TSTAMP_TYPE => c"That device doesn't support setting the time stamp type",
        PCAP_ERROR_PROMISC_PERM_DENIED => c"You don't have permission to capture in promiscuous mode on that device",
        PCAP_ERROR_TSTAMP_PRECISION_NOTSUP => c"That device doesn't support that time stamp precision",
        _ => return None,
    })
}

/// The words for `status`, as Rust's.
pub(crate) fn status_str(status: c_int) -> &'static str {
    status_text(status).and_then(|t| t.to_str().ok()).unwrap_or("Unknown error")
}

/// The words for a status number of a pcap function; static, or of this thread until its next call.
#[unsafe(no_mangle)]
pub extern "C" fn pcap_statustostr(status: c_int) -> *const c_char {
    thread_local!(static KEPT: RefCell<CString> = RefCell::default());
    match status_text(status) {
        Some(text) => text.as_ptr(),
        None => keep_text(&KEPT, format!("Unknown error: {status}")),
    }
}

/// The words for an `errno`, as `strerror(3)` gives them.
#[unsafe(no_mangle)]
pub extern "C" fn pcap_strerror(errno: c_int) -> *const c_char {
    // SAFETY: strerror takes any number.
    unsafe { libc::strerror(errno) }
}

/// Keeps `text` in one of this thread's places until that is used again, and points to it.
pub(crate) fn keep_text(place: &'static LocalKey<RefCell<CString>>, text: String) -> *const c_char {
    let text = CString::new(text).unwrap_or_default();
    place
        .try_with(|kept| {
            *kept.borrow_mut() = text;
            kept.borrow().as_ptr()
        })
        .unwrap_or(c"".as_ptr())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_cut_at_a_character_and_terminated() {
        let text = ErrorText::new();
        text.set(format_args!("{}é{}", "a".repeat(254), "b"));
        assert_eq!(text.text(), "a".repeat(254));
        text.set(format_args!("{}é", "a".repeat(253)));
        assert_eq!(text.text(), format!("{}é", "a".repeat(253)));
        text.set(format_args!("{}", "x".repeat(1000)));
        assert_eq!(text.text().len(), PCAP_ERRBUF_SIZE - 1);
        text.set(format_args!(""));
        assert_eq!(text.text(), "");
    }

    #[test]
    fn nothing_follows_a_cut() {
        let text = ErrorText::new();
        text.set(format_args!("{}{}{}", "a".repeat(254), "é", "b"));
        assert_eq!(text.text(), "a".repeat(254));
    }

    #[test]
    fn errors_have_their_number() {
        let source = || std::io::Error::from_raw_os_error(libc::EACCES);
        assert_eq!(code(&PortError::Permission { path: "/x".into(), source: source() }), PCAP_ERROR_PERM_DENIED);
        assert_eq!(code(&PortError::NotFound { name: "vale0".into() }), PCAP_ERROR_NO_SUCH_DEVICE);
        assert_eq!(code(&PortError::InUse { port: "vale0:a".into() }), PCAP_ERROR);
        assert_eq!(code(&PortError::Io { what: "open".into(), source: source() }), PCAP_ERROR);
    }

    #[test]
    fn unknown_numbers_are_named() {
        // SAFETY: both give NUL-terminated strings of this thread.
        unsafe {
            assert_eq!(text_at(pcap_statustostr(-77)), "Unknown error: -77");
            assert_eq!(text_at(pcap_statustostr(-5)), "No such device exists");
            assert_eq!(text_at(pcap_strerror(libc::ENOENT)), "No such file or directory");
        }
    }
}
