//! Conditions to nodes.
//!
//! Each condition is built for the two places to go on to, so `and`, `or` and `not` need no nodes of their own: of `a and b`, first b
//! is built for (yes, no), then a for (b, no). What is still to be done lies on a stack of frames, however deep the expression.
//!
//! A [`Value::If`] becomes a diamond in front of the question that needs it: its condition's nodes, then one of two [`What::Let`]s.
//! [`What::Have`] skips the diamond on paths that have been through it.

use super::graph::{ACCEPT, Graph, N, Pred, REJECT, Values, What};
use crate::error::Error;
use crate::ir::{Alu, C, Cond, Test, V, Value};

/// Nodes, and steps to build them, beyond which an expression is refused.
const LIMIT: usize = 1 << 23;

/// What remains to be done with a node that is being built.
enum Frame {
    /// It is the right operand; now the left one, for it and this node (`and`: it is the left one's yes).
    Left { c: C, and: bool, other: N },
    /// It begins the yes of an `If`.
    Yes { v: V, next: N },
    /// It begins the no of an `If`, whose yes begins here.
    No { v: V, next: N, yes: N },
    /// It decides an `If`.
    Decided { v: V, next: N },
    /// It is to be preceded by the diamonds of these values: `ifs[from..]`, the last first.
    Wrap { from: usize },
}

/// What is to be built next.
enum Job {
    Cond(C, N, N),
    /// What makes the value computable, then the node.
    Wrap(V, N),
    Done(N),
}

/// What is yet to be looked through for `If`s.
enum Need {
    Value(V),
    Cond(C),
    /// All that this one needs has been collected.
    Collected(V),
}

struct Builder<'a, 'b> {
    graph: Graph,
    values: &'b Values<'a>,
    /// Whether diamonds may be skipped by [`What::Have`].
    skip: bool,
    frames: Vec<Frame>,
    ifs: Vec<V>,
    foreseen: bool,
}

/// What has been built.
pub(super) struct Built {
    pub graph: Graph,
    pub root: N,
    /// Some answers were known from the questions alone: a value that always faults, or is compared with itself. libpcap does not see
    /// that.
    pub foreseen: bool,
}

/// The graph of `root`, and its first node. With `skip` it has [`What::Have`]s, and must be threaded.
///
/// # Errors
/// Too large.
pub(super) fn build(values: &Values<'_>, root: C, skip: bool) -> Result<Built, Error> {
    let graph = Graph::new(values.ir.conds() * 2);
    let mut builder = Builder { graph, values, skip, frames: Vec::with_capacity(16), ifs: Vec::new(), foreseen: false };
    let mut job = Job::Cond(root, ACCEPT, REJECT);
    for _ in 0..LIMIT {
        job = match job {
            Job::Cond(c, yes, no) => builder.cond(c, yes, no),
            Job::Wrap(v, next) => builder.wrap(v, next),
            Job::Done(n) => match builder.frames.pop() {
                Some(frame) => builder.resume(frame, n),
                None => return Ok(Built { graph: builder.graph, root: n, foreseen: builder.foreseen }),
            },
        };
        if builder.graph.len() > LIMIT {
            break;
        }
    }
    Err(Error::new("expression is too complex"))
}

impl Builder<'_, '_> {
    fn cond(&mut self, c: C, yes: N, no: N) -> Job {
        match self.values.ir.get_cond(c) {
            Cond::Const(x) => Job::Done(if x { yes } else { no }),
            Cond::Not(c) => Job::Cond(c, no, yes),
            Cond::And(a, b) => {
                self.frames.push(Frame::Left { c: a, and: true, other: no });
                Job::Cond(b, yes, no)
            }
            Cond::Or(a, b) => {
                self.frames.push(Frame::Left { c: a, and: false, other: yes });
                Job::Cond(b, yes, no)
            }
            Cond::Chain(chain) => Job::Done(self.graph.node(What::Chain(chain), yes, no)),
            Cond::Eval(v) => {
                let facts = self.values.of(v);
                match () {
                    () if facts.faults => {
                        self.foreseen = true;
                        Job::Done(REJECT)
                    }
                    () if facts.has_if => {
                        let node = self.graph.node(What::Eval(v), yes, yes);
                        Job::Wrap(v, node)
                    }
                    () if facts.needs == 0 => Job::Done(yes),
                    () => Job::Done(self.graph.node(What::Eval(v), yes, yes)),
                }
            }
            Cond::Test(test, a, b) => {
                let node = self.test(test, a, b, yes, no);
                if !self.values.of(a).has_if && !self.values.of(b).has_if {
                    return Job::Done(node);
                }
                self.frames.push(Frame::Wrap { from: self.ifs.len() });
                self.find_ifs(a);
                self.find_ifs(b);
                Job::Done(node)
            }
        }
    }

