//! `bench savefile`: reading and writing capture files in memory, ours beside the system's libpcap in one run.

mod calls;
mod files;
pub mod memory;
mod rows;

use crate::options::Options;
use crate::pcap_lib;
use crate::priority::First;
use crate::record::{in_one_process, put};
use crate::rows::Finding;
use crate::run::{self, tell};
use crate::table::Line;
use crate::vale_bench::{Folder, catch_signals, table};
use crate::{machine, picture};
use calls::Calls;
use rows::Bench;

/// Runs the rows that `options` asks for.
///
/// # Errors
/// When nothing could be run, or the record can't be written. A target that is not met is no error.
pub fn run(options: &Options) -> Result<(), String> {
    let rows: [run::Row<Bench<'_>, Finding>; 7] = [
        ("loop", |b| b.loops()),
        ("next", |b| b.next()),
        ("mixed", |b| b.mixed()),
        ("filter", |b| b.filter()),
        ("dump", |b| b.dump()),
        ("tcpdump", |b| b.tcpdump()),
        ("memory", |b| b.memory()),
    ];
    run::known(options, &rows)?;
    catch_signals()?;
    let _first = First::take();
    let folder = Folder::make()?;
    let ours = pcap_lib::find("ours")?;
    let bench = Bench {
        options,
        ours: (Calls::load(&ours)?, ours.canonicalize().map_err(|e| e.to_string())?),
        theirs: Calls::load(&pcap_lib::find("system")?)?,
        folder: folder.path().to_path_buf(),
    };
    let load = machine::load();
    tell!("{} ({} rounds of {} ms), load average before: {load}", machine::describe(), options.rounds, options.ms);
    let findings = run::all(options, &rows, &bench, |finding| {
        for line in &finding.lines {
            tell!("{}: {}; {}: {} ({})", line.what, line.ours, line.target, line.verdict, line.ratio);
        }
    })?;
    let lines: Vec<&Line> = findings.iter().flat_map(|f| &f.lines).collect();
    tell!("\n{}", table(&lines));
    run::sum(&lines);
    match &options.record {
        Some(folder) => {
            let text = in_one_process("Capture files beside libpcap's", "savefile", options, &load, &findings) + NOTES;
            put(folder, "savefile", &text, &picture::draw(&findings))
        }
        None => Ok(()),
    }
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
