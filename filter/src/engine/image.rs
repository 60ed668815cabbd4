//! Programs as text, in the words of `bpf_image` and `bpf_dump`.

#![forbid(unsafe_code)]

use super::opcode::*;
use crate::insn::Insn;
use crate::insn::op::*;
use std::fmt;

/// An instruction's text.
#[derive(Clone, Copy, Debug)]
pub struct Image {
    insn: Insn,
    number: i32,
}

/// The text of `insn`, the instruction of this number: `(012) jset     #0x1fff          jt 19 jf 13`, with a tab
/// before `jf`.
pub fn image(insn: &Insn, number: i32) -> Image {
    Image { insn: *insn, number }
}

/// How [`dump`] writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// As [`image`] does: `tcpdump -d`.
    Text,
    /// Initializers of `struct bpf_insn`: `tcpdump -dd`.
    C,
    /// Numbers, their count first: `tcpdump -ddd`.
    Decimal,
}

/// A program's text.
#[derive(Clone, Copy, Debug)]
pub struct Dump<'a> {
    program: &'a [Insn],
    form: Form,
}

/// The text of `program`, an instruction to a line.
pub fn dump(program: &[Insn], form: Form) -> Dump<'_> {
    Dump { program, form }
}

impl fmt::Display for Dump<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.form == Form::Decimal {
            writeln!(f, "{}", self.program.len())?;
        }
        for (insn, number) in self.program.iter().zip(0..) {
            let Insn { code, jt, jf, k } = *insn;
            match self.form {
                Form::Text => writeln!(f, "{}", image(insn, number))?,
                Form::C => writeln!(f, "{{ 0x{code:x}, {jt}, {jf}, 0x{k:08x} }},")?,
                Form::Decimal => writeln!(f, "{code} {jt} {jf} {k}")?,
            }
        }
        Ok(())
    }
}

/// What is written of the operand.
#[derive(Clone, Copy)]
enum Operand {
    Nothing,
    /// `#12`
    Decimal,
    /// `#0xc`
    Hex,
    /// `[12]`
    Packet,
    /// `[x + 12]`
    PacketAtX,
    /// `4*([12]&0xf)`
    HeaderLength,
    /// `M[12]`
    Scratch,
    Length,
    X,
    /// A jump's target.
    Target,
    /// The code, for want of a name.
    Code,
}

/// What Linux knows beside a packet, by offset from `SKF_AD_OFF` in words.
const ANCILLARY: [&str; 16] = [
    "proto",
    "type",
    "ifidx",
    "nla",
    "nlan",
    "mark",
    "queue",
    "hatype",
    "rxhash",
    "cpu",
    "xor_x",
    "vlan_tci",
    "vlanp",
    "poff",
    "random",
    "vlan_tpid",
];

impl Image {
    fn parts(&self) -> (&'static str, Operand) {
        match self.insn.code {
            LD_W_ABS => ("ld", Operand::Packet),
            LD_H_ABS => ("ldh", Operand::Packet),
            LD_B_ABS => ("ldb", Operand::Packet),
            LD_W_IND => ("ld", Operand::PacketAtX),
            LD_H_IND => ("ldh", Operand::PacketAtX),
            LD_B_IND => ("ldb", Operand::PacketAtX),
            LD_LEN => ("ld", Operand::Length),
            LD_IMM => ("ld", Operand::Hex),
            LD_MEM => ("ld", Operand::Scratch),
            LDX_IMM => ("ldx", Operand::Hex),
            LDX_MEM => ("ldx", Operand::Scratch),
            LDX_MSH => ("ldxb", Operand::HeaderLength),
            ST => ("st", Operand::Scratch),
            STX => ("stx", Operand::Scratch),
            ADD_K => ("add", Operand::Decimal),
            SUB_K => ("sub", Operand::Decimal),
            MUL_K => ("mul", Operand::Decimal),
            DIV_K => ("div", Operand::Decimal),
            MOD_K => ("mod", Operand::Decimal),
            AND_K => ("and", Operand::Hex),
            OR_K => ("or", Operand::Hex),
            XOR_K => ("xor", Operand::Hex),
            LSH_K => ("lsh", Operand::Decimal),
            RSH_K => ("rsh", Operand::Decimal),
            ADD_X => ("add", Operand::X),
            SUB_X => ("sub", Operand::X),
            MUL_X => ("mul", Operand::X),
            DIV_X => ("div", Operand::X),
            MOD_X => ("mod", Operand::X),
            AND_X => ("and", Operand::X),
            OR_X => ("or", Operand::X),
            XOR_X => ("xor", Operand::X),
            LSH_X => ("lsh", Operand::X),
            RSH_X => ("rsh", Operand::X),
            ALU_NEG => ("neg", Operand::Nothing),
            JMP_JA => ("ja", Operand::Target),
            JEQ_K => ("jeq", Operand::Hex),
            JGT_K => ("jgt", Operand::Hex),
            JGE_K => ("jge", Operand::Hex),
            JSET_K => ("jset", Operand::Hex),
            JEQ_X => ("jeq", Operand::X),
            JGT_X => ("jgt", Operand::X),
            JGE_X => ("jge", Operand::X),
            JSET_X => ("jset", Operand::X),
            RET_K => ("ret", Operand::Decimal),
            RET_A => ("ret", Operand::Nothing),
            MISC_TAX => ("tax", Operand::Nothing),
            MISC_TXA => ("txa", Operand::Nothing),
            // `ldx len`, too: libpcap has no name for it.
            _ => ("unimp", Operand::Code),
        }
    }

    fn operand(&self, operand: Operand) -> String {
        let Insn { code, k, .. } = self.insn;
        let signed = k as i32;
        match operand {
            Operand::Nothing => String::new(),
            Operand::Decimal => format!("#{signed}"),
            Operand::Hex => format!("#0x{k:x}"),
            Operand::Packet => match k.checked_sub(AD_OFF) {
                Some(at) if at % 4 == 0 && at / 4 < ANCILLARY.len() as u32 => {
                    format!("[{}]", ANCILLARY[at as usize / 4])
                }
                _ => format!("[{signed}]"),
            },
            Operand::PacketAtX => format!("[x + {signed}]"),
            Operand::HeaderLength => format!("4*([{signed}]&0xf)"),
            Operand::Scratch => format!("M[{signed}]"),
            Operand::Length => "#pktlen".into(),
            Operand::X => "x".into(),
            Operand::Target => self.target(signed).to_string(),
            Operand::Code => format!("0x{code:x}"),
        }
    }

    fn target(&self, skip: i32) -> i32 {
        self.number.wrapping_add(1).wrapping_add(skip)
    }
}

impl fmt::Display for Image {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, operand) = self.parts();
        let operand = self.operand(operand);
        let Image { insn, number } = self;
        // Codes of this class that have no name show where they would go, too.
        if class(insn.code) == JMP && insn.code & 0xf0 != JA {
            let (jt, jf) = (self.target(insn.jt.into()), self.target(insn.jf.into()));
            write!(f, "({number:03}) {name:<8} {operand:<16} jt {jt}\tjf {jf}")
        } else {
            write!(f, "({number:03}) {name:<8} {operand}")
        }
    }
}
