//! The decision graph: nodes that ask one question of a packet and go on to one of two others.
//!
//! Equal nodes are one node (hash-consing), so common tails are merged as they arise. A node's successors are always older than
//! itself: numbers, descending, are an order in which every node comes before its successors, and nothing here ever recurses.

use crate::hash::Seeded;
use crate::ir::{Alu, Chain, Ir, Size, Test, V, Value};

/// A node's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct N(pub u32);

/// The end of packets that are refused.
pub(super) const REJECT: N = N(0);
/// The end of packets that are accepted.
pub(super) const ACCEPT: N = N(1);

/// A question about one value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Pred {
    /// It is this.
    Eq(u32),
    /// It is more.
    Gt(u32),
    /// It is this or more.
    Ge(u32),
    /// It has one of these bits.
    Any(u32),
    /// Of the bits of the first, exactly those of the second are set.
    Masked(u32, u32),
    /// It lies between these, both included.
    Range(u32, u32),
    /// It compares like this with another value.
    With(Test, V),
}

/// What a node does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum What {
    /// The end.
    Return(bool),
    /// Asks; then `yes` or `no`.
    Test(V, Pred),
    /// Computes the value for the sake of its faults; then `yes`.
    Eval(V),
    /// Gives the first value, a [`Value::If`] or a [`Values::register`], the value of the second; then `yes`.
    Let(V, V),
    /// Whether the value has been given by a `Let` on the way here. Known for every path: gone once the graph is threaded.
    Have(V),
    /// Walks over headers; then `yes` or `no`.
    Chain(Chain),
}

/// A node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Node {
    pub what: What,
    pub yes: N,
    pub no: N,
}

/// Nodes, and how to find an equal one.
pub(super) struct Graph {
    nodes: Vec<Node>,
    /// Open addressing: numbers of nodes, 0 for none.
    table: Vec<u32>,
    hash: Seeded,
}

impl Graph {
    /// The two ends, and room for `capacity` nodes.
    pub(super) fn new(capacity: usize) -> Graph {
        let end = |accept| Node { what: What::Return(accept), yes: REJECT, no: REJECT };
        let mut nodes = Vec::with_capacity(capacity.max(30) + 2);
        nodes.extend([end(false), end(true)]);
        let slots = (capacity.max(30) * 2).next_power_of_two();
        Graph { nodes, table: vec![0; slots], hash: Seeded::default() }
    }

    /// How many nodes there are, the ends included.
    pub(super) fn len(&self) -> usize {
        self.nodes.len()
    }

    /// What a number stands for.
    pub(super) fn get(&self, n: N) -> Node {
        self.nodes[n.0 as usize]
    }

    /// The number of this node. One whose answers lead to the same place only evaluates, and before [`REJECT`] nothing counts.
    pub(super) fn node(&mut self, what: What, yes: N, no: N) -> N {
        let what = match what {
            _ if yes == no && (yes == REJECT || matches!(what, What::Have(_))) => return yes,
            What::Test(v, Pred::With(..)) if yes == no => return self.pair(what, v, yes),
            What::Test(v, _) if yes == no => What::Eval(v),
            _ => what,
        };
        self.intern(Node { what, yes, no })
    }

    /// Both values of a comparison, for their faults.
    fn pair(&mut self, what: What, a: V, next: N) -> N {
        let What::Test(_, Pred::With(_, b)) = what else { return next };
        let next = self.intern(Node { what: What::Eval(b), yes: next, no: next });
        self.intern(Node { what: What::Eval(a), yes: next, no: next })
    }

