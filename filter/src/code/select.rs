//! Instructions for each node, knowing what A, X and the scratch memory hold when it is reached.
//!
//! Nodes come before their successors, so what the registers hold at a node is what they hold at the end of every node that leads to
//! it. A value that is there is not computed again. Values that cost three instructions or more and are wanted by
//! several nodes are stored whenever they are computed; `scratch.rs` then takes back the stores that nobody reads, and
//! gives the others their words.
//!
//! Values are trees of any depth: what remains to be computed lies on a stack of steps.

use super::chain;
use super::graph::{Graph, N, Node, Pred, Values, What};
use crate::error::Error;
use crate::insn::{Insn, op};
use crate::ir::{Alu, Size, Test, V, Value};

/// Scratch words before they are given places: those of shared values, then temporary ones.
pub(super) const SLOTS: usize = 64;
const SHARED: usize = 44;

/// The code of a node.
#[derive(Clone, Copy, Debug)]
pub(super) struct Block {
    /// Its instructions but the last: `code[start..end]`.
    pub start: u32,
    pub end: u32,
    pub ends: Ends,
}

/// How a node's code ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ends {
    /// No path leads to it.
    Dead,
    Return(bool),
    /// Goes on to one node.
    Next(N),
    /// A conditional jump: its code, its operand, where to.
    Jump(u16, u32, N, N),
}

