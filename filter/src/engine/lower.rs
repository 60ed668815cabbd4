//! A program as steps for an emitter: of machine code (`jit/`) or of eBPF (`ebpf/`).
//!
//! This knows BPF and no processor. What is won here, for all of them:
//! - *One check for many loads.* `need[i]` is the least captured length with which the program can still accept once it stands before
//!   instruction `i`: with less, every way from there ends in a load out of bounds or in `ret #0`, which is the same verdict. So the
//!   first load checks for all that must follow it, and a load behind such a check has none. `need_x` is the same for loads at X.
//! - *Nothing that can't accept.* Where `need` is [`NEVER`], the way leads to the reject.
//! - *No clearing for nothing.* A, X and a word of scratch memory are set to 0 only when something may read them unwritten.
//! - *Search trees* over one value become a search without branches (`search.rs`).
//!
//! Code that *checks* the program as it goes (`jit/shadow.rs`) may depend on nothing but instructions that it has compared. So there each
//! instruction that would be executed is a [`Step::Check`] first, `ja` too, and each load has a check of its own; a search is followed
//! by the comparisons that it stands for (`ways.rs`).

#![forbid(unsafe_code)]

use super::search::{Budget, Search, Searches};
use crate::engine::opcode::*;
use crate::insn::op::{ST, STX};
use crate::insn::{Insn, MEMWORDS};
use crate::ir::{Alu, Size, Test};
use std::borrow::Cow;

/// A place in the code. The instruction's number, or the program's length for the common reject.
pub(super) type Label = u32;

/// A register of BPF.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reg {
    A,
    X,
}

/// The second operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    K(u32),
    X,
}

/// One thing to do; they follow each other but for the jumps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Label(Label),
    /// Rejects packets with fewer captured bytes.
    Need(u64),
    /// Rejects packets with fewer captured bytes than X and this, not wrapped.
    NeedX(u64),
    /// Bytes at `k` to A; they are there.
    Load(Size, u32),
    /// Bytes at `X + k` to A; they are there.
    LoadX(Size, u32),
    /// Four times the low half of the byte at `k` to X; it is there.
    HeaderLength(u32),
    WireLength(Reg),
    Set(Reg, u32),
    Read(Reg, u8),
    Write(Reg, u8),
    Alu(Alu, Source),
    Neg,
    Tax,
    Txa,
    Jump(Label),
    /// A jump backwards, of which only so many are allowed.
    CountedJump(Label),
    Branch(Test, Source, Label, Label),
    /// Looks A up in the table with this number.
    Search(usize),
    Return(u32),
    ReturnA,
    /// Gives up when this instruction is not the one that was translated.
    Check(Label),
    /// Gives up.
    GiveUp,
}

/// A program for an emitter.
#[derive(Debug)]
pub(super) struct Lowered {
    pub(super) steps: Vec<Step>,
    pub(super) searches: Vec<Search>,
    /// Where Need, NeedX and others go that reject.
    pub(super) reject: Label,
    /// Where Check goes that gives up; the last label.
    pub(super) give_up: Label,
    /// The program, where it is checked.
    pub(super) checked: Option<Vec<Insn>>,
    /// What must be 0 at the start.
    pub(super) clear: Words,
    /// Whether it asks for the length on the wire.
    pub(super) wire_length: bool,
    /// Whether it jumps backwards.
    pub(super) loops: bool,
}

impl Lowered {
    /// The table of a search, as it lies behind the code: what is looked up, then what is checked.
    pub(super) fn table(&self, number: usize) -> Cow<'_, [u32]> {
        let Search { table, ways, .. } = &self.searches[number];
        match (ways, &self.checked) {
            (Some(ways), Some(program)) => ways.behind(table, program).into(),
            _ => table.into(),
        }
    }
}

/// A set of A, X and words of scratch memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Words(u32);

impl Words {
    const NONE: Words = Words(0);
    const ALL: Words = Words(u32::MAX);
    pub(super) const A: Words = Words(1 << MEMWORDS);
    pub(super) const X: Words = Words(1 << (MEMWORDS + 1));

    pub(super) fn scratch(word: u8) -> Words {
        Words(1 << word)
    }

    pub(super) fn has(self, some: Words) -> bool {
        self.0 & some.0 == some.0
    }

    fn and(self, more: Words) -> Words {
        Words(self.0 | more.0)
    }
}

/// More bytes than any packet has: no way to accept.
const NEVER: u64 = u64::MAX;

