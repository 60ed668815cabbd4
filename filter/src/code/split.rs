//! Mixed lists: `host a or port b or host c or port d or …`.
//!
//! Behind each term the ways meet again, and the next one asks once more for the protocol and for fragments. Here those
//! questions, which come again and again, are asked once: a node is built once for each combination of their answers that leads
//! to it, without the questions that are answered. What remains in each context is a plain list for `sets.rs`. Contexts in which
//! the rest is the same are one again at once, for equal nodes are.
//!
//! A question that has been answered has been computed, so leaving out the next one leaves out no fault.

use std::collections::HashMap;

use super::graph::{Graph, N, Node, Pred, REJECT, What};
use crate::hash::Seeded;
use crate::ir::V;

/// Nodes that ask one question, for it to be worth while; the tests split small graphs, too.
const OFTEN: u32 = if cfg!(test) { 3 } else { 16 };
/// Questions at most; two bits each in a [`Context`].
const QUESTIONS: usize = 8;
/// Contexts of a node, and nodes in all contexts for each node, beyond which the graph is left as it is.
const CONTEXTS: usize = 24;
const GROWTH: usize = 6;

/// The answers so far: for each question 0 (not asked), 1 (no), or 3 (yes).
type Context = u32;

struct Split<'a> {
    graph: &'a Graph,
    questions: Vec<(V, Pred)>,
    /// The last node that asks each.
    last: Vec<u32>,
    /// By node: its contexts, and what it becomes in each.
    contexts: Vec<Vec<(Context, N)>>,
}

/// The graph without the questions that it asks again and again; none when there are none, or it would grow too much.
pub(super) fn split(graph: &Graph, root: N) -> Option<(Graph, N)> {
    let mut counts: HashMap<(V, Pred), (u32, u32), Seeded> = HashMap::default();
    for n in (2..=root.0).rev() {
        if let What::Test(v, pred) = graph.get(N(n)).what {
            let count = counts.entry((v, pred)).or_insert((0, n));
            *count = (count.0 + 1, n);
        }
    }
    let mut often: Vec<_> = counts.into_iter().filter(|(_, (count, _))| *count >= OFTEN).collect();
    if often.is_empty() {
        return None;
    }
    often.sort_unstable_by_key(|&((v, _), (count, last))| (std::cmp::Reverse(count), v, last));
    often.truncate(QUESTIONS);
    let (questions, last) = often.into_iter().map(|(question, (_, last))| (question, last)).unzip();
    let contexts = vec![Vec::new(); root.0 as usize + 1];
    let mut split = Split { graph, questions, last, contexts };
    split.contexts[root.0 as usize].push((0, REJECT));
    let mut left = GROWTH * (root.0 as usize + 1);
    for n in (2..=root.0).rev().map(N) {
        left = left.checked_sub(split.contexts[n.0 as usize].len())?;
        for at in 0..split.contexts[n.0 as usize].len() {
            let context = split.contexts[n.0 as usize][at].0;
            for (next, context) in split.follow(n, context).into_iter().flatten() {
                split.arrive(next, context)?;
            }
        }
    }
    Some(split.rebuilt(root))
}

impl Split<'_> {
    /// Where a node leads in a context: one way when its question is answered, else two.
    fn follow(&self, n: N, context: Context) -> [Option<(N, Context)>; 2] {
        let Node { what, yes, no } = self.graph.get(n);
        let asked = match what {
            What::Test(v, pred) => self.questions.iter().position(|&question| question == (v, pred)),
            _ => None,
        };
        let Some(i) = asked else { return [yes, no].map(|next| Some((next, self.kept(next, context)))) };
        let way = |next, context| Some((next, self.kept(next, context)));
        match context >> (2 * i) & 3 {
            0 => [way(yes, self.answered(context, i, true)), way(no, self.answered(context, i, false))],
            1 => [None, way(no, context)],
            _ => [way(yes, context), None],
        }
    }

    fn answered(&self, context: Context, i: usize, yes: bool) -> Context {
        let mut context = context | if yes { 3 } else { 1 } << (2 * i);
        let (v, pred) = self.questions[i];
        if let (Pred::Eq(_), true) = (pred, yes) {
            // It equals nothing else.
            for (j, &(w, other)) in self.questions.iter().enumerate() {
                if w == v && j != i && matches!(other, Pred::Eq(_)) {
                    context = context & !(3 << (2 * j)) | 1 << (2 * j);
                }
            }
        }
        context
    }

    /// The answers to what is asked again from `n` on.
    fn kept(&self, n: N, context: Context) -> Context {
        let gone = |(i, &last): (usize, &u32)| if last > n.0 { 3 << (2 * i) } else { 0 };
        context & !self.last.iter().enumerate().map(gone).fold(0, |a, b| a | b)
    }

    fn arrive(&mut self, n: N, context: Context) -> Option<()> {
        let contexts = &mut self.contexts[n.0 as usize];
        if n.0 < 2 || contexts.iter().any(|there| there.0 == context) {
            return Some(());
        }
        contexts.push((context, REJECT));
        (contexts.len() <= CONTEXTS).then_some(())
    }

    fn rebuilt(mut self, root: N) -> (Graph, N) {
        let mut graph = Graph::new(root.0 as usize * 2);
        for n in (2..=root.0).map(N) {
            for at in 0..self.contexts[n.0 as usize].len() {
                let context = self.contexts[n.0 as usize][at].0;
                let [yes, no] = self.follow(n, context).map(|way| way.map(|(n, context)| self.built(n, context)));
                self.contexts[n.0 as usize][at].1 = match (yes, no) {
                    (Some(yes), Some(no)) => graph.node(self.graph.get(n).what, yes, no),
                    (Some(next), None) | (None, Some(next)) => next,
                    (None, None) => REJECT,
                };
            }
        }
        let root = self.built(root, 0);
        (graph, root)
    }

    fn built(&self, n: N, context: Context) -> N {
        let found = self.contexts[n.0 as usize].iter().find(|there| there.0 == context);
        if n.0 < 2 { n } else { found.map_or(REJECT, |found| found.1) }
    }
}
