//! The record of a run: what ran where, how, and what came out.

use crate::machine;
use crate::options::Options;
use crate::rows::Finding;
use crate::run::tell;
use crate::table::{Comparison, Line, markdown};
use crate::vale_bench::table;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

/// The text of `vale-<date>.md`.
pub fn write(options: &Options, load: &str, findings: &[Finding]) -> String {
    let lines: Vec<&Line> = findings.iter().flat_map(|f| &f.lines).collect();
    let mut text = String::new();
    let _ = write!(
        text,
        "# VALE and its peers, {}\n\n\
         Machine: {}. Load average before: {load}; as root the run has priority over it. Commit: {}.\n\
         Command: `cargo run --release -p bench -- vale --rounds {} --ms {}`.\n\n\
         Middle of {} rounds (least..most). The contestants of a row take turns in one run, a ratio is of figures of \
         the same turn, and the middle of those ratios is held against the target. Virtual CPUs wander: near, a line of \
         memory goes there and back in 100 ns, far in 400; turns in which that changed do not count for a ratio (\"of \
         5\": five turns did). A rate is of frames that reached the receiver, per second of sending. Sender and \
         receiver of a pair sit on CPU 0 and CPU 1.\n\n\
         {}\n## All figures\n",
        machine::today(),
        machine::describe(),
        machine::commit(),
        options.rounds,
        options.ms,
        options.rounds,
        table(&lines)
    );
    placed_figures(&mut text, findings.iter().flat_map(|f| &f.comparisons));
    text.push_str(NOTES);
    text
}

const NOTES: &str = "
## Who is who

- *bare copy*: 1,024 descriptors and buffers in shared memory, batches of 256, published once, nothing else; the sender
  copies from 1,024 buffers of its own, as a transmit ring has them. *of one frame*: the same from a single buffer that
  stays in the cache, which is what no program that has frames to send can do.
- *DPDK memif*: two `dpdk-testpmd`, txonly to rxonly, the driver's defaults; its rate is testpmd's own figure, and
  rxonly does not look at the frames.
- *DPDK ring with a copy*: `bench/peers/ring_copy.c`, an rte_ring of 1,024 between two processes, in batches of 256,
  and of 32 as is DPDK's custom.
- *libpcap over veth*: the same program as ours, with the system's library and a veth pair in a network namespace.
";

/// All figures of contestants between whose CPUs something passes.
pub fn placed_figures<'a>(text: &mut String, comparisons: impl Iterator<Item = &'a Comparison>) {
    for comparison in comparisons {
        let rows: Vec<Vec<String>> = comparison.details().into_iter().map(|row| row.to_vec()).collect();
        let header = ["who", "figure", "CPUs near", "CPUs far", "lost", "rounds"];
        let _ = write!(text, "\n{}:\n\n{}", comparison.what, markdown(&header, &rows));
    }
}

/// The record of a bench whose contestants take turns in one process, but for its notes.
pub fn in_one_process(title: &str, bench: &str, options: &Options, load: &str, findings: &[Finding]) -> String {
    let lines: Vec<&Line> = findings.iter().flat_map(|f| &f.lines).collect();
    let mut text = format!(
        "# {title}, {}\n\n\
         Machine: {}. Load average before: {load}; as root the run has priority over it. Commit: {}.\n\
         Command: `cargo xtask bench {bench} --rounds {} --ms {}`.\n\n\
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
    text
}

/// Writes a bench's record and its picture to `folder`, and says where.
///
/// # Errors
/// The file's name, and what the system says.
pub fn put(folder: &Path, bench: &str, text: &str, svg: &str) -> Result<(), String> {
    for (name, content) in [(format!("{bench}-{}.md", machine::today()), text), (format!("{bench}.svg"), svg)] {
        let path = folder.join(name);
        fs::create_dir_all(folder)
            .and_then(|()| fs::write(&path, content))
            .map_err(|e| format!("{}: {e}", path.display()))?;
        tell!("written: {}", path.display());
    }
    Ok(())
}
