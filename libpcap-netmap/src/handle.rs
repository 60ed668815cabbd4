//! `pcap_t`: what it points to, made and freed here alone.
//!
//! A handle of a port lives through these states; a dead one and a savefile's are activated from the beginning, a handle of the system's library
//! keeps its own.
//!
//! | state | goes to | by | what works |
//! |---|---|---|---|
//! | created | activated | `pcap_activate` succeeds (failing, it stays created) | setting options |
//! | activated | closed | `pcap_close` | reading, sending, asking |
//! | created, activated | poisoned | a panic inside this library | `pcap_geterr`, `pcap_close` |
//! | any | closed | `pcap_close` | nothing |
//!
//! A reader, a sender and any number of askers may use one handle from different threads, so nothing ever takes a
//! `&mut` of the whole: the receive side and the transmit side are cells of their own in [`Active`].

use crate::abi::*;
use crate::dead::Dead;
use crate::error::{self, ErrorText};
use crate::offline::Offline;
use crate::rx::Rx;
use crate::system::System;
use crate::tx::Tx;
use drivers::Stamping;
use libc::c_int;
use nm_core::name::{NameError, PortName};
use nm_core::{PortControl, PortError};
use std::cell::UnsafeCell;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What a `pcap_t *` points to. C sees nothing of it.
pub struct Handle {
    source: Source,
}

/// Where a handle's frames come from.
#[allow(clippy::large_enum_variant, reason = "one more pointer to follow for each frame")]
pub(crate) enum Source {
    /// A port of ours.
    Live(Live),
    /// Nowhere: for compiling filters and writing savefiles.
    Dead(Dead),
    /// A savefile.
    Offline(Box<Offline>),
    /// A handle of the system's library, to which every call passes.
    System(Foreign),
}

/// A handle of the system's library.
#[derive(Clone, Copy)]
pub(crate) struct Foreign {
    pub(crate) library: &'static System,
    pub(crate) p: *mut ForeignHandle,
}

/// What the system's library calls `pcap_t`.
#[repr(C)]
pub(crate) struct ForeignHandle {
    _opaque: [u8; 0],
}

/// What `pcap_set_*` chose before activation. Zero is each option's default.
#[derive(Clone, Copy, Default)]
pub(crate) struct Options {
    /// Bytes; not positive: the largest.
    pub(crate) snaplen: c_int,
    pub(crate) timeout_ms: c_int,
    pub(crate) rfmon: bool,
    pub(crate) promiscuous: bool,
    pub(crate) immediate: bool,
    /// Bytes; 0: the default.
    pub(crate) buffer_size: c_int,
    /// `PCAP_TSTAMP_PRECISION_*`.
    pub(crate) precision: c_int,
    pub(crate) stamping: Stamping,
    pub(crate) nonblocking: bool,
}

/// A handle of ours.
pub(crate) struct Live {
    /// The name as typed, and what it means.
    pub(crate) device: String,
    pub(crate) name: Result<PortName, NameError>,
    pub(crate) error: ErrorText,
    options: Mutex<Options>,
    active: AtomicPtr<Active>,
    poisoned: AtomicBool,
    /// [`BREAK`], [`CLOSED`]: what a reader looks at after each callback.
    pub(crate) attention: AtomicU32,
}

/// `pcap_breakloop` was called.
pub(crate) const BREAK: u32 = 1;
/// `pcap_close` was called from inside a callback; the memory waits for the callback's return.
pub(crate) const CLOSED: u32 = 2;

/// What an activated handle of ours has.
pub(crate) struct Active {
    pub(crate) control: Arc<dyn PortControl>,
    /// Used by the one thread that reads.
    pub(crate) rx: UnsafeCell<Rx>,
    /// Used under its own lock.
    pub(crate) tx: Tx,
    /// Bytes.
    pub(crate) snaplen: c_int,
    /// The read timeout as it was set; only its sign has changed meaning: see `nonblocking`.
    pub(crate) timeout_ms: c_int,
    pub(crate) immediate: bool,
    pub(crate) nonblocking: AtomicBool,
    /// Somebody holds the selectable descriptor.
    pub(crate) fd_asked: AtomicBool,
    /// Frames that the filter refused and that [`PortControl::count_rejected`] does not know yet.
    pub(crate) unflushed: AtomicU64,
    /// The most that `pcap_stats` has told of as received.
    pub(crate) told: AtomicU64,
}

impl Handle {
    /// A new handle for C, which [`free`] frees.
    pub(crate) fn into_raw(source: Source) -> *mut Handle {
        crate::guard::silence();
        Box::into_raw(Box::new(Handle { source }))
    }

    pub(crate) fn source(&self) -> &Source {
        &self.source
    }
}

/// What `p` points to; `None` for NULL.
///
/// # Safety
/// `p` is NULL or came from [`Handle::into_raw`] and was not freed; the result is not used after [`free`].
#[inline(always)]
pub(crate) unsafe fn source<'a>(p: *mut Handle) -> Option<&'a Source> {
    // SAFETY: by the caller's promise.
    unsafe { p.as_ref() }.map(Handle::source)
}

/// Frees a handle's memory, and closes its port or file if that is still open.
///
/// # Safety
/// `p` came from [`Handle::into_raw`]; nobody uses it any more.
pub(crate) unsafe fn free(p: *mut Handle) {
    // SAFETY: by the caller's promise.
    let handle = unsafe { Box::from_raw(p) };
    match &handle.source {
        // SAFETY: nobody uses the handle any more.
        Source::Live(live) => unsafe { live.deactivate() },
        // SAFETY: as above.
        Source::Offline(offline) => unsafe { offline.close() },
        Source::Dead(_) | Source::System(_) => {}
    }
}

