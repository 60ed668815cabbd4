//! Knowledge along edges: a question whose answer is known on a path is skipped on that path.
//!
//! One walk from the root to the ends, each node after all that lead to it. A node's *state* holds what is known there of the values
//! asked so far: what is known on every edge into it, joined. Each edge out of a node adds the node's answer, and then moves
//! on for as long as the node it leads to is decided by what is known. A node that both its edges skip to the same place vanishes.
//!
//! States are short lists in one arena, of the values that are still asked further on; facts have a fixed size. So the work is
//! linear in the graph, but for edges that skip far: those have a common allowance.
//!
//! A value that has a fact has been computed, so skipping a question about it skips no fault; one that was never computed leaves
//! an `Eval` behind. [`ValueFacts::needs`](super::graph::ValueFacts) tells loads that earlier ones have shown to be in bounds.

use super::facts::Fact;
use super::graph::{Graph, N, Node, Pred, REJECT, Values, What};
use crate::ir::V;

/// What may be concluded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Knowledge {
    /// Everything that is true.
    Full,
    /// What libpcap's optimizer concludes: from equal values and equal questions, without regard to faults. Only to know
    /// whether it would say that an expression rejects all packets.
    Libpcap,
}

/// Values remembered at a node.
const REMEMBERED: usize = 24;
/// Nodes that an edge may skip when the common allowance is spent.
const SKIPS: usize = 8;

#[derive(Clone, Copy)]
struct State {
    start: u32,
    len: u32,
    /// The packet has this many bytes.
    bytes: u32,
}

#[derive(Clone, Copy, PartialEq, Eq)]
struct Entry {
    key: u64,
    fact: u32,
}

/// What becomes of a node.
#[derive(Clone, Copy)]
enum Fate {
    /// No path leads to it.
    Dead,
    /// It gives way to another.
    Skipped(N),
    Kept {
        node: Node,
        /// Whether its values are known not to fault.
        safe: bool,
    },
}

struct Threader<'a, 'b> {
    graph: &'b Graph,
    values: &'b Values<'a>,
    knowledge: Knowledge,
    entries: Vec<Entry>,
    facts: Vec<Fact>,
    /// The state at nodes that are still to come.
    arriving: Vec<Option<State>>,
    /// The last node that asks a value.
    last_asked: Vec<u32>,
    fates: Vec<Fate>,
    allowance: usize,
}

/// A threaded graph.
pub(super) struct Threaded {
    pub graph: Graph,
    pub root: N,
    /// Whether nodes vanished, so that there may be more to gain.
    pub again: bool,
}

/// The graph with what is known on each path made use of; none when there was nothing to gain.
pub(super) fn thread(graph: &Graph, root: N, values: &Values<'_>, knowledge: Knowledge) -> Option<Threaded> {
    let nodes = root.0 as usize + 1;
    let mut threader = Threader {
        graph,
        values,
        knowledge,
        entries: Vec::with_capacity(nodes * 4),
        facts: Vec::with_capacity(nodes * 2),
        arriving: vec![None; nodes],
        last_asked: last_asked(graph, root, values),
        fates: vec![Fate::Dead; nodes],
        allowance: 256 + nodes * 16,
    };
    threader.arriving[root.0 as usize] = Some(State { start: 0, len: 0, bytes: 0 });
    let mut changed = false;
    for n in (2..=root.0).rev().map(N) {
        if let Some(state) = threader.arriving[n.0 as usize] {
            changed |= threader.visit(n, state);
        } else {
            changed = true;
        }
    }
    if changed { Some(threader.rebuilt(root)) } else { None }
}

fn last_asked(graph: &Graph, root: N, values: &Values<'_>) -> Vec<u32> {
    let mut last = vec![u32::MAX; values.len()];
    for n in (2..=root.0).rev() {
        match graph.get(N(n)).what {
            What::Test(v, _) | What::Eval(v) | What::Have(v) => last[v.0 as usize] = n,
            _ => {}
        }
    }
    last
}

fn key(v: V, pred: Pred) -> u64 {
    let other = match pred {
        Pred::With(test, b) => (u64::from(b.0) + 1) << 2 | test as u64,
        _ => 0,
    };
    u64::from(v.0) << 32 | other
}

