//! Handles of savefiles: the crate `savefile` reads them, here they become pcap's.
//!
//! | file | what |
//! |---|---|
//! | `offline/open.rs` | opening, by name or from a stream |
//! | `offline/stream.rs` | where the bytes come from: a descriptor of ours, or C's `FILE` |
//! | `offline/rx.rs` | the frames' way to the callback |
//!
//! A file that was opened by its name is ours alone and is read ahead, a block at a time. Once a program asks for its
//! stream (`pcap_file`), or where the stream was the program's from the beginning, nothing is read before it is needed:
//! between any two calls the stream stands where libpcap would have left it.

pub(crate) mod open;
pub(crate) mod rx;
mod stream;

use crate::abi::*;
use crate::error::{ACTIVATED, ErrorText};
use crate::filter::Program;
use libc::{FILE, c_int};
use rx::Rx;
use savefile::{Info, Precision, Reader};
use std::cell::UnsafeCell;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use stream::Stream;

// What each call that a savefile doesn't have says, in libpcap's words.
pub(crate) const NO_STATISTICS: &str = "Statistics aren't available from savefiles";
pub(crate) const NO_SENDING: &str = "Sending packets isn't supported on savefiles";
pub(crate) const NO_DIRECTION: &str = "Setting direction is not supported on savefiles";
pub(crate) const NO_NONBLOCKING: &str = "Savefiles cannot be put into non-blocking mode";

/// A savefile's handle.
pub(crate) struct Offline {
    /// What the file says of itself.
    pub(crate) info: Info,
    pub(crate) error: ErrorText,
    poisoned: AtomicBool,
    /// `BREAK`, `CLOSED`: what a reader looks at after each callback.
    pub(crate) attention: AtomicU32,
    /// Used by the one thread that reads; `None` once it is closed.
    rx: UnsafeCell<Option<Rx>>,
}

impl Offline {
    fn new(reader: Reader<Stream>) -> Offline {
        Offline {
            info: *reader.info(),
            error: ErrorText::new(),
            poisoned: AtomicBool::new(false),
            attention: AtomicU32::new(0),
            rx: UnsafeCell::new(Some(Rx::new(reader))),
        }
    }

    /// The reading side.
    ///
    /// # Errors
    /// The number for C, its text set: poisoned, or closed.
    ///
    /// # Safety
    /// No other thread reads meanwhile (pcap's rule), and the caller lets go of it before a callback runs.
    #[inline(always)]
    #[allow(clippy::mut_from_ref, reason = "the cell's owner is the one thread that reads")]
    pub(crate) unsafe fn rx(&self) -> Result<&mut Rx, c_int> {
        // ORDER: Relaxed: set for good, by a panic that this thread has seen or that nothing here depends on.
        if self.poisoned.load(Ordering::Relaxed) {
            return Err(PCAP_ERROR);
        }
        // SAFETY: by the caller's promise.
        unsafe { (*self.rx.get()).as_mut() }.ok_or(PCAP_ERROR)
    }

    /// `PCAP_TSTAMP_PRECISION_*`.
    pub(crate) fn precision(&self) -> c_int {
        match self.info.precision {
            Precision::Micro => PCAP_TSTAMP_PRECISION_MICRO,
            Precision::Nano => PCAP_TSTAMP_PRECISION_NANO,
        }
    }

    /// Bytes of the buffer that libpcap would have.
    ///
    /// # Safety
    /// As [`Offline::rx`].
    pub(crate) unsafe fn bufsize(&self) -> c_int {
        // SAFETY: by the caller's promise.
        unsafe { self.rx() }.map_or(PCAP_ERROR, |rx| rx.reader.info().bufsize as c_int)
    }

    /// The stream, standing behind the last frame; from now on it is left there after each call. NULL without memory.
    ///
    /// # Safety
    /// As [`Offline::rx`].
    pub(crate) unsafe fn file(&self) -> *mut FILE {
        // SAFETY: by the caller's promise.
        unsafe { self.rx() }.map_or(std::ptr::null_mut(), |rx| stream::share(&mut rx.reader))
    }

    /// The stream's descriptor.
    ///
    /// # Safety
    /// As [`Offline::rx`].
    pub(crate) unsafe fn descriptor(&self) -> c_int {
        // SAFETY: by the caller's promise.
        unsafe { self.rx() }.map_or(PCAP_ERROR, |rx| rx.reader.stream_mut().descriptor())
    }

    /// From now on only frames that `program` accepts are read.
    ///
    /// # Safety
    /// As [`Offline::rx`].
    pub(crate) unsafe fn set_program(&self, program: Program) -> c_int {
        // SAFETY: by the caller's promise.
        match unsafe { self.rx() } {
            Ok(rx) => {
                rx.program = Some(program);
                0
            }
            Err(code) => code,
        }
    }

    /// Closes the file and frees what reading needed.
    ///
    /// # Safety
    /// Nobody uses the reading side any more.
    pub(crate) unsafe fn close(&self) {
        // SAFETY: by the caller's promise.
        if let Some(mut rx) = unsafe { (*self.rx.get()).take() } {
            rx.reader.stream_mut().close();
        }
    }

    /// Sets the error text to `why`.
    #[cold]
    pub(crate) fn refuse(&self, why: &str) -> c_int {
        self.error.set(format_args!("{why}"));
        PCAP_ERROR
    }

    /// An option was to be set, or the handle to be activated: it is active from the beginning.
    #[cold]
    pub(crate) fn already_activated(&self) -> c_int {
        self.refuse(ACTIVATED);
        PCAP_ERROR_ACTIVATED
    }

    /// A panic went through this handle: from now on it only tells so.
    #[cold]
    pub(crate) fn poison(&self, text: &str) {
        self.error.set(format_args!("{text}"));
        // ORDER: Relaxed: see `rx`.
        self.poisoned.store(true, Ordering::Relaxed);
    }
}
