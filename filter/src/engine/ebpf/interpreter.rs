//! A filter's interpreter as eBPF: loaded before the filter is known, which is then written into a map.
//!
//! Loading a program takes privileges that many a program has given up by the time it knows its filter, as tcpdump has; writing into a
//! map of its own takes none. It decides what [`XdpFilter`](super::XdpFilter) decides, more slowly.
//!
//! ```text
//!   the map's only element:  instruction 0 … instruction 1023   tag   0
//!   an instruction, 16 bytes:   operation, operand's kind, -, -   k   next, or where a branch that holds goes   where else it goes
//! ```
//! | R0 | R1 to R3 | R4 | R5 | R6 | R7 | R8 | R9 |
//! |---|---|---|---|---|---|---|---|
//! | the instruction | for a moment | the operand | where the next one is | context | A | X | the element |
//!
//! It looks at the first buffer of a frame alone. The loop is one that the verifier goes through until it learns nothing new (`may_goto`,
//! Linux 6.9); programs that jump backwards are none of this hook's, so every frame's way ends before the kernel's patience does.

use super::asm::{Asm, Label};
use super::emit::{DATA, DATA_END, MAX_OFFSET, scratch};
use super::insn::{Helper, If, Insn, Op, Operand, Reg, Width};
use super::{XdpRefusal, check};
use crate::engine::opcode::*;
use crate::insn::op::{ST, STX};
use crate::insn::{Insn as Classic, MEMWORDS};
use Operand::{Imm, Reg as R};
use Reg::{R0, R1, R2, R3, R4, R5, R6, R7, R8, R9, R10};

/// The longest program, a power of two.
const MOST: usize = 1024;
/// Bytes of an instruction.
const EACH: usize = 16;
/// Where the tag lies behind them.
const TAG_AT: i16 = (MOST * EACH) as i16;
/// And behind that, 0.
const ZERO: i16 = TAG_AT + 4;
/// Where an instruction's parts lie.
const OPERATION: i16 = 0;
const KIND: i16 = 1;
const CONSTANT: i16 = 4;
const NEXT: i16 = 8;
const OTHERWISE: i16 = 12;

/// On the stack: the map's key, and the tag of the filter that accepted.
const KEY: i16 = -72;
const TAG: i16 = -96;
const A: Reg = R7;
const X: Reg = R8;

/// What an operand is.
#[derive(Clone, Copy)]
enum Kind {
    K,
    X,
    /// X + k, in 64 bits.
    Both,
    A,
}

/// What an instruction does. A and X are never an operand and changed by the same one but for the moves.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Does {
    LoadHalf,
    BranchEq,
    LoadByte,
    Return,
    LoadWord,
    BranchSet,
    HeaderLength,
    BranchGe,
    BranchGt,
    And,
    ToA,
    ToX,
    Add,
    Sub,
    Mul,
    Div,
    Mod,
    Or,
    Xor,
    Lsh,
    Rsh,
    Neg,
    Read,
    ReadX,
    Write,
    WriteX,
    Length,
    LengthX,
}

impl Does {
    /// In the order in which they are asked for: first what filters do most.
    const ALL: [Does; 28] = [
        Does::LoadHalf,
        Does::BranchEq,
        Does::LoadByte,
        Does::Return,
        Does::LoadWord,
        Does::BranchSet,
        Does::HeaderLength,
        Does::BranchGe,
        Does::BranchGt,
        Does::And,
        Does::ToA,
        Does::ToX,
        Does::Add,
        Does::Sub,
        Does::Mul,
        Does::Div,
        Does::Mod,
        Does::Or,
        Does::Xor,
        Does::Lsh,
        Does::Rsh,
        Does::Neg,
        Does::Read,
        Does::ReadX,
        Does::Write,
        Does::WriteX,
        Does::Length,
        Does::LengthX,
    ];