    fn resume(&mut self, frame: Frame, n: N) -> Job {
        let arms = |v| match self.values.get(v) {
            Some(Value::If(c, a, b)) => (c, a, b),
            _ => unreachable!("only Ifs are collected"),
        };
        match frame {
            Frame::Left { c, and: true, other } => Job::Cond(c, n, other),
            Frame::Left { c, and: false, other } => Job::Cond(c, other, n),
            Frame::Wrap { from } => {
                if self.ifs.len() == from {
                    return Job::Done(n);
                }
                let Some(v) = self.ifs.pop() else { return Job::Done(n) };
                self.frames.push(Frame::Wrap { from });
                self.frames.push(Frame::Yes { v, next: n });
                let (_, a, _) = arms(v);
                self.given(v, a, n)
            }
            Frame::Yes { v, next } => {
                self.frames.push(Frame::No { v, next, yes: n });
                let (_, _, b) = arms(v);
                self.given(v, b, next)
            }
            Frame::No { v, next, yes } => {
                self.frames.push(Frame::Decided { v, next });
                let (c, _, _) = arms(v);
                Job::Cond(c, yes, n)
            }
            Frame::Decided { v, next } if self.skip => Job::Done(self.graph.node(What::Have(v), next, n)),
            Frame::Decided { .. } => Job::Done(n),
        }
    }

    /// `v` is given the value of `arm`, then `next`.
    fn given(&mut self, v: V, arm: V, next: N) -> Job {
        if self.values.of(arm).faults {
            self.foreseen = true;
            return Job::Done(REJECT);
        }
        let node = self.graph.node(What::Let(v, arm), next, next);
        Job::Wrap(arm, node)
    }

    fn wrap(&mut self, v: V, next: N) -> Job {
        if self.values.of(v).has_if {
            self.frames.push(Frame::Wrap { from: self.ifs.len() });
            self.find_ifs(v);
        }
        Job::Done(next)
    }

    /// Collects the `If`s that are surely computed when `v` is, each behind those that it needs itself. What is collected already, for
    /// this question or for one behind it, is computed in front of this one anyhow; without that nested tunnels would take
    /// exponentially many diamonds.
    fn find_ifs(&mut self, v: V) {
        let mut todo = vec![Need::Value(v)];
        while let Some(need) = todo.pop() {
            match need {
                Need::Collected(v) => self.ifs.push(v),
                Need::Value(v) => match self.values.get(v) {
                    _ if !self.values.of(v).has_if || self.ifs.contains(&v) => {}
                    Some(Value::If(c, a, b)) => {
                        todo.push(Need::Collected(v));
                        let (a, b) = (self.outermost_ifs(a), self.outermost_ifs(b));
                        todo.extend(a.into_iter().filter(|v| b.contains(v)).map(Need::Value));
                        todo.push(Need::Cond(c));
                    }
                    _ => todo.extend(self.operands(v).into_iter().flatten().map(Need::Value)),
                },
                Need::Cond(c) => match self.values.ir.get_cond(c) {
                    Cond::Test(_, a, b) => todo.extend([Need::Value(b), Need::Value(a)]),
                    Cond::Eval(v) => todo.push(Need::Value(v)),
                    Cond::Not(c) | Cond::And(c, _) | Cond::Or(c, _) => todo.push(Need::Cond(c)),
                    Cond::Const(_) | Cond::Chain(_) => {}
                },
            }
        }
    }

    /// Those `If`s that `v` needs directly.
    fn outermost_ifs(&self, v: V) -> Vec<V> {
        let (mut todo, mut ifs) = (vec![v], Vec::new());
        while let Some(v) = todo.pop() {
            match self.values.get(v) {
                _ if !self.values.of(v).has_if => {}
                Some(Value::If(..)) => ifs.push(v),
                _ => todo.extend(self.operands(v).into_iter().flatten()),
            }
        }
        ifs
    }

    /// What a value that is no `If` is computed from.
    fn operands(&self, v: V) -> [Option<V>; 2] {
        match self.values.get(v) {
            Some(Value::Load { base, .. }) => [base, None],
            Some(Value::Alu(_, a, b)) => [Some(b), Some(a)],
            Some(Value::Neg(a)) => [Some(a), None],
            _ => [None, None],
        }
    }

