//! What all benches do with their rows: run those that are asked for, show each, and count the verdicts.

use crate::contest::INTERRUPTED;
use crate::options::{Options, USAGE};
use crate::table::{Line, Verdict};
use std::sync::atomic::Ordering;

/// Prints a line. Whoever closed the other end of standard output still gets the record.
macro_rules! tell {
    ($($text:tt)*) => {{
        use std::io::Write as _;
        let _ = writeln!(std::io::stdout(), $($text)*);
    }};
}
pub(crate) use tell;

/// A row's name, and what runs it.
pub type Row<B, F> = (&'static str, fn(&B) -> F);

/// Whether all rows that are asked for exist.
///
/// # Errors
/// The name of one that doesn't.
pub fn known<B, F>(options: &Options, rows: &[Row<B, F>]) -> Result<(), String> {
    match options.rows.iter().find(|r| !rows.iter().any(|(name, _)| name == r)) {
        Some(unknown) => Err(format!("{unknown}: no such row\n{USAGE}")),
        None => Ok(()),
    }
}

/// Runs the rows that are asked for; `show` gets each when it is done.
///
/// # Errors
/// When the user ended it.
pub fn all<B, F>(options: &Options, rows: &[Row<B, F>], bench: &B, show: impl Fn(&F)) -> Result<Vec<F>, String> {
    // ORDER: Relaxed, a flag that guards nothing.
    let interrupted = || INTERRUPTED.load(Ordering::Relaxed);
    let mut done = Vec::new();
    for (name, row) in rows {
        if !options.wants(name) || interrupted() {
            continue;
        }
        tell!("\n{name}");
        let found = row(bench);
        show(&found);
        done.push(found);
    }
    if interrupted() { Err("interrupted".to_string()) } else { Ok(done) }
}

/// Prints how many targets were met.
pub fn sum(lines: &[&Line]) {
    let count = |wanted: fn(&Verdict) -> bool| lines.iter().filter(|l| wanted(&l.verdict)).count();
    tell!(
        "{} met, {} not met, {} skipped, of {}",
        count(|v| *v == Verdict::Met),
        count(|v| *v == Verdict::NotMet),
        count(|v| matches!(v, Verdict::Skipped(_))),
        lines.len()
    );
}