/// Code by nodes; `M[]` is not yet numbered.
pub(super) struct Selected {
    pub code: Vec<Insn>,
    pub blocks: Vec<Block>,
    /// Whether there is scratch memory in it.
    pub scratch: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
struct Registers {
    /// The value in A, and its mask.
    a: Option<(V, u32)>,
    x: Option<V>,
    /// The shared values in memory.
    memory: u64,
}

#[derive(Clone, Copy)]
enum Step {
    /// Compute into A.
    A(V),
    /// Compute into X.
    X(V),
    /// A into X, which then holds this.
    Tax(V),
    /// An instruction on A, which then holds nothing that has a name.
    Do(Insn),
    /// A holds this value now.
    Is(V),
    Save,
    LoadSaved,
}

struct Selector<'a, 'b> {
    values: &'b Values<'a>,
    code: Vec<Insn>,
    now: Registers,
    steps: Vec<Step>,
    /// The slot of each shared value; empty when there is none.
    slots: Vec<Option<u8>>,
    saved: usize,
    scratch: bool,
}

/// Selects instructions for all nodes.
///
/// # Errors
/// Too many values at a time.
pub(super) fn select(graph: &Graph, root: N, values: &Values<'_>, share: bool) -> Result<Selected, Error> {
    let slots = if share { shared(graph, root, values)? } else { registers(graph, root, values)? };
    let empty = Registers { a: None, x: None, memory: 0 };
    let mut arriving: Vec<Option<Registers>> = vec![None; graph.len()];
    let mut blocks = vec![Block { start: 0, end: 0, ends: Ends::Dead }; graph.len()];
    let code = Vec::with_capacity(graph.len() * 2);
    let mut selector = Selector { values, code, now: empty, steps: Vec::new(), slots, saved: 0, scratch: false };
    arriving[root.0 as usize] = Some(empty);
    for n in (0..=root.0).rev() {
        let Some(registers) = arriving[n as usize] else { continue };
        selector.now = if share { registers } else { Registers { memory: registers.memory, ..empty } };
        let node = graph.get(N(n));
        let start = selector.code.len() as u32;
        let ends = selector.node(node)?;
        blocks[n as usize] = Block { start, end: selector.code.len() as u32, ends };
        let successors = match ends {
            Ends::Jump(_, _, yes, no) => [Some(yes), Some(no)],
            Ends::Next(next) => [Some(next), None],
            _ => [None, None],
        };
        for next in successors.into_iter().flatten() {
            let there = &mut arriving[next.0 as usize];
            *there = Some(there.map_or(selector.now, |there| there.meet(selector.now)));
        }
    }
    Ok(Selected { code: selector.code, blocks, scratch: selector.scratch })
}

impl Registers {
    fn meet(self, other: Registers) -> Registers {
        Registers {
            a: self.a.filter(|_| self.a == other.a),
            x: self.x.filter(|_| self.x == other.x),
            memory: self.memory & other.memory,
        }
    }
}

/// The values that only `Let` sets.
fn registers(graph: &Graph, root: N, values: &Values<'_>) -> Result<Vec<Option<u8>>, Error> {
    let mut slots = Vec::new();
    let mut count = 0;
    for n in (2..=root.0).rev() {
        if let What::Let(v, _) = graph.get(N(n)).what {
            give_slot(&mut slots, &mut count, v, values.len())?;
        }
    }
    Ok(slots)
}

fn give_slot(slots: &mut Vec<Option<u8>>, count: &mut usize, v: V, values: usize) -> Result<(), Error> {
    slots.resize(values, None);
    if slots[v.0 as usize].is_none() {
        if *count == SHARED {
            return Err(out_of_registers());
        }
        slots[v.0 as usize] = Some(*count as u8);
        *count += 1;
    }
    Ok(())
}

pub(super) fn out_of_registers() -> Error {
    Error::new("too many registers needed to evaluate expression")
}

/// Instructions below which a value is rather computed again.
const CHEAP: u32 = 3;

/// Those, and the dear values that several nodes want.
fn shared(graph: &Graph, root: N, values: &Values<'_>) -> Result<Vec<Option<u8>>, Error> {
    let mut slots = registers(graph, root, values)?;
    let mut count = slots.iter().flatten().count();
    let mut wanted: Vec<u8> = Vec::new();
    let mut todo = Vec::new();
    let mut last = Vec::new();
    for n in (2..=root.0).rev() {
        match graph.get(N(n)).what {
            What::Test(v, Pred::With(_, b)) => todo.extend([v, b]),
            What::Test(v, _) | What::Eval(v) | What::Let(_, v) => todo.push(v),
            _ => {}
        }
        while let Some(v) = todo.pop() {
            if values.of(v).cost < CHEAP {
                continue;
            }
            wanted.resize(values.len(), 0);
            last.resize(values.len(), u32::MAX);
            if std::mem::replace(&mut last[v.0 as usize], n) == n {
                continue;
            }
            let times = &mut wanted[v.0 as usize];
            *times = times.saturating_add(1);
            let cheap = matches!(values.get(v), Some(Value::Load { .. })) || values.header_length(v).is_some();
            if *times == 2 && !cheap && count < SHARED {
                give_slot(&mut slots, &mut count, v, values.len())?;
            }
            match values.get(v) {
                Some(Value::Load { base: Some(base), offset, .. }) => todo.push(folded(values, base, offset).0),
                Some(Value::Alu(_, a, b)) => todo.extend([a, b]),
                Some(Value::Neg(a)) => todo.push(a),
                _ => {}
            }
        }
    }
    Ok(slots)
}

/// A load's base without constants that can as well be part of the offset: the sum must not wrap.
fn folded(values: &Values<'_>, mut base: V, mut offset: u32) -> (V, u32) {
    while let Some(Value::Alu(Alu::Add, a, b)) = values.get(base) {
        let (inner, k) = match (values.constant(a), values.constant(b)) {
            (_, Some(k)) => (a, k),
            (Some(k), None) => (b, k),
            _ => break,
        };
        let Some(sum) = offset.checked_add(k) else { break };
        if values.of(inner).bits.checked_add(sum).is_none() {
            break;
        }
        (base, offset) = (inner, sum);
    }
    (base, offset)
}

impl Selector<'_, '_> {
    fn node(&mut self, node: Node) -> Result<Ends, Error> {
        Ok(match node.what {
            What::Return(accept) => Ends::Return(accept),
            What::Have(_) => Ends::Next(node.no),
            What::Eval(v) => {
                if self.now.x != Some(v) && !self.in_memory(v) {
                    self.compute(&[Step::A(v)])?;
                }
                Ends::Next(node.yes)
            }
            What::Let(v, w) => {
                self.compute(&[Step::A(w)])?;
                self.now.a = Some((v, u32::MAX));
                self.keep(v);
                Ends::Next(node.yes)
            }
            What::Chain(walk) => {
                self.scratch = true;
                chain::emit(walk, SHARED as u32, &mut self.code);
                self.now = Registers { a: None, x: None, ..self.now };
                Ends::Jump(op::JMP | op::JEQ | op::K, walk.protocol, node.yes, node.no)
            }
            What::Test(v, pred) => {
                let (code, k, mask) = match pred {
                    Pred::Eq(k) => (op::JEQ, k, u32::MAX),
                    Pred::Gt(k) => (op::JGT, k, u32::MAX),
                    Pred::Ge(k) => (op::JGE, k, u32::MAX),
                    Pred::Any(k) => (op::JSET, k, u32::MAX),
                    Pred::Masked(mask, k) => (op::JEQ, k, mask),
                    Pred::Range(lo, hi) => (op::JEQ, lo, !(lo ^ hi)),
                    Pred::With(test, b) => return self.comparison(test, v, b, node),
                };
                self.masked(v, mask)?;
                Ends::Jump(op::JMP | code | op::K, k, node.yes, node.no)
            }
        })
    }

