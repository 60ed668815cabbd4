//! Programs that come without a handle and without a length, known by their bytes.
//!
//! `bpf_filter` is given a bare pointer with every packet: nobody says where the program ends, when another one begins,
//! or when the memory is reused. So it is interpreted where it lies, and only what is executed is read. A place that
//! was interpreted from many times is looked at as a whole, copied and translated to machine code (`translated.rs`); from
//! then on each call compares the program with the copy, all of it, and runs the code when they are the same. When they
//! are not, the place begins anew.
//!
//! Comparing costs time for the whole program, interpreting for what is executed: a program that is large for what is
//! executed of it stays interpreted. Places are counted per thread, so that nothing is locked.
//!
//! Tried and dropped: interpreting, but passing through search trees by tables of the ways through them, with only the
//! instructions on the way compared. Its guesses cost more than comparing 400 instructions does.

mod translated;

use crate::guard;
use ::filter::Insn;
use ::filter::engine::{Fetch, interpret};
use std::cell::Cell;
use translated::Translated;

/// Places that a thread counts; a power of two.
const PLACES: usize = 64;
/// Calls after which a place is looked at.
const CALLS: u32 = 256;

/// [`TABLE`] while this thread is at work on its table: a signal's handler may call us, too.
const AT_WORK: *mut Table = std::ptr::dangling_mut();

thread_local! {
    /// This thread's table, NULL before there is one. Without a destructor it is reached faster.
    static TABLE: Cell<*mut Table> = const { Cell::new(std::ptr::null_mut()) };
    static OWNER: Owner = const { Owner };
}

/// Frees the thread's table when the thread ends.
struct Owner;

impl Drop for Owner {
    fn drop(&mut self) {
        let table = TABLE.replace(AT_WORK);
        if !table.is_null() && table != AT_WORK {
            // SAFETY: from Box::into_raw in `first`, and nobody else has it now.
            drop(unsafe { Box::from_raw(table) });
        }
    }
}

/// What a thread has seen.
struct Table([Place; PLACES]);

/// A place in memory that programs are run from.
#[derive(Default)]
struct Place {
    address: usize,
    translated: Option<Translated>,
    calls: u32,
    /// Instructions executed in them.
    steps: u64,
    /// Calls to wait for.
    enough: u32,
}

/// A program where it lies.
struct Raw<'a> {
    first: *const Insn,
    steps: &'a Cell<u64>,
}

/// # Safety
/// A program with more than `at` instructions begins at `first`.
#[inline(always)]
unsafe fn read(first: *const Insn, at: usize) -> Insn {
    // SAFETY: by the caller's promise.
    unsafe { first.wrapping_add(at).read() }
}

impl Fetch for Raw<'_> {
    #[inline(always)]
    fn insn(&self, at: usize) -> Option<&Insn> {
        self.steps.set(self.steps.get() + 1);
        // SAFETY: whoever makes one promises a valid program, which contains whatever it jumps to.
        Some(unsafe { &*self.first.wrapping_add(at) })
    }
}

/// Bytes of the packet to keep.
///
/// # Safety
/// `program` is valid.
#[inline]
pub(super) unsafe fn verdict(program: *const Insn, packet: &[u8], wirelen: u32) -> u32 {
    let table = TABLE.replace(AT_WORK);
    if !table.is_null() && table != AT_WORK {
        // SAFETY: this thread's own table, which AT_WORK keeps from everybody else.
        let place = unsafe { &(*table).0[number(program)] };
        if place.address == program.addr() {
            // SAFETY: by the caller's promise.
            let verdict = place.translated.as_ref().and_then(|plan| unsafe { plan.run(program, packet, wirelen) });
            if let Some(verdict) = verdict {
                TABLE.set(table);
                return verdict;
            }
        }
    }
    // SAFETY: by the caller's promise; there is no buffer for a text.
    unsafe { guard::errbuf(std::ptr::null_mut(), 0, || slowly(table, program, packet, wirelen)) }
}

/// Which place in the table is that of an address.
#[inline(always)]
fn number(program: *const Insn) -> usize {
    const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;
    ((program.addr() as u64).wrapping_mul(GOLDEN) >> (64 - PLACES.trailing_zeros())) as usize
}

/// # Safety
/// `program` is valid; `table` was in [`TABLE`].
#[inline(never)]
unsafe fn slowly(table: *mut Table, program: *const Insn, packet: &[u8], wirelen: u32) -> u32 {
    let steps = Cell::new(0);
    let verdict = interpret(&Raw { first: program, steps: &steps }, packet, wirelen, None);
    let table = if table.is_null() { first() } else { table };
    if table != AT_WORK {
        // SAFETY: this thread's own table, which AT_WORK keeps from everybody else; the caller's promise.
        unsafe { (&mut (*table).0)[number(program)].count(program, steps.get()) };
        TABLE.set(table);
    }
    verdict
}

/// A thread's first table; [`AT_WORK`] for good where the thread is ending and nobody would free it.
#[cold]
fn first() -> *mut Table {
    guard::silence();
    match OWNER.try_with(|_| ()) {
        Ok(()) => Box::into_raw(Box::new(Table(std::array::from_fn(|_| Place::default())))),
        Err(_) => AT_WORK,
    }
}

impl Place {
    /// The program was interpreted.
    ///
    /// # Safety
    /// It is valid.
    unsafe fn count(&mut self, program: *const Insn, steps: u64) {
        // What was translated and then interpreted is no longer the same.
        if self.address != program.addr() || self.translated.is_some() {
            *self = Place { address: program.addr(), enough: CALLS, ..Place::default() };
        }
        self.calls += 1;
        self.steps += steps;
        if self.calls >= self.enough {
            // SAFETY: by the caller's promise.
            self.translated = unsafe { Translated::of(program, self.steps / u64::from(self.calls)) };
            self.enough = self.enough.saturating_mul(64);
            (self.calls, self.steps) = (0, 0);
        }
    }
}

#[cfg(test)]
mod tests;
