//! Making and closing handles: `pcap_create`, `pcap_open_live`, `pcap_close`.

use crate::abi::*;
use crate::activate;
use crate::chosen;
use crate::error::{Errbuf, status_str};
use crate::guard;
use crate::handle::{self, BREAK, CLOSED, Foreign, ForeignHandle, Handle, Live, Source};
use crate::system::{self, System};
use libc::{c_char, c_int};
use nm_core::name::PortName;
use std::ffi::CStr;
use std::sync::atomic::Ordering;

/// A handle of ours for `device`; `None` when the system's library serves it.
///
/// # Safety
/// `device` is NULL or NUL-terminated.
unsafe fn ours(device: *const c_char) -> Option<Live> {
    if device.is_null() {
        return None;
    }
    // SAFETY: not NULL, terminated by the caller's promise.
    let device = unsafe { CStr::from_ptr(device) }.to_str().ok()?;
    match PortName::parse(device) {
        Ok(PortName::Plain(_)) => {
            chosen::rings_of(device).map(|rings| Live::new(device.to_string(), Ok(PortName::Netmap(rings))))
        }
        name => Some(Live::new(device.to_string(), name)),
    }
}

/// Wraps a handle of the system's library; NULL stays NULL, its text is in the caller's buffer.
fn wrap(library: &'static System, p: *mut ForeignHandle) -> *mut Handle {
    if p.is_null() {
        return std::ptr::null_mut();
    }
    Handle::into_raw(Source::System(Foreign { library, p }))
}

/// Calls the system's library for a new handle; without the library, says so in `errbuf`.
///
/// # Safety
/// `errbuf` is NULL or has `PCAP_ERRBUF_SIZE` writable bytes.
pub(crate) unsafe fn from_system(
    errbuf: *mut c_char,
    open: impl FnOnce(&'static System) -> *mut ForeignHandle,
) -> *mut Handle {
    match system::get() {
        Ok(library) => wrap(library, open(library)),
        Err(why) => {
            // SAFETY: by the caller's promise.
            unsafe { Errbuf::write(errbuf, format_args!("{why}")) };
            std::ptr::null_mut()
        }
    }
}

/// A new handle for `device` (NULL: `any`), not yet activated. Whether there is such a device is seen when it is activated; whether
/// `$PCAP_NETMAP` makes a card of it is seen here.
///
/// # Safety
/// `device` is NULL or NUL-terminated; `errbuf` is NULL or has `PCAP_ERRBUF_SIZE` writable bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pcap_create(device: *const c_char, errbuf: *mut c_char) -> *mut Handle {
    // SAFETY: passed on, here and below.
    unsafe {
        guard::errbuf(errbuf, std::ptr::null_mut(), || match ours(device) {
            Some(live) => {
                Errbuf::clear(errbuf);
                Handle::into_raw(Source::Live(live))
            }
            None => from_system(errbuf, |s| (s.pcap_create)(device, errbuf)),
        })
    }
}

/// [`pcap_create`], the usual options and activation in one; NULL with the text in `errbuf` when that fails.
///
/// # Safety
/// As [`pcap_create`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pcap_open_live(
    device: *const c_char,
    snaplen: c_int,
    promisc: c_int,
    timeout_ms: c_int,
    errbuf: *mut c_char,
) -> *mut Handle {
    // SAFETY: passed on, here and below.
    unsafe {
        guard::errbuf(errbuf, std::ptr::null_mut(), || match ours(device) {
            Some(live) => open_live(live, snaplen, promisc, timeout_ms, errbuf),
            None => from_system(errbuf, |s| (s.pcap_open_live)(device, snaplen, promisc, timeout_ms, errbuf)),
        })
    }
}

