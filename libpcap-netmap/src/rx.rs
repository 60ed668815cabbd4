//! Towards the application: `pcap_loop`, `pcap_dispatch`, `pcap_next`, `pcap_next_ex`.
//!
//! ```text
//! ring --refill (guarded)--> window of 32 frames, in place --> filter, header --> callback
//!                            ^ still there when the callback breaks, throws, jumps away or reads itself
//! ```
//! The callback is foreign ground. It is called outside the guard, from a frame that owns nothing with `Drop`, and
//! what it may change (window, filter, the handle itself) is looked at anew after it. Frames lie in the ring's own
//! buffers; those already handed out go back to the senders when the window is empty and more is wanted.
//!
//! **Reading inside a callback.** The frame that the outer callback looks at must stay, so a nested read gives
//! nothing back, unless the whole ring is held. A callback that left by `longjmp` or an exception must not count as
//! outer for ever, and nobody tells us that it is gone: what tells is the stack. An outer call's mark lies further up
//! the same thread's stack than that of any call inside it; a mark that does not is dead. A dead mark that happens
//! to lie further up (the next call comes from a deeper place) costs no more than one ring of frames held.

mod refill;

use crate::abi::*;
use crate::cancel;
use crate::dead::NO_PACKETS;
use crate::filter::Program;
use crate::guard;
use crate::handle::{self, Active, BREAK, CLOSED, Handle, Live, Source};
use crate::offline;
use libc::{c_int, c_uchar, timeval};
use nm_core::sync::count;
use nm_core::{Glance, PortRx, RxFrame, sys};
pub(crate) use refill::batch_time;
use refill::{BATCH_SLOTS, HOLD, Refill, Round, WINDOW, flush_rejected, glance, refill, take_break};
use std::mem::MaybeUninit;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

const NO_PLACE: &str = "pcap_next_ex was given no place for the packet";

const NANOS: u64 = 1_000_000_000;

/// The receive side of an activated handle; one thread at a time uses it.
pub(crate) struct Rx {
    port: Box<dyn PortRx>,
    /// Frames taken from the ring, `next..end` of them not yet handed out.
    window: [RxFrame; WINDOW],
    next: usize,
    end: usize,
    /// Bytes of a frame that are handed out at most.
    pub(crate) snaplen: u32,
    pub(crate) program: Option<Program>,
    chain: Chain,
    /// False when the direction asked for has no frames here.
    pub(crate) deliver: bool,
    nano: bool,
    /// The second that the last frame fell into: its start in nanoseconds, and the same as C has it.
    second_ns: u64,
    second: libc::time_t,
    /// What `pcap_next_ex` points to.
    header: pcap_pkthdr,
    /// The outermost call with a callback running, if it still exists.
    outer: Option<Mark>,
    /// Slots to wait for, and slots to hold.
    batch_slots: u32,
    hold: u32,
}

/// The last frame that was a chain of slots, copied: the ring keeps it only until its next frame, which a callback
/// may read while the chain is still looked at.
#[derive(Default)]
struct Chain {
    last: Vec<u8>,
    /// Those before it that callbacks look at.
    before: Vec<Vec<u8>>,
}

impl Chain {
    fn copy(&mut self, bytes: &[u8], nested: bool) -> *const u8 {
        if nested {
            self.before.push(std::mem::take(&mut self.last));
        } else {
            self.before.clear();
        }
        self.last.clear();
        self.last.extend_from_slice(bytes);
        self.last.as_ptr()
    }
}

/// Where on which stack a call is.
#[derive(Clone, Copy)]
pub(crate) struct Mark {
    address: usize,
    thread: usize,
}

/// Bytes of a mark: a call inside another lies at least so far below it, calls from one place lie closer.
const MARK: usize = 256;

impl Mark {
    #[inline(always)]
    pub(crate) fn here() -> Mark {
        let place = MaybeUninit::<[u8; MARK]>::uninit();
        let address = std::hint::black_box(&raw const place) as usize;
        Mark { address, thread: sys::thread_mark() }
    }

