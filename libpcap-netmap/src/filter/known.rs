//! Programs that come without a handle and without a length, known by their bytes.
//!
//! `bpf_filter` is given a bare pointer with every packet: nobody says where the program ends, when another one begins,
//! or when the memory is reused. So it is interpreted where it lies, and only what is executed is read. A place that
//! was interpreted from many times is looked at as a whole, copied and translated to machine code; from then on each
//! call compares the program with the copy, all of it, and runs the code when they are the same.
//!
//! **Where it ends.** A valid program contains the targets of its own jumps. What follows from the first *n*
//! instructions is the farthest target among those of them that can be reached: up to there it can be read. That gives the
//! program's extent when it is copied, and the *stretches* in which it is compared later: each begins where the one
//! before it ends, and reaches as far as the instructions before it (equal to the copy's, or the comparison is over)
//! prove.
//!
//! **When it pays.** Comparing costs time for the whole program, interpreting for the executed path. A search tree is
//! large and its paths are short: it stays interpreted. The places are counted per thread, so that nothing is locked.

use crate::guard;
use ::filter::Insn;
use ::filter::engine::{Fetch, Filter, interpret};
use std::cell::Cell;

/// Programs that a thread knows.
const KNOWN: usize = 8;
/// Places that a thread counts; a power of two.
const COUNTED: usize = 16;
/// Calls after which a place is looked at.
const CALLS: u32 = 256;
/// Instructions that are compared in the time in which one is interpreted.
const COMPARED_PER_STEP: u64 = 40;
/// Instructions that are compared faster here than by a call of memcmp.
const FEW: usize = 24;

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
#[derive(Default)]
struct Table {
    /// The one that served last is tried first.
    last: usize,
    known: Vec<Known>,
    counted: [Counted; COUNTED],
}

/// A place in memory that programs are interpreted from.
#[derive(Clone, Copy, Default)]
struct Counted {
    address: usize,
    calls: u32,
    /// Instructions executed in them.
    steps: u64,
    /// Calls to wait for.
    enough: u32,
}

/// A program that was copied and translated.
struct Known {
    filter: Filter,
    /// Where the stretches end; the last end is the program's.
    ends: Vec<usize>,
}

/// A program where it lies.
struct Raw<'a> {
    first: *const Insn,
    steps: &'a Cell<u64>,
}

impl Fetch for Raw<'_> {
    #[inline(always)]
    fn insn(&self, at: usize) -> Option<Insn> {
        self.steps.set(self.steps.get() + 1);
        // SAFETY: whoever makes one promises a valid program, which contains whatever it jumps to.
        Some(unsafe { *self.first.wrapping_add(at) })
    }
}

/// Bytes of the packet to keep.
///
/// # Safety
/// `program` is valid.
#[inline]
pub(super) unsafe fn verdict(program: *const Insn, packet: &[u8], wirelen: u32) -> u32 {
    let place = TABLE.replace(AT_WORK);
    if !place.is_null() && place != AT_WORK {
        // SAFETY: this thread's own table, which AT_WORK keeps from everybody else.
        let table = unsafe { &*place };
        // SAFETY: by the caller's promise.
        let last = table.known.get(table.last).filter(|known| unsafe { known.is(program) });
        if let Some(known) = last {
            let verdict = known.filter.verdict(packet, wirelen);
            TABLE.set(place);
            return verdict;
        }
    }
    // SAFETY: by the caller's promise; there is no buffer for a text.
    unsafe {
        guard::errbuf(std::ptr::null_mut(), 0, || match place {
            AT_WORK => interpret(&Raw { first: program, steps: &Cell::new(0) }, packet, wirelen, None),
            _ => {
                let place = if place.is_null() { first() } else { place };
                let verdict = (*place).verdict(program, packet, wirelen);
                TABLE.set(place);
                verdict
            }
        })
    }
}

/// A thread's first table.
#[cold]
fn first() -> *mut Table {
    guard::silence();
    // Where there is no owner any more, the thread is ending, and TABLE stays AT_WORK.
    OWNER.with(|_| ());
    Box::into_raw(Box::default())
}

