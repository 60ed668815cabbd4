//! Lists of alternatives: `host a or host b or …`, ports, networks, their negations, whatever they came from.
//!
//! # What is looked for
//! Where the other contexts have been threaded away, such a list is a *chain* of *units*. A unit is a few tests that
//! all must hold to come to the chain's target T; where one fails, the next unit follows:
//!
//! ```text
//! src = a ──no── dst = a ──no── src = b ──no── dst = b ──no── …  E        units of one test
//!    └──────────────┴─────yes──────┴──────────────┴───────────►  T
//! ```
//!
//! `yes` and `no` may be exchanged, in any unit: the chain of `not … and not …` leads to the other end.
//!
//! # What is done with it
//! Units may change places once none of them can fault any more: when dst has been loaded above, src has, too. What comes
//! before stays in its order (a packet cut between the two is accepted for its source alone), unless T refuses. The free units are grouped
//! by what they test, the value that was loaded last first; so each value is loaded once. A group of many becomes a search
//! tree over all its numbers (`tree.rs`), or, when its units test several values each, a tree for the first whose leaves are
//! trees for the second.
//!
//! The same list often stands in several contexts (IPv4 and ARP, IPv6 and IPv4), with other values. Then each context
//! assigns its values to registers, and one tree serves them all.
//!
//! Dropped: trees without the distinction of free units; they accept cut packets that libpcap refuses.

use std::collections::HashMap;

use super::graph::{Graph, N, Node, Pred, REJECT, Values, What};
use super::plan::{Ask, Group, Members, Plan, Rebuild, Unit, share};
use super::tree::union;
use crate::hash::Seeded;
use crate::ir::{Size, V, Value};

/// Tests of one unit.
const UNIT: usize = 8;
/// Ranges from which on a group is searched in a tree.
const MANY: usize = 10;

/// Units up to which a chain that is left alone may be part of another.
const TRIED: usize = 64;

struct Chain {
    units: Vec<Unit>,
    found: N,
    otherwise: N,
}

struct Sets<'a, 'b> {
    graph: &'b Graph,
    values: &'b Values<'a>,
    /// Edges into each node that can be reached.
    incoming: Vec<u32>,
    /// Bytes that the packet is known to have there.
    bytes: Vec<u32>,
    /// Nodes that belong to a chain.
    taken: Vec<bool>,
    /// Nodes that give way to a plan.
    replaced: Vec<bool>,
    asks: Vec<Ask>,
    /// Nodes that ask each value; counted up to 255.
    asked: Vec<u8>,
}

/// The graph with its lists of alternatives regrouped; none when it has none.
pub(super) fn regroup(graph: &Graph, root: N, values: &mut Values<'_>) -> Option<(Graph, N)> {
    let mut plans = {
        let mut sets = Sets::new(graph, root, values);
        let mut plans = HashMap::with_hasher(Seeded::default());
        for n in (2..=root.0).rev().map(N) {
            if sets.incoming[n.0 as usize] == 0 || sets.taken[n.0 as usize] || !sets.is_asked_again(n) {
                continue;
            }
            if let Some(plan) = sets.chain(n).and_then(|chain| sets.plan(n, chain)) {
                plans.insert(n.0, plan);
            }
        }
        if plans.is_empty() {
            return None;
        }
        (plans, sets.asks, sets.incoming, sets.replaced)
    };
    share(&mut plans.0, values);
    let (plans, asks, incoming, replaced) = plans;
    let mut new = vec![REJECT; root.0 as usize + 1];
    let mut regrouped = Graph::new(graph.len());
    for n in 1..=root.0 {
        if incoming[n as usize] == 0 {
            continue;
        }
        let at = |n: N| new[n.0 as usize];
        let node = graph.get(N(n));
        new[n as usize] = match plans.get(&n) {
            Some(plan) => {
                let ends = (at(plan.found), at(plan.otherwise));
                Rebuild { graph: &mut regrouped, values, asks: &asks }.plan(plan, ends)
            }
            None if n == 1 => N(1),
            None if replaced[n as usize] => continue,
            None => regrouped.node(node.what, at(node.yes), at(node.no)),
        };
    }
    Some((regrouped, new[root.0 as usize]))
}