    /// `v & mask` into A.
    fn masked(&mut self, v: V, mask: u32) -> Result<(), Error> {
        let bits = self.values.of(v).bits;
        let mask = if bits & !mask == 0 { u32::MAX } else { mask & bits };
        if self.now.a == Some((v, mask)) {
            return Ok(());
        }
        match self.now.a {
            Some((held, wider)) if held == v && wider & mask == mask => {}
            _ => self.compute(&[Step::A(v)])?,
        }
        if mask != u32::MAX {
            self.code.push(Insn::new(op::ALU | op::AND | op::K, mask));
            self.now.a = Some((v, mask));
        }
        Ok(())
    }

    fn comparison(&mut self, test: Test, a: V, b: V, node: Node) -> Result<Ends, Error> {
        let swapped = self.operands(a, b, true);
        let (code, (yes, no)) = match test {
            Test::Eq => (op::JEQ, (node.yes, node.no)),
            Test::Set => (op::JSET, (node.yes, node.no)),
            Test::Gt if swapped => (op::JGE, (node.no, node.yes)),
            Test::Ge if swapped => (op::JGT, (node.no, node.yes)),
            Test::Gt => (op::JGT, (node.yes, node.no)),
            Test::Ge => (op::JGE, (node.yes, node.no)),
        };
        self.run()?;
        Ok(Ends::Jump(op::JMP | code | op::X, 0, yes, no))
    }

    fn compute(&mut self, steps: &[Step]) -> Result<(), Error> {
        self.later(steps);
        self.run()
    }

    /// Puts steps on the stack, the first on top.
    fn later(&mut self, steps: &[Step]) {
        self.steps.extend(steps.iter().rev());
    }

    fn run(&mut self) -> Result<(), Error> {
        while let Some(step) = self.steps.pop() {
            match step {
                Step::A(v) => self.put_in_a(v),
                Step::X(v) => self.put_in_x(v),
                Step::Tax(v) => {
                    self.code.push(Insn::new(op::MISC | op::TAX, 0));
                    self.now.x = Some(v);
                }
                Step::Do(insn) => {
                    self.code.push(insn);
                    self.now.a = None;
                }
                Step::Is(v) => self.holds(v),
                Step::Save => {
                    if self.saved == SLOTS - SHARED {
                        return Err(out_of_registers());
                    }
                    self.scratch = true;
                    self.code.push(Insn::new(op::ST, (SHARED + self.saved) as u32));
                    self.saved += 1;
                }
                Step::LoadSaved => {
                    self.saved -= 1;
                    self.code.push(Insn::new(op::LDX | op::MEM, (SHARED + self.saved) as u32));
                    self.now.x = None;
                }
            }
        }
        Ok(())
    }

    /// A now holds `v`, freshly computed.
    fn holds(&mut self, v: V) {
        self.now.a = Some((v, u32::MAX));
        if !self.in_memory(v) {
            self.keep(v);
        }
    }

    /// Stores A, which holds `v`, when the value is a shared one.
    fn keep(&mut self, v: V) {
        if let Some(Some(slot)) = self.slots.get(v.0 as usize) {
            self.scratch = true;
            self.code.push(Insn::new(op::ST, u32::from(*slot)));
            self.now.memory |= 1 << slot;
        }
    }

    fn slot(&self, v: V) -> Option<u32> {
        let slot = (*self.slots.get(v.0 as usize)?)?;
        (self.now.memory & 1 << slot != 0).then_some(u32::from(slot))
    }

    fn in_memory(&self, v: V) -> bool {
        self.slot(v).is_some()
    }

    fn load_a(&mut self, code: u16, k: u32, v: V) {
        self.code.push(Insn::new(op::LD | code, k));
        self.now.a = Some((v, u32::MAX));
    }

    fn put_in_a(&mut self, v: V) {
        if self.now.a == Some((v, u32::MAX)) {
            return;
        }
        if self.now.x == Some(v) {
            self.code.push(Insn::new(op::MISC | op::TXA, 0));
            self.now.a = Some((v, u32::MAX));
            return;
        }
        if let Some(slot) = self.slot(v) {
            return self.load_a(op::MEM, slot, v);
        }
        match self.values.get(v) {
            Some(Value::Imm(k)) => self.load_a(op::IMM, k, v),
            Some(Value::Len) => self.load_a(op::W | op::LEN, 0, v),
            Some(Value::Ancillary(k)) => {
                // Any width will do; libpcap's.
                let width = match k {
                    op::AD_PKTTYPE | op::AD_VLAN_TAG => op::H,
                    op::AD_VLAN_TAG_PRESENT => op::B,
                    _ => op::W,
                };
                self.load_a(width | op::ABS, op::AD_OFF.wrapping_add(k), v);
            }
            Some(Value::Load { size, base: None, offset }) => self.load_a(width(size) | op::ABS, offset, v),
            Some(Value::Load { size, base: Some(base), offset }) => {
                let (base, offset) = folded(self.values, base, offset);
                let load = Insn::new(op::LD | width(size) | op::IND, offset);
                self.later(&[Step::X(base), Step::Do(load), Step::Is(v)]);
            }
            Some(Value::Neg(a)) => {
                self.later(&[Step::A(a), Step::Do(Insn::new(op::ALU | op::NEG, 0)), Step::Is(v)]);
            }
            Some(Value::Alu(alu, a, b)) => match (self.values.constant(a), self.values.constant(b)) {
                (_, Some(k)) => self.with_constant(alu, a, k, v),
                (Some(k), None) if commutes(alu) => self.with_constant(alu, b, k, v),
                _ => {
                    self.steps.push(Step::Is(v));
                    self.steps.push(Step::Do(Insn::new(op::ALU | code_of(alu) | op::X, 0)));
                    self.operands(a, b, commutes(alu));
                }
            },
            // Given by a Let on every path.
            Some(Value::If(..)) | None => self.load_a(op::IMM, 0, v),
        }
    }