/// # Safety
/// `errbuf` is NULL or has `PCAP_ERRBUF_SIZE` writable bytes.
unsafe fn open_live(live: Live, snaplen: c_int, promisc: c_int, timeout_ms: c_int, errbuf: *mut c_char) -> *mut Handle {
    {
        let mut options = live.options_anyway();
        options.snaplen = snaplen;
        options.promiscuous = promisc != 0;
        options.timeout_ms = timeout_ms;
    }
    let status = activate::activate(&live);
    // SAFETY: by the caller's promise.
    unsafe { Errbuf::clear(errbuf) };
    if status >= 0 {
        return Handle::into_raw(Source::Live(live));
    }
    let text = live.error.text();
    let device = &live.device;
    // Texts of ports begin with the device's name already.
    let text = text.strip_prefix(&format!("{device}: ")).unwrap_or(&text);
    // SAFETY: as above.
    unsafe {
        match status {
            PCAP_ERROR => Errbuf::write(errbuf, format_args!("{device}: {text}")),
            _ => Errbuf::write(errbuf, format_args!("{device}: {} ({text})", status_str(status))),
        }
    }
    std::ptr::null_mut()
}

/// Closes a handle. From inside one of its callbacks the port is closed at once, and the read returns after the
/// callback; what is left of the handle, under a kilobyte, is freed then, or never when the callback does not return.
///
/// # Safety
/// `p` is NULL or an open handle; nobody uses it afterwards.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pcap_close(p: *mut Handle) {
    // SAFETY: by the caller's promise.
    match unsafe { handle::source(p) } {
        None => {}
        // SAFETY: passed on.
        Some(Source::System(s)) => unsafe {
            (s.library.pcap_close)(s.p);
            handle::free(p);
        },
        // SAFETY: nobody uses the handle any more.
        Some(Source::Dead(_)) => unsafe { handle::free(p) },
        Some(Source::Offline(offline)) => {
            // SAFETY: as below.
            let in_callback = unsafe { offline.rx() }.is_ok_and(|rx| rx.in_callback());
            if in_callback {
                // ORDER: Relaxed: read by this very thread, when the callback has returned.
                offline.attention.fetch_or(CLOSED | BREAK, Ordering::Relaxed);
                // SAFETY: the reader up the stack touches nothing of the file before it has looked at CLOSED.
                guard::offline(offline, (), || unsafe { offline.close() });
            } else {
                // SAFETY: by the caller's promise; there is no buffer for a text.
                unsafe { guard::errbuf(std::ptr::null_mut(), (), || handle::free(p)) };
            }
        }
        Some(Source::Live(live)) => {
            // SAFETY: the reader's cell; nobody else uses the handle, and a callback of this thread runs while nobody
            // holds a reference into it.
            let in_callback = live.peek().is_some_and(|active| unsafe { (*active.rx.get()).in_callback() });
            if in_callback {
                // ORDER: Relaxed: read by this very thread, when the callback has returned.
                live.attention.fetch_or(CLOSED | BREAK, Ordering::Relaxed);
                // SAFETY: the reader up the stack touches nothing of the port before it has looked at CLOSED.
                guard::live(live, (), || unsafe { live.deactivate() });
            } else {
                // SAFETY: by the caller's promise; there is no buffer for a text.
                unsafe { guard::errbuf(std::ptr::null_mut(), (), || handle::free(p)) };
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::text_at;
    use std::ffi::CString;

    fn fails(device: &str) -> String {
        let device = CString::new(device).unwrap();
        let mut errbuf = [0 as c_char; PCAP_ERRBUF_SIZE];
        // SAFETY: a terminated name and a buffer of the size that is asked for.
        unsafe {
            let p = pcap_open_live(device.as_ptr(), 100, 0, 10, errbuf.as_mut_ptr());
            assert!(p.is_null());
            text_at(errbuf.as_ptr())
        }
    }

    #[test]
    fn a_malformed_name_says_what_is_wrong_with_it() {
        let text = fails("vale0:a/x");
        assert!(text.starts_with("vale0:a/x: No such device exists ("), "{text}");
    }

    #[test]
    fn plain_names_are_the_systems() {
        assert_eq!(fails("nosuch0"), "nosuch0: No such device exists (No such device exists)");
    }

    #[test]
    fn null_is_nobodys_handle() {
        // SAFETY: NULL is allowed.
        unsafe { pcap_close(std::ptr::null_mut()) };
    }
}