    pub(crate) fn is_inside(self, outer: Mark) -> bool {
        self.thread == outer.thread && self.address.saturating_add(MARK) <= outer.address
    }
}

impl Rx {
    pub(crate) fn new(mut port: Box<dyn PortRx>, snaplen: u32, nano: bool) -> Rx {
        let slots = port.ring().least_room();
        Rx {
            port,
            window: [RxFrame { data: std::ptr::null(), len: 0, time_ns: 0 }; WINDOW],
            next: 0,
            end: 0,
            snaplen,
            program: None,
            chain: Chain::default(),
            deliver: true,
            nano,
            second_ns: 0,
            second: 0,
            header: pcap_pkthdr { ts: timeval { tv_sec: 0, tv_usec: 0 }, caplen: 0, len: 0 },
            outer: None,
            batch_slots: BATCH_SLOTS.min(slots / 4).max(1),
            hold: HOLD.min(slots / 4).max(1),
        }
    }

    pub(crate) fn port(&mut self) -> &mut dyn PortRx {
        &mut *self.port
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

    /// Puts a frame into the empty window.
    #[inline(always)]
    fn keep(&mut self, frame: RxFrame) {
        self.window[0] = frame;
        (self.next, self.end) = (0, 1);
    }

    /// The next frame of the window that passes the filter.
    #[inline(always)]
    fn take(&mut self, unflushed: &AtomicU64) -> Option<(pcap_pkthdr, *const c_uchar)> {
        while self.next < self.end {
            let Some(&frame) = self.window.get(self.next) else { break };
            self.next += 1;
            if let Some(header) = self.header_of(&frame, unflushed) {
                return Some((header, frame.data));
            }
        }
        None
    }

    /// The header of a frame, if it passes the filter.
    #[inline(always)]
    fn header_of(&mut self, frame: &RxFrame, unflushed: &AtomicU64) -> Option<pcap_pkthdr> {
        let mut caplen = frame.len.min(self.snaplen);
        if let Some(program) = &self.program {
            // SAFETY: a frame that the ring hands out is `len` bytes of its memory until it is released.
            caplen = caplen.min(unsafe { program.verdict(frame.data, frame.len) });
            if caplen == 0 {
                count(unflushed, 1);
                return None;
            }
        }
        if !self.deliver {
            count(unflushed, 1);
            return None;
        }
        Some(pcap_pkthdr { ts: self.stamp(frame.time_ns), caplen, len: frame.len })
    }

    /// C's time of a frame. A division by a constant only when the second changes.
    #[inline(always)]
    fn stamp(&mut self, time_ns: u64) -> timeval {
        let time_ns = if time_ns == 0 { now_ns() } else { time_ns };
        let mut within = time_ns.wrapping_sub(self.second_ns);
        if within >= NANOS {
            self.second_ns = time_ns - time_ns % NANOS;
            within = time_ns - self.second_ns;
            self.second = (time_ns / NANOS) as libc::time_t;
        }
        let fraction = if self.nano { within } else { within / 1000 };
        timeval { tv_sec: self.second, tv_usec: fraction as libc::suseconds_t }
    }
}

#[cold]
fn now_ns() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos() as u64)
}

/// After a call's last frame, inside a guard.
fn leave(active: &Active) {
    flush_rejected(active);
    // SAFETY: as in `refill`.
    let rx = unsafe { &mut *active.rx.get() };
    // ORDER: Relaxed, as in `refill`.
    if active.fd_asked.load(Ordering::Relaxed) {
        rx.port.settle_fd();
    }
}

