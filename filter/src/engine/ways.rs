//! Which instructions a table entry of a search stands for.
//!
//! ```text
//!      0: jgt 40                  entry   5      30     50
//!       /        \                ways    0 1 2  0 1 2  0 3
//! 1: jeq 5    3: jeq 50
//!   /    \      /    \            first   0; lists 1 2 and 3 3
//! yes 2: jeq 30 yes  no
//!      /    \
//!    yes    no
//! ```
//!
//! A search decides without looking at the comparisons, so whoever wants to know that they are still there compares those that A would
//! have come to: all that the values from an entry to the next one come to, in the program's order. As jumps lead forward, each is
//! behind one that leads to it. What all entries begin with is compared at once, the rest by lists, few of which are different: a
//! tree's leaf has one.

#![forbid(unsafe_code)]

use super::lower::{Label, chain};
use super::search::{Budget, Values, compares, split};
use crate::insn::Insn;

/// Instructions of the longest list.
const LONGEST: usize = 48;

/// The instructions on the ways through a tree.
#[derive(Debug)]
pub(super) struct Ways {
    /// What all entries stand for, in the program's order.
    pub(super) first: Vec<Label>,
    /// For each entry the number of the list that it stands for moreover.
    list: Vec<u32>,
    /// All equally long.
    lists: Vec<Vec<Label>>,
    pub(super) form: Form,
}

/// How the lists are to be understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// Instructions in the program's order. Only when one was found equal the next may be read.
    Each,
    /// Pairs of instructions that begin there, in any order; at the last number so many pairs, one behind the other. The program has
    /// all of them. What is compared without need lies between instructions that are.
    Pairs {
        /// At least 1.
        run: i32,
    },
}

impl Ways {
    /// The ways through the tree from `root` on, for `table`. `None`: too long, or too much work to find.
    pub(super) fn of(
        program: &[Insn],
        target: &[Label],
        root: Label,
        table: &[u32],
        budget: &mut Budget,
    ) -> Option<Ways> {
        let mut lists: Vec<Vec<Label>> = Vec::new();
        let mut list = Vec::with_capacity(table.len());
        for (entry, &from) in table.iter().enumerate() {
            // What is below all entries is looked up at the first.
            let from = if entry == 0 { 0 } else { from };
            let to = table.get(entry + 1).map_or(u32::MAX, |next| next - 1);
            let way = way(program, target, root, (from, to), budget)?;
            if lists.last() != Some(&way) {
                lists.push(way);
            }
            list.push(lists.len() as u32 - 1);
        }
        let common = |a: &[Label], b: &[Label]| a.iter().zip(b).take_while(|(a, b)| a == b).count();
        let begin = lists.iter().map(|way| common(way, &lists[0])).min()?;
        let first = lists[0][..begin].to_vec();
        let longest = lists.iter().map(Vec::len).max()? - begin;
        if longest > LONGEST {
            return None;
        }
        for way in &mut lists {
            // Where a way ends in what all begin with, that is compared again.
            let last = *way.last()?;
            way.drain(..begin);
            way.resize(longest, last);
        }
        Some(Ways { first, list, lists, form: Form::Each })
    }

    /// Numbers of a list.
    pub(super) fn numbers(&self) -> usize {
        self.lists.first().map_or(0, Vec::len)
    }

    /// Instructions that a list compares.
    pub(super) fn instructions(&self) -> usize {
        match self.form {
            Form::Each => self.numbers(),
            Form::Pairs { run } => 2 * (self.numbers() - 1 + run as usize),
        }
    }

    /// Changes to pairs when it is known that the program has all instructions before `proven`.
    pub(super) fn join(&mut self, proven: Label) {
        let behind = |list: &Vec<Label>| list.last().is_none_or(|&last| last >= proven);
        if self.lists.iter().any(behind) {
            return;
        }
        // A number costs a load more than a pair.
        let cost = |run: usize, lists: &[Vec<Label>]| 4 * lists[0].len() + 3 * run;
        let of =
            |run| Some((run, equally_long(self.lists.iter().map(|list| pairs(list, run)).collect::<Option<_>>()?)));
        let best = (1..=LONGEST / 2).filter_map(of).min_by_key(|(run, lists)| cost(*run, lists));
        if let Some((run, lists)) = best {
            self.lists = lists;
            self.form = Form::Pairs { run: run as i32 };
        }
    }

    /// `table`, and for each entry how many bytes behind it its list begins; then the lists, 16 bytes apart or a multiple: the
    /// instructions first and the numbers behind them.
    pub(super) fn behind(&self, table: &[u32], program: &[Insn]) -> Vec<u32> {
        const UNIT: usize = 4;
        let list_len = (2 * self.instructions() + self.numbers()).next_multiple_of(UNIT);
        let begin = (2 * table.len()).next_multiple_of(UNIT);
        let mut memory = table.to_vec();
        let at = |(entry, &list): (usize, &u32)| 4 * (begin + list as usize * list_len - entry) as u32;
        memory.extend(self.list.iter().enumerate().map(at));
        memory.resize(begin, 0);
        for list in &self.lists {
            for (number, &label) in list.iter().enumerate() {
                let len = match self.form {
                    Form::Each => 1,
                    Form::Pairs { run } if number + 1 == list.len() => 2 * run as usize,
                    Form::Pairs { .. } => 2,
                };
                let compared = &program[label as usize..][..len];
                memory.extend(compared.iter().flat_map(|&insn| words(insn)));
            }
            memory.extend(list);
            memory.resize(memory.len().next_multiple_of(UNIT), 0);
        }
        memory
    }
}

/// The beginnings of pairs with all instructions of `list`; the last is that of `run` pairs, which end with its last instruction. `None`:
/// there are not so many.
fn pairs(list: &[Label], run: usize) -> Option<Vec<Label>> {
    let last = *list.last()?;
    let run = (last + 1).checked_sub(2 * run as Label)?;
    let mut pairs: Vec<Label> = Vec::new();
    for &label in list.iter().take_while(|&&label| label < run) {
        if pairs.last().is_none_or(|pair| pair + 1 < label) {
            pairs.push(label);
        }
    }
    pairs.push(run);
    Some(pairs)
}

/// The lists with their first numbers repeated.
fn equally_long(mut lists: Vec<Vec<Label>>) -> Vec<Vec<Label>> {
    let longest = lists.iter().map(Vec::len).max().unwrap_or(0);
    for list in &mut lists {
        let missing = longest - list.len();
        list.splice(..0, std::iter::repeat_n(list[0], missing));
    }
    lists
}

/// An instruction as two words of memory, where numbers begin with their low byte.
pub(super) fn words(insn: Insn) -> [u32; 2] {
    [u32::from(insn.code) | u32::from(insn.jt) << 16 | u32::from(insn.jf) << 24, insn.k]
}

/// What values from the first to the second come to.
fn way(program: &[Insn], target: &[Label], root: Label, values: (u32, u32), budget: &mut Budget) -> Option<Vec<Label>> {
    let mut way = Vec::new();
    let mut open: Vec<(Label, Values)> = vec![(root, vec![values])];
    while let Some((label, values)) = open.pop() {
        budget.spend(1)?;
        way.extend(chain(program, target, label));
        let at = target[label as usize];
        let insn = program[at as usize];
        if !compares(&insn) {
            continue;
        }
        way.push(at);
        let (yes, no) = split(values, &insn);
        for (values, skip) in [(yes, insn.jt), (no, insn.jf)] {
            if !values.is_empty() {
                open.push((at + 1 + Label::from(skip), values));
            }
        }
    }
    way.sort_unstable();
    way.dedup();
    Some(way)
}
