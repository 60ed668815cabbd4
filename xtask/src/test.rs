//! `cargo xtask test`: the checks of `ci/`, one after another, counted.
//!
//! A check ends with 0 when it holds, and with [`SKIPPED`] when it can't be made here, having said why. One that
//! runs cargo's tests counts test by test, and a test that prints a line `skipped: why` as skipped; any other
//! counts as one.

use crate::Failure;
use crate::packages::{Need, need, provide};
use crate::workspace::root;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

/// The exit status of a check that can't be made here.
const SKIPPED: i32 = 77;
/// The exit status of timeout(1) when the time was over.
const TIMED_OUT: i32 = 124;

/// The checks in order, cheapest first, each with the seconds after which it is taken to hang.
/// One that stands in `ci/` and not here runs at the end.
const CHECKS: [(&str, u32); 8] = [
    ("unsafe-addresses", 60),
    ("fmt", 120),
    ("clippy", 900),
    ("unit", 1200),
    ("loom", 1200),
    ("build", 1200),
    ("install", 120),
    ("compat", 1800),
];
const SECONDS_FOR_OTHERS: u32 = 900;
/// How much longer the long form may take.
const LONGER: u32 = 20;

/// What the checks run besides Rust.
pub const NEEDS: [Need; 24] = [
    need("tcpdump", "tcpdump"),
    need("tshark", "tshark"),
    need("ngrep", "ngrep"),
    need("p0f", "p0f"),
    need("tcpflow", "tcpflow"),
    need("softflowd", "softflowd"),
    need("bittwist", "bittwist"),
    need("arp-scan", "arp-scan"),
    need("tcpreplay", "tcpreplay"),
    need("nmap", "nmap"),
    need("tcpslice", "tcpslice"),
    need("zstd", "zstd"),
    need("/usr/lib/python3/dist-packages/scapy", "python3-scapy"),
    need("gcc", "gcc"),
    need("g++", "g++"),
    need("readelf", "binutils"),
    need("/usr/include/pcap/pcap.h", "libpcap-dev"),
    need("ip", "iproute2"),
    need("ethtool", "ethtool"),
    need("ping", "iputils-ping"),
    need("iperf3", "iperf3"),
    need("curl", "curl"),
    need("python3", "python3"),
    need("ps", "procps"),
];

/// What a check has counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// Tests that hold.
    pub passed: i64,
    /// Tests that do not.
    pub failed: i64,
    /// Tests that could not be made, and said so.
    pub skipped: i64,
}

/// Runs every check; `long` runs the longer form of those that have one. The count is the last line that is printed.
pub fn exit_code(long: bool) -> ExitCode {
    match run(long) {
        Ok(Count { failed: 0, .. }) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}

fn run(long: bool) -> Result<Count, Failure> {
    provide(&NEEDS)?;
    let mut rows = Vec::new();
    for (name, seconds) in checks()? {
        println!("== ci/{name}");
        let begun = Instant::now();
        let count = check(&name, if long { seconds * LONGER } else { seconds }, long)?;
        rows.push((name, begun.elapsed(), count));
    }
    println!();
    let mut total = Count::default();
    for (name, time, Count { passed, failed, skipped }) in &rows {
        println!("{name:<17} {:6.1} s   {passed} passed, {failed} failed, {skipped} skipped", time.as_secs_f64());
        total.passed += passed;
        total.failed += failed;
        total.skipped += skipped;
    }
    println!("{} passed, {} failed, {} skipped", total.passed, total.failed, total.skipped);
    Ok(total)
}

/// The scripts of `ci/`: those of the table in its order, then any others.
fn checks() -> Result<Vec<(String, u32)>, Failure> {
    let mut checks: Vec<_> = CHECKS.iter().map(|&(name, seconds)| (name.to_string(), seconds)).collect();
    let called_by_build = "symbols";
    let mut others = Vec::new();
    for entry in fs::read_dir(root().join("ci"))? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if !name.contains('.') && name != called_by_build && !CHECKS.iter().any(|(known, _)| *known == name) {
            others.push((name, SECONDS_FOR_OTHERS));
        }
    }
    others.sort();
    checks.append(&mut others);
    Ok(checks)
}

