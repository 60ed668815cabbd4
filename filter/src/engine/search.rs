//! Search trees: many comparisons of one A with constants, two ways out.
//!
//! ```text
//!         jgt 40                 table   0  5  6  30  31  50  51
//!       /        \               goes    n  y  n   y   n   y   n
//!    jeq 5      jeq 50
//!   /    \      /    \           the last entry that is not above A decides, by its parity
//! yes  jeq 30 yes    no
//!      /    \
//!    yes    no
//! ```
//!
//! A set of hosts, networks or ports compiles to such a tree, or to a chain of `jeq` (libpcap's way). As branches each level of it is
//! guessed wrong every second time when the packets' addresses have no pattern, at 4 or 5 ns a guess. As a table that is searched by
//! halves with conditional moves the same costs a load and a comparison. When one way out is taken for single values only, the table
//! has just these, and an entry that equals A decides.

#![forbid(unsafe_code)]

use super::lower::Label;
use super::ways::Ways;
use crate::engine::opcode::*;
use crate::insn::Insn;
use std::collections::{BTreeMap, HashMap};

/// Comparisons from which on a table pays.
const FEWEST: usize = 8;

/// A table, and what it decides between.
#[derive(Debug)]
pub(super) struct Search {
    /// Ascending, without repetitions, not empty.
    pub(super) table: Vec<u32>,
    pub(super) by: Decision,
    pub(super) yes: Label,
    pub(super) no: Label,
    /// Which instructions each entry stands for, where they are checked.
    pub(super) ways: Option<Ways>,
}

/// How the last entry that is not above A (the first when all are) decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Decision {
    /// Yes when it equals A.
    Equality,
    /// Yes when its number is odd. The first entry is 0.
    Parity,
}

/// The searches of a program.
#[derive(Debug, Default)]
pub(super) struct Searches {
    pub(super) all: Vec<Search>,
    at: HashMap<Label, usize>,
}

/// How much work may still be spent on looking for trees: a program can be written so that none is found and the looking is quadratic.
pub(super) struct Budget(usize);

impl Budget {
    pub(super) fn of(program: &[Insn]) -> Budget {
        Budget(32 * program.len() + 4096)
    }

    pub(super) fn spend(&mut self, work: usize) -> Option<()> {
        self.0 = self.0.checked_sub(work)?;
        Some(())
    }
}

/// Values of A, as ranges with both ends, ascending and apart.
pub(super) type Values = Vec<(u32, u32)>;

impl Searches {
    /// The number of the search that stands for the tree from this instruction on.
    pub(super) fn at(&self, root: Label) -> Option<usize> {
        self.at.get(&root).copied()
    }

    /// Makes a search of the tree from `root` on, if there is one. `target` says where jumps lead, `checked` whether the instructions
    /// that it stands for are asked for.
    pub(super) fn find(
        &mut self,
        program: &[Insn],
        target: &[Label],
        root: Label,
        checked: bool,
        budget: &mut Budget,
    ) -> Option<&Search> {
        let mut search = search(program, target, root, budget)?;
        if checked {
            search.ways = Some(Ways::of(program, target, root, &search.table, budget)?);
        }
        self.at.insert(root, self.all.len());
        self.all.push(search);
        self.all.last()
    }
}

fn search(program: &[Insn], target: &[Label], root: Label, budget: &mut Budget) -> Option<Search> {
    let inner = |label: Label| program.get(label as usize).is_some_and(compares);
    // Which values come to which comparison; jumps lead forward, so the first is complete.
    let mut open: BTreeMap<Label, Values> = BTreeMap::new();
    let mut exits: Vec<(Label, Values)> = Vec::new();
    let mut comparisons = 0;
    if !inner(root) {
        return None;
    }
    open.insert(root, vec![(0, u32::MAX)]);
    while let Some((label, values)) = open.pop_first() {
        comparisons += 1;
        let at = label as usize;
        let insn = program[at];
        budget.spend(1 + values.len() / 128)?;
        let (yes, no) = split(values, &insn);
        for (values, skip) in [(yes, insn.jt), (no, insn.jf)] {
            if values.is_empty() {
                continue;
            }
            let to = target[at + 1 + usize::from(skip)];
            if inner(to) {
                let there = open.entry(to).or_default();
                if there.is_empty() {
                    *there = values;
                } else {
                    budget.spend(there.len() + values.len())?;
                    there.extend(values);
                    tidy(there);
                }
            } else if let Some((_, there)) = exits.iter_mut().find(|(exit, _)| *exit == to) {
                there.extend(values);
            } else if exits.len() < 2 {
                exits.push((to, values));
            } else {
                return None;
            }
        }
    }
    let [(yes, mut some), (no, mut others)] = <[_; 2]>::try_from(exits).ok()?;
    tidy(&mut some);
    tidy(&mut others);
    if comparisons < FEWEST {
        return None;
    }
    let single = |values: &Values| values.iter().all(|(first, last)| first == last);
    Some(if single(&some) {
        Search { table: starts(&some), by: Decision::Equality, yes, no, ways: None }
    } else if single(&others) {
        Search { table: starts(&others), by: Decision::Equality, yes: no, no: yes, ways: None }
    } else {
        let zero_goes_to_some = some[0].0 == 0;
        let mut table: Vec<u32> = some.iter().chain(&others).map(|range| range.0).collect();
        table.sort_unstable();
        let (yes, no) = if zero_goes_to_some { (no, yes) } else { (yes, no) };
        Search { table, by: Decision::Parity, yes, no, ways: None }
    })
}