/// What a load's size is in bytes.
fn bytes(size: Size) -> u64 {
    match size {
        Size::B => 1,
        Size::H => 2,
        Size::W => 4,
    }
}

/// An instruction's meaning, sorted by what the passes want to know.
#[derive(Clone, Copy)]
enum Kind {
    Load(Size, u32),
    LoadX(Size, u32),
    HeaderLength(u32),
    /// What neither looks at the packet nor jumps.
    Plain(Step),
    Jump(i32),
    Branch(Test, Source),
    Return(u32),
    ReturnA,
}

/// `insn`, of a valid program.
fn kind(insn: &Insn) -> Kind {
    let k = insn.k;
    let word = k as u8;
    let alu = |op| Kind::Plain(Step::Alu(op, Source::K(k)));
    let alu_x = |op| Kind::Plain(Step::Alu(op, Source::X));
    match insn.code {
        LD_W_ABS => Kind::Load(Size::W, k),
        LD_H_ABS => Kind::Load(Size::H, k),
        LD_B_ABS => Kind::Load(Size::B, k),
        LD_W_IND => Kind::LoadX(Size::W, k),
        LD_H_IND => Kind::LoadX(Size::H, k),
        LD_B_IND => Kind::LoadX(Size::B, k),
        LDX_MSH => Kind::HeaderLength(k),
        LD_LEN => Kind::Plain(Step::WireLength(Reg::A)),
        LDX_LEN => Kind::Plain(Step::WireLength(Reg::X)),
        LD_IMM => Kind::Plain(Step::Set(Reg::A, k)),
        LDX_IMM => Kind::Plain(Step::Set(Reg::X, k)),
        LD_MEM => Kind::Plain(Step::Read(Reg::A, word)),
        LDX_MEM => Kind::Plain(Step::Read(Reg::X, word)),
        ST => Kind::Plain(Step::Write(Reg::A, word)),
        STX => Kind::Plain(Step::Write(Reg::X, word)),
        ADD_K => alu(Alu::Add),
        SUB_K => alu(Alu::Sub),
        MUL_K => alu(Alu::Mul),
        DIV_K => alu(Alu::Div),
        MOD_K => alu(Alu::Mod),
        AND_K => alu(Alu::And),
        OR_K => alu(Alu::Or),
        XOR_K => alu(Alu::Xor),
        LSH_K => alu(Alu::Lsh),
        RSH_K => alu(Alu::Rsh),
        ADD_X => alu_x(Alu::Add),
        SUB_X => alu_x(Alu::Sub),
        MUL_X => alu_x(Alu::Mul),
        DIV_X => alu_x(Alu::Div),
        MOD_X => alu_x(Alu::Mod),
        AND_X => alu_x(Alu::And),
        OR_X => alu_x(Alu::Or),
        XOR_X => alu_x(Alu::Xor),
        LSH_X => alu_x(Alu::Lsh),
        RSH_X => alu_x(Alu::Rsh),
        ALU_NEG => Kind::Plain(Step::Neg),
        MISC_TAX => Kind::Plain(Step::Tax),
        MISC_TXA => Kind::Plain(Step::Txa),
        JMP_JA => Kind::Jump(k as i32),
        JEQ_K => Kind::Branch(Test::Eq, Source::K(k)),
        JGT_K => Kind::Branch(Test::Gt, Source::K(k)),
        JGE_K => Kind::Branch(Test::Ge, Source::K(k)),
        JSET_K => Kind::Branch(Test::Set, Source::K(k)),
        JEQ_X => Kind::Branch(Test::Eq, Source::X),
        JGT_X => Kind::Branch(Test::Gt, Source::X),
        JGE_X => Kind::Branch(Test::Ge, Source::X),
        JSET_X => Kind::Branch(Test::Set, Source::X),
        RET_A => Kind::ReturnA,
        // A valid program has no other codes: RET_K.
        _ => Kind::Return(k),
    }
}

