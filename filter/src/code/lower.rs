//! Ranges to what there are instructions for.
//!
//! An aligned block of numbers (a network's addresses) is one `and` and one `jeq`, which leaves the masked value in A; or two
//! comparisons, which leave the value itself. The second is taken when a question about the value itself follows.

use super::graph::{ACCEPT, Graph, N, Node, Pred, REJECT, Values, What};
use crate::ir::V;

/// The value that a node's question wants in A, and its mask.
fn wanted(node: Node) -> Option<(V, u32)> {
    match node.what {
        What::Test(v, Pred::Range(lo, hi)) => Some((v, !(lo ^ hi))),
        What::Test(v, Pred::Masked(mask, _)) => Some((v, mask)),
        What::Test(v, _) => Some((v, u32::MAX)),
        _ => None,
    }
}

/// The graph in which every [`Pred::Range`] is an aligned block, to be masked; none when it has no ranges.
pub(super) fn lower(graph: &Graph, root: N, values: &Values<'_>) -> Option<(Graph, N)> {
    let range_at = |n: u32| matches!(graph.get(N(n)).what, What::Test(_, Pred::Range(..)));
    if !(2..=root.0).any(range_at) {
        return None;
    }
    let mut used = vec![false; root.0 as usize + 1];
    used[root.0 as usize] = true;
    for n in (2..=root.0).rev() {
        if used[n as usize] {
            let node = graph.get(N(n));
            used[node.yes.0 as usize] = true;
            used[node.no.0 as usize] = true;
        }
    }
    let mut lowered = Graph::new(root.0 as usize);
    let mut new = vec![REJECT; root.0 as usize + 1];
    new[ACCEPT.0 as usize] = ACCEPT;
    for n in (2..=root.0).map(N) {
        if !used[n.0 as usize] {
            continue;
        }
        let Node { what, yes, no } = graph.get(n);
        let (yes, no) = (new[yes.0 as usize], new[no.0 as usize]);
        new[n.0 as usize] = match what {
            What::Test(v, Pred::Range(lo, hi)) => range(&mut lowered, values, v, (lo, hi), yes, no),
            _ => lowered.node(what, yes, no),
        };
    }
    Some((lowered, new[root.0 as usize]))
}

fn range(graph: &mut Graph, values: &Values<'_>, v: V, (lo, hi): (u32, u32), yes: N, no: N) -> N {
    let size = hi.wrapping_sub(lo);
    let aligned = size & size.wrapping_add(1) == 0 && lo & size == 0;
    let another = |n: N| wanted(graph.get(n)).is_some_and(|(w, mask)| w == v && mask != !size);
    if lo == hi {
        graph.node(What::Test(v, Pred::Eq(lo)), yes, no)
    } else if lo == 0 {
        graph.node(What::Test(v, Pred::Gt(hi)), no, yes)
    } else if hi >= values.of(v).bits {
        graph.node(What::Test(v, Pred::Ge(lo)), yes, no)
    } else if aligned && !another(yes) && !another(no) {
        graph.node(What::Test(v, Pred::Range(lo, hi)), yes, no)
    } else {
        let above = graph.node(What::Test(v, Pred::Gt(hi)), no, yes);
        graph.node(What::Test(v, Pred::Ge(lo)), above, no)
    }
}