/// `pcap_loop` and `pcap_dispatch` on a handle of ours. `count` frames at most; not positive: no limit.
///
/// # Safety
/// `p` is a handle whose source is `live`; the callback keeps to pcap's rules.
#[inline(always)]
unsafe fn run(
    p: *mut Handle,
    live: &Live,
    count: c_int,
    callback: Option<pcap_handler>,
    user: *mut c_uchar,
    looping: bool,
) -> c_int {
    let Some(callback) = callback else {
        return live.fail(PCAP_ERROR, format_args!("no callback was given"));
    };
    let here = Mark::here();
    if !looping {
        match guard::live_read(live, Err(PCAP_ERROR), || glance(live, live.active()?)) {
            Ok(Glance::Frame(frame)) => {
                if let Ok(active) = live.active() {
                    // SAFETY: as in `refill`; the window is empty, or there had been no glance at the ring.
                    unsafe { (*active.rx.get()).keep(frame) };
                }
            }
            Ok(Glance::More) => {}
            Ok(Glance::Nothing) => return 0,
            Err(code) => return code,
        }
    }
    let outermost = match live.active() {
        // SAFETY: as in `refill`.
        Ok(active) => unsafe { !(*active.rx.get()).is_nested(here) },
        Err(code) => return code,
    };
    let mut round = Round::new(looping, !outermost);
    // 64 bits: a loop without a limit passes what C's int holds.
    let mut delivered: u64 = 0;
    let limit = u64::try_from(count).unwrap_or(0);
    let result = loop {
        // SAFETY: as in `refill`.
        if !live.active().is_ok_and(|active| round.begins_with_rest(live, unsafe { &mut *active.rx.get() })) {
            match guard::live_read(live, Err(PCAP_ERROR), || refill(live, live.active()?, &mut round, delivered > 0)) {
                Ok(Refill::Frames) => {}
                Ok(Refill::Paused) => {
                    cancel::point();
                    continue;
                }
                Ok(Refill::Over) => break delivered.min(c_int::MAX as u64) as c_int,
                Err(code) => break code,
            }
        }
        let active = match live.active() {
            Ok(active) => &raw const *active,
            Err(code) => return code,
        };
        // SAFETY: `active` lives until `attention` says CLOSED, which is looked at after every callback before
        // anything else; no reference into it exists while the callback runs.
        unsafe {
            let rx = (*active).rx.get();
            if outermost {
                (*rx).outer = Some(here);
            }
            while let Some((header, data)) = (*rx).take(&(*active).unflushed) {
                callback(user, &raw const header, data);
                delivered += 1;
                // ORDER: Relaxed: CLOSED comes from this very thread, BREAK carries nothing with it.
                let attention = live.attention.load(Ordering::Relaxed);
                if attention != 0 {
                    return interrupted(p, live, attention, outermost);
                }
                if delivered == limit {
                    leave_guarded(live, outermost);
                    return if looping { 0 } else { count };
                }
            }
        }
    };
    leave_guarded(live, outermost);
    result
}

/// After a call's last frame.
#[inline(always)]
fn leave_guarded(live: &Live, outermost: bool) {
    let Some(active) = live.peek() else { return };
    if outermost {
        // SAFETY: as in `refill`.
        unsafe { (*active.rx.get()).outer = None };
    }
    // ORDER: Relaxed, both, as in `refill`.
    if active.unflushed.load(Ordering::Relaxed) != 0 || active.fd_asked.load(Ordering::Relaxed) {
        guard::live_read(live, (), || leave(active));
    }
}

/// The callback broke the loop, or closed the handle.
///
/// # Safety
/// As [`run`]; the caller returns at once and uses `live` no more.
#[cold]
unsafe fn interrupted(p: *mut Handle, live: &Live, attention: u32, outermost: bool) -> c_int {
    if attention & CLOSED == 0 {
        take_break(&live.attention);
        leave_guarded(live, outermost);
    } else if outermost {
        // SAFETY: `pcap_close` was called, and no call of this handle is left but the one that returns now.
        unsafe { handle::free(p) };
    }
    PCAP_ERROR_BREAK
}

/// A frame's header and bytes.
type One = (*const pcap_pkthdr, *const c_uchar);

