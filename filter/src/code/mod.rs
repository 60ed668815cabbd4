//! Conditions to cBPF.
//!
//! ```text
//! conditions --build--> graph --thread, split, sets--> graph --lower--> graph --select, scratch, merge--> blocks --layout--> program
//! ```
//!
//! - `graph.rs`: decision nodes, equal ones being one, and what is known of the values they ask about.
//! - `build.rs`: conditions to nodes.
//! - `facts.rs`, `thread.rs`: questions whose answers are known on a path are skipped there.
//! - `split.rs`: questions that a long list asks again and again are asked once.
//! - `sets.rs`, `plan.rs`, `tree.rs`: lists of alternatives become search trees.
//! - `lower.rs`, `select.rs`, `scratch.rs`, `chain.rs`, `merge.rs`: instructions.
//! - `layout.rs`: their order, and long jumps.
//!
//! Without [`Options::optimize`] the passes over the graph are left out, and every node computes what it needs.

#![forbid(unsafe_code)]

mod build;
mod chain;
mod facts;
mod graph;
mod layout;
mod lower;
mod merge;
mod plan;
mod scratch;
mod select;
mod sets;
mod split;
#[cfg(test)]
mod tests;
mod thread;
mod tree;

use crate::Options;
use crate::error::Error;
use crate::insn::Program;
use crate::ir::{C, Ir};
use graph::{Graph, N, REJECT, Values};
use thread::Knowledge;

/// Nodes from which on repeated questions are looked for.
const LONG: usize = if cfg!(test) { 8 } else { 200 };

/// Rounds of the passes; most graphs need two.
const ROUNDS: usize = 4;

/// The program that returns `options.snaplen` for the packets of which `root` holds, 0 for the others.
///
/// # Errors
/// Too large or too deep, or, when optimizing, accepting no packet: in libpcap's words.
pub fn program(ir: &Ir, root: C, options: &Options) -> Result<Program, Error> {
    let mut values = Values::new(ir);
    let built = build::build(&values, root, options.optimize)?;
    let (mut graph, mut first) = (built.graph, built.root);
    if options.optimize {
        let better = optimized(&graph, first, &values, Knowledge::Full);
        let may_say = !ir.unoptimized_by_libpcap && !built.foreseen;
        if better.as_ref().map_or(first, |better| better.1) == REJECT && may_say {
            let theirs = optimized(&graph, first, &values, Knowledge::Libpcap);
            if theirs.map_or(first, |theirs| theirs.1) == REJECT {
                return Err(Error::new("expression rejects all packets"));
            }
        }
        if let Some(better) = better {
            (graph, first) = better;
        }
        if graph.len() > LONG
            && let Some(better) = split::split(&graph, first)
        {
            let better = optimized(&better.0, better.1, &values, Knowledge::Full).unwrap_or(better);
            if better.0.len() < graph.len() {
                (graph, first) = better;
            }
        }
    }
    if options.optimize
        && let Some(better) = sets::regroup(&graph, first, &mut values)
    {
        (graph, first) = better;
    }
    if let Some(lowered) = lower::lower(&graph, first, &values) {
        (graph, first) = lowered;
    }
    let mut selected = select::select(&graph, first, &values, options.optimize)?;
    scratch::assign(&mut selected)?;
    if options.optimize {
        first = merge::merge(&mut selected, first);
    }
    Ok(layout::lay_out(&selected, first, options.snaplen))
}

/// The passes over the graph; none when they change nothing.
fn optimized(graph: &Graph, first: N, values: &Values<'_>, knowledge: Knowledge) -> Option<(Graph, N)> {
    let mut now = thread::thread(graph, first, values, knowledge)?;
    for _ in 1..ROUNDS {
        if !now.again {
            break;
        }
        match thread::thread(&now.graph, now.root, values, knowledge) {
            Some(better) => now = better,
            None => break,
        }
    }
    Some((now.graph, now.root))
}
