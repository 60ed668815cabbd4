//! What an XDP program counts. A set of words for each processor, so that queues don't wait for one another.

use crate::Error;
use crate::sys::bpf::{MapKind, map_create, map_lookup};
use filter::engine::ebpf::{Asm, Helper, If, Insn, Op, Operand, Reg, Width};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

/// What is counted, by its place in a set.
#[derive(Clone, Copy)]
pub(super) enum Count {
    Accepted,
    Passed,
    Unclaimed,
}

const COUNTS: usize = 3;

/// The counters of a port's programs; they outlive the programs, which hold them, too.
#[derive(Debug)]
pub struct Counters(OwnedFd);

/// Frames since the counters were made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Accepted, and given to a socket. (The socket may still drop it for want of buffers, which it counts itself.)
    pub accepted: u64,
    /// Refused by the filter: the host got them.
    pub passed: u64,
    /// Their queue has no socket: the host got them.
    pub unclaimed: u64,
}

impl Counters {
    /// New ones.
    ///
    /// # Errors
    /// Without the privilege, or memory.
    pub fn new() -> Result<Counters, Error> {
        let map = map_create(MapKind::PerCpuArray, "nm_counts", 8 * COUNTS as u32, 1, 0);
        map.map(Counters).map_err(|source| Error::system("make a map of counters", source))
    }

    /// The sums over all processors.
    ///
    /// # Errors
    /// When the kernel does not give them.
    pub fn read(&self) -> Result<Counts, Error> {
        let bytes = map_lookup(self.0.as_fd(), 0).map_err(|source| Error::system("read counters", source))?;
        let mut sums = [0_u64; COUNTS];
        let words = bytes.chunks_exact(8).filter_map(|word| word.first_chunk().copied().map(u64::from_ne_bytes));
        for (number, word) in words.enumerate() {
            sums[number % COUNTS] += word;
        }
        let [accepted, passed, unclaimed] = sums;
        Ok(Counts { accepted, passed, unclaimed })
    }

    /// Writes the instructions that add one; registers R0 to R5 are lost.
    pub(super) fn emit(&self, asm: &mut Asm, count: Count) {
        use Operand::{Imm, Reg as R};
        let done = asm.label();
        let at = 8 * count as i16;
        asm.push(Insn::store_imm(Width::W32, Reg::R10, -4, 0));
        asm.push_double(Insn::map(Reg::R1, self.0.as_raw_fd()));
        asm.push(Insn::alu64(Op::Mov, Reg::R2, R(Reg::R10)));
        asm.push(Insn::alu64(Op::Add, Reg::R2, Imm(-4)));
        asm.push(Insn::call(Helper::MapLookupElem));
        asm.jump(If::Eq, Reg::R0, Imm(0), done);
        asm.push(Insn::load(Width::W64, Reg::R1, Reg::R0, at));
        asm.push(Insn::alu64(Op::Add, Reg::R1, Imm(1)));
        asm.push(Insn::store(Width::W64, Reg::R0, at, Reg::R1));
        asm.place(done);
    }
}

impl AsFd for Counters {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
