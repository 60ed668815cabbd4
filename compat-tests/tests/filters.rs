//! Our filters against the system's libpcap: the same expressions accepted and refused, with the same words and verdicts.
//!
//! | variable | meaning |
//! |---|---|
//! | `FILTER_EXPRESSIONS` | how many generated expressions (10,000) |
//! | `FILTER_SEED` | their seed (1) |
//! | `FILTER_CORPUS` | a folder of captures; else `../shared/corpus` beside the workspace |

use compat_tests::filters::case::Case;
use compat_tests::filters::compare::{Arena, Difference};
use compat_tests::filters::corpus::{self, Corpus, Frame};
use compat_tests::filters::known::{self, KNOWN};
use compat_tests::filters::library::{self, Library};
use compat_tests::filters::listing;
use compat_tests::filters::tally::{Counter, Tally};
use compat_tests::process::{say, skipped};
use compat_tests::{Program, Sandbox, dist};
use std::net::ToSocketAddrs;
use std::sync::Once;
use std::time::Duration;

const COMPARE: &str = env!("CARGO_BIN_EXE_filter-compare");
/// Longer than any run takes: the processes hang.
const LIMIT: Duration = Duration::from_secs(6 * 3600);
/// Expressions that a process takes before it ends: one that was lost costs so many.
const BATCH: u64 = 2500;

fn variable(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).map_or(otherwise, |text| text.parse().unwrap_or_else(|e| panic!("{name}={text}: {e}")))
}

/// The libpcap whose faults the table of known differences has.
const VERSION: &str = "libpcap version 1.10.3 ";

/// Both libraries; none where the system's is another version, and says so.
fn arena() -> Option<Arena> {
    static ONCE: Once = Once::new();
    ONCE.call_once(library::without_dns);
    let theirs = Library::open(&library::system());
    let version = theirs.version();
    if !version.starts_with(VERSION) {
        skipped(&format!("the differences from {VERSION}are known; here is {version}"));
        return None;
    }
    Some(Arena { ours: Library::open(&dist::library()), corpus: Corpus::read(&corpus::folder(), &theirs), theirs })
}

#[test]
fn generated_expressions() {
    if arena().is_none() {
        return;
    }
    let (count, seed) = (variable("FILTER_EXPRESSIONS", 10_000), variable("FILTER_SEED", 1));
    if !corpus::folder().is_dir() {
        skipped(&format!("{}: no captures to run filters on but generated frames", corpus::folder().display()));
    }
    let sandbox = Sandbox::new();
    let mut batches: Vec<u64> = (0..count.div_ceil(BATCH)).rev().map(|n| n * BATCH).collect();
    let workers = std::thread::available_parallelism().map_or(2, |n| n.get()).min(8);
    let mut running = Vec::new();
    let (mut tally, mut troubles) = (Tally::new(), String::new());
    let mut number = 0;
    while !batches.is_empty() || !running.is_empty() {
        while running.len() < workers && !batches.is_empty() {
            let first = batches.pop().expect("not empty");
            let progress = sandbox.file(&format!("progress-{number}"));
            number += 1;
            let args = ["run".to_string(), seed.to_string(), first.to_string(), BATCH.min(count - first).to_string()];
            let process = Program::new(COMPARE).args(args).env("FILTER_PROGRESS", &progress).start();
            running.push((process, progress));
        }
        std::thread::sleep(Duration::from_millis(20));
        let ended: Vec<usize> = (0..running.len()).filter(|&n| running[n].0.has_ended()).collect();
        for at in ended.into_iter().rev() {
            let (process, progress) = running.remove(at);
            let end = process.finish_within(LIMIT);
            let (lines, rest): (Vec<&str>, Vec<&str>) = end.stdout.lines().partition(|l| l.starts_with("tally "));
            lines.iter().for_each(|line| tally.add_line(line));
            troubles += &rest.iter().map(|line| format!("{line}\n")).collect::<String>();
            if !end.success() {
                let last = std::fs::read_to_string(&progress).unwrap_or_default();
                troubles += &format!(
                    "a process ended with {:?} {:?} in expression {last}{}\n",
                    end.code, end.signal, end.stderr
                );
            }
        }
    }
    say(&tally.summary());
    assert!(troubles.is_empty(), "{troubles}{}", tally.summary());
    assert_eq!((tally.get(Counter::Expressions), tally.get(Counter::Differences)), (count, 0));
    assert!(tally.get(Counter::Accepted) > count / 3 && tally.get(Counter::Refused) > count / 20);
    assert!(tally.get(Counter::Contradictions) <= count / 200, "contradictions are found differently too often");
    assert!(tally.get(Counter::Ours) <= tally.get(Counter::Theirs), "our programs are longer than libpcap's");
}