impl Table {
    /// # Safety
    /// `program` is valid.
    unsafe fn verdict(&mut self, program: *const Insn, packet: &[u8], wirelen: u32) -> u32 {
        // SAFETY: by the caller's promise.
        if let Some(at) = self.known.iter().position(|known| unsafe { known.is(program) }) {
            self.last = at;
            return self.known[at].filter.verdict(packet, wirelen);
        }
        let steps = Cell::new(0);
        let verdict = interpret(&Raw { first: program, steps: &steps }, packet, wirelen, None);
        let counted = &mut self.counted[(program.addr() >> 4) & (COUNTED - 1)];
        if counted.address != program.addr() {
            *counted = Counted { address: program.addr(), enough: CALLS, ..Counted::default() };
        }
        counted.calls += 1;
        counted.steps += steps.get();
        if counted.calls >= counted.enough {
            // SAFETY: by the caller's promise.
            unsafe { self.look_at(program) };
        }
        verdict
    }

    /// Translates the program when that pays, else waits for many more calls.
    ///
    /// # Safety
    /// `program` is valid.
    #[cold]
    unsafe fn look_at(&mut self, program: *const Insn) {
        let counted = &mut self.counted[(program.addr() >> 4) & (COUNTED - 1)];
        // SAFETY: by the caller's promise.
        let (copy, ends) = unsafe { extent(program) };
        let pays = copy.len() as u64 * u64::from(counted.calls) <= COMPARED_PER_STEP * counted.steps;
        let filter = if pays { Filter::new(copy) } else { None };
        *counted = Counted { enough: counted.enough.saturating_mul(64), calls: 0, steps: 0, ..*counted };
        let Some(filter) = filter else { return };
        let known = Known { filter, ends };
        if self.known.len() < KNOWN {
            self.last = self.known.len();
            self.known.push(known);
        } else {
            self.last = (self.last + 1) % KNOWN;
            self.known[self.last] = known;
        }
    }
}

impl Known {
    /// Whether `program` is this one.
    ///
    /// # Safety
    /// `program` is valid.
    #[inline(always)]
    unsafe fn is(&self, program: *const Insn) -> bool {
        let copy = self.filter.program().as_ptr();
        let mut start = 0;
        for &end in &self.ends {
            // SAFETY: `ends` rises to the copy's length. All before `start` is equal, so `program` has what the copy's
            // first `start` instructions prove, which is up to `end`.
            if !unsafe { same(program.add(start), copy.add(start), end - start) } {
                return false;
            }
            start = end;
        }
        true
    }
}

/// # Safety
/// Both have `len` instructions.
#[inline(always)]
unsafe fn same(a: *const Insn, b: *const Insn, len: usize) -> bool {
    let (a, b) = (a.cast::<u64>(), b.cast::<u64>());
    // SAFETY: by the caller's promise; an instruction is eight bytes without padding.
    unsafe {
        if len > FEW {
            let bytes = |first: *const u64| std::slice::from_raw_parts(first.cast::<u8>(), len * size_of::<Insn>());
            return bytes(a) == bytes(b);
        }
        (0..len).fold(0, |all, at| all | (a.add(at).read_unaligned() ^ b.add(at).read_unaligned())) == 0
    }
}

/// A copy of the program, and the ends of its stretches.
///
/// # Safety
/// `program` is valid.
unsafe fn extent(program: *const Insn) -> (Vec<Insn>, Vec<usize>) {
    let (mut copy, mut ends) = (Vec::new(), Vec::new());
    // What can be reached: found among the copied ones, or waiting to be copied.
    let mut reached = vec![true];
    let mut found = Vec::new();
    while copy.len() < reached.len() {
        ends.push(reached.len());
        while copy.len() < ends[ends.len() - 1] {
            let at = copy.len();
            // SAFETY: some copied instruction that can be reached jumps this far or farther.
            copy.push(unsafe { *program.add(at) });
            if reached[at] {
                found.push(at);
            }
            while let Some(at) = found.pop() {
                for to in targets(copy[at], at).into_iter().flatten() {
                    if to >= reached.len() {
                        reached.resize(to + 1, false);
                    }
                    if !std::mem::replace(&mut reached[to], true) && to < copy.len() {
                        found.push(to);
                    }
                }
            }
        }
    }
    (copy, ends)
}

/// Where the program goes on after an instruction.
fn targets(insn: Insn, at: usize) -> [Option<usize>; 2] {
    use ::filter::insn::op;
    let next = at + 1;
    match insn.code & 7 {
        op::RET => [None, None],
        op::JMP if insn.code & 0xf0 == op::JA => [next.checked_add_signed(insn.k as i32 as isize), None],
        op::JMP => [Some(next + usize::from(insn.jt)), Some(next + usize::from(insn.jf))],
        _ => [Some(next), None],
    }
}

#[cfg(test)]
mod tests;
