//! The instructions of classic BPF, each by one name.

#![allow(missing_docs, reason = "the names of <pcap/bpf.h>, joined")]

use crate::insn::Insn;
use crate::insn::op::*;

pub const LD_W_ABS: u16 = LD | W | ABS;
pub const LD_H_ABS: u16 = LD | H | ABS;
pub const LD_B_ABS: u16 = LD | B | ABS;
pub const LD_W_IND: u16 = LD | W | IND;
pub const LD_H_IND: u16 = LD | H | IND;
pub const LD_B_IND: u16 = LD | B | IND;
pub const LD_LEN: u16 = LD | W | LEN;
pub const LD_IMM: u16 = LD | IMM;
pub const LD_MEM: u16 = LD | MEM;
pub const LDX_LEN: u16 = LDX | W | LEN;
pub const LDX_IMM: u16 = LDX | IMM;
pub const LDX_MEM: u16 = LDX | MEM;
pub const LDX_MSH: u16 = LDX | B | MSH;
// ST, STX: as they are.

pub const ADD_K: u16 = ALU | ADD;
pub const SUB_K: u16 = ALU | SUB;
pub const MUL_K: u16 = ALU | MUL;
pub const DIV_K: u16 = ALU | DIV;
pub const MOD_K: u16 = ALU | MOD;
pub const AND_K: u16 = ALU | AND;
pub const OR_K: u16 = ALU | OR;
pub const XOR_K: u16 = ALU | XOR;
pub const LSH_K: u16 = ALU | LSH;
pub const RSH_K: u16 = ALU | RSH;
pub const ADD_X: u16 = ALU | ADD | X;
pub const SUB_X: u16 = ALU | SUB | X;
pub const MUL_X: u16 = ALU | MUL | X;
pub const DIV_X: u16 = ALU | DIV | X;
pub const MOD_X: u16 = ALU | MOD | X;
pub const AND_X: u16 = ALU | AND | X;
pub const OR_X: u16 = ALU | OR | X;
pub const XOR_X: u16 = ALU | XOR | X;
pub const LSH_X: u16 = ALU | LSH | X;
pub const RSH_X: u16 = ALU | RSH | X;
pub const ALU_NEG: u16 = ALU | NEG;

pub const JMP_JA: u16 = JMP | JA;
pub const JEQ_K: u16 = JMP | JEQ;
pub const JGT_K: u16 = JMP | JGT;
pub const JGE_K: u16 = JMP | JGE;
pub const JSET_K: u16 = JMP | JSET;
pub const JEQ_X: u16 = JMP | JEQ | X;
pub const JGT_X: u16 = JMP | JGT | X;
pub const JGE_X: u16 = JMP | JGE | X;
pub const JSET_X: u16 = JMP | JSET | X;

pub const RET_K: u16 = RET | K;
pub const RET_A: u16 = RET | A;
pub const MISC_TAX: u16 = MISC | TAX;
pub const MISC_TXA: u16 = MISC | TXA;

/// The class: `LD` to `MISC`.
pub const fn class(code: u16) -> u16 {
    code & 7
}

/// Whether this is a conditional jump.
pub fn is_branch(insn: &Insn) -> bool {
    class(insn.code) == JMP && insn.code != JMP_JA
}

/// Whether this loads what Linux knows beside the packet.
pub fn is_ancillary(insn: &Insn) -> bool {
    matches!(insn.code, LD_W_ABS | LD_H_ABS | LD_B_ABS) && insn.k >= AD_OFF
}
