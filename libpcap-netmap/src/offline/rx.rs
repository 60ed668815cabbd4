//! Towards the application, from a savefile: what `pcap_loop` and its relatives do there.
//!
//! ```text
//! read(2) --block--> savefile::Reader --frame, in place--> filter, header --> callback
//! ```
//! The callback is foreign ground, as in `crate::rx`: it is called outside the guard, from a frame that owns nothing with
//! `Drop`, after the reader has moved on, and what it may change is looked at anew. Reading inside a callback goes on
//! behind the outer call's frame, whose memory is kept; its contents are not, as with libpcap.
//!
//! Ends and breaks are libpcap's for savefiles: `pcap_loop` ends with 0 at the end of the file, `pcap_next_ex` with
//! `PCAP_ERROR_BREAK`; a break that comes while `pcap_dispatch` has frames to its credit stays for the next call.

use super::Offline;
use super::stream::Stream;
use crate::abi::*;
use crate::cancel;
use crate::filter::Program;
use crate::guard;
use crate::handle::{self, BREAK, CLOSED, Handle};
use crate::rx::Mark;
use libc::{c_int, c_uchar, timeval};
use savefile::{Error, Frame, Reader};
use std::ptr::NonNull;
use std::sync::atomic::Ordering;

/// The reading side of a savefile's handle; one thread at a time uses it.
pub(crate) struct Rx {
    pub(super) reader: Reader<Stream>,
    pub(super) program: Option<Program>,
    /// What `pcap_next_ex` points to.
    header: pcap_pkthdr,
    /// The outermost call with a callback running, if it still exists.
    outer: Option<Mark>,
}

const NO_HEADER: pcap_pkthdr = pcap_pkthdr { ts: timeval { tv_sec: 0, tv_usec: 0 }, caplen: 0, len: 0 };

/// What one call of pcap's knows while it reads.
struct Call {
    /// It was made from a callback of the same handle.
    nested: bool,
    /// The reader was filled, and nothing came of it yet.
    filled: bool,
}

/// What reading on came to.
enum Read {
    /// There may be a frame in memory now.
    LookAgain,
    /// Its bytes.
    Frame(NonNull<c_uchar>),
    /// The end of the file.
    End,
}

impl Rx {
    pub(super) fn new(reader: Reader<Stream>) -> Rx {
        Rx { reader, program: None, header: NO_HEADER, outer: None }
    }

    /// Whether a callback of this handle runs further up this thread's stack.
    pub(crate) fn in_callback(&mut self) -> bool {
        self.is_nested(Mark::here())
    }

    #[inline(always)]
    fn is_nested(&mut self, here: Mark) -> bool {
        match self.outer {
            Some(outer) if here.is_inside(outer) => true,
            _ => {
                self.outer = None;
                false
            }
        }
    }

    /// Reads on: until a frame is in memory, unless that was tried in vain; then one frame, whatever it takes.
    fn take_slowly(&mut self, call: &mut Call, header: &mut pcap_pkthdr) -> Result<Read, Error> {
        if !call.nested {
            self.reader.release();
        }
        let _lock = self.reader.stream_mut().lock();
        if !call.filled && self.reader.fill()? {
            call.filled = true;
            return Ok(Read::LookAgain);
        }
        call.filled = false;
        Ok(match self.reader.next()? {
            Some(frame) if passes(&self.program, &frame) => Read::Frame(for_c(&frame, header)),
            Some(_) => Read::LookAgain,
            None => Read::End,
        })
    }
}

/// The next frame that passes the filter, of those that are in memory: fills its header, returns its bytes.
#[inline(always)]
fn take(reader: &mut Reader<Stream>, program: &Option<Program>, header: &mut pcap_pkthdr) -> Option<NonNull<c_uchar>> {
    match program {
        None => reader.buffered().next().map(|frame| for_c(&frame, header)),
        Some(program) => take_accepted(reader, program, header),
    }
}

/// Kept apart, so that the loop over frames that are refused has the processor's registers to itself: one takes 3.7 ns and
/// not 4.6 to 8 (without the kernel's copy), one that is accepted 10.5 and not 8.
#[inline(never)]
fn take_accepted(reader: &mut Reader<Stream>, program: &Program, header: &mut pcap_pkthdr) -> Option<NonNull<c_uchar>> {
    program.first(reader.buffered()).map(|frame| for_c(&frame, header))
}

#[inline(always)]
fn passes(program: &Option<Program>, frame: &Frame<'_>) -> bool {
    program.as_ref().is_none_or(|program| program.accepts(frame.data, frame.len))
}

/// Writes the header where C reads it: a copy made of one that was just written waits for those writes to end.
#[inline(always)]
fn for_c(frame: &Frame<'_>, header: &mut pcap_pkthdr) -> NonNull<c_uchar> {
    header.ts = timeval { tv_sec: frame.sec as libc::time_t, tv_usec: frame.fraction as libc::suseconds_t };
    header.caplen = frame.data.len() as u32;
    header.len = frame.len;
    NonNull::from(frame.data).cast()
}

impl Offline {
    #[inline(always)]
    fn is_told_to_break(&self) -> bool {
        // ORDER: Relaxed: a flag that carries nothing with it.
        self.attention.load(Ordering::Relaxed) & BREAK != 0
    }

