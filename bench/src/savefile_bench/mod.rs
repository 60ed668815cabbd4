//! `bench savefile`: reading and writing capture files in memory, ours beside the system's libpcap in one run.

mod calls;
mod files;
pub mod memory;
mod rows;

use crate::options::Options;
use crate::pcap_lib;
use crate::priority::First;
use crate::record::put;
use crate::rows::Finding;
use crate::table::{Line, Verdict, markdown};
use crate::vale_bench::{catch_signals, table};
use crate::{contest, machine, picture};
use calls::Calls;
use rows::Bench;
use std::fmt::Write as _;
use std::fs;
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::atomic::Ordering;

/// Prints a line. Whoever closed the other end of standard output still gets the record.
macro_rules! tell {
    ($($text:tt)*) => {
        let _ = writeln!(io::stdout(), $($text)*);
    };
}

/// A folder in memory that goes when this goes.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Result<Folder, String> {
        let folder = Folder(PathBuf::from(format!("/dev/shm/savefile-bench-{}", std::process::id())));
        fs::create_dir(&folder.0).map_err(|e| format!("{}: {e}", folder.0.display()))?;
        Ok(folder)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).ok();
    }
}

/// Runs the rows that `options` asks for.
///
/// # Errors
/// When nothing could be run, or the record can't be written. A target that is not met is no error.
pub fn run(options: &Options) -> Result<(), String> {
    type Row = (&'static str, fn(&Bench<'_>) -> Finding);
    let rows: [Row; 7] = [
        ("loop", |b| b.loops()),
        ("next", |b| b.next()),
        ("mixed", |b| b.mixed()),
        ("filter", |b| b.filter()),
        ("dump", |b| b.dump()),
        ("tcpdump", |b| b.tcpdump()),
        ("memory", |b| b.memory()),
    ];
    if let Some(unknown) = options.rows.iter().find(|r| !rows.iter().any(|(name, _)| name == r)) {
        return Err(format!("{unknown}: no such row\n{}", crate::options::USAGE));
    }
    catch_signals()?;
    let _first = First::take();
    let folder = Folder::new()?;
    let ours = pcap_lib::find("ours")?;
    let bench = Bench {
        options,
        ours: (Calls::load(&ours)?, ours.canonicalize().map_err(|e| e.to_string())?),
        theirs: Calls::load(&pcap_lib::find("system")?)?,
        folder: folder.0.clone(),
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
            tell!("{}: {}; {}: {} ({})", line.what, line.ours, line.target, line.verdict, line.ratio);
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
        Some(folder) => put(folder, "savefile", &record(options, &load, &findings), &picture::draw(&findings)),
        None => Ok(()),
    }
}

/// The text of `savefile-<date>.md`.
fn record(options: &Options, load: &str, findings: &[Finding]) -> String {
    let lines: Vec<&Line> = findings.iter().flat_map(|f| &f.lines).collect();
    let mut text = format!(
        "# Capture files beside libpcap's, {}\n\n\
         Machine: {}. Load average before: {load}; as root the run has priority over it. Commit: {}.\n\
         Command: `cargo xtask bench savefile --rounds {} --ms {}`.\n\n\
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

- The files lie in /dev/shm, made by the run and removed after each row. A turn opens the file, reads it to its end and closes it; the
  callback counts, and looks at the header and the first byte.
- *mixed sizes*: four of ten frames have 60 to 119 bytes, two up to 1,459, four 1,514. *read(2) alone* reads the same file in
  blocks of 256 KiB and looks at nothing: what the copy out of the page cache costs anyone who does not map the file.
- *pcap_dump*: a turn opens the file, writes all frames and closes it. Both write blocks of 4 KiB: who is killed loses no more.
- *tcpdump*: the process from its start to its end, ours by LD_PRELOAD.
- *memory*: a process that has opened the file once before; the peak of its resident memory (VmHWM) while it reads the file by
  pcap_loop, less what it had before.
";
