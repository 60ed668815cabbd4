//! Instructions in a row, with labels.
//!
//! Jumps go to labels while the program is built. [`Asm::finish`] drops what no way leads to (the kernel refuses programs with such
//! parts) and jumps to the next instruction, and gives each jump its distance. A condition's distance has 16 bits: one that is too far
//! becomes its contrary over a far jump, which Linux knows since 6.6; programs of a usual size need none.

use super::insn::{If, Insn, Operand, Reg};
use std::fmt;

/// A place in a program that jumps can lead to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Label(u32);

/// A program being built.
#[derive(Debug, Default)]
pub struct Asm {
    items: Vec<Item>,
    labels: u32,
}

#[derive(Clone, Copy, Debug)]
enum Item {
    Insn(Insn),
    /// Both halves of a 64-bit constant.
    Double([Insn; 2]),
    Label(Label),
    Goto(Label),
    Branch(Branch),
}

#[derive(Clone, Copy, Debug)]
struct Branch {
    test: If,
    dst: Reg,
    with: Operand,
    /// In 64 bits.
    wide: bool,
    to: Label,
}

impl Branch {
    fn insn(self, test: If, offset: i16) -> Insn {
        if self.wide {
            Insn::jump(test, self.dst, self.with, offset)
        } else {
            Insn::jump32(test, self.dst, self.with, offset)
        }
    }
}

/// A program that can't be written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AsmError {
    /// A jump leads to a label that was never placed.
    NoPlace(Label),
    /// More instructions than the kernel reads (a million).
    TooLong(usize),
}

impl fmt::Display for AsmError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AsmError::NoPlace(Label(number)) => write!(f, "label {number} of an eBPF program has no place"),
            AsmError::TooLong(len) => write!(f, "{len} eBPF instructions, the kernel takes {MAX_INSNS}"),
        }
    }
}

impl std::error::Error for AsmError {}

/// The longest program that the kernel reads (`BPF_COMPLEXITY_LIMIT_INSNS`).
const MAX_INSNS: usize = 1_000_000;

impl Asm {
    /// An empty one.
    pub fn new() -> Asm {
        Asm::default()
    }

    /// A label without a place.
    pub fn label(&mut self) -> Label {
        self.labels += 1;
        Label(self.labels - 1)
    }

    /// Gives `label` its place: here.
    pub fn place(&mut self, label: Label) {
        self.items.push(Item::Label(label));
    }

    /// An instruction that does not jump.
    pub fn push(&mut self, insn: Insn) {
        debug_assert!(!insn.is_double(), "half a constant");
        self.items.push(Item::Insn(insn));
    }

    /// A 64-bit constant: [`Insn::map`], [`Insn::map_value`].
    pub fn push_double(&mut self, insns: [Insn; 2]) {
        self.items.push(Item::Double(insns));
    }

    /// A jump.
    pub fn goto(&mut self, to: Label) {
        self.items.push(Item::Goto(to));
    }

    /// A jump when 64 bits compare so.
    pub fn jump(&mut self, test: If, dst: Reg, with: Operand, to: Label) {
        self.items.push(Item::Branch(Branch { test, dst, with, wide: true, to }));
    }

    /// A jump when the low 32 bits compare so.
    pub fn jump32(&mut self, test: If, dst: Reg, with: Operand, to: Label) {
        self.items.push(Item::Branch(Branch { test, dst, with, wide: false, to }));
    }

    /// Where a loop begins: jumps when it has gone round too often. The verifier goes through such a loop until it learns nothing new.
    pub fn may_goto(&mut self, to: Label) {
        self.jump(If::Spent, Reg::R0, Operand::Imm(0), to);
    }

    /// The instructions.
    ///
    /// # Errors
    /// [`AsmError`].
    pub fn finish(self) -> Result<Vec<Insn>, AsmError> {
        let items = tidy(&self.items, self.labels)?;
        let mut far = vec![false; items.len()];
        loop {
            let (starts, places) = layout(&items, &far, self.labels);
            let mut grown = false;
            for (at, item) in items.iter().enumerate() {
                let (Item::Goto(to) | Item::Branch(Branch { to, .. })) = item else { continue };
                if !far[at] && i16::try_from(distance(starts[at], 1, places[to.0 as usize])).is_err() {
                    far[at] = true;
                    grown = true;
                }
            }
            if !grown {
                return write(&items, &far, &starts, &places);
            }
        }
    }
}

