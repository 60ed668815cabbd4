//! Bytes of x86-64 code, with jumps as short as their distance allows.
//!
//! The bytes between jumps are put down as they come. A jump is 2 bytes when its target is near and 5 or 6 when not, and its own length
//! moves others' targets: all begin short, those that don't reach are made long, until none is left.

use crate::engine::jit::If;
use crate::engine::lower::{Label, Lowered};
use std::borrow::Cow;
use std::collections::HashMap;

/// Where in the finished code something lies: behind so many bytes and so many jumps.
#[derive(Clone, Copy)]
struct Place {
    bytes: u32,
    jumps: u32,
}

struct Jump {
    /// Bytes in front of it.
    after: u32,
    /// None: always.
    condition: Option<If>,
    to: Label,
    long: bool,
}

/// The code so far.
pub(super) struct Code<'a> {
    bytes: Vec<u8>,
    jumps: Vec<Jump>,
    labels: Vec<Place>,
    /// Where a distance to a table goes, and which.
    references: Vec<(Place, usize)>,
    lowered: &'a Lowered,
}

/// Tables begin at a cache line.
const LINE: usize = 64;

impl Jump {
    fn len(&self) -> u32 {
        match (self.long, self.condition) {
            (false, _) => 2,
            (true, None) => 5,
            (true, Some(_)) => 6,
        }
    }
}

impl<'a> Code<'a> {
    pub(super) fn new(lowered: &'a Lowered) -> Code<'a> {
        let labels = vec![Place { bytes: 0, jumps: 0 }; lowered.give_up as usize + 1];
        let bytes = Vec::with_capacity(8 * lowered.steps.len());
        Code { bytes, jumps: Vec::new(), labels, references: Vec::new(), lowered }
    }

    #[inline]
    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    pub(super) fn imm32(&mut self, k: u32) {
        self.bytes(&k.to_le_bytes());
    }

    /// The ModRM byte `operands` (register and base, which is not rbp, rsp, r12, r13) and what is added to the base.
    pub(super) fn displacement(&mut self, operands: u8, displacement: i32) {
        match i8::try_from(displacement) {
            Ok(short) => self.bytes(&[0x40 | operands, short as u8]),
            Err(_) => {
                self.bytes(&[0x80 | operands]);
                self.imm32(displacement as u32);
            }
        }
    }

    /// The same with a SIB byte.
    pub(super) fn displacement_with(&mut self, operands: u8, sib: u8, displacement: i32) {
        match i8::try_from(displacement) {
            Ok(short) => self.bytes(&[0x40 | operands, sib, short as u8]),
            Err(_) => {
                self.bytes(&[0x80 | operands, sib]);
                self.imm32(displacement as u32);
            }
        }
    }

    fn here(&self) -> Place {
        Place { bytes: self.bytes.len() as u32, jumps: self.jumps.len() as u32 }
    }

    /// Jumps to `label` lead here.
    pub(super) fn label(&mut self, label: Label) {
        self.labels[label as usize] = self.here();
    }

    pub(super) fn jump(&mut self, to: Label) {
        self.jumps.push(Jump { after: self.bytes.len() as u32, condition: None, to, long: false });
    }

    pub(super) fn jump_if(&mut self, condition: If, to: Label) {
        self.jumps.push(Jump { after: self.bytes.len() as u32, condition: Some(condition), to, long: false });
    }

    /// Four bytes: the distance from behind them to a table.
    pub(super) fn table(&mut self, number: usize) {
        self.references.push((self.here(), number));
        self.imm32(0);
    }

    /// The whole; `None` when it exceeds 1 GB.
    pub(super) fn finish(mut self) -> Option<Vec<u8>> {
        if self.bytes.len() + 6 * self.jumps.len() > 1 << 30 {
            return None;
        }
        let before = self.lengths();
        let at = |place: Place| place.bytes + before[place.jumps as usize];
        let mut code = Vec::with_capacity(self.bytes.len() + before[self.jumps.len()] as usize);
        let mut copied = 0;
        for jump in &self.jumps {
            code.extend_from_slice(&self.bytes[copied..jump.after as usize]);
            copied = jump.after as usize;
            let distance = at(self.labels[jump.to as usize]).wrapping_sub(code.len() as u32 + jump.len());
            match (jump.long, jump.condition) {
                (false, None) => code.extend([0xeb, distance as u8]),
                (false, Some(condition)) => code.extend([0x70 | nibble(condition), distance as u8]),
                (true, None) => code.push(0xe9),
                (true, Some(condition)) => code.extend([0x0f, 0x80 | nibble(condition)]),
            }
            if jump.long {
                code.extend(distance.to_le_bytes());
            }
        }
        code.extend_from_slice(&self.bytes[copied..]);

        // Equal tables (of source and destination) lie there once.
        let mut starts: HashMap<Cow<'_, [u32]>, usize> = HashMap::new();
        for &(place, number) in &self.references {
            let table = self.lowered.table(number);
            let start = *starts.entry(table.clone()).or_insert_with(|| {
                let start = code.len().next_multiple_of(LINE);
                code.resize(start, 0xcc);
                code.extend(table.iter().flat_map(|entry| entry.to_le_bytes()));
                start
            });
            let reference = at(place) as usize;
            let distance = i32::try_from(start - (reference + 4)).ok()?;
            code[reference..reference + 4].copy_from_slice(&distance.to_le_bytes());
        }
        Some(code)
    }

    /// Makes jumps long that must be. For each number of jumps, how many bytes the first so many have.
    fn lengths(&mut self) -> Vec<u32> {
        let mut before = vec![0; self.jumps.len() + 1];
        for round in 0.. {
            for (number, jump) in self.jumps.iter().enumerate() {
                before[number + 1] = before[number] + jump.len();
            }
            let mut grown = false;
            for (number, jump) in self.jumps.iter_mut().enumerate().filter(|(_, jump)| !jump.long) {
                let to = self.labels[jump.to as usize];
                let distance =
                    i64::from(to.bytes + before[to.jumps as usize]) - i64::from(jump.after + before[number + 1]);
                // Nearly always the third round finds nothing; so that it never takes many, the sixth makes all long.
                if i8::try_from(distance).is_err() || round >= 6 {
                    jump.long = true;
                    grown = true;
                }
            }
            if !grown {
                break;
            }
        }
        before
    }
}

/// The condition as instructions encode it.
fn nibble(condition: If) -> u8 {
    match condition {
        If::Below => 2,
        If::AtLeast => 3,
        If::Equal => 4,
        If::NotEqual => 5,
        If::AtMost => 6,
        If::Above => 7,
    }
}
