//! Towards the wire: `pcap_inject`, `pcap_sendpacket`.

use crate::abi::*;
use crate::dead;
use crate::error::{ErrorText, text_at};
use crate::guard;
use crate::handle::{self, Handle, Live, Source};
use crate::offline;
use libc::{c_int, c_uchar, c_void, size_t};
use nm_core::{PortError, PortTx, sys};
use std::cell::UnsafeCell;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering, compiler_fence};

/// The transmit side of an activated handle: any thread may send, one at a time does.
///
/// | word | holds | written by |
/// |---|---|---|
/// | `first` | 0, then the first thread that sent, then `SHARED` for good once a second one came | who has `owner` |
/// | `inside` | 1 while the first thread sends | the first thread |
/// | `owner` | 0, or the thread that sends and is not the first, or no longer alone | that thread |
///
/// The first thread pays no locked instruction: one would wait for the stores of the frame before, whose lines the
/// receiver still has. Who comes second pays with membarrier(2), once.
pub(crate) struct Tx {
    port: UnsafeCell<Box<dyn PortTx>>,
    first: AtomicUsize,
    inside: AtomicBool,
    owner: AtomicUsize,
}

/// In [`Tx::first`]: no thread's mark.
const SHARED: usize = 1;

/// The right to send; dropping it lets the next thread in.
struct Turn<'a> {
    tx: &'a Tx,
    as_first: bool,
}

impl Tx {
    pub(crate) fn new(port: Box<dyn PortTx>) -> Tx {
        // Without membarrier(2) a second thread could not make the first one look: shared from the beginning.
        let first = if sys::membarrier_register() { 0 } else { SHARED };
        Tx {
            port: UnsafeCell::new(port),
            first: AtomicUsize::new(first),
            inside: AtomicBool::new(false),
            owner: AtomicUsize::new(0),
        }
    }

    /// Waits until no other thread sends; `None` when this very thread does, which a signal handler interrupted.
    #[inline(always)]
    fn turn(&self) -> Option<Turn<'_>> {
        let me = sys::thread_mark();
        // ORDER: Relaxed; looked at again below.
        if self.first.load(Ordering::Relaxed) == me {
            // ORDER: Relaxed; this thread's own word.
            if self.inside.load(Ordering::Relaxed) {
                return None;
            }
            self.inside.store(true, Ordering::Relaxed);
            // ORDER: only the compiler's order; the processor's is forced by the membarrier in `turn_later`.
            compiler_fence(Ordering::SeqCst);
            // ORDER: Acquire; set by this thread itself.
            if self.first.load(Ordering::Acquire) == me {
                return Some(Turn { tx: self, as_first: true });
            }
            // ORDER: Release, as in `drop`.
            self.inside.store(false, Ordering::Release);
        }
        self.turn_later(me)
    }

    #[cold]
    fn turn_later(&self, me: usize) -> Option<Turn<'_>> {
        let mut looks = 0u32;
        let mut pause = || {
            looks += 1;
            if looks < 100 { std::hint::spin_loop() } else { std::thread::yield_now() }
        };
        // ORDER: Acquire with the Release in `drop`: the earlier sender's work on the port is behind us.
        while let Err(owner) = self.owner.compare_exchange_weak(0, me, Ordering::Acquire, Ordering::Relaxed) {
            if owner == me {
                return None;
            }
            pause();
        }
        // ORDER: Relaxed, both; written only by who has `owner`.
        match self.first.load(Ordering::Relaxed) {
            SHARED => {}
            0 => {
                self.inside.store(true, Ordering::Relaxed);
                self.first.store(me, Ordering::Relaxed);
                // ORDER: Release; from here on `inside` says that this thread sends.
                self.owner.store(0, Ordering::Release);
                return Some(Turn { tx: self, as_first: true });
            }
            _ => {
                // ORDER: Relaxed; ordered before the look at `inside` by the membarrier, partner: the fence in `turn`.
                self.first.store(SHARED, Ordering::Relaxed);
                sys::membarrier();
                // ORDER: Acquire with the Release in `drop`.
                while self.inside.load(Ordering::Acquire) {
                    pause();
                }
            }
        }
        Some(Turn { tx: self, as_first: false })
    }
}

impl Turn<'_> {
    #[inline(always)]
    fn port(&mut self) -> &mut dyn PortTx {
        // SAFETY: this turn's owner is the only one who uses the port until it is dropped.
        unsafe { &mut **self.tx.port.get() }
    }
}

impl Drop for Turn<'_> {
    #[inline(always)]
    fn drop(&mut self) {
        // ORDER: Release, both, to the Acquires in `turn_later`.
        if self.as_first {
            self.tx.inside.store(false, Ordering::Release);
        } else {
            self.tx.owner.store(0, Ordering::Release);
        }
    }
}