    fn slot(&self, node: &Node) -> usize {
        let (tag, a, b, c) = match node.what {
            What::Return(accept) => (0, u64::from(accept), 0, 0),
            What::Test(v, pred) => {
                let (tag, x, y) = match pred {
                    Pred::Eq(k) => (1, k, 0),
                    Pred::Gt(k) => (2, k, 0),
                    Pred::Ge(k) => (3, k, 0),
                    Pred::Any(k) => (4, k, 0),
                    Pred::Masked(m, k) => (5, m, k),
                    Pred::Range(lo, hi) => (6, lo, hi),
                    Pred::With(test, b) => (7 + test as u64, b.0, 0),
                };
                (tag, u64::from(v.0), x, y)
            }
            What::Eval(v) => (16, u64::from(v.0), 0, 0),
            What::Let(v, w) => (17, u64::from(v.0), w.0, 0),
            What::Have(v) => (18, u64::from(v.0), 0, 0),
            What::Chain(chain) => (19 + u64::from(chain.ipv6), u64::from(chain.network), chain.protocol, 0),
        };
        let edges = u64::from(node.yes.0) << 32 | u64::from(node.no.0);
        let key = self.hash.of(tag << 32 | a, u64::from(b) << 32 | u64::from(c));
        self.hash.of(key, edges) as usize & (self.table.len() - 1)
    }

    fn intern(&mut self, node: Node) -> N {
        let mut slot = self.slot(&node);
        while self.table[slot] != 0 {
            if self.nodes[self.table[slot] as usize] == node {
                return N(self.table[slot]);
            }
            slot = (slot + 1) & (self.table.len() - 1);
        }
        let n = self.nodes.len() as u32;
        self.nodes.push(node);
        self.table[slot] = n;
        if self.nodes.len() * 2 > self.table.len() {
            self.grow();
        }
        N(n)
    }

    fn grow(&mut self) {
        self.table = vec![0; self.table.len() * 2];
        for n in 2..self.nodes.len() {
            let mut slot = self.slot(&self.nodes[n]);
            while self.table[slot] != 0 {
                slot = (slot + 1) & (self.table.len() - 1);
            }
            self.table[slot] = n as u32;
        }
    }
}

/// The conditions' values, and what the passes want to know of each, by number.
pub(super) struct Values<'a> {
    pub ir: &'a Ir,
    facts: Vec<ValueFacts>,
}

/// What is known of a value whatever the packet.
#[derive(Clone, Copy, Debug)]
pub(super) struct ValueFacts {
    /// Bits that may be set.
    pub bits: u32,
    /// No fault when the packet has this many bytes; `u32::MAX`: never sure.
    pub needs: u32,
    /// When it did not fault, the packet has this many bytes.
    pub proves: u32,
    /// Always a fault.
    pub faults: bool,
    /// A [`Value::If`] is in it, which must have been given its value.
    pub has_if: bool,
    /// Computing it into A makes use of X.
    pub uses_x: bool,
    /// Instructions to compute it into A; saturates.
    pub cost: u32,
}