    fn with_constant(&mut self, alu: Alu, a: V, k: u32, v: V) {
        let nothing = match alu {
            Alu::Add | Alu::Sub | Alu::Or | Alu::Xor | Alu::Lsh | Alu::Rsh => k == 0,
            Alu::Mul | Alu::Div => k == 1,
            Alu::And => self.values.of(a).bits & !k == 0,
            Alu::Mod => false,
        };
        if nothing {
            return self.later(&[Step::A(a), Step::Is(v)]);
        }
        let insn = match alu {
            // Shifts by constants of 32 and more are not valid.
            Alu::Lsh | Alu::Rsh if k >= 32 => Insn::new(op::ALU | op::AND | op::K, 0),
            _ => Insn::new(op::ALU | code_of(alu) | op::K, k),
        };
        self.later(&[Step::A(a), Step::Do(insn), Step::Is(v)]);
    }

    /// Whether `v` gets into X without A.
    fn direct(&self, v: V) -> bool {
        self.in_memory(v) || matches!(self.values.get(v), Some(Value::Imm(_))) || self.values.header_length(v).is_some()
    }

    /// Steps that bring `a` into A and `b` into X; or, where `swap` allows it and it is shorter, the other way round (then true).
    fn operands(&mut self, a: V, b: V, swap: bool) -> bool {
        let clobbers = |v: V| self.values.of(v).uses_x;
        let held = |v: V| self.now.a == Some((v, u32::MAX));
        // In X already, and still there when the other one has got into A.
        let kept = |v: V, other: V| self.now.x == Some(v) && (!clobbers(other) || held(other));
        let swapped = swap && a != b;
        if a == b || self.direct(b) || kept(b, a) {
            self.later(&[Step::A(a), Step::X(b)]);
        } else if swapped && (self.direct(a) || kept(a, b)) {
            self.later(&[Step::A(b), Step::X(a)]);
            return true;
        } else if swapped && !clobbers(b) && (clobbers(a) || held(a)) {
            self.later(&[Step::A(a), Step::Tax(a), Step::A(b)]);
            return true;
        } else if !clobbers(a) {
            self.later(&[Step::A(b), Step::Tax(b), Step::A(a)]);
        } else if swapped && held(a) {
            self.later(&[Step::Save, Step::A(b), Step::LoadSaved]);
            return true;
        } else {
            self.later(&[Step::A(b), Step::Save, Step::A(a), Step::LoadSaved]);
        }
        false
    }

    fn put_in_x(&mut self, v: V) {
        if self.now.x == Some(v) {
            return;
        }
        let insn = match self.values.get(v) {
            _ if self.now.a == Some((v, u32::MAX)) => Insn::new(op::MISC | op::TAX, 0),
            Some(Value::Imm(k)) => Insn::new(op::LDX | op::IMM, k),
            _ => match (self.slot(v), self.values.header_length(v)) {
                (Some(slot), _) => Insn::new(op::LDX | op::MEM, slot),
                (None, Some(k)) => Insn::new(op::LDX | op::B | op::MSH, k),
                (None, None) => return self.later(&[Step::A(v), Step::Tax(v)]),
            },
        };
        self.code.push(insn);
        self.now.x = Some(v);
    }
}

fn commutes(alu: Alu) -> bool {
    matches!(alu, Alu::Add | Alu::Mul | Alu::And | Alu::Or | Alu::Xor)
}

fn width(size: Size) -> u16 {
    match size {
        Size::B => op::B,
        Size::H => op::H,
        Size::W => op::W,
    }
}

fn code_of(alu: Alu) -> u16 {
    match alu {
        Alu::Add => op::ADD,
        Alu::Sub => op::SUB,
        Alu::Mul => op::MUL,
        Alu::Div => op::DIV,
        Alu::Mod => op::MOD,
        Alu::And => op::AND,
        Alu::Or => op::OR,
        Alu::Xor => op::XOR,
        Alu::Lsh => op::LSH,
        Alu::Rsh => op::RSH,
    }
}
