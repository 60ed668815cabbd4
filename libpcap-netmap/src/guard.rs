//! Where panics stop: every exported function runs its own code inside one of these.
//!
//! A panic becomes the function's documented error, its text goes to the handle's error buffer and the handle is
//! poisoned. Callbacks of the application never run inside a guard: their exceptions are not ours to catch.

use crate::cancel;
use crate::error::Errbuf;
use crate::handle::Live;
use crate::offline::Offline;
use libc::c_char;
use std::any::Any;
use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;

thread_local!(static PLACE: RefCell<String> = const { RefCell::new(String::new()) });

/// Runs `body` for a handle of ours; a panic poisons the handle and gives `on_panic`. The thread is not cancelled meanwhile.
#[inline]
pub(crate) fn live<T>(live: &Live, on_panic: T, body: impl FnOnce() -> T) -> T {
    let _held = cancel::hold();
    live_quick(live, on_panic, body)
}

/// As [`live`], for what is called for each frame: `body` has no cancellation points but such that hold.
#[inline]
pub(crate) fn live_quick<T>(live: &Live, on_panic: T, body: impl FnOnce() -> T) -> T {
    catch(|text| live.poison(text), on_panic, body)
}

/// As [`live_quick`], for reads: a thread that asked to be cancelled at any moment is not while `body` runs, but when this returns.
#[inline(always)]
pub(crate) fn live_read<T>(live: &Live, on_panic: T, body: impl FnOnce() -> T) -> T {
    let kind = cancel::defer();
    let result = live_quick(live, on_panic, body);
    cancel::undefer(kind);
    result
}

/// Runs `body` for a savefile's handle; a panic poisons the handle and gives `on_panic`. The thread is not cancelled meanwhile.
#[inline]
pub(crate) fn offline<T>(offline: &Offline, on_panic: T, body: impl FnOnce() -> T) -> T {
    let _held = cancel::hold();
    catch(|text| offline.poison(text), on_panic, body)
}

#[inline]
fn catch<T>(poison: impl FnOnce(&str), on_panic: T, body: impl FnOnce() -> T) -> T {
    match catch_unwind(AssertUnwindSafe(body)) {
        Ok(value) => value,
        Err(payload) => {
            poison(&text(payload));
            on_panic
        }
    }
}

/// Runs `body` where there is no handle; a panic's text goes to `errbuf`, which may be NULL. The thread is not cancelled meanwhile.
///
/// # Safety
/// `errbuf` is NULL or has `PCAP_ERRBUF_SIZE` writable bytes.
pub(crate) unsafe fn errbuf<T>(errbuf: *mut c_char, on_panic: T, body: impl FnOnce() -> T) -> T {
    let _held = cancel::hold();
    // SAFETY: by the caller's promise.
    unsafe { errbuf_quick(errbuf, on_panic, body) }
}

/// As [`errbuf()`], for what is called for each frame: `body` has no cancellation points.
///
/// # Safety
/// As [`errbuf()`].
pub(crate) unsafe fn errbuf_quick<T>(errbuf: *mut c_char, on_panic: T, body: impl FnOnce() -> T) -> T {
    match catch_unwind(AssertUnwindSafe(body)) {
        Ok(value) => value,
        Err(payload) => {
            // SAFETY: by the caller's promise.
            unsafe { Errbuf::write(errbuf, format_args!("{}", text(payload))) };
            on_panic
        }
    }
}

/// Keeps panics of this library from being printed: their text goes to error buffers.
///
/// Only when this code is a shared library, whose Rust runtime nobody else uses; linked into a Rust program, the
/// program's own hook stays.
pub(crate) fn silence() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        if !crate::system::in_main_program() {
            std::panic::set_hook(Box::new(|info| {
                let place = info.location().map(ToString::to_string).unwrap_or_default();
                let _ = PLACE.try_with(|kept| kept.try_borrow_mut().map(|mut kept| *kept = place));
            }));
        }
    });
}

fn text(payload: Box<dyn Any + Send>) -> String {
    let what = match (payload.downcast_ref::<&str>(), payload.downcast_ref::<String>()) {
        (Some(text), _) => *text,
        (_, Some(text)) => text.as_str(),
        _ => "no text",
    };
    let place = PLACE.try_with(|kept| kept.take()).unwrap_or_default();
    format!("libpcap-netmap failed inside ({what}) {place}").trim_end().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::abi::PCAP_ERRBUF_SIZE;
    use crate::error::text_at;

    #[test]
    fn a_panic_ends_as_text() {
        let mut buffer = [1 as c_char; PCAP_ERRBUF_SIZE];
        // SAFETY: the buffer has the size that is asked for.
        let result = unsafe { errbuf(buffer.as_mut_ptr(), -1, || panic!("no {}", 7)) };
        assert_eq!(result, -1);
        // SAFETY: the guard has terminated it.
        assert_eq!(unsafe { text_at(buffer.as_ptr()) }, "libpcap-netmap failed inside (no 7)");
    }
}