impl<'a, 'b> Sets<'a, 'b> {
    fn new(graph: &'b Graph, root: N, values: &'b Values<'a>) -> Sets<'a, 'b> {
        let nodes = root.0 as usize + 1;
        let (mut incoming, mut bytes) = (vec![0; nodes], vec![u32::MAX; nodes]);
        let mut asked = vec![0u8; values.len()];
        incoming[root.0 as usize] = 1;
        bytes[root.0 as usize] = 0;
        for n in (2..nodes).rev() {
            if incoming[n] == 0 {
                continue;
            }
            let Node { what, yes, no } = graph.get(N(n as u32));
            let mut after = bytes[n];
            if let What::Test(v, _) | What::Eval(v) | What::Let(_, v) = what {
                after = after.max(values.of(v).proves);
                let asked = &mut asked[v.0 as usize];
                *asked = asked.saturating_add(1);
            }
            for next in [yes, no].map(|n| n.0 as usize) {
                incoming[next] += 1;
                bytes[next] = bytes[next].min(after);
            }
        }
        Sets {
            graph,
            values,
            incoming,
            bytes,
            taken: vec![false; nodes],
            replaced: vec![false; nodes],
            asks: Vec::new(),
            asked,
        }
    }

    /// Only where a value is asked several times is there anything to group; a chain is also found from its second unit on.
    fn is_asked_again(&self, n: N) -> bool {
        match self.graph.get(n).what {
            What::Test(v, _) => self.asked[v.0 as usize] > 1,
            _ => false,
        }
    }

    /// The unit that begins at `n` and whose tests all lead to `otherwise` when they fail; and where it leads else.
    fn unit(&mut self, n: N, otherwise: N, found: Option<N>) -> Option<(Unit, N)> {
        let start = self.asks.len();
        let mut n = n;
        loop {
            let Node { what: What::Test(v, pred), yes, no } = self.graph.get(n) else { return None };
            let next = if no == otherwise { yes } else { no };
            self.asks.push(Ask { v, pred, yes: no == otherwise });
            let unit = Unit { start, end: self.asks.len() };
            let node = self.graph.get(next);
            let goes_on = self.incoming[next.0 as usize] == 1
                && next.0 > 1
                && !self.taken[next.0 as usize]
                && matches!(node.what, What::Test(..))
                && (node.yes == otherwise || node.no == otherwise)
                && unit.end - start < UNIT;
            match found {
                Some(found) if next == found => return Some((unit, next)),
                _ if goes_on => n = next,
                None => return Some((unit, next)),
                Some(_) => {
                    self.asks.truncate(start);
                    return None;
                }
            }
        }
    }

    /// The longest chain from `head` on, when it has several units and some of them test the same value.
    fn chain(&mut self, head: N) -> Option<Chain> {
        let Node { what: What::Test(..), yes, no } = self.graph.get(head) else { return None };
        let chains = [self.chain_with(head, no), self.chain_with(head, yes)];
        let chain = chains.into_iter().flatten().max_by_key(|chain| chain.units.len())?;
        let first = |unit: &Unit| self.asks[unit.start].v;
        let again =
            |(i, unit): (usize, &Unit)| chain.units[..i].iter().rev().take(4).any(|other| first(other) == first(unit));
        let grouped = chain.units.len() >= MANY || chain.units.iter().enumerate().any(again);
        if chain.units.len() < 3 || !grouped { None } else { Some(chain) }
    }

    fn chain_with(&mut self, head: N, otherwise: N) -> Option<Chain> {
        let (first, found) = self.unit(head, otherwise, None)?;
        if otherwise.0 < 2 {
            return None;
        }
        let mut chain = Chain { units: vec![first], found, otherwise };
        loop {
            let at = chain.otherwise;
            let last = chain.units[chain.units.len() - 1];
            let alone = self.incoming[at.0 as usize] as usize == last.end - last.start;
            if at.0 < 2 || !alone || at == found || self.taken[at.0 as usize] {
                return Some(chain);
            }
            let Node { what: What::Test(..), yes, no } = self.graph.get(at) else { return Some(chain) };
            let next = [no, yes].into_iter().filter(|&otherwise| otherwise != found);
            let unit = next.map(|otherwise| (self.unit(at, otherwise, Some(found)), otherwise));
            let Some((Some((unit, _)), otherwise)) = unit.into_iter().find(|(unit, _)| unit.is_some()) else {
                return Some(chain);
            };
            chain.units.push(unit);
            chain.otherwise = otherwise;
        }
    }