    /// Of an instruction of classic BPF, and its operand.
    fn of(insn: &Classic) -> Option<(Does, Kind)> {
        Some(match insn.code {
            LD_W_ABS => (Does::LoadWord, Kind::K),
            LD_H_ABS => (Does::LoadHalf, Kind::K),
            LD_B_ABS => (Does::LoadByte, Kind::K),
            LD_W_IND => (Does::LoadWord, Kind::Both),
            LD_H_IND => (Does::LoadHalf, Kind::Both),
            LD_B_IND => (Does::LoadByte, Kind::Both),
            LDX_MSH => (Does::HeaderLength, Kind::K),
            LD_LEN => (Does::Length, Kind::K),
            LDX_LEN => (Does::LengthX, Kind::K),
            LD_IMM => (Does::ToA, Kind::K),
            LDX_IMM => (Does::ToX, Kind::K),
            MISC_TAX => (Does::ToX, Kind::A),
            MISC_TXA => (Does::ToA, Kind::X),
            LD_MEM => (Does::Read, Kind::K),
            LDX_MEM => (Does::ReadX, Kind::K),
            ST => (Does::Write, Kind::K),
            STX => (Does::WriteX, Kind::K),
            // Both ways lead to the same place.
            JMP_JA | JEQ_K => (Does::BranchEq, Kind::K),
            JGT_K => (Does::BranchGt, Kind::K),
            JGE_K => (Does::BranchGe, Kind::K),
            JSET_K => (Does::BranchSet, Kind::K),
            JEQ_X => (Does::BranchEq, Kind::X),
            JGT_X => (Does::BranchGt, Kind::X),
            JGE_X => (Does::BranchGe, Kind::X),
            JSET_X => (Does::BranchSet, Kind::X),
            ADD_K => (Does::Add, Kind::K),
            SUB_K => (Does::Sub, Kind::K),
            MUL_K => (Does::Mul, Kind::K),
            DIV_K => (Does::Div, Kind::K),
            MOD_K => (Does::Mod, Kind::K),
            AND_K => (Does::And, Kind::K),
            OR_K => (Does::Or, Kind::K),
            XOR_K => (Does::Xor, Kind::K),
            LSH_K => (Does::Lsh, Kind::K),
            RSH_K => (Does::Rsh, Kind::K),
            ADD_X => (Does::Add, Kind::X),
            SUB_X => (Does::Sub, Kind::X),
            MUL_X => (Does::Mul, Kind::X),
            DIV_X => (Does::Div, Kind::X),
            MOD_X => (Does::Mod, Kind::X),
            AND_X => (Does::And, Kind::X),
            OR_X => (Does::Or, Kind::X),
            XOR_X => (Does::Xor, Kind::X),
            LSH_X => (Does::Lsh, Kind::X),
            RSH_X => (Does::Rsh, Kind::X),
            ALU_NEG => (Does::Neg, Kind::K),
            RET_K => (Does::Return, Kind::K),
            RET_A => (Does::Return, Kind::A),
            _ => return None,
        })
    }
}

/// The interpreter.
#[derive(Clone, Copy, Debug)]
pub struct XdpInterpreter {
    /// The descriptor of a hash map with keys of 32 bits and one element, [`XdpInterpreter::VALUE_BYTES`] long, with key 0.
    pub map: i32,
}

impl XdpInterpreter {
    /// Bytes of the map's element.
    pub const VALUE_BYTES: usize = MOST * EACH + 8;

    /// A filter as the map has it, with a number to know it by.
    ///
    /// # Errors
    /// As [`XdpFilter::new`](super::XdpFilter::new); [`XdpRefusal::Length`] for more than 1,024 instructions.
    pub fn value(program: &[Classic], tag: u32) -> Result<Vec<u8>, XdpRefusal> {
        check(program)?;
        if program.len() > MOST {
            return Err(XdpRefusal::Length(program.len()));
        }
        let mut value = vec![0; XdpInterpreter::VALUE_BYTES];
        for (at, (insn, bytes)) in program.iter().zip(value.chunks_exact_mut(EACH)).enumerate() {
            let (does, kind) = Does::of(insn).ok_or(XdpRefusal::Invalid)?;
            let next = at as u32 + 1;
            let (yes, no) = match insn.code {
                JMP_JA => (insn.k, insn.k),
                _ if is_branch(insn) => (insn.jt.into(), insn.jf.into()),
                _ => (0, 0),
            };
            let place = |skip: u32| next.wrapping_add(skip).wrapping_mul(EACH as u32);
            let k =
                if matches!(does, Does::Read | Does::ReadX | Does::Write | Does::WriteX) { 4 * insn.k } else { insn.k };
            bytes[0] = does as u8;
            bytes[1] = kind as u8;
            bytes[4..8].copy_from_slice(&k.to_ne_bytes());
            bytes[8..12].copy_from_slice(&place(yes).to_ne_bytes());
            bytes[12..16].copy_from_slice(&place(no).to_ne_bytes());
        }
        let at = TAG_AT as usize;
        value[at..at + 4].copy_from_slice(&tag.to_ne_bytes());
        Ok(value)
    }

