//! Classic BPF: instructions and programs, as `<pcap/bpf.h>` and `<linux/filter.h>` have them.

/// One instruction; the layout of `struct bpf_insn`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Insn {
    /// Class, size or operation, mode or source: the constants below, joined by `|`.
    pub code: u16,
    /// Instructions to skip when a jump's test holds.
    pub jt: u8,
    /// Instructions to skip when it does not.
    pub jf: u8,
    /// The constant operand.
    pub k: u32,
}

impl Insn {
    /// An instruction that does not jump.
    pub const fn new(code: u16, k: u32) -> Insn {
        Insn { code, jt: 0, jf: 0, k }
    }

    /// A conditional jump.
    pub const fn jump(code: u16, k: u32, jt: u8, jf: u8) -> Insn {
        Insn { code, jt, jf, k }
    }
}

/// A program: at most [`MAX_INSNS`] instructions, the last of which returns.
pub type Program = Vec<Insn>;

/// What the Linux kernel accepts (`BPF_MAXINSNS`); programs that stay in the process may be longer.
pub const MAX_INSNS: usize = 4096;

/// Words of scratch memory (`BPF_MEMWORDS`).
pub const MEMWORDS: usize = 16;

/// The opcodes' parts, by the names of `<pcap/bpf.h>` without `BPF_`.
#[allow(missing_docs, reason = "the header's names say it")]
pub mod op {
    pub const LD: u16 = 0x00;
    pub const LDX: u16 = 0x01;
    pub const ST: u16 = 0x02;
    pub const STX: u16 = 0x03;
    pub const ALU: u16 = 0x04;
    pub const JMP: u16 = 0x05;
    pub const RET: u16 = 0x06;
    pub const MISC: u16 = 0x07;

    pub const W: u16 = 0x00;
    pub const H: u16 = 0x08;
    pub const B: u16 = 0x10;

    pub const IMM: u16 = 0x00;
    pub const ABS: u16 = 0x20;
    pub const IND: u16 = 0x40;
    pub const MEM: u16 = 0x60;
    pub const LEN: u16 = 0x80;
    pub const MSH: u16 = 0xa0;

    pub const ADD: u16 = 0x00;
    pub const SUB: u16 = 0x10;
    pub const MUL: u16 = 0x20;
    pub const DIV: u16 = 0x30;
    pub const OR: u16 = 0x40;
    pub const AND: u16 = 0x50;
    pub const LSH: u16 = 0x60;
    pub const RSH: u16 = 0x70;
    pub const NEG: u16 = 0x80;
    pub const MOD: u16 = 0x90;
    pub const XOR: u16 = 0xa0;

    pub const JA: u16 = 0x00;
    pub const JEQ: u16 = 0x10;
    pub const JGT: u16 = 0x20;
    pub const JGE: u16 = 0x30;
    pub const JSET: u16 = 0x40;

    pub const K: u16 = 0x00;
    pub const X: u16 = 0x08;
    pub const A: u16 = 0x10;

    pub const TAX: u16 = 0x00;
    pub const TXA: u16 = 0x80;

    /// Loads from here on are the Linux kernel's ancillary ones: `SKF_AD_OFF`.
    pub const AD_OFF: u32 = -0x1000_i32 as u32;
    pub const AD_PROTOCOL: u32 = 0;
    pub const AD_PKTTYPE: u32 = 4;
    pub const AD_IFINDEX: u32 = 8;
    pub const AD_VLAN_TAG: u32 = 44;
    pub const AD_VLAN_TAG_PRESENT: u32 = 48;
}
