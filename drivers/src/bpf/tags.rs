//! VLAN tags that a card takes out of its frames, put back in the kernel.
//!
//! A card with `rxvlan` (or the other end of a virtual cable, for a VLAN interface's frames) hands the tag over beside the
//! frame. libpcap puts it back, and so does this, before the filter looks: `vlan 5 and udp` is asked of the same bytes as there. A
//! frame that the filter refuses, or that has no socket, is made what it was: its host still has the tag beside it.
//!
//! ```text
//!          | addresses, 12 bytes         | type | ...
//!   | addresses           | 81 00 | tag  | type | ...     begins 4 bytes earlier
//! ```
//! The tag comes from a function of the driver's (Linux 6.8), which only a program can call that is bound to the card. Programs of the
//! network stack (generic mode) have no way to it.
//!
//! Whether a frame was changed is a word on the stack that the verifier knows nothing about: were it known, each way through the
//! filter would be walked twice.

use filter::engine::ebpf::{Asm, Helper, If, Insn, Label, Op, Operand, Reg, Width};

/// The card that a program is bound to, and the number of the function that tells the tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tags {
    /// The card's number.
    pub ifindex: u32,
    /// [`Function::VlanTag`](super::btf::Function::VlanTag)'s.
    pub function: u32,
}

/// Bytes of a tag.
const TAG: i16 = 4;
/// On the stack, below what the filter uses. None begins a word of eight bytes: what the verifier knows of such a one it keeps.
const CHANGED: i16 = -78;
const PROTOCOL: i16 = -76;
const CONTROL: i16 = -74;
const IS_CHANGED: i32 = 2;
const IS_NOT: i32 = 1;

/// `struct xdp_md`: where its fields are.
const DATA: i16 = 0;
const DATA_END: i16 = 4;

use Operand::{Imm, Reg as R};
use Reg::{R0, R1, R2, R3, R4, R5, R6, R10};

impl Tags {
    /// Puts a tag back that there is. The context is in R6; the other registers are lost. Frames that are none go to `odd`.
    pub(super) fn put_back(&self, asm: &mut Asm, odd: Label) {
        let none = asm.label();
        asm.push(Insn::store_imm(Width::W16, R10, CHANGED, IS_NOT));
        asm.push(Insn::store_imm(Width::W16, R10, PROTOCOL, 0));
        asm.push(Insn::store_imm(Width::W16, R10, CONTROL, 0));
        asm.push(Insn::alu64(Op::Mov, R1, R(R6)));
        for (argument, at) in [(R2, PROTOCOL), (R3, CONTROL)] {
            asm.push(Insn::alu64(Op::Mov, argument, R(R10)));
            asm.push(Insn::alu64(Op::Add, argument, Imm(at.into())));
        }
        asm.push(Insn::call_kernel(self.function));
        asm.jump32(If::Ne, R0, Imm(0), none);
        move_head(asm, -TAG);
        // A driver that keeps no room before its frames.
        asm.jump32(If::Ne, R0, Imm(0), none);
        asm.push(Insn::store_imm(Width::W16, R10, CHANGED, IS_CHANGED));
        move_addresses(asm, TAG, 0, odd);
        asm.push(Insn::load(Width::W16, R3, R10, PROTOCOL)); // in the network's order already
        asm.push(Insn::store(Width::W16, R2, 12, R3));
        asm.push(Insn::load(Width::W16, R3, R10, CONTROL));
        asm.push(Insn::from_be(R3, 16));
        asm.push(Insn::store(Width::W16, R2, 14, R3));
        asm.place(none);
    }

    /// Makes a frame what it was before [`Tags::put_back`].
    pub(super) fn take_out(asm: &mut Asm) {
        let done = asm.label();
        asm.push(Insn::load(Width::W16, R0, R10, CHANGED));
        asm.jump32(If::Ne, R0, Imm(IS_CHANGED), done);
        move_addresses(asm, 0, TAG, done);
        move_head(asm, TAG);
        asm.place(done);
    }
}

/// Lets the frame begin so many bytes later.
fn move_head(asm: &mut Asm, by: i16) {
    asm.push(Insn::alu64(Op::Mov, R1, R(R6)));
    asm.push(Insn::alu32(Op::Mov, R2, Imm(by.into())));
    asm.push(Insn::call(Helper::XdpAdjustHead));
}

/// Moves the addresses inside the first 16 bytes, which R2 points to afterwards; a frame without them goes to `short`.
fn move_addresses(asm: &mut Asm, from: i16, to: i16, short: Label) {
    asm.push(Insn::load(Width::W32, R1, R6, DATA_END));
    asm.push(Insn::load(Width::W32, R2, R6, DATA));
    asm.push(Insn::alu64(Op::Mov, R3, R(R2)));
    asm.push(Insn::alu64(Op::Add, R3, Imm(16)));
    asm.jump(If::Gt, R3, R(R1), short);
    let words = [(R3, 0), (R4, 4), (R5, 8)];
    for (register, at) in words {
        asm.push(Insn::load(Width::W32, register, R2, from + at));
    }
    for (register, at) in words {
        asm.push(Insn::store(Width::W32, R2, to + at, register));
    }
}