    fn plan(&mut self, head: N, chain: Chain) -> Option<Plan> {
        if chain.units.len() > TRIED {
            self.each_node(head, &chain, |this, n| this.taken[n] = true);
        }
        // Before a refusal nothing counts: what is found and what faults are refused alike, in any order.
        let refuses = chain.found == REJECT;
        let free = if refuses { 0 } else { self.free(head, &chain) };
        let units = &chain.units[free..];
        // Groups by what their units test, in the order of their first units.
        let mut numbers: HashMap<(bool, Vec<V>), usize, Seeded> = HashMap::default();
        let mut groups: Vec<Vec<Unit>> = Vec::new();
        let (mut changes, mut last) = (0, usize::MAX);
        for &unit in units {
            let asks = &self.asks[unit.start..unit.end];
            let key = (self.countable(asks), values_of(asks));
            let group = *numbers.entry(key).or_insert(groups.len());
            if group == groups.len() {
                groups.push(Vec::new());
            }
            groups[group].push(unit);
            changes += usize::from(group != last);
            last = group;
        }
        if changes == groups.len() && groups.iter().all(|group| group.len() < MANY) {
            return None;
        }
        self.each_node(head, &chain, |this, n| (this.taken[n], this.replaced[n]) = (true, true));
        let groups: Vec<Group> = groups.into_iter().map(|units| self.group(&units)).collect();
        // To share, all values are computed beforehand; a unit's second one might fault that is not asked for.
        let shareable = !refuses || groups.iter().all(|group| group.values.len() == 1);
        let first = chain.units[..free].to_vec();
        Some(Plan { first, groups, found: chain.found, otherwise: chain.otherwise, shareable, registers: None })
    }

    fn each_node(&mut self, head: N, chain: &Chain, mut mark: impl FnMut(&mut Self, usize)) {
        let mut n = head;
        for unit in &chain.units {
            let mut next = n;
            for i in unit.start..unit.end {
                mark(self, next.0 as usize);
                let node = self.graph.get(next);
                let (on, off) = if self.asks[i].yes { (node.yes, node.no) } else { (node.no, node.yes) };
                (next, n) = (on, off);
            }
        }
    }

    /// The first unit from which on all may change places: its own first value must be tested first, then nothing can fault.
    fn free(&self, head: N, chain: &Chain) -> usize {
        // What the first tests of the units above have computed, by value and, for loads, by how far they reach from their base.
        let mut computed: HashMap<V, usize, Seeded> = HashMap::default();
        let mut reached: HashMap<Option<V>, Vec<(u64, usize)>, Seeded> = HashMap::default();
        reached.insert(None, vec![(u64::from(self.bytes[head.0 as usize]), 0)]);
        for (at, unit) in chain.units.iter().enumerate() {
            let v = self.asks[unit.start].v;
            computed.entry(v).or_insert(at + 1);
            let mut reach = |base: Option<V>, end: u64| {
                let ends = reached.entry(base).or_default();
                if ends.last().is_none_or(|last| last.0 < end) {
                    ends.push((end, at + 1));
                }
            };
            if let Some((base, end)) = self.extent(v) {
                reach(base, end);
            }
            reach(None, u64::from(self.values.of(v).proves));
        }
        let first_safe = |v: V| {
            let by_reach = |base: Option<V>, end: u64| {
                let ends = reached.get(&base)?;
                ends.get(ends.partition_point(|reached| reached.0 < end)).map(|reached| reached.1)
            };
            let needs = self.values.of(v).needs;
            let whole = if needs == u32::MAX { None } else { by_reach(None, u64::from(needs)) };
            let load = self.extent(v).and_then(|(base, end)| by_reach(base, end));
            [computed.get(&v).copied(), whole, load].into_iter().flatten().min().unwrap_or(usize::MAX)
        };
        let mut free = chain.units.len();
        let mut safe_from = 0;
        let both = |ask: &Ask| match ask.pred {
            Pred::With(_, b) => first_safe(ask.v).max(first_safe(b)),
            _ => first_safe(ask.v),
        };
        for (at, unit) in chain.units.iter().enumerate().rev() {
            let mut asks = self.asks[unit.start..unit.end].iter();
            let first = asks.next().map_or(0, both);
            safe_from = asks.map(both).fold(safe_from, usize::max);
            // Its own first test is made first of all, and may be what makes the others safe.
            if safe_from <= at + 1 && first <= at + 1 {
                free = at;
            }
            safe_from = safe_from.max(first);
            if safe_from > at {
                break;
            }
        }
        free
    }

