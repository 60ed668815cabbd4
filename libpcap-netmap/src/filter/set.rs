//! A handle's filter: `pcap_setfilter`.

use super::{bytes, instructions};
use crate::abi::*;
use crate::dead;
use crate::guard;
use crate::handle::{self, Handle, Live, Source};
use crate::offline::Offline;
use ::filter::engine::Filter;
use libc::c_int;
use savefile::{Buffered, Frame};

/// A program of a handle: our own copy, checked and translated.
pub(crate) struct Program(Filter);

impl Program {
    /// Bytes of the frame to keep; 0: refused.
    ///
    /// # Safety
    /// `data` has `len` readable bytes.
    #[inline(always)]
    pub(crate) unsafe fn verdict(&self, data: *const u8, len: u32) -> u32 {
        // SAFETY: by the caller's promise.
        self.0.verdict(unsafe { bytes(data, len) }, len)
    }

    /// Whether a frame of `wirelen` bytes, of which these were captured, is accepted.
    #[inline(always)]
    pub(crate) fn accepts(&self, captured: &[u8], wirelen: u32) -> bool {
        self.0.verdict(captured, wirelen) != 0
    }

    /// The first of `frames` that is accepted.
    #[inline(always)]
    pub(crate) fn first<'a>(&self, frames: Buffered<'a>) -> Option<Frame<'a>> {
        self.0.first(frames, |frame| (frame.data, frame.len))
    }
}

/// Our own copy of a program.
///
/// # Errors
/// The text for the handle.
///
/// # Safety
/// `program` is NULL or whole.
unsafe fn copied(program: *const bpf_program) -> Result<Program, &'static str> {
    // SAFETY: by the caller's promise.
    let program = unsafe { program.as_ref() }.ok_or("setfilter: No filter specified")?;
    // SAFETY: as above.
    let copy = unsafe { instructions(program.bf_insns, program.bf_len as usize) }.to_vec();
    Filter::new(copy).map(Program).ok_or("BPF program is not valid")
}

/// # Safety
/// As [`copied`]; no other thread reads meanwhile.
unsafe fn set_on_file(offline: &Offline, program: *const bpf_program) -> c_int {
    // SAFETY: by the caller's promise; a callback of this thread runs while nobody holds a reference into the cell.
    unsafe {
        match copied(program) {
            Ok(program) => offline.set_program(program),
            Err(why) => offline.refuse(why),
        }
    }
}

/// # Safety
/// As [`copied`].
unsafe fn set_filter(live: &Live, program: *const bpf_program) -> c_int {
    let active = match live.active() {
        Ok(active) => active,
        Err(code) => return code,
    };
    // SAFETY: by the caller's promise.
    let program = match unsafe { copied(program) } {
        Ok(program) => program,
        Err(why) => return live.fail(PCAP_ERROR, format_args!("{why}")),
    };
    let offered: Vec<libc::sock_filter> =
        program.0.program().iter().map(|i| libc::sock_filter { code: i.code, jt: i.jt, jf: i.jf, k: i.k }).collect();
    // SAFETY: the reader's cell; pcap's rule is that no other thread reads meanwhile, and a callback of this thread
    // runs while nobody holds a reference into it.
    let rx = unsafe { &mut *active.rx.get() };
    rx.program = Some(program);
    rx.port().offer_filter(&offered);
    0
}

/// From now on only frames that `program` accepts are read; the handle keeps its own copy.
///
/// # Safety
/// `p` is NULL or an open handle that no other thread reads; `program` is NULL or whole.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pcap_setfilter(p: *mut Handle, program: *mut bpf_program) -> c_int {
    // SAFETY: by the caller's promise.
    match unsafe { handle::source(p) } {
        None => PCAP_ERROR,
        // SAFETY: passed on.
        Some(Source::System(s)) => unsafe { (s.library.pcap_setfilter)(s.p, program) },
        // SAFETY: passed on.
        Some(Source::Live(live)) => guard::live(live, PCAP_ERROR, || unsafe { set_filter(live, program) }),
        Some(Source::Offline(offline)) => guard::offline(offline, PCAP_ERROR, || {
            // SAFETY: passed on.
            unsafe { set_on_file(offline, program) }
        }),
        Some(Source::Dead(dead)) => dead.refuse(dead::NO_FILTER),
    }
}