/// One frame, for `pcap_next` and `pcap_next_ex`: its bytes, or NULL when there is none; the header is in `Rx`.
#[inline(always)]
fn read_one(live: &Live) -> Result<One, c_int> {
    let active = live.active()?;
    // SAFETY: as in `refill`.
    let rx = unsafe { &mut *active.rx.get() };
    // ORDER: Relaxed, as in `run`.
    if live.attention.load(Ordering::Relaxed) == 0 && rx.next < rx.end {
        if let Some(data) = take_one(active, rx) {
            return Ok((&raw const rx.header, data));
        }
    }
    let mut round = None;
    let found = guard::live_read(live, Err(PCAP_ERROR), || {
        match glance(live, active)? {
            Glance::Nothing => return Ok(Some((std::ptr::null(), std::ptr::null()))),
            Glance::Frame(frame) => {
                // SAFETY: as in `refill`; the reference from above is not used any more.
                let rx = unsafe { &mut *active.rx.get() };
                if let Some(header) = rx.header_of(&frame, &active.unflushed) {
                    rx.header = header;
                    return Ok(Some((&raw const rx.header, frame.data)));
                }
            }
            Glance::More => {}
        }
        read_one_slowly(live, active, &mut round)
    })?;
    match found {
        Some(found) => Ok(found),
        None => read_on(live, &mut round),
    }
}

/// Goes on with a call that came out of its guard to see whether its thread is cancelled.
#[cold]
fn read_on(live: &Live, round: &mut Option<Round>) -> Result<One, c_int> {
    loop {
        cancel::point();
        let found = guard::live_read(live, Err(PCAP_ERROR), || read_one_slowly(live, live.active()?, round))?;
        if let Some(found) = found {
            return Ok(found);
        }
    }
}

#[inline(always)]
fn take_one(active: &Active, rx: &mut Rx) -> Option<*const c_uchar> {
    let (header, data) = rx.take(&active.unflushed)?;
    rx.header = header;
    Some(data)
}

/// As [`read_one`], with a round. `None`: nothing yet, and the thread may have been cancelled.
#[inline(never)]
fn read_one_slowly(live: &Live, active: &Active, round: &mut Option<Round>) -> Result<Option<One>, c_int> {
    // SAFETY: as in `refill`; used in between its calls only.
    let rx = active.rx.get();
    // SAFETY: as above.
    let nested = unsafe { (*rx).is_nested(Mark::here()) };
    let round = round.get_or_insert_with(|| Round::new(false, nested));
    let result = loop {
        match refill(live, active, round, false) {
            Ok(Refill::Frames) => {
                // SAFETY: as above.
                if let Some(data) = unsafe { take_one(active, &mut *rx) } {
                    break Ok(data);
                }
            }
            Ok(Refill::Paused) => return Ok(None),
            Ok(Refill::Over) => break Ok(std::ptr::null()),
            Err(code) => break Err(code),
        }
    };
    leave(active);
    // SAFETY: the address of a field, nothing is read.
    result.map(|data| Some((unsafe { &raw const (*rx).header }, data)))
}

/// Calls `callback` for frames until `count` were (not positive: for ever), an error, or `pcap_breakloop`.
///
/// # Safety
/// `p` is NULL or an open handle that no other thread reads; `callback` keeps to `pcap_loop(3PCAP)`.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn pcap_loop(
    p: *mut Handle,
    count: c_int,
    callback: Option<pcap_handler>,
    user: *mut c_uchar,
) -> c_int {
    // SAFETY: by the caller's promise.
    match unsafe { handle::source(p) } {
        None => PCAP_ERROR,
        // SAFETY: passed on.
        Some(Source::System(s)) => unsafe { (s.library.pcap_loop)(s.p, count, callback, user) },
        // SAFETY: passed on.
        Some(Source::Live(live)) => unsafe { run(p, live, count, callback, user, true) },
        // SAFETY: passed on.
        Some(Source::Offline(offline)) => unsafe { offline::rx::run(p, offline, count, callback, user, true) },
        Some(Source::Dead(dead)) => dead.refuse(NO_PACKETS),
    }
}

/// Calls `callback` for at most one bufferful of frames, and at most `count` when that is positive.
///
/// # Safety
/// As [`pcap_loop`].
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn pcap_dispatch(
    p: *mut Handle,
    count: c_int,
    callback: Option<pcap_handler>,
    user: *mut c_uchar,
) -> c_int {
    // SAFETY: by the caller's promise.
    match unsafe { handle::source(p) } {
        None => PCAP_ERROR,
        // SAFETY: passed on.
        Some(Source::System(s)) => unsafe { (s.library.pcap_dispatch)(s.p, count, callback, user) },
        // SAFETY: passed on.
        Some(Source::Live(live)) => unsafe { run(p, live, count, callback, user, false) },
        // SAFETY: passed on.
        Some(Source::Offline(offline)) => unsafe { offline::rx::run(p, offline, count, callback, user, false) },
        Some(Source::Dead(dead)) => dead.refuse(NO_PACKETS),
    }
}