/// Instructions to skip from the one of `len` instructions at `start`.
fn distance(start: usize, len: usize, to: usize) -> i64 {
    to as i64 - (start + len) as i64
}

/// How many instructions an item takes.
fn size(item: &Item, far: bool) -> usize {
    match item {
        Item::Insn(_) | Item::Goto(_) => 1,
        Item::Double(_) => 2,
        Item::Label(_) => 0,
        // The contrary over a far jump; a test without a contrary jumps to it over a near one.
        Item::Branch(branch) if far => 2 + usize::from(branch.test.not().is_none()),
        Item::Branch(_) => 1,
    }
}

/// Where items begin, and where labels are.
fn layout(items: &[Item], far: &[bool], labels: u32) -> (Vec<usize>, Vec<usize>) {
    let mut starts = Vec::with_capacity(items.len());
    let mut places = vec![0; labels as usize];
    let mut next = 0;
    for (item, &far) in items.iter().zip(far) {
        starts.push(next);
        if let Item::Label(label) = item {
            places[label.0 as usize] = next;
        }
        next += size(item, far);
    }
    (starts, places)
}

/// Without what no way leads to, and without jumps to what comes next anyway.
fn tidy(items: &[Item], labels: u32) -> Result<Vec<Item>, AsmError> {
    let mut places = vec![usize::MAX; labels as usize];
    for (at, item) in items.iter().enumerate() {
        if let Item::Label(label) = item {
            places[label.0 as usize] = at;
        }
    }
    let mut reached = vec![false; items.len()];
    let mut open = vec![0];
    while let Some(start) = open.pop() {
        for at in start..items.len() {
            if std::mem::replace(&mut reached[at], true) {
                break;
            }
            if let Item::Goto(to) | Item::Branch(Branch { to, .. }) = items[at] {
                let place = places[to.0 as usize];
                if place == usize::MAX {
                    return Err(AsmError::NoPlace(to));
                }
                open.push(place);
            }
            match items[at] {
                Item::Goto(_) => break,
                Item::Insn(insn) if insn.is_exit() => break,
                _ => {}
            }
        }
    }
    let mut kept: Vec<Item> = Vec::with_capacity(items.len());
    for (item, _) in items.iter().zip(reached).filter(|(_, reached)| *reached) {
        // Labels that follow a jump to one of them make it useless.
        if let Item::Label(here) = item {
            let jump = kept.iter().rposition(|item| !matches!(item, Item::Label(_)));
            if let Some(jump) = jump.filter(|&jump| matches!(kept[jump], Item::Goto(to) if to == *here)) {
                kept.remove(jump);
            }
        }
        kept.push(*item);
    }
    Ok(kept)
}

fn write(items: &[Item], far: &[bool], starts: &[usize], places: &[usize]) -> Result<Vec<Insn>, AsmError> {
    let mut out = Vec::with_capacity(items.len());
    for ((item, &far), &start) in items.iter().zip(far).zip(starts) {
        // Short ones were found to fit, far ones are shorter than the longest program.
        let to = |label: &Label, len| distance(start, len, places[label.0 as usize]);
        match item {
            Item::Insn(insn) => out.push(*insn),
            Item::Double(insns) => out.extend(insns),
            Item::Label(_) => {}
            Item::Goto(label) if far => out.push(Insn::goto_far(to(label, 1) as i32)),
            Item::Goto(label) => out.push(Insn::goto(to(label, 1) as i16)),
            Item::Branch(branch) if far => {
                match branch.test.not() {
                    Some(not) => out.push(branch.insn(not, 1)),
                    None => out.extend([branch.insn(branch.test, 1), Insn::goto(1)]),
                }
                out.push(Insn::goto_far(to(&branch.to, size(item, true)) as i32));
            }
            Item::Branch(branch) => out.push(branch.insn(branch.test, to(&branch.to, 1) as i16)),
        }
    }
    if out.len() > MAX_INSNS { Err(AsmError::TooLong(out.len())) } else { Ok(out) }
}