/// For libpcap a masked value is a value of its own: under which key it is remembered, and what is asked of it.
fn by_mask(v: V, pred: Pred) -> (u64, Pred) {
    let (mask, asked) = match pred {
        Pred::Masked(mask, k) => (mask, Pred::Eq(k)),
        Pred::Range(lo, hi) => (!(lo ^ hi), Pred::Eq(lo)),
        _ => return (key(v, pred), pred),
    };
    (u64::from(v.0) << 32 | u64::from(mask.wrapping_mul(0x9e37_79b1) >> 1), asked)
}

/// Where one answer is remembered. Two may collide, which can only cost an error's text.
fn answer_key(v: V, pred: Pred) -> u64 {
    let (tag, x, y) = match pred {
        Pred::Eq(k) => (1, k, 0),
        Pred::Gt(k) => (2, k, 0),
        Pred::Ge(k) => (3, k, 0),
        Pred::Any(k) => (4, k, 0),
        Pred::Masked(mask, k) => (5, mask, k),
        Pred::Range(lo, hi) => (6, lo, hi),
        Pred::With(test, b) => (7 + test as u32, b.0, 0),
    };
    let mixed = (x ^ y.rotate_left(13)).wrapping_mul(0x9e37_79b1).wrapping_add(tag);
    u64::from(v.0) << 32 | u64::from(mixed | 1 << 31)
}

impl Threader<'_, '_> {
    /// Follows one node's edges. Whether anything is different from before.
    fn visit(&mut self, n: N, state: State) -> bool {
        let node = self.graph.get(n);
        let fate = match node.what {
            What::Return(_) => Fate::Kept { node, safe: true },
            What::Chain(_) => {
                let (yes, no) = (self.follow(node.yes, state), self.follow(node.no, state));
                self.arrive(yes, state);
                self.arrive(no, state);
                Fate::Kept { node: Node { yes, no, ..node }, safe: false }
            }
            What::Have(v) => {
                let next = if self.find(state, key(v, Pred::Eq(0))).is_some() { node.yes } else { node.no };
                self.skip(next, state)
            }
            What::Let(v, w) => {
                let fact = match self.values.constant(w) {
                    Some(k) => Fact::of_bits(u32::MAX).refine(Pred::Eq(k), true),
                    None => Fact::of_bits(self.values.of(v).bits),
                };
                let after = self.learn(state, key(v, Pred::Eq(0)), fact, self.values.of(w).proves);
                let next = self.follow(node.yes, after);
                self.arrive(next, after);
                Fate::Kept { node: Node { yes: next, no: next, ..node }, safe: false }
            }
            What::Eval(v) => self.computed(n, v, Pred::Eq(0), node.yes, state),
            What::Test(v, pred) => self.ask(n, v, pred, state),
        };
        self.fates[n.0 as usize] = fate;
        !matches!(fate, Fate::Kept { node: kept, .. } if kept == node)
    }

    fn skip(&mut self, next: N, state: State) -> Fate {
        let next = self.follow(next, state);
        self.arrive(next, state);
        Fate::Skipped(next)
    }

    /// A value whose answer does not count.
    fn computed(&mut self, n: N, v: V, pred: Pred, next: N, state: State) -> Fate {
        if self.is_safe(v, pred, state) {
            return self.skip(next, state);
        }
        let fact = self.known(v, pred, state).unwrap_or_else(|| self.initial(v, pred));
        let after = self.learn(state, key(v, pred), fact, self.values.of(v).proves);
        let next = self.follow(next, after);
        if next == REJECT {
            return Fate::Skipped(REJECT);
        }
        self.arrive(next, after);
        let what = match self.graph.get(n).what {
            What::Test(_, Pred::With(..)) => self.graph.get(n).what,
            _ => What::Eval(v),
        };
        Fate::Kept { node: Node { what, yes: next, no: next }, safe: false }
    }

