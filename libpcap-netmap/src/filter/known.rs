//! Programs that come without a handle and without a length, known by their bytes.
//!
//! `bpf_filter` is given a bare pointer with every packet: nobody says where the program ends, when another one begins,
//! or when the memory is reused. So it is interpreted where it lies, and only what is executed is read. What was
//! interpreted from one place many times is copied (`copied.rs`) and translated to machine code that compares each
//! instruction with the copy before it does what that says ([`Shadow`]); at a difference the program is interpreted.
//!
//! All threads share the table of places, without a lock: a translation that was published stays, also when another
//! takes its place, and so few are made in a process's life that they may. The address only says where to look.
//!
//! Tried and dropped: a table for each thread (reaching it costs a shared library 3 ns a call); comparing the whole
//! program before its code is run (twice as dear for 20 instructions, and a long one is mostly not executed).

mod copied;

use crate::guard;
use ::filter::Insn;
use ::filter::engine::{Fetch, Shadow, interpret};
use copied::copied;
use std::sync::atomic::{AtomicPtr, AtomicU32, AtomicUsize, Ordering};

/// Places in memory that are counted; a power of two.
const PLACES: usize = 256;
/// Calls after which a place is looked at.
const CALLS: u32 = 256;
/// Bytes of translations after which no more are made.
const MEMORY: usize = 16 << 20;
/// So many times more calls before a place is looked at again whose program could not be translated.
const PATIENCE: u32 = 64;

/// A place in memory that programs are run from. Nothing depends on these numbers but when it is looked at.
struct Place {
    address: AtomicUsize,
    /// NULL, or a translation that lives for ever.
    translated: AtomicPtr<Shadow>,
    /// Interpreted calls.
    calls: AtomicU32,
    /// Calls to wait for.
    enough: AtomicU32,
}

static TABLE: [Place; PLACES] = [const { Place::new() }; PLACES];
/// Bytes of the translations that were made.
static TRANSLATED: AtomicUsize = AtomicUsize::new(0);

/// A program where it lies.
struct Raw(*const Insn);

impl Fetch for Raw {
    #[inline(always)]
    fn insn(&self, at: usize) -> Option<&Insn> {
        // SAFETY: whoever makes one promises a valid program, which contains whatever it jumps to.
        Some(unsafe { &*self.0.wrapping_add(at) })
    }
}

/// Bytes of the packet to keep.
///
/// # Safety
/// `program` is valid.
#[inline(always)]
pub(super) unsafe fn verdict(program: *const Insn, packet: &[u8], wirelen: u32) -> u32 {
    let place = Place::of(program);
    // ORDER: Acquire with the Release in `translate`: the translation is whole.
    let translated = place.translated.load(Ordering::Acquire);
    // SAFETY: NULL, or made by Box::into_raw in `translate` and never freed.
    if let Some(translated) = unsafe { translated.as_ref() } {
        // SAFETY: by the caller's promise.
        if let Some(verdict) = unsafe { translated.run(program, packet, wirelen) } {
            return verdict;
        }
    }
    // SAFETY: by the caller's promise.
    unsafe { place.interpret(program, packet, wirelen) }
}

impl Place {
    const fn new() -> Place {
        Place {
            address: AtomicUsize::new(0),
            translated: AtomicPtr::new(std::ptr::null_mut()),
            calls: AtomicU32::new(0),
            enough: AtomicU32::new(CALLS),
        }
    }

    #[inline(always)]
    fn of(program: *const Insn) -> &'static Place {
        const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;
        let number = (program.addr() as u64).wrapping_mul(GOLDEN) >> (64 - PLACES.trailing_zeros());
        &TABLE[number as usize % PLACES]
    }

    /// # Safety
    /// `program` is valid.
    #[inline(never)]
    unsafe fn interpret(&self, program: *const Insn, packet: &[u8], wirelen: u32) -> u32 {
        // SAFETY: by the caller's promise; there is no buffer for a text.
        unsafe { guard::errbuf_quick(std::ptr::null_mut(), 0, || self.interpret_and_count(program, packet, wirelen)) }
    }

    /// # Safety
    /// `program` is valid.
    unsafe fn interpret_and_count(&self, program: *const Insn, packet: &[u8], wirelen: u32) -> u32 {
        let verdict = interpret(&Raw(program), packet, wirelen, None);
        // ORDER: Relaxed, all: numbers that nothing depends on; what threads count at once may get lost.
        if self.address.load(Ordering::Relaxed) != program.addr() {
            self.address.store(program.addr(), Ordering::Relaxed);
            self.begin(CALLS);
        }
        let calls = self.calls.load(Ordering::Relaxed).saturating_add(1);
        self.calls.store(calls, Ordering::Relaxed);
        let enough = self.enough.load(Ordering::Relaxed);
        if calls >= enough {
            // SAFETY: by the caller's promise.
            let translated = unsafe { self.translate(program) };
            // What is interpreted here after a translation is another program.
            self.begin(if translated { CALLS } else { enough.saturating_mul(PATIENCE) });
        }
        verdict
    }

    /// Counts anew, up to `enough` calls.
    fn begin(&self, enough: u32) {
        // ORDER: Relaxed, all: as above.
        self.calls.store(0, Ordering::Relaxed);
        self.enough.store(enough, Ordering::Relaxed);
    }

    /// Translates a program, if that is possible: whether it was.
    ///
    /// # Safety
    /// `program` is valid.
    #[cold]
    unsafe fn translate(&self, program: *const Insn) -> bool {
        guard::silence();
        // ORDER: Relaxed, all: a count.
        if TRANSLATED.load(Ordering::Relaxed) >= MEMORY {
            return false;
        }
        // SAFETY: by the caller's promise.
        let copy = unsafe { copied(program) };
        let Some(shadow) = Shadow::of(&copy) else { return false };
        TRANSLATED.fetch_add(shadow.size(), Ordering::Relaxed);
        // ORDER: Release to the Acquire in `verdict`.
        self.translated.store(Box::into_raw(Box::new(shadow)), Ordering::Release);
        true
    }
}

#[cfg(test)]
mod tests;
