//! Filters as eBPF for the kernel's XDP hook: they run in the card's driver, before the host sees the frame.
//!
//! ```text
//! program --../lower--> steps --emit--> instructions with labels --asm--> instructions; tables beside them
//! ```
//!
//! The verdict is the interpreter's ([`interpret`](super::interpret)), on the whole frame. What eBPF adds is the kernel's verifier, which
//! walks through every way of the program before it may run, a million instructions in all:
//! - *Few ways.* Search trees are tables in a map of the caller's ([`XdpFilter::table`]), searched without a branch: a thousand hosts are one
//!   way of sixty instructions instead of two thousand.
//! - *Few differences.* Where ways meet, the verifier goes on with one of them if it knows nothing better of the other; A, X and the pointer
//!   at X are all that it has to compare.
//! - *Bounds as it wants them.* A pointer is compared with the packet's end before the loads behind it; the steps merged these checks.
//!
//! Frames of several buffers: only the first one lies where a program can load from. A program made for them looks there, and where that
//! was too short but the frame goes on, asks again from the start with the kernel's function that copies bytes of any buffer out
//! (`bpf_xdp_load_bytes`, Linux 5.18). The frame decides the same, for a filter has no side effects.
//!
//! No XDP program sees bytes beyond number 65,535: such a load refuses the frame. No card's frame is longer.
//!
//! A filter that comes when its program can't be loaded any more is interpreted: [`XdpInterpreter`].
//!
//! Tried and dropped: search trees as branches. They cost the verifier a state for each leaf, and the processor a guess for each level.

mod asm;
mod emit;
mod insn;
mod interpreter;

pub use asm::{Asm, AsmError, Label};
pub use emit::Place;
pub use insn::{Helper, If, Insn, Op, Operand, Reg, Width};
pub use interpreter::XdpInterpreter;

use super::interpret::Beside;
use super::lower::{Bounds, Lowered, lower};
use super::opcode::{JMP_JA, RET_K, is_ancillary};
use super::search::{Decision, Search};
use super::validate::validate;
use crate::insn::Insn as Classic;
use std::fmt;

/// Why a program can't run at the XDP hook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum XdpRefusal {
    /// It is not valid.
    Invalid,
    /// The instruction with this number jumps backwards, as `protochain` does: the verifier wants to see the end.
    Loop(usize),
    /// The instruction with this number loads something beside the packet, which at this hook has nothing beside it.
    Ancillary(usize),
    /// It has this many instructions, more than [`XdpInterpreter`] has room for.
    Length(usize),
    /// Its tables have this many entries, more than a map's value can hold.
    Tables(usize),
}

impl fmt::Display for XdpRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            XdpRefusal::Invalid => f.write_str("BPF program is not valid"),
            XdpRefusal::Loop(at) => write!(f, "instruction {at} jumps backwards"),
            XdpRefusal::Ancillary(at) => write!(f, "instruction {at} loads what XDP does not have"),
            XdpRefusal::Length(len) => write!(f, "it has {len} instructions"),
            XdpRefusal::Tables(len) => write!(f, "its tables have {len} entries, the limit is {MAX_TABLE}"),
        }
    }
}

impl std::error::Error for XdpRefusal {}

/// Entries of all tables together: the kernel does not let a program add more than 2^29 to a pointer.
const MAX_TABLE: usize = 1 << 24;

/// A filter that can become part of an XDP program.
#[derive(Debug)]
pub struct XdpFilter {
    lowered: Lowered,
    table: Vec<u64>,
    /// Where each search's table begins.
    starts: Vec<usize>,
}

impl XdpFilter {
    /// Takes a program.
    ///
    /// # Errors
    /// Why it can't run there.
    pub fn new(program: &[Classic]) -> Result<XdpFilter, XdpRefusal> {
        check(program)?;
        let lowered = lower(program, Bounds::Shown);
        let mut table = Vec::new();
        let mut starts = Vec::new();
        for search in &lowered.searches {
            starts.push(table.len());
            table.extend(entries(search));
        }
        if table.len() > MAX_TABLE {
            Err(XdpRefusal::Tables(table.len()))
        } else {
            Ok(XdpFilter { lowered, table, starts })
        }
    }

    /// What the only element of an array map has to hold for it, one word after the other in the machine's byte order. Empty: it needs
    /// no map.
    pub fn table(&self) -> &[u64] {
        &self.table
    }
}

/// Whether a program has a meaning at this hook.
fn check(program: &[Classic]) -> Result<(), XdpRefusal> {
    if !validate(program) {
        return Err(XdpRefusal::Invalid);
    }
    if let Some(at) = program.iter().position(is_backward) {
        return Err(XdpRefusal::Loop(at));
    }
    program.iter().position(is_beside).map_or(Ok(()), |at| Err(XdpRefusal::Ancillary(at)))
}

/// A program that has a meaning at this hook, and accepts what `program` does: itself, or one that accepts more, where [`XdpFilter::new`] refuses
/// it for a loop or what lies beside a packet. A frame that comes to such an instruction is accepted. Who runs the program itself on what this
/// accepts has its verdict, and leaves the other frames to the host: `ip6 protochain 17` takes IPv6 alone.
///
/// # Errors
/// [`XdpRefusal::Invalid`].
pub fn wider(program: &[Classic]) -> Result<Vec<Classic>, XdpRefusal> {
    let meaning = |insn: &Classic| if is_backward(insn) || is_beside(insn) { ACCEPT } else { *insn };
    if validate(program) { Ok(program.iter().map(meaning).collect()) } else { Err(XdpRefusal::Invalid) }
}

const ACCEPT: Classic = Classic::new(RET_K, u32::MAX);

fn is_backward(insn: &Classic) -> bool {
    insn.code == JMP_JA && (insn.k as i32) < 0
}

/// Whether this loads what is beside a packet. What nobody has there is a load out of bounds.
fn is_beside(insn: &Classic) -> bool {
    is_ancillary(insn) && Beside::default().value(insn.k).is_some()
}

/// Twice each value, so that a word below `2 * A + 2` is one of a value that is not above A; the lowest bit is left for the decision.
fn entries(search: &Search) -> impl Iterator<Item = u64> {
    let parity = search.by == Decision::Parity;
    let odd = move |number: usize| u64::from(parity && number % 2 == 1);
    search.table.iter().enumerate().map(move |(number, &value)| 2 * u64::from(value) + odd(number))
}

#[cfg(test)]
mod machine;
#[cfg(test)]
mod tests;
