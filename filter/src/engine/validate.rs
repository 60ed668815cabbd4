//! Which programs may be run: the rules of `bpf_validate`, those of libpcap's main branch.
//!
//! libpcap 1.10 looks at less: it takes codes of a known class that its interpreter then aborts the process on, jumps to themselves and
//! constant shifts by 32 and more, whose result depended on the processor.

use super::opcode::*;
use crate::insn::op::{RET, ST, STX};
use crate::insn::{Insn, MEMWORDS};

/// The longest program, in instructions: what pcap_compile(3) could ever make.
const LONGEST: usize = 3_060_000;

/// Whether `program` may be run: every instruction is known and has a sensible operand, every jump (also backwards, by `ja`) stays
/// inside, the last instruction returns. Whether it ends is not asked.
pub fn validate(program: &[Insn]) -> bool {
    let Some(last) = program.last() else { return false };
    program.len() <= LONGEST
        && class(last.code) == RET
        && program.iter().enumerate().all(|(at, insn)| operand_fits(insn) && stays_inside(at, insn, program.len()))
}

/// Whether the code is known, and `k` good for it.
pub(super) fn operand_fits(insn: &Insn) -> bool {
    match insn.code {
        LD_W_ABS | LD_H_ABS | LD_B_ABS | LD_W_IND | LD_H_IND | LD_B_IND | LD_LEN | LD_IMM => true,
        LDX_LEN | LDX_IMM | LDX_MSH => true,
        LD_MEM | LDX_MEM | ST | STX => (insn.k as usize) < MEMWORDS,
        DIV_K | MOD_K => insn.k != 0,
        LSH_K | RSH_K => insn.k < 32,
        ADD_K | SUB_K | MUL_K | AND_K | OR_K | XOR_K | ALU_NEG => true,
        ADD_X | SUB_X | MUL_X | DIV_X | MOD_X | AND_X | OR_X | XOR_X | LSH_X | RSH_X => true,
        JMP_JA => insn.k != u32::MAX, // a jump to itself
        JEQ_K | JGT_K | JGE_K | JSET_K | JEQ_X | JGT_X | JGE_X | JSET_X => true,
        RET_K | RET_A | MISC_TAX | MISC_TXA => true,
        _ => false,
    }
}

fn stays_inside(at: usize, insn: &Insn, len: usize) -> bool {
    let next = at as u32 + 1; // at < LONGEST
    let inside = |skip: u32| (next.wrapping_add(skip) as usize) < len;
    match insn.code {
        JMP_JA => inside(insn.k),
        _ if is_branch(insn) => inside(insn.jt.into()) && inside(insn.jf.into()),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RETURN: Insn = Insn::new(RET_K, 1);

    #[test]
    fn the_last_instruction_returns() {
        assert!(!validate(&[]));
        assert!(validate(&[RETURN]));
        assert!(validate(&[Insn::new(RET_A, 0)]));
        assert!(!validate(&[RETURN, Insn::new(LD_IMM, 1)]));
    }

    #[test]
    fn jumps_stay_inside() {
        let branch = |jt, jf| validate(&[Insn::jump(JEQ_K, 0, jt, jf), RETURN, RETURN]);
        assert!(branch(0, 1) && branch(1, 0));
        assert!(!branch(2, 0) && !branch(0, 2));
        let ja = |k| validate(&[RETURN, Insn::new(JMP_JA, k), RETURN]);
        assert!(ja(0) && ja(-2_i32 as u32));
        assert!(!ja(1) && !ja(-1_i32 as u32) && !ja(-3_i32 as u32));
    }

    #[test]
    fn operands_are_looked_at() {
        for (code, good, bad) in [
            (LD_MEM, 15, 16),
            (LDX_MEM, 15, 16),
            (ST, 15, 16),
            (STX, 15, 16),
            (DIV_K, 1, 0),
            (MOD_K, 1, 0),
            (LSH_K, 31, 32),
            (RSH_K, 31, 32),
        ] {
            assert!(validate(&[Insn::new(code, good), RETURN]), "{code:#x} {good}");
            assert!(!validate(&[Insn::new(code, bad), RETURN]), "{code:#x} {bad}");
        }
    }

    #[test]
    fn unknown_codes_are_refused() {
        let known = (0..=u16::MAX).filter(|&code| validate(&[Insn::new(code, 1), RETURN, RETURN])).count();
        assert_eq!(known, 49);
        assert!(!validate(&[Insn::new(RET | 0x08, 1)]));
    }
}