#[inline(always)]
fn send(live: &Live, frame: *const u8, size: usize) -> c_int {
    let active = match live.active() {
        Ok(active) => active,
        Err(code) => return code,
    };
    if frame.is_null() {
        return not_sent(live, libc::EFAULT);
    }
    // SAFETY: not NULL, and the caller of the exported function promises `size` readable bytes.
    let frame = unsafe { std::slice::from_raw_parts(frame, size) };
    // ORDER: Relaxed: a mode, set before or after this frame.
    let nonblocking = active.nonblocking.load(Ordering::Relaxed);
    let sent = match active.tx.turn() {
        Some(mut turn) => turn.port().inject(frame, nonblocking),
        None => return not_sent(live, libc::EAGAIN),
    };
    match sent {
        Ok(()) => size as c_int,
        Err(error) => refused(live, &error),
    }
}

/// The port refused a frame: what the system's `send` says, where it has the same case.
#[cold]
fn refused(live: &Live, error: &PortError) -> c_int {
    match error {
        PortError::TooShort { .. } => not_sent(live, libc::EINVAL),
        PortError::TooLong { .. } => not_sent(live, libc::EMSGSIZE),
        PortError::NoRoom => not_sent(live, libc::ENOBUFS),
        other => live.fail(PCAP_ERROR, format_args!("send: {other}")),
    }
}

/// Programs look at `errno` after a failed send, too.
#[cold]
fn not_sent(live: &Live, errno: c_int) -> c_int {
    // SAFETY: the thread's own errno.
    unsafe { *libc::__errno_location() = errno };
    live.fail(PCAP_ERROR, format_args!("send: {}", errno_text()))
}

/// Whether `pcap_inject` takes a frame of `size` bytes; sets the text when not.
#[inline(always)]
fn may_inject(size: size_t, error: &ErrorText) -> bool {
    if size == 0 {
        bad_size(error, format_args!("The number of bytes to be injected must not be zero"));
    } else if size > c_int::MAX as size_t {
        bad_size(error, format_args!("More than {} bytes cannot be injected", c_int::MAX));
    } else {
        return true;
    }
    false
}

/// As [`may_inject`], for `pcap_sendpacket`.
#[inline(always)]
fn may_send(size: c_int, error: &ErrorText) -> bool {
    if size <= 0 {
        bad_size(error, format_args!("The number of bytes to be sent must be positive"));
    }
    size > 0
}

/// A size that is no size of a frame. libpcap ends this text with whatever `errno` holds.
#[cold]
fn bad_size(error: &ErrorText, text: fmt::Arguments<'_>) {
    error.set(format_args!("{text}: {}", errno_text()));
}

fn errno_text() -> String {
    // SAFETY: the thread's own errno; strerror takes any number and gives a terminated text.
    unsafe { text_at(libc::strerror(*libc::__errno_location())) }
}

/// Sends one frame; when it returns, every receiver with room has it. Returns `size`, or a `PCAP_ERROR_*`.
///
/// # Safety
/// `p` is NULL or an open handle; `frame` is NULL or has `size` readable bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn pcap_inject(p: *mut Handle, frame: *const c_void, size: size_t) -> c_int {
    // SAFETY: by the caller's promise.
    match unsafe { handle::source(p) } {
        None => PCAP_ERROR,
        // SAFETY: passed on.
        Some(Source::System(s)) => unsafe { (s.library.pcap_inject)(s.p, frame, size) },
        Some(Source::Live(live)) => guard::live_quick(live, PCAP_ERROR, || {
            if !may_inject(size, &live.error) {
                return PCAP_ERROR;
            }
            send(live, frame.cast(), size)
        }),
        Some(Source::Offline(offline)) if may_inject(size, &offline.error) => offline.refuse(offline::NO_SENDING),
        Some(Source::Dead(dead)) if may_inject(size, &dead.error) => dead.refuse(dead::NO_SENDING),
        Some(Source::Offline(_) | Source::Dead(_)) => PCAP_ERROR,
    }
}

/// As [`pcap_inject`], but returns 0 or `PCAP_ERROR`.
///
/// # Safety
/// As [`pcap_inject`].
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn pcap_sendpacket(p: *mut Handle, frame: *const c_uchar, size: c_int) -> c_int {
    // SAFETY: by the caller's promise.
    match unsafe { handle::source(p) } {
        None => PCAP_ERROR,
        // SAFETY: passed on.
        Some(Source::System(s)) => unsafe { (s.library.pcap_sendpacket)(s.p, frame, size) },
        Some(Source::Live(live)) => guard::live_quick(live, PCAP_ERROR, || {
            if !may_send(size, &live.error) {
                return PCAP_ERROR;
            }
            if send(live, frame, size as usize) == size { 0 } else { PCAP_ERROR }
        }),
        Some(Source::Offline(offline)) if may_send(size, &offline.error) => offline.refuse(offline::NO_SENDING),
        Some(Source::Dead(dead)) if may_send(size, &dead.error) => dead.refuse(dead::NO_SENDING),
        Some(Source::Offline(_) | Source::Dead(_)) => PCAP_ERROR,
    }
}
