//! Copying a program of which nobody says where it ends.
//!
//! A valid program contains the targets of its own jumps. What follows from the first *n* instructions is the farthest target
//! among those of them that can be reached: up to there it can be read, and may reach farther.

use ::filter::Insn;
use ::filter::insn::op;

/// A copy of the program: as far as it can be reached.
///
/// # Safety
/// `program` is valid.
pub(super) unsafe fn copied(program: *const Insn) -> Vec<Insn> {
    let mut copy = Vec::new();
    // What can be reached: found among the copied ones, or waiting to be copied.
    let mut reached = vec![true];
    let mut found = Vec::new();
    while copy.len() < reached.len() {
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
    copy
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