    /// Writes it; the context (`struct xdp_md`) is in R6, which is kept. While the map is empty it accepts nothing.
    pub fn emit(&self, asm: &mut Asm, accept: Label, reject: Label) {
        let (head, ready) = (asm.label(), asm.label());
        asm.push(Insn::store_imm(Width::W32, R10, KEY, 0));
        asm.push_double(Insn::map(R1, self.map));
        asm.push(Insn::alu64(Op::Mov, R2, R(R10)));
        asm.push(Insn::alu64(Op::Add, R2, Imm(KEY.into())));
        asm.push(Insn::call(Helper::MapLookupElem));
        asm.jump(If::Eq, R0, Imm(0), reject);
        asm.push(Insn::alu64(Op::Mov, R9, R(R0)));
        asm.push(Insn::load(Width::W32, R1, R9, TAG_AT));
        asm.push(Insn::store(Width::W32, R10, TAG, R1));
        for pair in 0..MEMWORDS as u8 / 2 {
            asm.push(Insn::store_imm(Width::W64, R10, scratch(2 * pair + 1), 0));
        }
        asm.push(Insn::alu32(Op::Mov, A, Imm(0)));
        asm.push(Insn::alu32(Op::Mov, X, Imm(0)));
        asm.push(Insn::alu32(Op::Mov, R5, Imm(0)));

        asm.place(head);
        // 0, which the verifier doesn't know: it forgets what it knew of A and X, and is done after 1,400 instructions instead of several
        // thousand, in half the time (2.5 ms).
        asm.push(Insn::load(Width::W32, R1, R9, ZERO));
        asm.push(Insn::alu32(Op::Xor, A, R(R1)));
        asm.push(Insn::alu32(Op::Xor, X, R(R1)));
        asm.may_goto(reject);
        // Every place in the map is one of an instruction, also for the verifier, which knows nothing of what lies there.
        asm.push(Insn::alu64(Op::And, R5, Imm(((MOST - 1) * EACH) as i32)));
        asm.push(Insn::alu64(Op::Mov, R0, R(R9)));
        asm.push(Insn::alu64(Op::Add, R0, R(R5)));
        asm.push(Insn::load(Width::W8, R1, R0, OPERATION));
        asm.push(Insn::load(Width::W8, R3, R0, KIND));
        asm.push(Insn::load(Width::W32, R4, R0, CONSTANT));
        asm.push(Insn::load(Width::W32, R5, R0, NEXT));
        asm.jump32(If::Eq, R3, Imm(Kind::K as i32), ready);
        let (not_x, not_both) = (asm.label(), asm.label());
        asm.jump32(If::Ne, R3, Imm(Kind::X as i32), not_x);
        asm.push(Insn::alu32(Op::Mov, R4, R(X)));
        asm.goto(ready);
        asm.place(not_x);
        asm.jump32(If::Ne, R3, Imm(Kind::Both as i32), not_both);
        asm.push(Insn::alu64(Op::Add, R4, R(X)));
        asm.goto(ready);
        asm.place(not_both);
        asm.push(Insn::alu32(Op::Mov, R4, R(A)));

        asm.place(ready);
        for does in Does::ALL {
            let other = asm.label();
            asm.jump32(If::Ne, R1, Imm(does as i32), other);
            one(asm, does, head, accept, reject);
            asm.place(other);
        }
        asm.goto(reject);
    }

    /// Loads the tag of the filter that accepted the frame.
    pub fn tag(asm: &mut Asm, to: Reg) {
        asm.push(Insn::load(Width::W32, to, R10, TAG));
    }
}

