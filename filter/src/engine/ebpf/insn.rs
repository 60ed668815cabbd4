//! Instructions of eBPF (RFC 9669), as `<linux/bpf.h>` lays them out.

/// One instruction; the layout of `struct bpf_insn`. A 64-bit constant takes two.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Insn {
    /// Class, size or operation, mode or source.
    pub code: u8,
    /// Destination and source register; which of them has the low half depends on the machine's byte order.
    pub registers: u8,
    /// Of a memory access in bytes, of a jump in instructions from the next one on.
    pub offset: i16,
    /// The constant.
    pub imm: i32,
}

const _: () = assert!(size_of::<Insn>() == 8);

impl Insn {
    /// An instruction from its parts.
    pub const fn new(code: u8, dst: Reg, src: Reg, offset: i16, imm: i32) -> Insn {
        let (dst, src) = (dst as u8, src as u8);
        let registers = if cfg!(target_endian = "little") { src << 4 | dst } else { dst << 4 | src };
        Insn { code, registers, offset, imm }
    }
}

/// The registers: results of calls in R0, arguments in R1 to R5, R6 to R9 survive calls, R10 is the end of the stack's 512 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "they have no other names")]
pub enum Reg {
    R0,
    R1,
    R2,
    R3,
    R4,
    R5,
    R6,
    R7,
    R8,
    R9,
    R10,
}

/// Bytes of a memory access.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "their width is their name")]
pub enum Width {
    W8,
    W16,
    W32,
    W64,
}

impl Width {
    /// The size's bits in the code.
    const fn bits(self) -> u8 {
        match self {
            Width::W8 => 0x10,
            Width::W16 => 0x08,
            Width::W32 => 0x00,
            Width::W64 => 0x18,
        }
    }

    /// In bytes.
    pub const fn bytes(self) -> i32 {
        match self {
            Width::W8 => 1,
            Width::W16 => 2,
            Width::W32 => 4,
            Width::W64 => 8,
        }
    }
}

/// Operations of the arithmetic classes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the RFC's names")]
#[repr(u8)]
pub enum Op {
    Add = 0x00,
    Sub = 0x10,
    Mul = 0x20,
    Div = 0x30,
    Or = 0x40,
    And = 0x50,
    Lsh = 0x60,
    Rsh = 0x70,
    Neg = 0x80,
    Mod = 0x90,
    Xor = 0xa0,
    Mov = 0xb0,
    Arsh = 0xc0,
}

/// Conditions of jumps, unsigned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the RFC's names")]
#[repr(u8)]
pub enum If {
    Eq = 0x10,
    Gt = 0x20,
    Ge = 0x30,
    /// Some bit is in both.
    Set = 0x40,
    Ne = 0x50,
    Lt = 0xa0,
    Le = 0xb0,
    /// The loop has gone round as often as the kernel lets it (`may_goto`, Linux 6.9); its operands are R0 and 0.
    Spent = 0xe0,
}

impl If {
    /// The contrary; [`If::Set`] and [`If::Spent`] have none.
    pub const fn not(self) -> Option<If> {
        Some(match self {
            If::Eq => If::Ne,
            If::Ne => If::Eq,
            If::Gt => If::Le,
            If::Le => If::Gt,
            If::Ge => If::Lt,
            If::Lt => If::Ge,
            If::Set | If::Spent => return None,
        })
    }
}

/// The second operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operand {
    /// A constant, sign-extended where 64 bits are meant.
    Imm(i32),
    /// A register.
    Reg(Reg),
}

/// The kernel's functions that our programs call, by their numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the kernel's names, after `bpf_`")]
#[repr(i32)]
pub enum Helper {
    MapLookupElem = 1,
    KtimeGetNs = 5,
    Redirect = 23,
    XdpAdjustHead = 44,
    RedirectMap = 51,
    XdpAdjustMeta = 54,
    /// Since Linux 5.18, as the next one.
    XdpGetBuffLen = 188,
    XdpLoadBytes = 189,
}

const LD_IMM64: u8 = 0x18;
const LDX: u8 = 0x61;
const ST: u8 = 0x62;
const STX: u8 = 0x63;
const ALU32: u8 = 0x04;
const ALU64: u8 = 0x07;
const JMP: u8 = 0x05;
const JMP32: u8 = 0x06;
const SOURCE_REG: u8 = 0x08;

/// `BPF_PSEUDO_MAP_FD`, `BPF_PSEUDO_MAP_VALUE`: what a 64-bit constant stands for.
const MAP_FD: Reg = Reg::R1;
const MAP_VALUE: Reg = Reg::R2;

/// `BPF_PSEUDO_KFUNC_CALL`: what a call's number stands for.
const KERNEL_FUNCTION: Reg = Reg::R2;

/// One word for each form of instruction.
impl Insn {
    const fn alu(class: u8, op: Op, dst: Reg, with: Operand) -> Insn {
        match with {
            Operand::Imm(imm) => Insn::new(class | op as u8, dst, Reg::R0, 0, imm),
            Operand::Reg(src) => Insn::new(class | SOURCE_REG | op as u8, dst, src, 0, 0),
        }
    }

