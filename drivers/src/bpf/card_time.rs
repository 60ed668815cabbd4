//! When a card received a frame, by its own clock.
//!
//! The time comes from a function of the driver's (Linux 6.3), which only a program can call that is bound to the card. A card that has no
//! time for a frame says so, or says 0: the frame carries the host's then, and a mark that tells them apart.

use filter::engine::ebpf::{Asm, If, Insn, Op, Operand, Reg, Width};

/// The card that a program is bound to, and the number of the function that tells the time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CardTime {
    /// The card's number.
    pub ifindex: u32,
    /// [`Function::ReceiveTime`](super::btf::Function::ReceiveTime)'s.
    pub function: u32,
}

/// On the stack, a word of eight bytes below what the filter and the tags use.
const TOLD: i16 = -88;

use Operand::{Imm, Reg as R};
use Reg::{R0, R1, R2, R6, R10};

impl CardTime {
    /// Asks for the time of the frame. The context is in R6; R0 to R5 are lost.
    pub(super) fn ask(&self, asm: &mut Asm) {
        let told = asm.label();
        asm.push(Insn::store_imm(Width::W64, R10, TOLD, 0));
        asm.push(Insn::alu64(Op::Mov, R1, R(R6)));
        asm.push(Insn::alu64(Op::Mov, R2, R(R10)));
        asm.push(Insn::alu64(Op::Add, R2, Imm(TOLD.into())));
        asm.push(Insn::call_kernel(self.function));
        asm.jump32(If::Eq, R0, Imm(0), told);
        // Whatever a driver left there when it failed.
        asm.push(Insn::store_imm(Width::W64, R10, TOLD, 0));
        asm.place(told);
    }

    /// Loads what [`CardTime::ask`] was told into R0; 0: nothing.
    pub(super) fn told(asm: &mut Asm) {
        asm.push(Insn::load(Width::W64, R0, R10, TOLD));
    }
}