/// The next frame: 1 with `*header` and `*data` set, valid until the next call; 0 when the time is over.
///
/// # Safety
/// `p` is NULL or an open handle that no other thread reads; the other pointers may be written through.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn pcap_next_ex(
    p: *mut Handle,
    header: *mut *mut pcap_pkthdr,
    data: *mut *const c_uchar,
) -> c_int {
    // SAFETY: by the caller's promise.
    let one = match unsafe { handle::source(p) } {
        None => return PCAP_ERROR,
        // SAFETY: passed on.
        Some(Source::System(s)) => return unsafe { (s.library.pcap_next_ex)(s.p, header, data) },
        Some(Source::Dead(dead)) => return dead.refuse(NO_PACKETS),
        Some(Source::Live(live)) if header.is_null() || data.is_null() => {
            return live.fail(PCAP_ERROR, format_args!("{NO_PLACE}"));
        }
        Some(Source::Offline(offline)) if header.is_null() || data.is_null() => {
            return offline.refuse(NO_PLACE);
        }
        Some(Source::Live(live)) => read_one(live),
        // SAFETY: passed on.
        Some(Source::Offline(offline)) => unsafe { offline::rx::read_one(offline) },
    };
    match one {
        Ok((_, bytes)) if bytes.is_null() => 0,
        Ok((found, bytes)) => {
            // SAFETY: neither is NULL; the rest is the caller's promise.
            unsafe {
                *header = found.cast_mut();
                *data = bytes;
            }
            1
        }
        Err(code) => code,
    }
}

/// The next frame's bytes, valid until the next call, with `*header` filled; NULL when there is none or on an error.
///
/// # Safety
/// As [`pcap_next_ex`].
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn pcap_next(p: *mut Handle, header: *mut pcap_pkthdr) -> *const c_uchar {
    // SAFETY: by the caller's promise.
    let one = match unsafe { handle::source(p) } {
        None => return std::ptr::null(),
        // SAFETY: passed on.
        Some(Source::System(s)) => return unsafe { (s.library.pcap_next)(s.p, header) },
        Some(Source::Dead(dead)) => {
            dead.refuse(NO_PACKETS);
            return std::ptr::null();
        }
        Some(Source::Live(live)) => read_one(live),
        // SAFETY: passed on.
        Some(Source::Offline(offline)) => unsafe { offline::rx::read_one(offline) },
    };
    match one {
        Ok((found, bytes)) if !bytes.is_null() => {
            if !header.is_null() {
                // SAFETY: `found` is the handle's own header; `header` is not NULL and the caller's.
                unsafe { *header = *found };
            }
            bytes
        }
        _ => std::ptr::null(),
    }
}

/// Makes a running or the next read return `PCAP_ERROR_BREAK`. May be called from a signal handler and from any
/// thread; a sleeping reader wakes.
///
/// # Safety
/// `p` is NULL or an open handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pcap_breakloop(p: *mut Handle) {
    // SAFETY: by the caller's promise.
    match unsafe { handle::source(p) } {
        None => {}
        // SAFETY: passed on.
        Some(Source::System(s)) => unsafe { (s.library.pcap_breakloop)(s.p) },
        Some(Source::Live(live)) => {
            // ORDER: Relaxed: the flag carries nothing; `wake` orders itself before a sleeper's look.
            live.attention.fetch_or(BREAK, Ordering::Relaxed);
            if let Some(active) = live.peek() {
                active.control.wake();
            }
        }
        // ORDER: Relaxed: as above.
        Some(Source::Offline(offline)) => _ = offline.attention.fetch_or(BREAK, Ordering::Relaxed),
        Some(Source::Dead(_)) => {}
    }
}
