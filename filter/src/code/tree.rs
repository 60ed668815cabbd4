//! Sets of numbers as search trees.

use super::graph::{Graph, N, Pred, Values, What};
use crate::ir::V;

/// Numbers from the first to the second, and where they lead.
pub(super) type Item = (u32, u32, N);

/// Items that are compared one after the other at a tree's leaf: branches that are rarely taken cost less than one that can't be
/// guessed, and the program is an eighth shorter than with three.
const LEAF: usize = 7;

/// Ranges that lead to one place, in order, overlapping and adjacent ones joined.
pub(super) fn union(mut ranges: Vec<(u32, u32)>) -> Vec<(u32, u32)> {
    ranges.sort_unstable();
    let mut joined: Vec<(u32, u32)> = Vec::with_capacity(ranges.len());
    for (lo, hi) in ranges {
        match joined.last_mut() {
            Some(last) if last.1 == u32::MAX || lo <= last.1 + 1 => last.1 = last.1.max(hi),
            _ => joined.push((lo, hi)),
        }
    }
    joined
}

/// Nodes that find which of `items` the value is in; they are in order and do not overlap. Elsewhere: `default`.
pub(super) fn tree(graph: &mut Graph, values: &Values<'_>, v: V, items: &[Item], default: N) -> N {
    part(graph, v, items, (0, values.of(v).bits), default)
}

/// The tree of a part, for values between these bounds. Its depth is the logarithm of their number.
fn part(graph: &mut Graph, v: V, items: &[Item], (lo, hi): (u32, u32), default: N) -> N {
    if items.len() > LEAF {
        let (left, right) = items.split_at(items.len() / 2);
        let middle = right[0].0;
        let right = part(graph, v, right, (middle, hi), default);
        let left = part(graph, v, left, (lo, middle - 1), default);
        return graph.node(What::Test(v, Pred::Ge(middle)), right, left);
    }
    let mut next = default;
    for &(first, last, found) in items.iter().rev() {
        next = if first == last {
            graph.node(What::Test(v, Pred::Eq(first)), found, next)
        } else {
            let below_end = match last < hi {
                true => graph.node(What::Test(v, Pred::Gt(last)), next, found),
                false => found,
            };
            match first > lo {
                true => graph.node(What::Test(v, Pred::Ge(first)), below_end, next),
                false => below_end,
            }
        };
    }
    next
}
