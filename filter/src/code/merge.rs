//! Blocks with the same instructions and the same successors become one.
//!
//! Equal nodes were one from the start; here blocks meet that test different values, which are in A already: the last port of
//! IPv4's and of IPv6's.

use std::hash::{BuildHasher, Hasher};

use super::graph::N;
use super::scratch::NOTHING;
use super::select::{Block, Ends, Selected};
use crate::hash::Seeded;
use crate::insn::Insn;

/// Merges them all, successors first. The block of `root`.
pub(super) fn merge(selected: &mut Selected, root: N) -> N {
    let nodes = root.0 as usize + 1;
    let mut same: Vec<N> = (0..nodes as u32).map(N).collect();
    let slots = (nodes * 2).next_power_of_two();
    let mut table = vec![u32::MAX; slots];
    let hash = Seeded::default();
    for n in 0..nodes {
        let now = |n: N| same[n.0 as usize];
        let block = &mut selected.blocks[n];
        block.ends = match block.ends {
            Ends::Dead => continue,
            Ends::Return(accept) => Ends::Return(accept),
            Ends::Next(next) => Ends::Next(now(next)),
            Ends::Jump(code, k, yes, no) => Ends::Jump(code, k, now(yes), now(no)),
        };
        let block = *block;
        let code = |block: Block| instructions(selected, block);
        if let (Ends::Next(next), None) = (block.ends, code(block).next()) {
            same[n] = next;
            continue;
        }
        let mut hasher = hash.build_hasher();
        for insn in code(block) {
            hasher.write_u64(u64::from(insn.code) << 32 | u64::from(insn.k));
        }
        match block.ends {
            Ends::Jump(code, k, yes, no) => {
                hasher.write_u64(u64::from(code) << 32 | u64::from(k));
                hasher.write_u64(u64::from(yes.0) << 32 | u64::from(no.0));
            }
            Ends::Next(next) => hasher.write_u64(u64::from(next.0)),
            Ends::Return(_) | Ends::Dead => {}
        }
        let mut slot = hasher.finish() as usize & (slots - 1);
        while table[slot] != u32::MAX {
            let other = selected.blocks[table[slot] as usize];
            if other.ends == block.ends && code(other).eq(code(block)) {
                same[n] = N(table[slot]);
                break;
            }
            slot = (slot + 1) & (slots - 1);
        }
        if table[slot] == u32::MAX {
            table[slot] = n as u32;
        }
    }
    same[root.0 as usize]
}

fn instructions(selected: &Selected, block: Block) -> impl Iterator<Item = &Insn> {
    selected.code[block.start as usize..block.end as usize].iter().filter(|insn| **insn != NOTHING)
}