/// Whether it compares A with a constant, so that it can be part of a tree.
pub(super) fn compares(insn: &Insn) -> bool {
    matches!(insn.code, JEQ_K | JGT_K | JGE_K)
}

fn starts(values: &Values) -> Vec<u32> {
    values.iter().map(|range| range.0).collect()
}

/// The values for which `insn`'s test holds, and the others.
pub(super) fn split(mut values: Values, insn: &Insn) -> (Values, Values) {
    let k = insn.k;
    match insn.code {
        JEQ_K => {
            let at = values.partition_point(|range| range.1 < k);
            match values.get(at).copied() {
                Some((first, last)) if first <= k => {
                    let below = (first < k).then(|| (first, k - 1));
                    let above = (k < last).then(|| (k + 1, last));
                    values.splice(at..=at, below.into_iter().chain(above));
                    (vec![(k, k)], values)
                }
                _ => (Vec::new(), values),
            }
        }
        JGT_K => match k.checked_add(1) {
            Some(first) => (upper(&mut values, first), values),
            None => (Vec::new(), values),
        },
        // JGE_K
        _ => (upper(&mut values, k), values),
    }
}

/// Takes the values from `k` on out of `values`.
fn upper(values: &mut Values, k: u32) -> Values {
    let mut upper = values.split_off(values.partition_point(|range| range.1 < k));
    if let Some(range) = upper.first_mut().filter(|range| range.0 < k) {
        values.push((range.0, k - 1));
        range.0 = k;
    }
    upper
}

/// Sorts ranges, none of which overlap, and joins those that touch.
fn tidy(values: &mut Values) {
    values.sort_unstable();
    values.dedup_by(|next, range| {
        let touches = range.1.checked_add(1) == Some(next.0);
        if touches {
            range.1 = next.1;
        }
        touches
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the search says, as an emitter has to do it.
    fn says(search: &Search, a: u32) -> Label {
        let at = search.table.partition_point(|&entry| entry <= a).saturating_sub(1);
        let yes = match search.by {
            Decision::Equality => search.table[at] == a,
            Decision::Parity => at % 2 == 1,
        };
        if yes { search.yes } else { search.no }
    }

    /// What the comparisons say.
    fn walk(program: &[Insn], a: u32) -> Label {
        let mut at = 0;
        loop {
            let insn = program[at];
            let test = match insn.code {
                JEQ_K => a == insn.k,
                JGT_K => a > insn.k,
                JGE_K => a >= insn.k,
                _ => return at as Label,
            };
            at += 1 + usize::from(if test { insn.jt } else { insn.jf });
        }
    }

    #[test]
    fn random_trees_say_what_their_comparisons_say() {
        let mut random = crate::engine::programs::Random::new(11);
        let (mut equality, mut parity) = (0, 0);
        for _ in 0..2_000 {
            // Jumps to comparisons further on, or to one of the two returns at the end.
            let len = random.below(60) + 8;
            let mut program: Vec<Insn> = (0..len)
                .map(|at| {
                    let left = (len - at - 1) as u8;
                    let mut skip = || match random.below(3) {
                        0 => left + random.below(2) as u8,
                        1 => random.below(u32::from(left) + 1) as u8,
                        _ => 0,
                    };
                    let (jt, jf) = (skip(), skip());
                    let code = [JEQ_K, JEQ_K, JGT_K, JGE_K][random.below(4) as usize];
                    let k = [random.below(40), random.word()][random.below(2) as usize];
                    Insn::jump(code, k, jt, jf)
                })
                .collect();
            program.extend([Insn::new(RET_K, 0), Insn::new(RET_K, 1)]);
            let target: Vec<Label> = (0..program.len() as Label).collect();
            let Some(found) = search(&program, &target, 0, &mut Budget::of(&program)) else { continue };
            *(if found.by == Decision::Equality { &mut equality } else { &mut parity }) += 1;
            let near = program.iter().flat_map(|insn| [insn.k.wrapping_sub(1), insn.k, insn.k.wrapping_add(1)]);
            for a in near.chain([0, u32::MAX]).chain(0..50) {
                assert_eq!(says(&found, a), walk(&program, a), "{a} in {found:?} of {program:?}");
            }
        }
        assert!(equality > 20 && parity > 100, "{equality} {parity}");
    }

    #[test]
    fn a_third_way_out_is_no_search() {
        let mut program: Vec<Insn> = (0..10).map(|k| Insn::jump(JEQ_K, k, 9 - k as u8, 0)).collect();
        program.extend((0..3).map(|k| Insn::new(RET_K, k)));
        program[9].jf = 1;
        let target: Vec<Label> = (0..13).collect();
        assert!(search(&program, &target, 0, &mut Budget::of(&program)).is_some());
        program[5].jt = 6;
        assert!(search(&program, &target, 0, &mut Budget::of(&program)).is_none());
    }

    #[test]
    fn looking_ends_when_the_budget_does() {
        let mut program: Vec<Insn> = (0..200).map(|k| Insn::jump(JEQ_K, k, 200 - k as u8, 0)).collect();
        program.extend((0..2).map(|k| Insn::new(RET_K, k)));
        let target: Vec<Label> = (0..202).collect();
        assert!(search(&program, &target, 0, &mut Budget(1000)).is_some());
        assert!(search(&program, &target, 0, &mut Budget(100)).is_none());
    }
}
