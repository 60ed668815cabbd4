//! Programs that come without a handle and without a length, known by their bytes.
//!
//! `bpf_filter` is given a bare pointer with every packet: nobody says where the program ends, when another one begins,
//! or when the memory is reused. So it is interpreted where it lies, and only what is executed is read. A place that
//! was interpreted from many times is looked at as a whole, copied and translated to machine code (`translated.rs`); from
//! then on each call compares the program with the copy, all of it, and runs the code when they are the same.
//!
//! Comparing costs time for the whole program, interpreting for what is executed: a program that is large for what is
//! executed of it stays interpreted.
//!
//! All threads share the table of places, without a lock: a translation that was published stays, also when another
//! takes its place, and so few are made in a process's life that they may. The address only says where to look.
//!
//! Tried and dropped: a table for each thread (reaching it costs a shared library 3 ns a call); interpreting, but passing
//! through search trees by tables of the ways through them, with only the instructions on the way compared (its guesses
//! cost more than comparing 400 instructions does).

mod translated;

use crate::guard;
use ::filter::Insn;
use ::filter::engine::{Fetch, interpret};
use std::cell::Cell;
use std::sync::atomic::{AtomicPtr, AtomicU32, AtomicUsize, Ordering};
use translated::Translated;

/// Places in memory that are counted; a power of two.
const PLACES: usize = 256;
/// Calls after which a place is looked at.
const CALLS: u32 = 256;
/// Translations that are made at most.
const TRANSLATIONS: usize = 1024;
/// So many times more calls before a place is looked at again whose program was better left alone.
const PATIENCE: u32 = 64;

/// A place in memory that programs are run from. Nothing depends on these numbers but when it is looked at.
struct Place {
    address: AtomicUsize,
    /// NULL, or a translation that lives for ever.
    translated: AtomicPtr<Translated>,
    /// Interpreted calls.
    calls: AtomicU32,
    /// Instructions executed in them.
    steps: AtomicU32,
    /// Calls to wait for.
    enough: AtomicU32,
}

static TABLE: [Place; PLACES] = [const { Place::new() }; PLACES];
static TRANSLATED: AtomicUsize = AtomicUsize::new(0);

/// A program where it lies.
struct Raw<'a> {
    first: *const Insn,
    steps: &'a Cell<u32>,
}

impl Fetch for Raw<'_> {
    #[inline(always)]
    fn insn(&self, at: usize) -> Option<&Insn> {
        self.steps.set(self.steps.get().wrapping_add(1));
        // SAFETY: whoever makes one promises a valid program, which contains whatever it jumps to.
        Some(unsafe { &*self.first.wrapping_add(at) })
    }
}

/// Bytes of the packet to keep.
///
/// # Safety
/// `program` is valid.
#[inline(always)]
pub(super) unsafe fn verdict(program: *const Insn, packet: &[u8], wirelen: u32) -> u32 {
    let place = Place::of(program);
    // ORDER: Acquire with the Release in `look_at`: the translation is whole.
    let translated = place.translated.load(Ordering::Acquire);
    // SAFETY: NULL, or made by Box::into_raw in `look_at` and never freed.
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
            steps: AtomicU32::new(0),
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
        unsafe { guard::errbuf(std::ptr::null_mut(), 0, || self.interpret_and_count(program, packet, wirelen)) }
    }

    /// # Safety
    /// `program` is valid.
    unsafe fn interpret_and_count(&self, program: *const Insn, packet: &[u8], wirelen: u32) -> u32 {
        let steps = Cell::new(0);
        let verdict = interpret(&Raw { first: program, steps: &steps }, packet, wirelen, None);
        // ORDER: Relaxed, all: numbers that nothing depends on; what threads count at once may get lost.
        if self.address.load(Ordering::Relaxed) != program.addr() {
            self.address.store(program.addr(), Ordering::Relaxed);
            self.begin(CALLS);
        }
        let calls = self.calls.load(Ordering::Relaxed).saturating_add(1);
        let steps = self.steps.load(Ordering::Relaxed).saturating_add(steps.get());
        self.calls.store(calls, Ordering::Relaxed);
        self.steps.store(steps, Ordering::Relaxed);
        let enough = self.enough.load(Ordering::Relaxed);
        if calls >= enough {
            // SAFETY: by the caller's promise.
            let translated = unsafe { self.look_at(program, steps / calls) };
            // What is interpreted here after a translation is another program.
            self.begin(if translated { CALLS } else { enough.saturating_mul(PATIENCE) });
        }
        verdict
    }

    /// Counts anew, up to `enough` calls.
    fn begin(&self, enough: u32) {
        // ORDER: Relaxed, all: as above.
        self.calls.store(0, Ordering::Relaxed);
        self.steps.store(0, Ordering::Relaxed);
        self.enough.store(enough, Ordering::Relaxed);
    }

    /// Translates a program of which each call executes so many steps, if that pays: whether it did.
    ///
    /// # Safety
    /// `program` is valid.
    #[cold]
    unsafe fn look_at(&self, program: *const Insn, steps: u32) -> bool {
        guard::silence();
        // SAFETY: by the caller's promise.
        let Some(translated) = (unsafe { Translated::of(program, steps) }) else { return false };
        // ORDER: Relaxed: a count.
        if TRANSLATED.fetch_add(1, Ordering::Relaxed) >= TRANSLATIONS {
            TRANSLATED.store(TRANSLATIONS, Ordering::Relaxed);
            return false;
        }
        // ORDER: Release to the Acquire in `verdict`.
        self.translated.store(Box::into_raw(Box::new(translated)), Ordering::Release);
        true
    }
}

#[cfg(test)]
mod tests;
