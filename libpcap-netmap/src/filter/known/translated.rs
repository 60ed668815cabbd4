//! Programs that are compared with a copy, and run as the copy's machine code.
//!
//! **Where a program ends.** A valid program contains the targets of its own jumps. What follows from the first *n*
//! instructions is the farthest target among those of them that can be reached: up to there it can be read. That gives the
//! program's extent when it is copied, and the *stretches* in which it is compared later: each begins where the one
//! before it ends, and reaches as far as the instructions before it (equal to the copy's, or the comparison is over)
//! prove.

use super::read;
use ::filter::Insn;
use ::filter::engine::Filter;
use ::filter::insn::op;

/// Instructions that are compared in the time in which one is interpreted.
const COMPARED_PER_STEP: u64 = 32;
/// Instructions that are compared faster here than by a call of memcmp.
const FEW: usize = 24;

/// A program that was copied and translated.
pub(super) struct Translated {
    filter: Filter,
    /// Where the stretches end; the last end is the program's.
    ends: Vec<usize>,
}

impl Translated {
    /// Translates a program of which each call executes so many steps. `None`: it is not valid, or too large for that.
    ///
    /// # Safety
    /// `program` is valid.
    #[cold]
    pub(super) unsafe fn of(program: *const Insn, steps: u64) -> Option<Translated> {
        // SAFETY: by the caller's promise.
        let (copy, ends) = unsafe { extent(program) };
        if copy.len() as u64 > COMPARED_PER_STEP * steps {
            return None;
        }
        Some(Translated { filter: Filter::new(copy)?, ends })
    }

    /// The verdict, when `program` is the one that was copied.
    ///
    /// # Safety
    /// `program` is valid.
    #[inline(always)]
    pub(super) unsafe fn run(&self, program: *const Insn, packet: &[u8], wirelen: u32) -> Option<u32> {
        let copy = self.filter.program().as_ptr();
        let mut start = 0;
        for &end in &self.ends {
            // SAFETY: `ends` rises to the copy's length. All before `start` is equal, so `program` has what the copy's
            // first `start` instructions prove, which is up to `end`.
            if !unsafe { same(program.add(start), copy.add(start), end - start) } {
                return None;
            }
            start = end;
        }
        Some(self.filter.verdict(packet, wirelen))
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
pub(super) unsafe fn extent(program: *const Insn) -> (Vec<Insn>, Vec<usize>) {
    let (mut copy, mut ends) = (Vec::new(), Vec::new());
    // What can be reached: found among the copied ones, or waiting to be copied.
    let mut reached = vec![true];
    let mut found = Vec::new();
    while copy.len() < reached.len() {
        ends.push(reached.len());
        while copy.len() < ends[ends.len() - 1] {
            let at = copy.len();
            // SAFETY: some copied instruction that can be reached jumps this far or farther.
            copy.push(unsafe { read(program, at) });
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
    let next = at + 1;
    match insn.code & 7 {
        op::RET => [None, None],
        op::JMP if insn.code & 0xf0 == op::JA => [next.checked_add_signed(insn.k as i32 as isize), None],
        op::JMP => [Some(next + usize::from(insn.jt)), Some(next + usize::from(insn.jf))],
        _ => [Some(next), None],
    }
}