    /// `dst op= with` in 32 bits; the upper half becomes 0.
    pub const fn alu32(op: Op, dst: Reg, with: Operand) -> Insn {
        Insn::alu(ALU32, op, dst, with)
    }

    /// `dst op= with` in 64 bits.
    pub const fn alu64(op: Op, dst: Reg, with: Operand) -> Insn {
        Insn::alu(ALU64, op, dst, with)
    }

    /// The low 16, 32 or 64 `bits` of `dst` from network order; the rest becomes 0.
    pub const fn from_be(dst: Reg, bits: i32) -> Insn {
        Insn::new(0xdc, dst, Reg::R0, 0, bits)
    }

    /// `dst = *(src + offset)`, zero-extended.
    pub const fn load(width: Width, dst: Reg, src: Reg, offset: i16) -> Insn {
        Insn::new(LDX | width.bits(), dst, src, offset, 0)
    }

    /// `*(dst + offset) = src`.
    pub const fn store(width: Width, dst: Reg, offset: i16, src: Reg) -> Insn {
        Insn::new(STX | width.bits(), dst, src, offset, 0)
    }

    /// `*(dst + offset) = imm`.
    pub const fn store_imm(width: Width, dst: Reg, offset: i16, imm: i32) -> Insn {
        Insn::new(ST | width.bits(), dst, Reg::R0, offset, imm)
    }

    /// A jump when the 64 bits of `dst` compare so.
    pub const fn jump(test: If, dst: Reg, with: Operand, offset: i16) -> Insn {
        Insn::branch(JMP, test, dst, with, offset)
    }

    /// A jump when the low 32 bits of `dst` compare so.
    pub const fn jump32(test: If, dst: Reg, with: Operand, offset: i16) -> Insn {
        Insn::branch(JMP32, test, dst, with, offset)
    }

    const fn branch(class: u8, test: If, dst: Reg, with: Operand, offset: i16) -> Insn {
        match with {
            Operand::Imm(imm) => Insn::new(class | test as u8, dst, Reg::R0, offset, imm),
            Operand::Reg(src) => Insn::new(class | SOURCE_REG | test as u8, dst, src, offset, 0),
        }
    }

    /// A jump without condition.
    pub const fn goto(offset: i16) -> Insn {
        Insn::new(JMP, Reg::R0, Reg::R0, offset, 0)
    }

    /// The same, further than 16 bits reach (since Linux 6.6).
    pub const fn goto_far(offset: i32) -> Insn {
        Insn::new(JMP32, Reg::R0, Reg::R0, 0, offset)
    }

    /// Calls a function of the kernel: R1 to R5 are gone, R0 is its result.
    pub const fn call(helper: Helper) -> Insn {
        Insn::new(JMP | 0x80, Reg::R0, Reg::R0, 0, helper as i32)
    }

    /// Calls a function of the kernel that is no helper, by its number in the kernel's type information.
    pub const fn call_kernel(function: u32) -> Insn {
        Insn::new(JMP | 0x80, Reg::R0, KERNEL_FUNCTION, 0, function as i32)
    }

    /// Returns R0.
    pub const fn exit() -> Insn {
        Insn::new(JMP | 0x90, Reg::R0, Reg::R0, 0, 0)
    }

    /// `dst =` the map of a descriptor: two instructions.
    pub const fn map(dst: Reg, fd: i32) -> [Insn; 2] {
        [Insn::new(LD_IMM64, dst, MAP_FD, 0, fd), Insn::new(0, Reg::R0, Reg::R0, 0, 0)]
    }

    /// `dst =` the address of byte `at` of the only element of an array map: two instructions.
    pub const fn map_value(dst: Reg, fd: i32, at: i32) -> [Insn; 2] {
        [Insn::new(LD_IMM64, dst, MAP_VALUE, 0, fd), Insn::new(0, Reg::R0, Reg::R0, 0, at)]
    }

    /// Whether this is the first half of a 64-bit constant.
    pub(super) const fn is_double(&self) -> bool {
        self.code == LD_IMM64
    }