    fn test(&mut self, test: Test, a: V, b: V, yes: N, no: N) -> N {
        if self.values.of(a).faults || self.values.of(b).faults {
            self.foreseen = true;
            return REJECT;
        }
        self.foreseen |= a == b && self.values.constant(a).is_none();
        match (self.values.constant(a), self.values.constant(b)) {
            (Some(a), Some(b)) => match test.holds(a, b) {
                true => yes,
                false => no,
            },
            (None, Some(k)) => self.compare(test, a, k, yes, no),
            (Some(k), None) => match test {
                Test::Eq | Test::Set => self.compare(test, b, k, yes, no),
                Test::Gt => self.compare(Test::Ge, b, k, no, yes),
                Test::Ge => self.compare(Test::Gt, b, k, no, yes),
            },
            (None, None) if a == b => match test {
                Test::Set => self.compare(Test::Eq, a, 0, no, yes),
                Test::Eq | Test::Ge => self.graph.node(What::Eval(a), yes, yes),
                Test::Gt => self.graph.node(What::Eval(a), no, no),
            },
            (None, None) => self.graph.node(What::Test(a, Pred::With(test, b)), yes, no),
        }
    }

    /// `v test k`: arithmetic with constants moves to the other side, masks into the question.
    fn compare(&mut self, test: Test, mut v: V, mut k: u32, yes: N, no: N) -> N {
        while let Some(Value::Alu(op, a, b)) = self.values.get(v) {
            let (inner, c) = match (op, self.values.constant(a), self.values.constant(b)) {
                (_, _, Some(c)) => (a, c),
                (Alu::Add | Alu::And | Alu::Xor, Some(c), None) => (b, c),
                (Alu::Sub, None, None) if test == Test::Eq && k == 0 => return self.test(test, a, b, yes, no),
                _ => break,
            };
            match (test, op) {
                (Test::Eq, Alu::Add) => k = k.wrapping_sub(c),
                (Test::Eq, Alu::Sub) => k = k.wrapping_add(c),
                (Test::Eq, Alu::Xor) => k ^= c,
                (Test::Set, Alu::And) => k &= c,
                (Test::Eq, Alu::And) => return self.masked(inner, c, k, yes, no),
                _ => break,
            }
            v = inner;
        }
        if let Some(x) = self.values.constant(v) {
            return if test.holds(x, k) { yes } else { no };
        }
        let pred = match test {
            Test::Eq => Pred::Eq(k),
            Test::Gt => Pred::Gt(k),
            Test::Ge => Pred::Ge(k),
            Test::Set => return self.any(v, k, yes, no),
        };
        self.graph.node(What::Test(v, pred), yes, no)
    }

    /// `v & mask == k`. A prefix of what the value can be is a range.
    fn masked(&mut self, mut v: V, mut mask: u32, k: u32, yes: N, no: N) -> N {
        while let Some(Value::Alu(Alu::And, a, b)) = self.values.get(v) {
            let Some(c) = self.values.constant(b) else { break };
            (v, mask) = (a, mask & c);
        }
        let bits = self.values.of(v).bits;
        let free = bits & !mask;
        if k & !mask != 0 {
            return self.graph.node(What::Test(v, Pred::Masked(mask, k)), yes, no);
        }
        if k == 0 {
            return self.any(v, mask, no, yes);
        }
        let pred = if bits & bits.wrapping_add(1) != 0 || k & !bits != 0 || free & free.wrapping_add(1) != 0 {
            match k {
                _ if k == mask && mask.is_power_of_two() => Pred::Any(mask),
                _ => Pred::Masked(mask, k),
            }
        } else if free == 0 {
            Pred::Eq(k)
        } else if k == mask && mask.is_power_of_two() {
            Pred::Any(mask)
        } else {
            Pred::Range(k, k | free)
        };
        self.graph.node(What::Test(v, pred), yes, no)
    }

    /// `v & bits != 0`.
    fn any(&mut self, v: V, k: u32, yes: N, no: N) -> N {
        let bits = self.values.of(v).bits;
        match k {
            _ if bits != 0 && k & bits == bits => self.graph.node(What::Test(v, Pred::Eq(0)), no, yes),
            _ => self.graph.node(What::Test(v, Pred::Any(k)), yes, no),
        }
    }
}