impl Live {
    pub(crate) fn new(device: String, name: Result<PortName, NameError>) -> Live {
        Live {
            device,
            name,
            error: ErrorText::new(),
            options: Mutex::new(Options::default()),
            active: AtomicPtr::new(std::ptr::null_mut()),
            poisoned: AtomicBool::new(false),
            attention: AtomicU32::new(0),
        }
    }

    /// What activation made.
    ///
    /// # Errors
    /// The number for C, its text set: not yet activated, or poisoned.
    #[inline(always)]
    pub(crate) fn active(&self) -> Result<&Active, c_int> {
        // ORDER: Acquire with the Release in `activate`: the parts are whole.
        let active = self.active.load(Ordering::Acquire);
        // ORDER: Relaxed: set for good, by a panic that this thread has seen or that nothing here depends on.
        if active.is_null() || self.poisoned.load(Ordering::Relaxed) {
            return Err(self.not_usable());
        }
        // SAFETY: not NULL, so from Box::into_raw in `activate`; freed by `deactivate` only, when nobody uses the
        // handle any more or, from inside a callback, when the reader looks at `attention` before anything else.
        Ok(unsafe { &*active })
    }

    #[cold]
    fn not_usable(&self) -> c_int {
        // ORDER: Relaxed, as in `active`.
        if self.poisoned.load(Ordering::Relaxed) {
            return PCAP_ERROR;
        }
        self.fail(PCAP_ERROR_NOT_ACTIVATED, format_args!("{}", error::NOT_ACTIVATED))
    }

    /// As [`Live::active`], but without touching the error text of a handle that is only created.
    pub(crate) fn peek(&self) -> Option<&Active> {
        // ORDER: Relaxed, as in `active`.
        if self.is_created() || self.poisoned.load(Ordering::Relaxed) { None } else { self.active().ok() }
    }

    /// Whether the handle was not yet activated.
    pub(crate) fn is_created(&self) -> bool {
        // ORDER: Acquire, as in `active`.
        self.active.load(Ordering::Acquire).is_null()
    }

    /// The options, when they may still be set.
    ///
    /// # Errors
    /// [`PCAP_ERROR_ACTIVATED`], its text set.
    pub(crate) fn options(&self) -> Result<MutexGuard<'_, Options>, c_int> {
        if !self.is_created() {
            return Err(self.fail(PCAP_ERROR_ACTIVATED, format_args!("{}", error::ACTIVATED)));
        }
        // ORDER: Relaxed, as in `active`.
        if self.poisoned.load(Ordering::Relaxed) {
            return Err(PCAP_ERROR);
        }
        Ok(self.options_anyway())
    }

    /// The options, whatever the state.
    pub(crate) fn options_anyway(&self) -> MutexGuard<'_, Options> {
        self.options.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Created to activated. A second activation at the same time loses and closes what it opened.
    pub(crate) fn activate(&self, active: Active) -> bool {
        let new = Box::into_raw(Box::new(active));
        // ORDER: Release to the Acquire in `active`; on failure nothing is read.
        match self.active.compare_exchange(std::ptr::null_mut(), new, Ordering::Release, Ordering::Relaxed) {
            Ok(_) => true,
            Err(_) => {
                // SAFETY: from Box::into_raw above and given to nobody.
                drop(unsafe { Box::from_raw(new) });
                false
            }
        }
    }

    /// Closes the port.
    ///
    /// # Safety
    /// No reference that [`Live::active`] gave is used any more.
    pub(crate) unsafe fn deactivate(&self) {
        // ORDER: AcqRel: what other threads did with the parts is behind us, and they find NULL.
        let active = self.active.swap(std::ptr::null_mut(), Ordering::AcqRel);
        if !active.is_null() {
            // SAFETY: from Box::into_raw in `activate`, and the swap made us its only owner.
            drop(unsafe { Box::from_raw(active) });
        }
    }

    /// Sets the error text and gives `code` back.
    #[cold]
    pub(crate) fn fail(&self, code: c_int, text: fmt::Arguments<'_>) -> c_int {
        self.error.set(text);
        code
    }

    /// Sets the text of `error` and gives its number.
    #[cold]
    pub(crate) fn fail_port(&self, error: &PortError) -> c_int {
        self.fail(error::code(error), format_args!("{error}"))
    }

    /// A panic went through this handle: from now on it only tells so.
    #[cold]
    pub(crate) fn poison(&self, text: &str) {
        self.error.set(format_args!("{text}"));
        // ORDER: Relaxed: see `active`.
        self.poisoned.store(true, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_poisoned_handle_keeps_its_text() {
        let live = Live::new("vale0:a".into(), PortName::parse("vale0:a"));
        assert_eq!(crate::guard::live(&live, -1, || panic!("lost")), -1);
        assert!(live.error.text().contains("lost"));
        assert_eq!(live.active().err(), Some(PCAP_ERROR));
        assert!(live.error.text().contains("lost"));
    }

    #[test]
    fn a_created_handle_is_not_active() {
        let live = Live::new("vale0:a".into(), PortName::parse("vale0:a"));
        assert_eq!(live.active().err(), Some(PCAP_ERROR_NOT_ACTIVATED));
        assert_eq!(live.error.text(), "This handle hasn't been activated yet");
        assert!(live.options().is_ok());
    }
}