impl<'a> Values<'a> {
    pub(super) fn new(ir: &'a Ir) -> Values<'a> {
        let mut values = Values { ir, facts: Vec::with_capacity(ir.values()) };
        for v in 0..ir.values() as u32 {
            let facts = values.learn(ir.get(V(v)));
            values.facts.push(facts);
        }
        values
    }

    /// A new value that only [`What::Let`] sets, of these bits.
    pub(super) fn register(&mut self, bits: u32) -> V {
        self.facts.push(ValueFacts { bits, needs: 0, proves: 0, faults: false, has_if: true, uses_x: false, cost: 1 });
        V(self.facts.len() as u32 - 1)
    }

    /// What is known of it.
    pub(super) fn of(&self, v: V) -> ValueFacts {
        self.facts[v.0 as usize]
    }

    /// How many values there are, registers included.
    pub(super) fn len(&self) -> usize {
        self.facts.len()
    }

    /// The value, unless it is a register.
    pub(super) fn get(&self, v: V) -> Option<Value> {
        ((v.0 as usize) < self.ir.values()).then(|| self.ir.get(v))
    }

    /// The constant it is.
    pub(super) fn constant(&self, v: V) -> Option<u32> {
        match self.get(v) {
            Some(Value::Imm(k)) => Some(k),
            _ => None,
        }
    }

    /// `4 * (P[k] & 0xf)`, for which there is an instruction: k.
    pub(super) fn header_length(&self, v: V) -> Option<u32> {
        let (four, nibble) = match self.get(v)? {
            Value::Alu(Alu::Lsh, a, b) if self.constant(b) == Some(2) => (true, a),
            Value::Alu(Alu::Mul, a, b) if self.constant(b) == Some(4) => (true, a),
            Value::Alu(Alu::Mul, a, b) if self.constant(a) == Some(4) => (true, b),
            _ => return None,
        };
        let Value::Alu(Alu::And, a, b) = self.get(nibble)? else { return None };
        let byte = match (self.constant(a), self.constant(b)) {
            (_, Some(0xf)) => a,
            (Some(0xf), _) => b,
            _ => return None,
        };
        match self.get(byte)? {
            Value::Load { size: Size::B, base: None, offset } if four && offset < ANCILLARY => Some(offset),
            _ => None,
        }
    }

    fn learn(&self, value: Value) -> ValueFacts {
        let plain =
            ValueFacts { bits: u32::MAX, needs: 0, proves: 0, faults: false, has_if: false, uses_x: false, cost: 1 };
        match value {
            Value::Imm(k) => ValueFacts { bits: k, ..plain },
            Value::Len | Value::Ancillary(_) => plain,
            Value::Load { size, base: None, offset } => {
                let end = offset.checked_add(bytes(size));
                let (needs, proves) = match end {
                    Some(end) if offset < ANCILLARY => (end, end),
                    _ => (u32::MAX, 0),
                };
                ValueFacts { bits: bits(size), needs, proves, ..plain }
            }
            Value::Load { size, base: Some(base), offset } => {
                let wraps = self.constant(base).is_some_and(|k| k.checked_add(offset).is_none());
                let base = self.of(base);
                let base = ValueFacts { faults: base.faults || wraps, ..base };
                let cost = base.cost.saturating_add(2);
                ValueFacts { bits: bits(size), needs: u32::MAX, uses_x: true, cost, ..base }
            }
            Value::Alu(op, a, b) => {
                let divides = matches!(op, Alu::Div | Alu::Mod);
                let constant = self.constant(b);
                let (a, b) = (self.of(a), self.of(b));
                let sure = !divides || constant.is_some_and(|k| k != 0);
                ValueFacts {
                    bits: may_be_set(op, a.bits, b.bits, constant),
                    needs: if sure { a.needs.max(b.needs) } else { u32::MAX },
                    proves: a.proves.max(b.proves),
                    faults: a.faults || b.faults || (divides && constant == Some(0)),
                    has_if: a.has_if || b.has_if,
                    uses_x: a.uses_x || constant.is_none(),
                    cost: match constant {
                        Some(_) => a.cost.saturating_add(1),
                        None => a.cost.saturating_add(b.cost).saturating_add(2),
                    },
                }
            }
            Value::Neg(a) => {
                let a = self.of(a);
                ValueFacts { bits: u32::MAX, cost: a.cost.saturating_add(1), ..a }
            }
            Value::If(_, a, b) => ValueFacts { bits: self.of(a).bits | self.of(b).bits, has_if: true, ..plain },
        }
    }
}

/// Absolute loads from here on mean something else to a kernel.
const ANCILLARY: u32 = 0xfff0_0000;

fn bytes(size: Size) -> u32 {
    match size {
        Size::B => 1,
        Size::H => 2,
        Size::W => 4,
    }
}

fn bits(size: Size) -> u32 {
    match size {
        Size::B => 0xff,
        Size::H => 0xffff,
        Size::W => u32::MAX,
    }
}

/// All bits up to the highest of `x`.
fn up_to(x: u32) -> u32 {
    u32::MAX.checked_shr(x.leading_zeros()).unwrap_or(0)
}

fn may_be_set(op: Alu, a: u32, b: u32, constant: Option<u32>) -> u32 {
    match (op, constant) {
        (Alu::And, _) => a & b,
        (Alu::Or | Alu::Xor, _) => a | b,
        (Alu::Lsh | Alu::Rsh, Some(k)) => op.apply(a, k),
        (Alu::Lsh, None) if a == 0 => 0,
        (Alu::Rsh | Alu::Div, _) => up_to(a),
        (Alu::Mod, None) => up_to(a),
        (Alu::Mod, Some(k)) if k > 0 => up_to(a.min(k - 1)),
        (Alu::Add, _) => a.checked_add(b).map_or(u32::MAX, up_to),
        (Alu::Mul, _) => a.checked_mul(b).map_or(u32::MAX, up_to),
        _ => u32::MAX,
    }
}