/// What a step reads and what it writes.
fn uses(step: Step) -> (Words, Words) {
    let source = |source| if source == Source::X { Words::X } else { Words::NONE };
    let register = |register| if register == Reg::A { Words::A } else { Words::X };
    match step {
        Step::Load(..) => (Words::NONE, Words::A),
        Step::LoadX(..) => (Words::X, Words::A),
        Step::HeaderLength(_) => (Words::NONE, Words::X),
        Step::WireLength(to) | Step::Set(to, _) => (Words::NONE, register(to)),
        Step::Read(to, word) => (Words::scratch(word), register(to)),
        Step::Write(from, word) => (register(from), Words::scratch(word)),
        Step::Alu(_, with) => (Words::A.and(source(with)), Words::A),
        Step::Neg => (Words::A, Words::A),
        Step::Tax => (Words::A, Words::X),
        Step::Txa => (Words::X, Words::A),
        Step::Branch(_, with, ..) => (Words::A.and(source(with)), Words::NONE),
        Step::Search(_) | Step::ReturnA => (Words::A, Words::NONE),
        Step::NeedX(_) => (Words::X, Words::NONE),
        Step::Label(_) | Step::Need(_) | Step::Jump(_) | Step::CountedJump(_) | Step::Return(_) => {
            (Words::NONE, Words::NONE)
        }
        Step::Check(_) | Step::GiveUp => (Words::NONE, Words::NONE),
    }
}

/// What is known before an instruction, whichever way led there.
#[derive(Clone, Copy)]
struct Facts {
    /// So many bytes were captured at least.
    len: u64,
    /// So many and X at least.
    len_x: u64,
    written: Words,
    /// The program that is checked has all instructions before this one.
    proven: Label,
}

impl Facts {
    const NOTHING: Facts = Facts { len: 0, len_x: 0, written: Words::NONE, proven: 1 };
    /// Of a place to which no way was seen yet.
    const UNSEEN: Facts = Facts { len: NEVER, len_x: NEVER, written: Words::ALL, proven: Label::MAX };

    /// What is still known when this is another way there.
    fn meet(&mut self, other: Facts) {
        self.len = self.len.min(other.len);
        self.len_x = self.len_x.min(other.len_x);
        self.written = Words(self.written.0 & other.written.0);
        self.proven = self.proven.min(other.proven);
    }
}

/// Which checks of a load's bounds can be left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bounds {
    /// Those that follow from others.
    Implied,
    /// Those that were made word for word, as the kernel's verifier knows them: a length of X and `n` does not tell it one of `n`.
    Shown,
}

/// The steps of `program`, which is valid.
pub(super) fn lower(program: &[Insn], bounds: Bounds) -> Lowered {
    let kinds: Vec<Kind> = program.iter().map(kind).collect();
    let needs = needs(program, &kinds);
    let target = targets(program, &kinds, &needs);
    Lowering::of(program, kinds, needs, target, bounds, false).steps()
}

/// The same, checking each instruction.
pub(super) fn lower_checked(program: &[Insn]) -> Lowered {
    let kinds: Vec<Kind> = program.iter().map(kind).collect();
    let needs = own_needs(&kinds);
    let target = targets(program, &kinds, &needs);
    Lowering::of(program, kinds, needs, target, Bounds::Implied, true).steps()
}

/// The least captured length to accept with, in bytes: alone, and beyond X.
#[derive(Clone, Copy)]
struct Need {
    len: u64,
    len_x: u64,
}

fn needs(program: &[Insn], kinds: &[Kind]) -> Vec<Need> {
    let mut needs = vec![Need { len: 0, len_x: 0 }; program.len()];
    for at in (0..program.len()).rev() {
        let after = |skip: usize| needs[at + 1 + skip];
        needs[at] = match kinds[at] {
            Kind::Load(size, k) => {
                let next = after(0);
                Need { len: next.len.max(u64::from(k) + bytes(size)), ..next }
            }
            Kind::LoadX(size, k) => {
                let (next, end) = (after(0), u64::from(k) + bytes(size));
                Need { len: next.len.max(end), len_x: next.len_x.max(end) }
            }
            // X is not negative.
            Kind::HeaderLength(k) => {
                let next = after(0);
                Need { len: next.len.max(next.len_x).max(u64::from(k) + 1), len_x: 0 }
            }
            Kind::Plain(step) => {
                let next = after(0);
                if uses(step).1.has(Words::X) { Need { len: next.len.max(next.len_x), len_x: 0 } } else { next }
            }
            Kind::Jump(skip) if skip >= 0 => after(skip as usize),
            Kind::Branch(..) => {
                let (yes, no) = (after(program[at].jt.into()), after(program[at].jf.into()));
                Need { len: yes.len.min(no.len), len_x: yes.len_x.min(no.len_x) }
            }
            Kind::Return(0) => Need { len: NEVER, len_x: NEVER },
            Kind::Jump(_) | Kind::Return(_) | Kind::ReturnA => Need { len: 0, len_x: 0 },
        };
    }
    needs
}

