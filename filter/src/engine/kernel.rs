//! Whether Linux takes a program for a socket (`SO_ATTACH_FILTER`): stricter than libpcap's rules.
//!
//! What it takes it runs with the same verdicts, but for three things that pcap's own programs don't do: a shift by X counts modulo 32,
//! `x + k` wraps to 32 bits, and addresses from -0x200000 on lie in headers in front of the packet.

#![forbid(unsafe_code)]

use super::opcode::*;
use super::validate::{operand_fits, validate};
use crate::insn::op::{AD_OFF, ST, STX};
use crate::insn::{Insn, MAX_INSNS};
use std::fmt;

/// Why Linux would not take a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KernelRefusal {
    /// No program for libpcap, either.
    Invalid,
    /// It has this many instructions, more than [`MAX_INSNS`].
    TooLong(usize),
    /// The instruction with this number jumps backwards, as `protochain` does.
    Loop(usize),
    /// The instruction with this number loads something beside the packet that the kernel does not have.
    Ancillary(usize),
    /// The instruction with this number may read a word of scratch memory that none has written.
    Unwritten(usize),
}

impl fmt::Display for KernelRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            KernelRefusal::Invalid => f.write_str("BPF program is not valid"),
            KernelRefusal::TooLong(len) => write!(f, "{len} instructions, the kernel takes {MAX_INSNS}"),
            KernelRefusal::Loop(at) => write!(f, "instruction {at} jumps backwards"),
            KernelRefusal::Ancillary(at) => write!(f, "instruction {at} loads what the kernel does not have"),
            KernelRefusal::Unwritten(at) => write!(f, "instruction {at} may read scratch memory before it is written"),
        }
    }
}

/// Whether Linux takes `program` for a socket.
///
/// # Errors
/// The first reason why not.
pub fn kernel_takes(program: &[Insn]) -> Result<(), KernelRefusal> {
    if !program.iter().all(operand_fits) {
        return Err(KernelRefusal::Invalid);
    }
    if program.len() > MAX_INSNS {
        return Err(KernelRefusal::TooLong(program.len()));
    }
    if let Some(at) = program.iter().position(|insn| insn.code == JMP_JA && (insn.k as i32) < 0) {
        return Err(KernelRefusal::Loop(at));
    }
    if !validate(program) {
        return Err(KernelRefusal::Invalid);
    }
    let unknown = |insn: &Insn| (insn.k - AD_OFF) % 4 != 0 || insn.k - AD_OFF > LAST_ANCILLARY;
    if let Some(at) = program.iter().position(|insn| is_ancillary(insn) && unknown(insn)) {
        return Err(KernelRefusal::Ancillary(at));
    }
    match reads_unwritten(program) {
        Some(at) => Err(KernelRefusal::Unwritten(at)),
        None => Ok(()),
    }
}

/// `SKF_AD_VLAN_TPID`, the last of them (since Linux 3.16).
const LAST_ANCILLARY: u32 = 60;

/// The first instruction that reads scratch memory which not every way to it has written. `program` jumps forward only.
fn reads_unwritten(program: &[Insn]) -> Option<usize> {
    const ALL: u16 = u16::MAX;
    // The words that every jump to an instruction has written.
    let mut written_at = vec![ALL; program.len()];
    // Those that are written when the instruction before is done; the kernel looks at returns like at any other.
    let mut written = 0;
    for (at, insn) in program.iter().enumerate() {
        written &= written_at[at];
        let word = 1 << (insn.k & 0xf);
        match insn.code {
            ST | STX => written |= word,
            LD_MEM | LDX_MEM if written & word == 0 => return Some(at),
            JMP_JA => {
                written_at[at + 1 + insn.k as usize] &= written;
                written = ALL;
            }
            _ if is_branch(insn) => {
                written_at[at + 1 + usize::from(insn.jt)] &= written;
                written_at[at + 1 + usize::from(insn.jf)] &= written;
                written = ALL;
            }
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::insn::op::AD_VLAN_TAG_PRESENT;

    const RETURN: Insn = Insn::new(RET_K, 1);

    #[test]
    fn reasons() {
        let takes = |program: &[Insn]| kernel_takes(program);
        assert_eq!(takes(&[RETURN]), Ok(()));
        assert_eq!(takes(&[]), Err(KernelRefusal::Invalid));
        assert_eq!(takes(&[Insn::new(LSH_K, 32), RETURN]), Err(KernelRefusal::Invalid));
        assert_eq!(takes(&vec![RETURN; 4096]), Ok(()));
        assert_eq!(takes(&vec![RETURN; 4097]), Err(KernelRefusal::TooLong(4097)));
        assert_eq!(takes(&[RETURN, Insn::new(JMP_JA, -2_i32 as u32), RETURN]), Err(KernelRefusal::Loop(1)));
        assert_eq!(takes(&[Insn::new(LD_B_ABS, AD_OFF + AD_VLAN_TAG_PRESENT), RETURN]), Ok(()));
        assert_eq!(takes(&[Insn::new(LD_B_ABS, AD_OFF + 64), RETURN]), Err(KernelRefusal::Ancillary(0)));
    }

    #[test]
    fn scratch_memory_is_written_on_every_way() {
        let one_way = [Insn::jump(JEQ_K, 0, 0, 1), Insn::new(ST, 3), Insn::new(LD_MEM, 3), RETURN];
        assert_eq!(kernel_takes(&one_way), Err(KernelRefusal::Unwritten(2)));
        let both = [Insn::new(STX, 3), one_way[0], one_way[1], one_way[2], RETURN];
        assert_eq!(kernel_takes(&both), Ok(()));
    }
}