/// One operation, and on to the next instruction.
fn one(asm: &mut Asm, does: Does, head: Label, accept: Label, reject: Label) {
    let alu = |asm: &mut Asm, op| asm.push(Insn::alu32(op, A, R(R4)));
    match does {
        Does::LoadByte => load(asm, A, Width::W8, reject),
        Does::LoadHalf => load(asm, A, Width::W16, reject),
        Does::LoadWord => load(asm, A, Width::W32, reject),
        Does::HeaderLength => {
            load(asm, X, Width::W8, reject);
            asm.push(Insn::alu32(Op::And, X, Imm(0xf)));
            asm.push(Insn::alu32(Op::Lsh, X, Imm(2)));
        }
        Does::BranchEq | Does::BranchSet | Does::BranchGe | Does::BranchGt => {
            let test = match does {
                Does::BranchEq => If::Eq,
                Does::BranchSet => If::Set,
                Does::BranchGe => If::Ge,
                _ => If::Gt,
            };
            asm.jump32(test, A, R(R4), head);
            asm.push(Insn::load(Width::W32, R5, R0, OTHERWISE));
        }
        Does::Return => {
            asm.jump32(If::Ne, R4, Imm(0), accept);
            return asm.goto(reject);
        }
        Does::ToA => alu(asm, Op::Mov),
        Does::ToX => asm.push(Insn::alu32(Op::Mov, X, R(R4))),
        Does::Add => alu(asm, Op::Add),
        Does::Sub => alu(asm, Op::Sub),
        Does::Mul => alu(asm, Op::Mul),
        Does::And => alu(asm, Op::And),
        Does::Or => alu(asm, Op::Or),
        Does::Xor => alu(asm, Op::Xor),
        Does::Div | Does::Mod => {
            asm.jump32(If::Eq, R4, Imm(0), reject);
            alu(asm, if does == Does::Div { Op::Div } else { Op::Mod });
        }
        Does::Lsh | Does::Rsh => {
            let small = asm.label();
            asm.jump32(If::Lt, R4, Imm(32), small);
            asm.push(Insn::alu32(Op::Mov, A, Imm(0)));
            asm.goto(head);
            asm.place(small);
            alu(asm, if does == Does::Lsh { Op::Lsh } else { Op::Rsh });
        }
        Does::Neg => asm.push(Insn::alu32(Op::Neg, A, Imm(0))),
        Does::Read | Does::ReadX | Does::Write | Does::WriteX => {
            // Word n lies 4 n above the last one's place.
            asm.push(Insn::alu64(Op::And, R4, Imm(4 * (MEMWORDS as i32 - 1))));
            asm.push(Insn::alu64(Op::Mov, R1, R(R10)));
            asm.push(Insn::alu64(Op::Add, R1, R(R4)));
            let at = scratch(MEMWORDS as u8 - 1);
            asm.push(match does {
                Does::Read => Insn::load(Width::W32, A, R1, at),
                Does::ReadX => Insn::load(Width::W32, X, R1, at),
                Does::Write => Insn::store(Width::W32, R1, at, A),
                _ => Insn::store(Width::W32, R1, at, X),
            });
        }
        Does::Length | Does::LengthX => {
            asm.push(Insn::load(Width::W32, R2, R6, DATA_END));
            asm.push(Insn::load(Width::W32, R1, R6, DATA));
            asm.push(Insn::alu64(Op::Sub, R2, R(R1)));
            asm.push(Insn::alu32(Op::Mov, if does == Does::Length { A } else { X }, R(R2)));
        }
    }
    asm.goto(head);
}

/// Bytes at the operand to `to`; a frame that ends before them is refused.
fn load(asm: &mut Asm, to: Reg, width: Width, reject: Label) {
    asm.jump(If::Gt, R4, Imm(MAX_OFFSET as i32 - width.bytes()), reject);
    asm.push(Insn::load(Width::W32, R1, R6, DATA));
    asm.push(Insn::load(Width::W32, R2, R6, DATA_END));
    asm.push(Insn::alu64(Op::Add, R1, R(R4)));
    asm.push(Insn::alu64(Op::Mov, R3, R(R1)));
    asm.push(Insn::alu64(Op::Add, R3, Imm(width.bytes())));
    asm.jump(If::Gt, R3, R(R2), reject);
    asm.push(Insn::load(width, to, R1, 0));
    if width != Width::W8 {
        asm.push(Insn::from_be(to, 8 * width.bytes()));
    }
}