/// What each instruction needs by itself.
fn own_needs(kinds: &[Kind]) -> Vec<Need> {
    let own = |kind: &Kind| match *kind {
        Kind::Load(size, k) => Need { len: u64::from(k) + bytes(size), len_x: 0 },
        Kind::LoadX(size, k) => Need { len: 0, len_x: u64::from(k) + bytes(size) },
        Kind::HeaderLength(k) => Need { len: u64::from(k) + 1, len_x: 0 },
        _ => Need { len: 0, len_x: 0 },
    };
    kinds.iter().map(own).collect()
}

/// Where a jump to each instruction really leads: past `ja`, and to the reject from where nothing accepts.
fn targets(program: &[Insn], kinds: &[Kind], needs: &[Need]) -> Vec<Label> {
    let mut target = vec![0; program.len()];
    for at in (0..program.len()).rev() {
        target[at] = match kinds[at] {
            _ if needs[at].len == NEVER => program.len() as Label,
            Kind::Jump(skip) if skip >= 0 => target[at + 1 + skip as usize],
            _ => at as Label,
        };
    }
    target
}

/// The `ja` at and behind `label`, each the target of the one before it.
pub(super) fn chain(program: &[Insn], target: &[Label], label: Label) -> impl Iterator<Item = Label> {
    let jump = |label: Label| Some(label).filter(|&label| target[label as usize] != label);
    std::iter::successors(jump(label), move |&label| jump(label + 1 + program[label as usize].k))
}

/// The target of a jump backwards. What is at the target may be a jump itself: it is not followed, for each counts.
fn backward(at: usize, skip: i32) -> Label {
    (at as Label + 1).wrapping_add_signed(skip)
}

struct Lowering<'a> {
    program: &'a [Insn],
    kinds: Vec<Kind>,
    needs: Vec<Need>,
    target: Vec<Label>,
    /// Where branches go: as far as `target`, or, where everything on the way is checked, just there.
    to: Vec<Label>,
    /// Which instructions are left.
    reached: Vec<bool>,
    /// What stands for some of them.
    searches: Searches,
    bounds: Bounds,
    checked: bool,
}

