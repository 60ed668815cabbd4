//! What chains of tests (`sets.rs`) are replaced by: units that keep their order, then groups, as lists or trees.
//!
//! Chains whose groups ask the same of other values share them: each assigns its values to registers first.

use std::collections::HashMap;

use super::graph::{Graph, N, Pred, Values, What};
use super::tree::{Item, tree};
use crate::hash::Seeded;
use crate::ir::V;

/// A test, and whether it is its yes that leads on to the target.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ask {
    pub v: V,
    pub pred: Pred,
    pub yes: bool,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Unit {
    /// Its tests: `asks[start..end]`.
    pub start: usize,
    pub end: usize,
}

/// What a chain's nodes are replaced by.
pub(super) struct Plan {
    /// Units that keep their places.
    pub first: Vec<Unit>,
    pub groups: Vec<Group>,
    pub found: N,
    pub otherwise: N,
    pub shareable: bool,
    /// What stands for each group's values when the tests serve several contexts.
    pub registers: Option<Vec<Vec<V>>>,
}

#[derive(PartialEq, Eq)]
pub(super) enum Members {
    /// One value's, as ranges.
    Ranges(Vec<(u32, u32)>),
    /// Several values' numbers, one each; in order.
    Tuples(Vec<Vec<u32>>),
    /// One after the other: which value is asked what, and whether yes leads on.
    Listed(Vec<Vec<(usize, Pred, bool)>>),
}

pub(super) struct Group {
    pub values: Vec<V>,
    pub members: Members,
}

impl Group {
    /// Tests in it; none when they compare with other values of the packet.
    fn tests(&self) -> Option<usize> {
        match &self.members {
            Members::Ranges(ranges) => Some(ranges.len()),
            Members::Tuples(tuples) => Some(tuples.len() * self.values.len()),
            Members::Listed(units) => {
                let asks = || units.iter().flatten();
                (!asks().any(|(_, pred, _)| matches!(pred, Pred::With(..)))).then(|| asks().count())
            }
        }
    }
}

/// Gives registers to the groups of chains that have the same members and ends, where that is shorter.
pub(super) fn share(plans: &mut HashMap<u32, Plan, Seeded>, values: &mut Values<'_>) {
    // Two contexts load and test g values, t tests in all: 2 t + 2 g instructions, but the last group's tests behind its load are
    // one anyway. Sharing, each loads g and stores g - 1, one jumps, and t tests and g - 1 loads follow. Where a test
    // comes before the list, one value is still in A.
    let shareable = |plan: &Plan| {
        let tests = plan.groups.iter().map(Group::tests).sum::<Option<usize>>();
        let words: usize = plan.groups.iter().map(|group| group.values.len()).sum();
        let last = plan.groups.last().and_then(Group::tests).unwrap_or(0);
        let in_a = if plan.first.is_empty() { 0 } else { 2 };
        let shorter = |tests: usize| tests + 3 + in_a > 3 * words + last;
        plan.shareable && words <= WORDS && tests.is_some_and(shorter)
    };
    let mut heads: Vec<u32> = plans.iter().filter(|(_, plan)| shareable(plan)).map(|(head, _)| *head).collect();
    heads.sort_unstable_by(|a, b| b.cmp(a));
    let mut classes: Vec<Vec<u32>> = Vec::new();
    for head in heads {
        let plan = &plans[&head];
        let same = |class: &&mut Vec<u32>| {
            let other = &plans[&class[0]];
            let groups = || plan.groups.iter().zip(&other.groups);
            (plan.found, plan.otherwise) == (other.found, other.otherwise)
                && plan.groups.len() == other.groups.len()
                && groups().all(|(a, b)| a.values.len() == b.values.len() && a.members == b.members)
        };
        match classes.iter_mut().take(CLASSES).find(same) {
            Some(class) => class.push(head),
            None => classes.push(vec![head]),
        }
    }
    for class in classes.iter().filter(|class| class.len() > 1) {
        let shape: Vec<usize> = plans[&class[0]].groups.iter().map(|group| group.values.len()).collect();
        let mut registers = Vec::new();
        for (i, &words) in shape.iter().enumerate() {
            // A register may hold what any of the contexts gives it.
            let bits =
                |at: usize| class.iter().fold(0, |bits, head| bits | values.of(plans[head].groups[i].values[at]).bits);
            let bits: Vec<u32> = (0..words).map(bits).collect();
            registers.push(bits.into_iter().map(|bits| values.register(bits)).collect::<Vec<V>>());
        }
        for head in class {
            if let Some(plan) = plans.get_mut(head) {
                plan.registers = Some(registers.clone());
            }
        }
    }
}

/// Values that contexts may have to store.
const WORDS: usize = 8;
/// Kinds of lists that are compared with each new one.
const CLASSES: usize = 16;

/// Builds plans.
pub(super) struct Rebuild<'a, 'b> {
    pub graph: &'b mut Graph,
    pub values: &'b Values<'a>,
    pub asks: &'b [Ask],
}

impl Rebuild<'_, '_> {
    /// What stands for the chain, when it leads to these.
    pub(super) fn plan(&mut self, plan: &Plan, (found, otherwise): (N, N)) -> N {
        let mut next = otherwise;
        for (i, group) in plan.groups.iter().enumerate().rev() {
            let values = plan.registers.as_ref().map_or(&group.values, |registers| &registers[i]);
            next = match &group.members {
                Members::Ranges(ranges) => {
                    let items: Vec<Item> = ranges.iter().map(|&(lo, hi)| (lo, hi, found)).collect();
                    tree(self.graph, self.values, values[0], &items, next)
                }
                Members::Tuples(tuples) => self.tuples(values, tuples, 0, found, next),
                Members::Listed(units) => units.iter().rev().fold(next, |next, unit| {
                    let asks = unit.iter().map(|&(at, pred, yes)| Ask { v: values[at], pred, yes });
                    self.asks_in_turn(asks, found, next)
                }),
            };
        }
        if let Some(registers) = &plan.registers {
            let values = plan.groups.iter().flat_map(|group| &group.values);
            for (&value, &register) in values.zip(registers.iter().flatten()) {
                next = self.graph.node(What::Let(register, value), next, next);
            }
        }
        plan.first.iter().rev().fold(next, |next, &unit| self.unit(unit, found, next))
    }

    fn unit(&mut self, unit: Unit, found: N, otherwise: N) -> N {
        let asks = self.asks;
        self.asks_in_turn(asks[unit.start..unit.end].iter().copied(), found, otherwise)
    }

    fn asks_in_turn(&mut self, asks: impl DoubleEndedIterator<Item = Ask>, found: N, otherwise: N) -> N {
        asks.rev().fold(found, |on, ask| {
            let (yes, no) = if ask.yes { (on, otherwise) } else { (otherwise, on) };
            self.graph.node(What::Test(ask.v, ask.pred), yes, no)
        })
    }

    /// Trees within trees, as deep as a unit has tests.
    fn tuples(&mut self, values: &[V], tuples: &[Vec<u32>], depth: usize, found: N, otherwise: N) -> N {
        let Some(&v) = values.get(depth) else { return found };
        let mut items: Vec<Item> = Vec::new();
        for same in tuples.chunk_by(|a, b| a[depth] == b[depth]) {
            let next = self.tuples(values, same, depth + 1, found, otherwise);
            items.push((same[0][depth], same[0][depth], next));
        }
        tree(self.graph, self.values, v, &items, otherwise)
    }
}
