//! Words of the scratch memory: stores that nobody reads are taken back, the others share sixteen words.
//!
//! Liveness is computed from the ends to the root, in one walk; two slots that are alive at the same time get different words.

use super::graph::N;
use super::select::{Ends, SLOTS, Selected, out_of_registers};
use crate::error::Error;
use crate::insn::{Insn, MEMWORDS, op};

const LOAD: [u16; 2] = [op::LD | op::MEM, op::LDX | op::MEM];
/// What remains of a store that is taken back: an instruction that `layout.rs` leaves out.
pub(super) const NOTHING: Insn = Insn::new(u16::MAX, 0);

/// Numbers the words.
///
/// # Errors
/// More than sixteen are needed at a time.
pub(super) fn assign(selected: &mut Selected) -> Result<(), Error> {
    if !selected.scratch {
        return Ok(());
    }
    let mut alive = vec![0u64; selected.blocks.len()];
    let mut clashes = [0u64; SLOTS];
    let mut used = 0u64;
    for n in 0..selected.blocks.len() {
        let block = selected.blocks[n];
        let after = |n: N| alive[n.0 as usize];
        let mut now = match block.ends {
            Ends::Dead | Ends::Return(_) => 0,
            Ends::Next(next) => after(next),
            Ends::Jump(_, _, yes, no) => after(yes) | after(no),
        };
        let code = &mut selected.code[block.start as usize..block.end as usize];
        let walk = code.iter().any(|insn| insn.code & 7 == op::JMP);
        if walk {
            // A loop: its words are its own.
            let own = code.iter().filter(|insn| insn.code == op::ST).fold(0, |own, insn| own | 1 << insn.k);
            clash(&mut clashes, own, now | own);
            used |= own;
            alive[n] = now;
            continue;
        }
        for insn in code.iter_mut().rev() {
            if LOAD.contains(&insn.code) {
                now |= 1 << insn.k;
            } else if insn.code == op::ST || insn.code == op::STX {
                if now & 1 << insn.k == 0 {
                    *insn = NOTHING;
                    continue;
                }
                used |= 1 << insn.k;
                clash(&mut clashes, 1 << insn.k, now);
                now &= !(1 << insn.k);
            }
        }
        alive[n] = now;
    }
    selected.scratch = used != 0;
    let words = colour(&clashes, used)?;
    for insn in &mut selected.code {
        if LOAD.contains(&insn.code) || insn.code == op::ST || insn.code == op::STX {
            insn.k = words[insn.k as usize];
        }
    }
    Ok(())
}

fn clash(clashes: &mut [u64; SLOTS], slots: u64, alive: u64) {
    for slot in (0..SLOTS).filter(|slot| slots & 1 << slot != 0) {
        clashes[slot] |= alive & !(1 << slot);
        for other in (0..SLOTS).filter(|other| *other != slot && alive & 1 << other != 0) {
            clashes[other] |= 1 << slot;
        }
    }
}

fn colour(clashes: &[u64; SLOTS], used: u64) -> Result<[u32; SLOTS], Error> {
    let mut words = [u32::MAX; SLOTS];
    for slot in (0..SLOTS).filter(|slot| used & 1 << slot != 0) {
        let taken = (0..SLOTS).filter(|other| clashes[slot] & 1 << other != 0).map(|other| words[other]);
        let taken = taken.filter(|&word| word != u32::MAX).fold(0u64, |taken, word| taken | 1 << word);
        words[slot] = taken.trailing_ones();
        if words[slot] as usize >= MEMWORDS {
            return Err(out_of_registers());
        }
    }
    Ok(words)
}