impl<'a> Lowering<'a> {
    fn of(
        program: &'a [Insn],
        kinds: Vec<Kind>,
        needs: Vec<Need>,
        target: Vec<Label>,
        bounds: Bounds,
        checked: bool,
    ) -> Lowering<'a> {
        let to = if checked { (0..program.len() as Label).collect() } else { target.clone() };
        let (reached, searches) = (vec![false; program.len()], Searches::default());
        Lowering { program, kinds, needs, target, to, reached, searches, bounds, checked }
    }

    /// Finds what can be reached, and the searches.
    fn reach(&mut self) {
        let mut budget = Budget::of(self.program);
        let mut open: Vec<Label> = vec![0];
        while let Some(label) = open.pop() {
            let at = label as usize;
            if at >= self.program.len() || std::mem::replace(&mut self.reached[at], true) {
                continue;
            }
            if self.target[at] != label {
                open.push(self.target[at]);
                continue;
            }
            let after = |skip: u8| self.to[at + 1 + usize::from(skip)];
            match self.kinds[at] {
                Kind::Branch(..) => {
                    match self.searches.find(self.program, &self.target, label, self.checked, &mut budget) {
                        Some(search) => open.extend([search.yes, search.no]),
                        None => open.extend([after(self.program[at].jt), after(self.program[at].jf)]),
                    }
                }
                Kind::Jump(skip) => open.push(backward(at, skip)),
                Kind::Return(_) | Kind::ReturnA => {}
                // The next one is reached by falling into it, even where it is only a jump.
                _ => open.push(label + 1),
            }
        }
    }

    /// Behind the last instruction that a program has in which this one can be reached.
    fn proves(&self, label: Label) -> Label {
        let insn = &self.program[label as usize];
        let next = label + 1;
        match self.kinds[label as usize] {
            Kind::Branch(..) => next + Label::from(insn.jt.max(insn.jf)) + 1,
            Kind::Jump(skip @ 0..) => next + skip as Label + 1,
            Kind::Jump(_) | Kind::Return(_) | Kind::ReturnA => next,
            _ => next + 1,
        }
    }

    fn steps(mut self) -> Lowered {
        self.reach();
        let reached = std::mem::take(&mut self.reached);
        let len = self.program.len();
        let mut facts = vec![Facts::UNSEEN; len + 1];
        facts[0] = Facts::NOTHING;
        let mut loops = false;
        for at in (0..len).filter(|&at| reached[at]) {
            if let Kind::Jump(skip @ ..0) = self.kinds[at] {
                loops = true;
                facts[backward(at, skip) as usize] = Facts::NOTHING;
            }
        }
        let mut steps = Vec::with_capacity(2 * len + 8);
        let mut clear = Words::NONE;
        for at in (0..len).filter(|&at| reached[at]) {
            steps.push(Step::Label(at as Label));
            let first = steps.len();
            let mut known = facts[at];
            self.push(at, &mut known, &mut steps);
            for &step in &steps[first..] {
                let (reads, writes) = uses(step);
                clear = clear.and(Words(reads.0 & !known.written.0));
                known.written = known.written.and(writes);
                if writes.has(Words::X) {
                    known.len_x = 0;
                }
                match step {
                    Step::Jump(to) => facts[to as usize].meet(known),
                    Step::Branch(_, _, yes, no) => {
                        facts[yes as usize].meet(known);
                        facts[no as usize].meet(known);
                    }
                    Step::Check(label) => known.proven = known.proven.max(self.proves(label)),
                    Step::Search(table) => {
                        let Search { yes, no, ref mut ways, .. } = self.searches.all[table];
                        if let Some(ways) = ways {
                            ways.join(known.proven);
                        }
                        facts[yes as usize].meet(known);
                        facts[no as usize].meet(known);
                    }
                    _ => {}
                }
            }
            let ends = matches!(
                steps.last(),
                Some(
                    Step::Jump(_)
                        | Step::CountedJump(_)
                        | Step::Branch(..)
                        | Step::Search(_)
                        | Step::Return(_)
                        | Step::ReturnA
                )
            );
            if !ends {
                facts[at + 1].meet(known);
            }
        }
        let (reject, give_up) = (len as Label, len as Label + 1);
        steps.extend([Step::Label(reject), Step::Return(0)]);
        if self.checked {
            steps.extend([Step::Label(give_up), Step::GiveUp]);
        }
        let wire_length = steps.iter().any(|step| matches!(step, Step::WireLength(_)));
        let checked = self.checked.then(|| self.program.to_vec());
        Lowered { steps, searches: self.searches.all, reject, give_up, checked, clear, wire_length, loops }
    }

    /// The steps of one instruction, and what its checks make known.
    fn push(&self, at: usize, known: &mut Facts, steps: &mut Vec<Step>) {
        let insn = &self.program[at];
        if self.checked && self.searches.at(at as Label).is_none() {
            steps.push(Step::Check(at as Label));
        }
        if self.target[at] != at as Label {
            if self.checked {
                steps.extend(chain(self.program, &self.target, at as Label).skip(1).map(Step::Check));
            }
            steps.push(Step::Jump(self.target[at]));
            return;
        }
        let after = |skip: u8| self.to[at + 1 + usize::from(skip)];
        let mut check = |end: u64, steps: &mut Vec<Step>| {
            if known.len < end {
                known.len = self.needs[at].len;
                steps.push(Step::Need(known.len));
            }
        };
        match self.kinds[at] {
            Kind::Load(size, k) => {
                check(u64::from(k) + bytes(size), steps);
                steps.push(Step::Load(size, k));
            }
            Kind::HeaderLength(k) => {
                check(u64::from(k) + 1, steps);
                steps.push(Step::HeaderLength(k));
            }
            Kind::LoadX(size, k) => {
                if known.len_x < u64::from(k) + bytes(size) {
                    known.len_x = self.needs[at].len_x;
                    if self.bounds == Bounds::Implied {
                        known.len = known.len.max(known.len_x);
                    }
                    steps.push(Step::NeedX(known.len_x));
                }
                steps.push(Step::LoadX(size, k));
            }
            Kind::Plain(step) => steps.push(step),
            Kind::Branch(test, source) => match self.searches.at(at as Label) {
                Some(number) => {
                    let ways = self.searches.all[number].ways.iter();
                    steps.extend(ways.flat_map(|ways| &ways.first).map(|&label| Step::Check(label)));
                    steps.push(Step::Search(number));
                }
                None => steps.push(Step::Branch(test, source, after(insn.jt), after(insn.jf))),
            },
            Kind::Jump(skip) => steps.push(Step::CountedJump(backward(at, skip))),
            Kind::Return(k) => steps.push(Step::Return(k)),
            Kind::ReturnA => steps.push(Step::ReturnA),
        }
    }
}