    /// Whether the next instruction is never reached from this one. Jumps are no instructions yet where this is asked.
    pub(super) const fn is_exit(&self) -> bool {
        self.code == JMP | 0x90
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The eight bytes, as a little-endian machine has them in memory.
    fn bytes(insn: Insn) -> [u8; 8] {
        let [low, high] = insn.offset.to_le_bytes();
        let registers = if cfg!(target_endian = "little") { insn.registers } else { insn.registers.rotate_left(4) };
        let imm = insn.imm.to_le_bytes();
        [insn.code, registers, low, high, imm[0], imm[1], imm[2], imm[3]]
    }

    /// What llvm-objdump and the kernel print for these bytes stands beside them.
    #[test]
    fn encodings_are_the_rfcs() {
        use Operand::{Imm, Reg as R};
        use Reg::*;
        for (insn, known, text) in [
            (Insn::alu64(Op::Mov, R6, R(R1)), [0xbf, 0x16, 0, 0, 0, 0, 0, 0], "r6 = r1"),
            (Insn::alu64(Op::Mov, R0, Imm(2)), [0xb7, 0, 0, 0, 2, 0, 0, 0], "r0 = 2"),
            (Insn::alu64(Op::Add, R2, Imm(-8)), [0x07, 2, 0, 0, 0xf8, 0xff, 0xff, 0xff], "r2 += -8"),
            (Insn::alu64(Op::Arsh, R3, Imm(63)), [0xc7, 3, 0, 0, 63, 0, 0, 0], "r3 s>>= 63"),
            (Insn::alu32(Op::Xor, R0, R(R1)), [0xac, 0x10, 0, 0, 0, 0, 0, 0], "w0 ^= w1"),
            (Insn::alu32(Op::Neg, R0, Imm(0)), [0x84, 0, 0, 0, 0, 0, 0, 0], "w0 = -w0"),
            (Insn::alu32(Op::Mod, R0, Imm(7)), [0x94, 0, 0, 0, 7, 0, 0, 0], "w0 %= 7"),
            (Insn::from_be(R0, 16), [0xdc, 0, 0, 0, 16, 0, 0, 0], "r0 = be16 r0"),
            (Insn::load(Width::W8, R0, R7, 14), [0x71, 0x70, 14, 0, 0, 0, 0, 0], "r0 = *(u8 *)(r7 + 14)"),
            (Insn::load(Width::W16, R0, R7, 12), [0x69, 0x70, 12, 0, 0, 0, 0, 0], "r0 = *(u16 *)(r7 + 12)"),
            (Insn::load(Width::W32, R8, R6, 4), [0x61, 0x68, 4, 0, 0, 0, 0, 0], "r8 = *(u32 *)(r6 + 4)"),
            (Insn::load(Width::W64, R3, R1, 8), [0x79, 0x13, 8, 0, 0, 0, 0, 0], "r3 = *(u64 *)(r1 + 8)"),
            (Insn::store(Width::W64, R2, 0, R0), [0x7b, 0x02, 0, 0, 0, 0, 0, 0], "*(u64 *)(r2 + 0) = r0"),
            (Insn::store(Width::W32, R10, -4, R0), [0x63, 0x0a, 0xfc, 0xff, 0, 0, 0, 0], "*(u32 *)(r10 - 4) = r0"),
            (Insn::store_imm(Width::W32, R2, 8, 5), [0x62, 2, 8, 0, 5, 0, 0, 0], "*(u32 *)(r2 + 8) = 5"),
            (Insn::jump(If::Gt, R2, R(R8), 1), [0x2d, 0x82, 1, 0, 0, 0, 0, 0], "if r2 > r8 goto +1"),
            (Insn::jump(If::Ne, R0, Imm(0), 3), [0x55, 0, 3, 0, 0, 0, 0, 0], "if r0 != 0 goto +3"),
            (Insn::jump32(If::Eq, R0, Imm(2048), 5), [0x16, 0, 5, 0, 0, 8, 0, 0], "if w0 == 2048 goto +5"),
            (Insn::jump32(If::Lt, R0, R(R1), -2), [0xae, 0x10, 0xfe, 0xff, 0, 0, 0, 0], "if w0 < w1 goto -2"),
            (Insn::jump32(If::Set, R0, Imm(1), 1), [0x46, 0, 1, 0, 1, 0, 0, 0], "if w0 & 1 goto +1"),
            (Insn::jump(If::Spent, R0, Imm(0), 9), [0xe5, 0, 9, 0, 0, 0, 0, 0], "may_goto +9"),
            (Insn::goto(7), [0x05, 0, 7, 0, 0, 0, 0, 0], "goto +7"),
            (Insn::goto_far(70_000), [0x06, 0, 0, 0, 0x70, 0x11, 1, 0], "gotol +70000"),
            (Insn::call(Helper::RedirectMap), [0x85, 0, 0, 0, 51, 0, 0, 0], "call 51"),
            (Insn::call_kernel(70_000), [0x85, 0x20, 0, 0, 0x70, 0x11, 1, 0], "call kernel function 70000"),
            (Insn::exit(), [0x95, 0, 0, 0, 0, 0, 0, 0], "exit"),
            (Insn::map(R1, 3)[0], [0x18, 0x11, 0, 0, 3, 0, 0, 0], "r1 = map of descriptor 3"),
            (Insn::map_value(R4, 3, 64)[0], [0x18, 0x24, 0, 0, 3, 0, 0, 0], "r4 = value of descriptor 3"),
            (Insn::map_value(R4, 3, 64)[1], [0, 0, 0, 0, 64, 0, 0, 0], "… + 64"),
        ] {
            assert_eq!(bytes(insn), known, "{text}");
        }
    }
}
