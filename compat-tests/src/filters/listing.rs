//! Files of expressions, and their programs as `tcpdump -d` prints them, side by side.

use super::case::Case;
use super::compare::Arena;
use std::path::{Path, PathBuf};

/// A file of this crate's expressions.
pub fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("data").join(name)
}

/// The lines `DLT<tab>expression` of a file; `#` begins a comment line.
///
/// # Panics
/// When it can't be read, or a line is none of these.
pub fn lines(file: &Path) -> Vec<(i32, String)> {
    let text = std::fs::read_to_string(file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
    let line = |line: &str| {
        let (dlt, expression) = line.split_once('\t').unwrap_or_else(|| panic!("no tab: {line}"));
        (dlt.parse().unwrap_or_else(|e| panic!("{line}: {e}")), expression.to_string())
    };
    text.lines().filter(|l| !l.is_empty() && !l.starts_with('#')).map(line).collect()
}

/// The optimized programs of both libraries for each expression of a file.
pub fn side_by_side(arena: &Arena, file: &Path) -> String {
    let mut out = String::new();
    for (dlt, text) in lines(file) {
        let case = Case::of(dlt, &text);
        let [ours, theirs] =
            [&arena.ours, &arena.theirs].map(|library| match library.compile(case.target, text.as_bytes(), true) {
                Ok(program) => arena.theirs.listing(&program),
                Err(why) => vec![why],
            });
        out += &format!("{dlt} {text}: ours {}, libpcap's {}\n", ours.len(), theirs.len());
        for at in 0..ours.len().max(theirs.len()) {
            let [left, right] = [&ours, &theirs].map(|lines| lines.get(at).map_or("", String::as_str).trim_end());
            out += &format!("    {left:<48} {right}\n");
        }
    }
    out
}
