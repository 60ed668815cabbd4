//! Programs that are compared with a copy, and run as the copy's machine code.
//!
//! **Where a program ends.** A valid program contains the targets of its own jumps. What follows from the first *n*
//! instructions is the farthest target among those of them that can be reached: up to there it can be read. That gives the
//! program's extent when it is copied, and the *stretches* in which it is compared later: each begins where the one
//! before it ends, and reaches as far as the instructions before it (equal to the copy's, or the comparison is over)
//! prove.

use ::filter::Insn;
use ::filter::engine::Filter;
use ::filter::insn::op;

/// Instructions that are compared in the time in which one is interpreted.
const COMPARED_PER_STEP: usize = 32;
/// Instructions of a program that is compared faster here than by calls of memcmp.
const FEW: usize = 64;

/// Stretches that are compared faster one by one than by a call of memcmp.
const SHORT: usize = 8;

/// A program that was copied and translated.
pub(super) struct Translated {
    filter: Filter,
    compare: Compare,
}

/// How a program is compared with the copy.
enum Compare {
    /// The instructions at these places, one each; then four at each of these.
    Few(Vec<u32>, Vec<u32>),
    /// The stretches that end at these places.
    Many(Vec<usize>),
}

impl Translated {
    /// Translates a program of which each call executes so many steps. `None`: it is not valid, or too large for that.
    ///
    /// # Safety
    /// `program` is valid.
    #[cold]
    pub(super) unsafe fn of(program: *const Insn, steps: u32) -> Option<Translated> {
        // SAFETY: by the caller's promise.
        let (copy, ends) = unsafe { extent(program) };
        if copy.len() / COMPARED_PER_STEP > steps as usize {
            return None;
        }
        Some(Translated { filter: Filter::new(copy)?, compare: Compare::of(&ends) })
    }

    /// The verdict, when `program` is the one that was copied.
    ///
    /// # Safety
    /// `program` is valid.
    #[inline(always)]
    pub(super) unsafe fn run(&self, program: *const Insn, packet: &[u8], wirelen: u32) -> Option<u32> {
        let copy = self.filter.program().as_ptr();
        // SAFETY: the caller's promise for `program`, and `compare` was made for the copy.
        let same = unsafe {
            match &self.compare {
                Compare::Few(ones, fours) => {
                    ones.iter().all(|&at| same::<1>(program, copy, at))
                        && fours.iter().all(|&at| same::<4>(program, copy, at))
                }
                Compare::Many(ends) => same_stretches(program, copy, ends),
            }
        };
        if same { Some(self.filter.verdict(packet, wirelen)) } else { None }
    }
}

impl Compare {
    fn of(ends: &[usize]) -> Compare {
        if ends.last().is_some_and(|&len| len > FEW) {
            return Compare::Many(ends.to_vec());
        }
        let (mut ones, mut fours) = (Vec::new(), Vec::new());
        let mut start = 0;
        for &end in ends {
            while start < end {
                // Four that end with the stretch, or begin where the four before them end.
                match end.min(start + 4).checked_sub(4) {
                    Some(at) => {
                        fours.push(at as u32);
                        start = at + 4;
                    }
                    None => {
                        ones.push(start as u32);
                        start += 1;
                    }
                }
            }
        }
        Compare::Few(ones, fours)
    }
}

/// Whether `N` instructions at `at` are the same.
///
/// # Safety
/// Both programs have them.
#[inline(always)]
unsafe fn same<const N: usize>(a: *const Insn, b: *const Insn, at: u32) -> bool {
    // SAFETY: by the caller's promise; an instruction is eight bytes without padding.
    let words = |first: *const Insn| unsafe { first.add(at as usize).cast::<[u64; N]>().read_unaligned() };
    words(a) == words(b)
}

/// # Safety
/// `a` is valid, `b` has as many instructions as the last of `ends` says, which are its own.
#[inline(never)]
unsafe fn same_stretches(a: *const Insn, b: *const Insn, ends: &[usize]) -> bool {
    let mut start = 0;
    for &end in ends {
        // SAFETY: all before `start` is equal, so `a` has what the first `start` instructions of `b` prove, which is up to
        // `end`. An instruction has no padding.
        let alike = unsafe {
            if end - start <= SHORT {
                (start..end).all(|at| same::<1>(a, b, at as u32))
            } else {
                let bytes = (end - start) * size_of::<Insn>();
                let stretch = |first: *const Insn| std::slice::from_raw_parts(first.add(start).cast::<u8>(), bytes);
                stretch(a) == stretch(b)
            }
        };
        if !alike {
            return false;
        }
        start = end;
    }
    true
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
            copy.push(unsafe { program.add(at).read() });
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