    fn ask(&mut self, n: N, v: V, pred: Pred, state: State) -> Fate {
        let node = self.graph.get(n);
        if let Some(answer) = self.decide(v, pred, state) {
            let next = if answer { node.yes } else { node.no };
            return self.computed(n, v, pred, next, state);
        }
        let safe = self.is_safe(v, pred, state);
        let mut proves = self.values.of(v).proves;
        if let Pred::With(_, b) = pred {
            proves = proves.max(self.values.of(b).proves);
        }
        let edge = |this: &mut Self, next: N, answer: bool| {
            if next.0 < 2 {
                return (next, state);
            }
            let after = if this.last_asked[v.0 as usize] < n.0 {
                let (key, fact) = this.conclusion(v, pred, answer, state);
                this.learn(state, key, fact, proves)
            } else {
                State { bytes: state.bytes.max(proves), ..state }
            };
            (this.follow(next, after), after)
        };
        let (yes, after_yes) = edge(self, node.yes, true);
        let (no, after_no) = edge(self, node.no, false);
        if yes == no && safe {
            self.arrive(yes, State { bytes: after_yes.bytes, ..state });
            return Fate::Skipped(yes);
        }
        self.arrive(yes, after_yes);
        self.arrive(no, after_no);
        Fate::Kept { node: Node { yes, no, ..node }, safe }
    }

    fn initial(&self, v: V, pred: Pred) -> Fact {
        match pred {
            Pred::With(..) => Fact::of_bits(u32::MAX),
            _ => Fact::of_bits(self.values.of(v).bits),
        }
    }

    /// The answer, where it is known.
    fn decide(&self, v: V, pred: Pred, state: State) -> Option<bool> {
        if self.knowledge == Knowledge::Full {
            return self.known(v, pred, state).unwrap_or_else(|| self.initial(v, pred)).decide(pred);
        }
        if self.values.of(v).bits == 0 {
            return Fact::only(0).decide(pred);
        }
        let (key, asked) = by_mask(v, pred);
        let equal = match asked {
            Pred::Eq(_) => self.find(state, key).and_then(|fact| self.facts[fact as usize].decide(asked)),
            _ => None,
        };
        let answered = || self.find(state, answer_key(v, pred));
        equal.or_else(|| self.facts[answered()? as usize].decide(pred))
    }

    /// What is to be remembered of an answer.
    fn conclusion(&self, v: V, pred: Pred, answer: bool, state: State) -> (u64, Fact) {
        if self.knowledge == Knowledge::Full {
            let fact = self.known(v, pred, state).unwrap_or_else(|| self.initial(v, pred));
            return (key(v, pred), fact.refine(pred, answer));
        }
        let (key, asked) = by_mask(v, pred);
        match (asked, self.find(state, key)) {
            (Pred::Eq(k), _) if answer => (key, Fact::only(k)),
            (Pred::Eq(_), Some(fact)) => (key, self.facts[fact as usize].refine(asked, answer)),
            _ => (answer_key(v, pred), Fact::of_answer(pred, answer)),
        }
    }

    /// Whether computing what is asked cannot fault here.
    fn is_safe(&self, v: V, pred: Pred, state: State) -> bool {
        let safe = |v: V| self.values.of(v).needs <= state.bytes || self.find(state, key(v, Pred::Eq(0))).is_some();
        match pred {
            Pred::With(_, b) => (safe(v) && safe(b)) || self.find(state, key(v, pred)).is_some(),
            _ => safe(v),
        }
    }

    fn find(&self, state: State, key: u64) -> Option<u32> {
        let entries = &self.entries[state.start as usize..][..state.len as usize];
        entries.iter().find(|entry| entry.key == key).map(|entry| entry.fact)
    }

    fn known(&self, v: V, pred: Pred, state: State) -> Option<Fact> {
        self.find(state, key(v, pred)).map(|fact| self.facts[fact as usize])
    }

    /// The node that `n` comes to when all that is known is made use of.
    fn follow(&mut self, mut n: N, state: State) -> N {
        let mut skips = SKIPS;
        loop {
            let node = self.graph.get(n);
            let next = match node.what {
                What::Have(v) if self.find(state, key(v, Pred::Eq(0))).is_some() => node.yes,
                What::Have(_) => node.no,
                What::Eval(v) if self.is_safe(v, Pred::Eq(0), state) => node.yes,
                What::Test(v, pred) => {
                    if self.find(state, key(v, pred)).is_none() && !self.is_safe(v, pred, state) {
                        return n;
                    }
                    match self.decide(v, pred, state) {
                        Some(true) => node.yes,
                        Some(false) => node.no,
                        None => return n,
                    }
                }
                _ => return n,
            };
            match (self.allowance.checked_sub(1), skips.checked_sub(1)) {
                (Some(left), _) => self.allowance = left,
                (None, Some(left)) => skips = left,
                // A Have must not be left standing; it is decided where it stands.
                (None, None) => return n,
            }
            n = next;
        }
    }