    /// A load's base, and its end behind that.
    fn extent(&self, v: V) -> Option<(Option<V>, u64)> {
        match self.values.get(v)? {
            Value::Load { size, base: Some(base), offset } => {
                let bytes = match size {
                    Size::B => 1,
                    Size::H => 2,
                    Size::W => 4,
                };
                Some((Some(base), u64::from(offset) + bytes))
            }
            _ => None,
        }
    }

    /// Whether a unit's tests pick ranges of one value, or one number of each of several.
    fn countable(&self, asks: &[Ask]) -> bool {
        let ranges = |ask: &Ask| {
            let bits = self.values.of(ask.v).bits;
            matches!(ask.pred, Pred::Eq(_) | Pred::Gt(_) | Pred::Ge(_) | Pred::Range(..))
                && bits & bits.wrapping_add(1) == 0
        };
        if asks.iter().all(|ask| ask.v == asks[0].v) {
            return asks.iter().all(ranges);
        }
        let numbers = asks.iter().all(|ask| ask.yes && matches!(ask.pred, Pred::Eq(_)));
        numbers && values_of(asks).len() == asks.len()
    }

    fn group(&self, units: &[Unit]) -> Group {
        let asks = |unit: &Unit| &self.asks[unit.start..unit.end];
        let values = values_of(asks(&units[0]));
        let members = if units.len() < MANY || !self.countable(asks(&units[0])) {
            let listed = |unit: &Unit| {
                let at = |v: V| values.iter().position(|&w| w == v).unwrap_or(0);
                asks(unit).iter().map(|ask| (at(ask.v), ask.pred, ask.yes)).collect()
            };
            Members::Listed(units.iter().map(listed).collect())
        } else if values.len() == 1 {
            Members::Ranges(union(units.iter().flat_map(|unit| self.ranges(asks(unit))).collect()))
        } else {
            let number = |ask: &Ask| match ask.pred {
                Pred::Eq(k) => k,
                _ => 0,
            };
            let mut tuples: Vec<Vec<u32>> = units.iter().map(|unit| asks(unit).iter().map(number).collect()).collect();
            tuples.sort_unstable();
            tuples.dedup();
            Members::Tuples(tuples)
        };
        Group { values, members }
    }

    /// The numbers for which all these tests of one value lead on.
    fn ranges(&self, asks: &[Ask]) -> impl Iterator<Item = (u32, u32)> {
        let of = |ask: &Ask| self.ranges_of_one(*ask);
        let (first, rest) = asks.split_at(1);
        let mut ranges = of(&first[0]);
        for ask in rest {
            let more = of(ask);
            let overlaps = ranges.iter().flat_map(|a| more.iter().map(|b| (a.0.max(b.0), a.1.min(b.1))));
            ranges = overlaps.filter(|(lo, hi)| lo <= hi).collect();
        }
        ranges.into_iter()
    }

    /// The numbers for which a test leads on.
    fn ranges_of_one(&self, ask: Ask) -> Vec<(u32, u32)> {
        let top = self.values.of(ask.v).bits;
        let (lo, hi) = match ask.pred {
            Pred::Eq(k) => (k, k),
            Pred::Range(lo, hi) => (lo, hi),
            Pred::Gt(k) if k == u32::MAX => (1, 0),
            Pred::Gt(k) => (k + 1, u32::MAX),
            Pred::Ge(k) => (k, u32::MAX),
            Pred::Any(_) | Pred::Masked(..) | Pred::With(..) => (1, 0),
        };
        let mut ranges = Vec::with_capacity(2);
        if ask.yes {
            ranges.push((lo, hi.min(top)));
        } else if lo > hi {
            ranges.push((0, top));
        } else {
            if lo > 0 {
                ranges.push((0, (lo - 1).min(top)));
            }
            if hi < top {
                ranges.push((hi + 1, top));
            }
        }
        ranges.retain(|(lo, hi)| lo <= hi);
        ranges
    }
}

/// The values that are asked, each once.
fn values_of(asks: &[Ask]) -> Vec<V> {
    let mut values = Vec::with_capacity(asks.len());
    for ask in asks {
        if !values.contains(&ask.v) {
            values.push(ask.v);
        }
    }
    values
}