#[cfg(test)]
mod tests {
    use super::super::insn::Op;
    use super::*;
    use Operand::Imm;
    use Reg::{R0, R1};

    const STEP: Insn = Insn::alu64(Op::Mov, R0, Imm(1));

    #[test]
    fn jumps_lead_to_their_labels() {
        let mut asm = Asm::new();
        let (back, end) = (asm.label(), asm.label());
        asm.place(back);
        asm.push(STEP);
        asm.jump32(If::Eq, R0, Imm(5), end);
        asm.push_double(Insn::map(R1, 3));
        asm.jump(If::Ne, R0, Imm(7), back);
        asm.place(end);
        asm.push(Insn::exit());
        let [first, second] = Insn::map(R1, 3);
        let expected = [
            STEP,
            Insn::jump32(If::Eq, R0, Imm(5), 3),
            first,
            second,
            Insn::jump(If::Ne, R0, Imm(7), -5),
            Insn::exit(),
        ];
        assert_eq!(asm.finish(), Ok(expected.to_vec()));
    }

    #[test]
    fn what_no_way_leads_to_is_dropped() {
        let mut asm = Asm::new();
        let (used, unused, end) = (asm.label(), asm.label(), asm.label());
        asm.goto(used);
        asm.push(STEP);
        asm.place(unused);
        asm.goto(end);
        asm.place(used);
        asm.goto(end);
        asm.place(unused);
        asm.place(end);
        asm.push(Insn::exit());
        asm.push(STEP);
        assert_eq!(asm.finish(), Ok(vec![Insn::exit()]));
    }

    #[test]
    fn a_label_without_a_place_is_an_error() {
        let mut asm = Asm::new();
        let nowhere = asm.label();
        asm.jump(If::Eq, R0, Imm(0), nowhere);
        asm.push(Insn::exit());
        assert_eq!(asm.finish(), Err(AsmError::NoPlace(nowhere)));
    }

    /// A condition over `len` instructions.
    fn over(test: If, len: usize) -> Vec<Insn> {
        let mut asm = Asm::new();
        let end = asm.label();
        asm.jump32(test, R0, Imm(1), end);
        for _ in 0..len {
            asm.push(STEP);
        }
        asm.place(end);
        asm.push(Insn::exit());
        asm.finish().expect("a program")
    }

    #[test]
    fn jumps_that_16_bits_dont_reach_are_far() {
        assert_eq!(over(If::Gt, 32_767)[0], Insn::jump32(If::Gt, R0, Imm(1), 32_767));
        let far = over(If::Gt, 32_768);
        assert_eq!(far[..2], [Insn::jump32(If::Le, R0, Imm(1), 1), Insn::goto_far(32_768)]);
        assert_eq!(far.len(), 32_771);
        let set = over(If::Set, 40_000);
        assert_eq!(set[..3], [Insn::jump32(If::Set, R0, Imm(1), 1), Insn::goto(1), Insn::goto_far(40_000)]);
    }

    #[test]
    fn a_jump_that_grows_may_push_another_out_of_range() {
        let mut asm = Asm::new();
        let (near, far) = (asm.label(), asm.label());
        asm.jump32(If::Eq, R0, Imm(1), near); // over 32,767 instructions, until the next one grows
        asm.jump32(If::Eq, R0, Imm(2), far);
        for _ in 0..32_766 {
            asm.push(STEP);
        }
        asm.place(near);
        for _ in 0..10 {
            asm.push(STEP);
        }
        asm.place(far);
        asm.push(Insn::exit());
        let insns = asm.finish().expect("a program");
        let expected = [
            Insn::jump32(If::Ne, R0, Imm(1), 1),
            Insn::goto_far(32_768),
            Insn::jump32(If::Ne, R0, Imm(2), 1),
            Insn::goto_far(32_776),
        ];
        assert_eq!(insns[..4], expected);
    }

    #[test]
    fn too_long_a_program_is_an_error() {
        let mut asm = Asm::new();
        for _ in 0..1_000_000 {
            asm.push(STEP);
        }
        asm.push(Insn::exit());
        assert_eq!(asm.finish(), Err(AsmError::TooLong(1_000_001)));
    }
}