    /// The state with this fact in it.
    fn learn(&mut self, state: State, key: u64, fact: Fact, proves: u32) -> State {
        let bytes = state.bytes.max(proves);
        if let Some(known) = self.find(state, key)
            && self.facts[known as usize] == fact
        {
            return State { bytes, ..state };
        }
        let range = state.start as usize..state.start as usize + state.len as usize;
        let start = self.entries.len();
        let forget = usize::from(range.len() >= REMEMBERED);
        for i in range.skip(forget) {
            let entry = self.entries[i];
            if entry.key != key {
                self.entries.push(entry);
            }
        }
        self.facts.push(fact);
        self.entries.push(Entry { key, fact: self.facts.len() as u32 - 1 });
        State { start: start as u32, len: (self.entries.len() - start) as u32, bytes }
    }

    /// Another edge leads to `n`, with this state.
    fn arrive(&mut self, n: N, state: State) {
        if n.0 < 2 {
            return;
        }
        let Some(there) = self.arriving[n.0 as usize] else {
            self.arriving[n.0 as usize] = Some(self.asked_again(state, n));
            return;
        };
        let start = self.entries.len();
        for i in there.start as usize..there.start as usize + there.len as usize {
            let Entry { key, fact: a } = self.entries[i];
            let Some(b) = self.find(state, key) else { continue };
            let mut fact = a;
            if a != b {
                let (a, b) = (&self.facts[a as usize], &self.facts[b as usize]);
                let joined = a.join(b);
                self.facts.push(joined);
                fact = self.facts.len() as u32 - 1;
            }
            self.entries.push(Entry { key, fact });
        }
        let (len, bytes) = ((self.entries.len() - start) as u32, there.bytes.min(state.bytes));
        self.arriving[n.0 as usize] = Some(State { start: start as u32, len, bytes });
    }

    /// The state without the values that nobody asks from `n` on.
    fn asked_again(&mut self, state: State, n: N) -> State {
        let range = state.start as usize..state.start as usize + state.len as usize;
        let asked = |entry: &Entry, last: &[u32]| last[(entry.key >> 32) as usize] <= n.0;
        if self.entries[range.clone()].iter().all(|entry| asked(entry, &self.last_asked)) {
            return state;
        }
        let start = self.entries.len();
        for i in range {
            if asked(&self.entries[i], &self.last_asked) {
                self.entries.push(self.entries[i]);
            }
        }
        State { start: start as u32, len: (self.entries.len() - start) as u32, bytes: state.bytes }
    }

    /// Whether what follows faults when this does, so that this need not be computed for its faults.
    fn faults_anyway(&self, graph: &Graph, what: What, next: N) -> bool {
        match (what, graph.get(next).what) {
            (What::Test(_, Pred::With(..)), _) => false,
            (What::Test(v, _) | What::Eval(v), What::Test(w, _) | What::Eval(w) | What::Let(_, w)) => {
                self.values.of(v).needs <= self.values.of(w).proves
            }
            _ => false,
        }
    }

    fn rebuilt(&self, root: N) -> Threaded {
        let mut graph = Graph::new(self.fates.len());
        let mut new = vec![REJECT; self.fates.len()];
        let mut again = false;
        for n in 0..=root.0 {
            new[n as usize] = match self.fates[n as usize] {
                _ if n < 2 => N(n),
                Fate::Dead => REJECT,
                Fate::Skipped(next) => {
                    again = true;
                    new[next.0 as usize]
                }
                Fate::Kept { node, safe } => {
                    let (yes, no) = (new[node.yes.0 as usize], new[node.no.0 as usize]);
                    let before = graph.len();
                    let needless = yes == no && (safe || self.faults_anyway(&graph, node.what, yes));
                    let kept = if needless { yes } else { graph.node(node.what, yes, no) };
                    again |= graph.len() == before;
                    kept
                }
            };
        }
        Threaded { graph, root: new[root.0 as usize], again }
    }
}
