//! The programs of host rings: every frame at a traffic-control hook goes to another interface.

use crate::Error;
use crate::sys::bpf::ProgramKind;
use filter::engine::ebpf::{Asm, Helper, Insn, Op, Operand, Reg};
use std::os::fd::OwnedFd;

/// How a frame gets to the other interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Redirect {
    /// As if the host sent it there.
    Send,
    /// As if it had been received there (`BPF_F_INGRESS`). Generic XDP programs of that interface don't see it again.
    Receive,
}

/// Loads a program that sends every frame to the interface `ifindex`. At the hook for what a card is to send, with a tap's number and
/// [`Redirect::Send`], it takes what the host sends; at a tap's ingress hook, with the card's number and [`Redirect::Receive`], it gives
/// frames to the host as received by the card. For [`attach_tcx`](super::attach_tcx).
///
/// # Errors
/// Without the privilege.
pub fn load_redirect(ifindex: u32, to: Redirect) -> Result<OwnedFd, Error> {
    super::load(ProgramKind::Tc, "nm_redirect", &insns(ifindex, to)?)
}

fn insns(ifindex: u32, to: Redirect) -> Result<Vec<Insn>, Error> {
    let flags = match to {
        Redirect::Send => 0,
        Redirect::Receive => 1,
    };
    let mut asm = Asm::new();
    asm.push(Insn::alu32(Op::Mov, Reg::R1, Operand::Imm(ifindex as i32)));
    asm.push(Insn::alu32(Op::Mov, Reg::R2, Operand::Imm(flags)));
    asm.push(Insn::call(Helper::Redirect));
    asm.push(Insn::exit());
    Ok(asm.finish()?)
}