/// Each row of the table of known differences still shows what it says.
#[test]
fn known_differences_are_still_there() {
    let Some(arena) = arena() else { return };
    let mut gone = String::new();
    for row in KNOWN {
        if row.needs_ipv6_name && !("localhost", 0).to_socket_addrs().is_ok_and(|mut all| all.any(|a| a.is_ipv6())) {
            continue;
        }
        let case = Case::of(row.dlt, row.text);
        let frames: Vec<Frame> = row.frame.iter().map(|hex| Frame::whole(known::bytes(hex))).collect();
        let findings = arena.examine_on(&case, &frames);
        // With a frame of its own, the row is about verdicts, and the frame, which comes first, must show them.
        let shows = |d: &&Difference| (row.covers)(d) && (frames.is_empty() || d.frame.as_ref() == frames.first());
        if !findings.differences.iter().any(|d| shows(&d)) {
            gone += &format!("{} on {}: {}\n", row.text, row.dlt, row.reason);
            findings.differences.iter().for_each(|d| gone += &arena.tell(d));
        }
    }
    assert!(gone.is_empty(), "these differences are gone, or do not show:\n{gone}");
}

/// What libpcap says to wrong expressions.
#[test]
fn error_texts() {
    let Some(arena) = arena() else { return };
    let lines = listing::lines(&listing::file("wrong-expressions.tsv"));
    assert!(lines.len() >= 200, "{} expressions", lines.len());
    let mut wrong = String::new();
    for (dlt, text) in &lines {
        let case = Case::of(*dlt, text);
        let findings = arena.examine(&case);
        assert!(findings.lengths.is_none(), "{dlt} {text}: accepted by both");
        for difference in findings.differences.iter().filter(|d| known::covering(d).is_none()) {
            wrong += &format!("{dlt} {text}\n    libpcap: {}\n    ours:    {}\n", difference.theirs, difference.ours);
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

/// Programs that people know from `tcpdump -d` are not longer than libpcap's, where libpcap's is right: a longer one is
/// excused by a frame on which libpcap's optimizer has changed the verdict, or by a known difference.
#[test]
fn usual_expressions_are_not_longer() {
    let Some(arena) = arena() else { return };
    let mut wrong = String::new();
    let (mut ours_sum, mut theirs_sum) = (0, 0);
    for (dlt, text) in listing::lines(&listing::file("usual-expressions.tsv")) {
        let findings = arena.examine(&Case::of(dlt, &text));
        for difference in findings.differences.iter().filter(|d| known::covering(d).is_none()) {
            wrong += &arena.tell(difference);
        }
        let Some((ours, theirs)) = findings.lengths else {
            wrong += &format!("{dlt} {text}: refused\n");
            continue;
        };
        // Frames that show it are rare: one of many seeds finds some.
        let excused = |frame_seed| {
            let findings = arena.examine(&Case { frame_seed, ..Case::of(dlt, &text) });
            findings.their_fault.is_some() || findings.differences.iter().any(|d| known::covering(d).is_some())
        };
        if ours > theirs && findings.differences.is_empty() && !(1..100).any(excused) {
            wrong += &format!("{dlt} {text}: ours {ours}, libpcap's {theirs}\n");
        }
        ours_sum += ours;
        theirs_sum += theirs;
    }
    assert!(wrong.is_empty(), "{wrong}");
    assert!(ours_sum <= theirs_sum, "{ours_sum} instructions, libpcap's {theirs_sum}");
}
