//! `bench filter`: compiling filters and running them, ours beside the system's libpcap in one run.

mod expressions;
mod frames;
mod rows;
pub mod work;

use crate::options::Options;
use crate::priority::First;
use crate::record::put;
use crate::rows::Finding;
use crate::table::{Line, Verdict, markdown};
use crate::vale_bench::{catch_signals, table};
use crate::{contest, machine, picture};
use compat_tests::dist;
use compat_tests::filters::library::{self, Library};
use frames::Frames;
use rows::Bench;
use std::fmt::Write as _;
use std::io::{self, Write};
use std::sync::atomic::Ordering;

/// Prints a line. Whoever closed the other end of standard output still gets the record.
macro_rules! tell {
    ($($text:tt)*) => {
        let _ = writeln!(io::stdout(), $($text)*);
    };
}

/// Runs the rows that `options` asks for.
///
/// # Errors
/// When nothing could be run, or the record can't be written. A target that is not met is no error.
pub fn run(options: &Options) -> Result<(), String> {
    type Row = (&'static str, fn(&Bench<'_>) -> Finding);
    let rows: [Row; 7] = [
        ("hosts", |b| b.hosts()),
        ("ports", |b| b.ports()),
        ("short", |b| b.short()),
        ("mean", |b| b.mean()),
        ("verdict", |b| b.verdict()),
        ("calls", |b| b.calls()),
        ("jit", |b| b.jit()),
    ];
    if let Some(unknown) = options.rows.iter().find(|r| !rows.iter().any(|(name, _)| name == r)) {
        return Err(format!("{unknown}: no such row\n{}", crate::options::USAGE));
    }
    library::without_dns();
    catch_signals()?;
    let _first = First::take();
    let bench = Bench {
        options,
        ours: Library::open(&dist::library()),
        theirs: Library::open(&library::system()),
        frames: Frames::mixed(1),
    };
    let load = machine::load();
    tell!("{} ({} rounds of {} ms), load average before: {load}", machine::describe(), options.rounds, options.ms);
    let mut findings = Vec::new();
    for (name, row) in rows {
        // ORDER: Relaxed, a flag that guards nothing.
        if !options.wants(name) || contest::INTERRUPTED.load(Ordering::Relaxed) {
            continue;
        }
        let finding = row(&bench);
        for line in &finding.lines {
            tell!("{}: {}; {}: {}", line.what, line.ours, line.target, line.verdict);
        }
        findings.push(finding);
    }
    // ORDER: as above.
    if contest::INTERRUPTED.load(Ordering::Relaxed) {
        return Err("interrupted".to_string());
    }
    let lines: Vec<&Line> = findings.iter().flat_map(|f| &f.lines).collect();
    tell!("\n{}", table(&lines));
    let count = |verdict: &Verdict| lines.iter().filter(|l| l.verdict == *verdict).count();
    tell!("{} met, {} not met, of {}", count(&Verdict::Met), count(&Verdict::NotMet), lines.len());
    match &options.record {
        Some(folder) => put(folder, "filter", &record(options, &load, &findings), &picture::draw(&findings)),
        None => Ok(()),
    }
}

/// The text of `filter-<date>.md`.
fn record(options: &Options, load: &str, findings: &[Finding]) -> String {
    let lines: Vec<&Line> = findings.iter().flat_map(|f| &f.lines).collect();
    let mut text = format!(
        "# Filters beside libpcap's, {}\n\n\
         Machine: {}. Load average before: {load}; as root the run has priority over it. Commit: {}.\n\
         Command: `cargo xtask bench filter --rounds {} --ms {}`.\n\n\
         Middle of {} rounds (least..most). Ours and the system's libpcap take turns in one process, a ratio is of figures \
         of the same turn, and the middle of those ratios is held against the target.\n\n\
         {}\n## All figures\n",
        machine::today(),
        machine::describe(),
        machine::commit(),
        options.rounds,
        options.ms,
        options.rounds,
        table(&lines)
    );
    for comparison in findings.iter().flat_map(|f| &f.comparisons) {
        let rows: Vec<Vec<String>> =
            comparison.details().into_iter().map(|[who, figure, _, _, _, rounds]| vec![who, figure, rounds]).collect();
        let _ = write!(text, "\n{}:\n\n{}", comparison.what, markdown(&["who", "figure", "rounds"], &rows));
    }
    text.push_str(NOTES);
    text
}

const NOTES: &str = "
## What is measured

- *compiling*: `pcap_compile` with optimization on a handle without a device, and `pcap_freecode`. libpcap compiles lists in
  cubic time (99 s for 1,000 hosts on the machine of the design), so its figure is that for 100, and is not held against ours.
- *a verdict on a handle*: what `pcap_setfilter` leaves in a handle, called for each of 4,096 frames as `pcap_loop` does;
  libpcap: `bpf_filter` on libpcap's own optimized program. The empty loop is taken off both. For 1,000 hosts libpcap's program
  can't be had in time: ours is held against libpcap's for 100.
- *bpf_filter*, *pcap_offline_filter*: the whole call, loop and all, each library on the program that it compiled.
- The frames: TCP, UDP, ICMP and ARP over IPv4 and IPv6, some with a VLAN tag, 60 to 120 bytes, from a fixed seed.
- *instructions, mean*: over the accepted ones of 10,000 generated expressions for all link types, those of the differential test.
";