    fn forget_break(&self) {
        // ORDER: Relaxed, as above.
        self.attention.fetch_and(!BREAK, Ordering::Relaxed);
    }

    /// As [`Rx::take_slowly`], guarded, for C.
    ///
    /// # Safety
    /// As [`Offline::rx`].
    #[inline(never)]
    unsafe fn read_slowly(&self, call: &mut Call, header: &mut pcap_pkthdr) -> Result<Read, c_int> {
        guard::offline(self, Err(PCAP_ERROR), || {
            // SAFETY: by the caller's promise; no callback runs inside.
            unsafe { self.rx() }?.take_slowly(call, header).map_err(|error| {
                self.error.set(format_args!("{error}"));
                PCAP_ERROR
            })
        })
    }
}

/// `pcap_loop` and `pcap_dispatch`. `count` frames at most; not positive: no limit.
///
/// # Safety
/// `p` is a handle whose source is `offline`; the callback keeps to pcap's rules.
#[inline(always)]
pub(crate) unsafe fn run(
    p: *mut Handle,
    offline: &Offline,
    count: c_int,
    callback: Option<pcap_handler>,
    user: *mut c_uchar,
    looping: bool,
) -> c_int {
    let Some(callback) = callback else {
        return offline.refuse("no callback was given");
    };
    let here = Mark::here();
    // SAFETY: no callback runs; the reference is not kept.
    let outermost = match unsafe { offline.rx() } {
        Ok(rx) => {
            let outermost = !rx.is_nested(here);
            if outermost {
                rx.outer = Some(here);
            }
            outermost
        }
        Err(code) => return code,
    };
    let mut call = Call { nested: !outermost, filled: false };
    let mut header = NO_HEADER;
    // 64 bits: a loop without a limit passes what C's int holds.
    let mut delivered: u64 = 0;
    let limit = match u64::try_from(count) {
        Ok(count @ 1..) => count,
        _ if looping => u64::MAX,
        _ => c_int::MAX as u64,
    };
    let result = loop {
        // Whoever waited for a frame while the call came still gets that one.
        if offline.is_told_to_break() && !call.filled {
            // With frames to its credit, a dispatch tells of those and leaves the break to the next call.
            if delivered > 0 && !looping {
                break delivered as c_int;
            }
            offline.forget_break();
            break PCAP_ERROR_BREAK;
        }
        // SAFETY: no callback runs, and the reference is not kept while one does.
        let found = match unsafe { offline.rx() } {
            Ok(rx) => take(&mut rx.reader, &rx.program, &mut header),
            Err(code) => break code,
        };
        let data = match found {
            Some(data) => {
                call.filled = false;
                data
            }
            None => {
                cancel::point();
                // SAFETY: as above.
                match unsafe { offline.read_slowly(&mut call, &mut header) } {
                    Ok(Read::Frame(data)) => data,
                    Ok(Read::LookAgain) => continue,
                    Ok(Read::End) => break if looping { 0 } else { delivered as c_int },
                    Err(code) => break code,
                }
            }
        };
        // SAFETY: the callback is the caller's; nothing of the reader is borrowed.
        unsafe { callback(user, &raw const header, data.as_ptr()) };
        delivered += 1;
        // ORDER: Relaxed: it comes from this very thread.
        if offline.attention.load(Ordering::Relaxed) & CLOSED != 0 {
            if outermost {
                // SAFETY: `pcap_close` was called, and no call of this handle is left but the one that returns now.
                unsafe { handle::free(p) };
            }
            return PCAP_ERROR_BREAK;
        }
        if delivered == limit {
            break if looping { 0 } else { limit as c_int };
        }
    };
    if outermost {
        // SAFETY: as above.
        if let Ok(rx) = unsafe { offline.rx() } {
            rx.outer = None;
        }
    }
    result
}

/// One frame, for `pcap_next` and `pcap_next_ex`: its header, which the handle keeps, and its bytes.
///
/// # Errors
/// The number for C: `PCAP_ERROR_BREAK` at the end of the file, too.
///
/// # Safety
/// As [`Offline::rx`].
#[inline(always)]
pub(crate) unsafe fn read_one(offline: &Offline) -> Result<(*const pcap_pkthdr, *const c_uchar), c_int> {
    let mut call = None;
    loop {
        if offline.is_told_to_break() && call.as_ref().is_none_or(|call: &Call| !call.filled) {
            offline.forget_break();
            return Err(PCAP_ERROR_BREAK);
        }
        // SAFETY: by the caller's promise; no callback runs in here.
        let rx = unsafe { offline.rx() }?;
        let data = match take(&mut rx.reader, &rx.program, &mut rx.header) {
            Some(data) => data,
            None => {
                let call = call.get_or_insert_with(|| Call { nested: rx.in_callback(), filled: false });
                let mut header = NO_HEADER;
                cancel::point();
                // SAFETY: as above; `rx` is not used after it was lent again.
                match unsafe { offline.read_slowly(call, &mut header) }? {
                    Read::Frame(data) => {
                        // SAFETY: as above.
                        unsafe { offline.rx() }?.header = header;
                        data
                    }
                    Read::LookAgain => continue,
                    Read::End => return Err(PCAP_ERROR_BREAK),
                }
            }
        };
        // SAFETY: as above.
        let rx = unsafe { offline.rx() }?;
        return Ok((&raw const rx.header, data.as_ptr()));
    }
}
