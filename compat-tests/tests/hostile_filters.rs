//! Oversized expressions: an error or a program, in bounded time and memory, on a small stack.

use compat_tests::Program;
use compat_tests::filters::hostile;
use std::time::Duration;

/// Of a processor; a quadratic compiler takes minutes.
const SECONDS: f64 = 10.0;
/// One that hangs is given up on.
const FOREVER: Duration = Duration::from_secs(600);
/// A megabyte of text is at most half a million words.
const KIB: u64 = 1 << 20;

fn figure<'a>(line: &'a str, name: &str) -> &'a str {
    line.split_whitespace().find_map(|pair| pair.strip_prefix(name)?.strip_prefix('=')).expect("a figure")
}

#[test]
fn oversized_expressions() {
    for name in hostile::NAMES {
        let run = Program::new(env!("CARGO_BIN_EXE_filter-compare"))
            .args(["hostile", name])
            .finish_within(FOREVER)
            .expect_success();
        let line = run.stdout.trim();
        compat_tests::process::say(&format!("{name}: {}", line.chars().take(200).collect::<String>()));
        let seconds: f64 = figure(line, "seconds").parse().expect("seconds");
        let kib: u64 = figure(line, "kib").parse().expect("KiB");
        assert!(seconds < SECONDS && kib < KIB, "{name}: {line}");
    }
}
