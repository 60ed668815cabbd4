//! Blocks in a row, and the jumps between them.
//!
//! Code is written from the end to the beginning, so every distance is known when its jump is written. A block is followed by what it
//! does on *yes*, then by what it does on *no*, unless that was written before: the order of libpcap. A conditional jump reaches
//! 255 instructions; for what lies further an island is put behind it, a `ja` or, where the target returns, its copy. Later jumps to
//! the same target that reach the island use it.
//!
//! Linux checks that scratch memory is written before it is read, but takes what follows a return for what follows it in time.
//! Where scratch memory is used, returns stand at the end only.

use super::graph::{ACCEPT, N, REJECT};
use super::scratch::NOTHING;
use super::select::{Ends, Selected};
use crate::insn::{Insn, Program, op};

const UNPLACED: u32 = u32::MAX;

struct Layout<'a> {
    selected: &'a Selected,
    snaplen: u32,
    /// The program, last instruction first.
    out: Program,
    /// Where a block begins: instructions behind that one.
    places: Vec<u32>,
    islands: Vec<u32>,
}

/// The program that begins at `root`.
pub(super) fn lay_out(selected: &Selected, root: N, snaplen: u32) -> Program {
    let blocks = selected.blocks.len();
    let mut layout = Layout {
        selected,
        snaplen,
        out: Vec::with_capacity(selected.code.len() + blocks),
        places: vec![UNPLACED; blocks],
        islands: Vec::new(),
    };
    // A node, and whether what follows it has been written.
    let mut todo = vec![(root, false)];
    let mut seen = vec![false; blocks];
    if selected.scratch {
        let last = last_return(selected, root);
        todo.push((if last == ACCEPT { REJECT } else { ACCEPT }, false));
        todo.push((last, false));
    }
    while let Some((n, ready)) = todo.pop() {
        if ready {
            layout.write(n);
            continue;
        }
        if std::mem::replace(&mut seen[n.0 as usize], true) {
            continue;
        }
        todo.push((n, true));
        match selected.blocks[n.0 as usize].ends {
            Ends::Jump(_, _, yes, no) => todo.extend([(yes, false), (no, false)]),
            Ends::Next(next) => todo.push((next, false)),
            Ends::Return(_) | Ends::Dead => {}
        }
    }
    layout.out.reverse();
    layout.out
}

/// The return at the end of all no's, which comes last when nothing speaks against it.
fn last_return(selected: &Selected, root: N) -> N {
    let mut n = root;
    loop {
        n = match selected.blocks[n.0 as usize].ends {
            Ends::Jump(_, _, _, no) => no,
            Ends::Next(next) => next,
            Ends::Return(_) | Ends::Dead => return n,
        };
    }
}

impl Layout<'_> {
    fn write(&mut self, n: N) {
        let block = self.selected.blocks[n.0 as usize];
        match block.ends {
            Ends::Dead => {}
            Ends::Return(accept) => self.out.push(self.ret(accept)),
            Ends::Next(next) => {
                if self.places[next.0 as usize] + 1 != self.out.len() as u32 {
                    self.go(next);
                }
            }
            Ends::Jump(code, k, yes, no) => {
                let (jt, jf) = loop {
                    match (self.reach(yes), self.reach(no)) {
                        (Some(jt), Some(jf)) => break (jt, jf),
                        (None, _) => self.island(yes),
                        (_, None) => self.island(no),
                    }
                };
                self.out.push(Insn::jump(code, k, jt, jf));
            }
        }
        let code = &self.selected.code[block.start as usize..block.end as usize];
        self.out.extend(code.iter().rev().filter(|insn| **insn != NOTHING));
        self.places[n.0 as usize] = (self.out.len() as u32).wrapping_sub(1);
    }

    fn ret(&self, accept: bool) -> Insn {
        Insn::new(op::RET | op::K, if accept { self.snaplen } else { 0 })
    }

    /// An unconditional jump, or what it would come to.
    fn go(&mut self, n: N) {
        let insn = match self.selected.blocks[n.0 as usize].ends {
            Ends::Return(accept) if !self.selected.scratch => self.ret(accept),
            _ => Insn::new(op::JMP | op::JA, self.out.len() as u32 - 1 - self.places[n.0 as usize]),
        };
        self.out.push(insn);
    }

    /// The offset of a jump to `n` that is written now.
    fn reach(&self, n: N) -> Option<u8> {
        let from = self.out.len() as u32 - 1;
        let near = |place: u32| u8::try_from(from - place).ok();
        let island = || self.islands.get(n.0 as usize).copied().filter(|&place| place != UNPLACED);
        near(self.places[n.0 as usize]).or_else(|| island().and_then(near))
    }

    fn island(&mut self, n: N) {
        if self.islands.is_empty() {
            self.islands = vec![UNPLACED; self.places.len()];
        }
        self.islands[n.0 as usize] = self.out.len() as u32;
        self.go(n);
    }
}