/// Runs one script, passing on what it prints.
fn check(name: &str, seconds: u32, long: bool) -> Result<Count, Failure> {
    // timeout ends a script's whole process group, and itself ends with us.
    let mut command = Command::new("setpriv");
    command
        .args(["--pdeathsig", "TERM", "timeout", "--kill-after=10"])
        .arg(seconds.to_string())
        .arg(root().join("ci").join(name));
    if long {
        command.arg("--long");
    }
    let mut child = command.current_dir(root()).stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
    let mut count = Count::default();
    let lines = child.stdout.take().map(BufReader::new).into_iter().flat_map(BufRead::lines);
    for line in lines {
        let line = line?;
        count_line(&line, &mut count);
        writeln!(std::io::stdout().lock(), "{line}")?;
    }
    let status = child.wait()?;
    if status.code() == Some(TIMED_OUT) {
        println!("ci/{name}: not done after {seconds} s");
    }
    Ok(conclude(count, status.code()))
}

/// Counts cargo's `test result: ok. 3 passed; 0 failed; 1 ignored; …` and our own `skipped: why`.
pub fn count_line(line: &str, count: &mut Count) {
    if line.starts_with("skipped: ") {
        count.skipped += 1;
        count.passed -= 1;
    }
    let Some(figures) = line.strip_prefix("test result: ") else { return };
    let words: Vec<&str> = figures.split([' ', ';']).collect();
    let before = |what: &str| {
        let at = words.iter().position(|w| *w == what)?;
        words.get(at.checked_sub(1)?)?.parse::<i64>().ok()
    };
    count.passed += before("passed").unwrap_or(0);
    count.failed += before("failed").unwrap_or(0);
    count.skipped += before("ignored").unwrap_or(0);
}

/// A script that ended badly has failed, whatever it counted; one that counted nothing counts as one.
fn conclude(mut count: Count, status: Option<i32>) -> Count {
    match status {
        Some(0) if count == Count::default() => count.passed = 1,
        Some(0) => {}
        Some(SKIPPED) => count = Count { skipped: 1, ..Count::default() },
        _ => count.failed = count.failed.max(1),
    }
    count.passed = count.passed.max(0);
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(lines: &[&str], status: Option<i32>) -> (i64, i64, i64) {
        let mut count = Count::default();
        lines.iter().for_each(|line| count_line(line, &mut count));
        let Count { passed, failed, skipped } = conclude(count, status);
        (passed, failed, skipped)
    }

    #[test]
    fn sums_the_result_lines_of_cargo() {
        let ok = "test result: ok. 12 passed; 0 failed; 2 ignored; 0 measured; 0 filtered out; finished in 0.01s";
        let bad = "test result: FAILED. 3 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.01s";
        assert_eq!(counted(&[ok, "running 4 tests", bad], Some(101)), (15, 1, 2));
    }

    #[test]
    fn a_test_that_says_skipped_has_not_passed() {
        let ok = "test result: ok. 2 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.01s";
        assert_eq!(counted(&["skipped: no tshark here", ok], Some(0)), (1, 0, 1));
    }

    #[test]
    fn a_script_counts_as_one() {
        assert_eq!(counted(&["all well"], Some(0)), (1, 0, 0));
        assert_eq!(counted(&["skipped: no rustfmt here"], Some(SKIPPED)), (0, 0, 1));
        assert_eq!(counted(&["oh"], Some(1)), (0, 1, 0));
        assert_eq!(counted(&[], None), (0, 1, 0));
    }

    #[test]
    fn tests_that_do_not_compile_have_failed() {
        let ok = "test result: ok. 2 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.01s";
        assert_eq!(counted(&[ok], Some(101)), (2, 1, 0));
    }
}
