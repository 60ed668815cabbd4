//! `bench netmap`: cards beside the system's libpcap, on veth pairs in namespaces of their own.

mod cpu;
mod own;
mod pump;
mod rows;

use crate::options::Options;
use crate::priority::First;
use crate::record::{placed_figures, put};
use crate::rows::Finding;
use crate::run::{self, tell};
use crate::table::{Line, markdown};
use crate::vale_bench::{Folder, catch_signals};
use crate::{machine, picture};
use rows::{Bench, Row};

/// Runs the rows that `options` asks for.
///
/// # Errors
/// When nothing could be run, or the record can't be written. A target that is not met is no error.
pub fn run(options: &Options) -> Result<(), String> {
    let rows: [run::Row<Bench<'_>, Row>; 5] = [
        ("inject", |b| b.inject()),
        ("filter", |b| b.filter()),
        ("receive", |b| b.receive()),
        ("own", |b| b.own()),
        ("pump", |b| b.pump()),
    ];
    run::known(options, &rows)?;
    catch_signals()?;
    let _first = First::take();
    let folder = Folder::make()?;
    let bench = Bench::new(options, folder.path());
    let load = machine::load();
    tell!("{} ({} rounds of {} ms), load average before: {load}", machine::describe(), options.rounds, options.ms);
    let done = run::all(options, &rows, &bench, |row| {
        for comparison in &row.finding.comparisons {
            tell!("  {}", comparison.what);
            for [who, figure, _, _, lost, _] in comparison.details() {
                tell!("    {who:<24} {figure:<44} lost: {lost}");
            }
        }
        for line in &row.finding.lines {
            tell!("  -> {}: ratio {}, {}: {}", line.what, line.ratio, line.target, line.verdict);
        }
    })?;
    tell!("\n{}", table(&done));
    run::sum(&done.iter().flat_map(|row| &row.finding.lines).collect::<Vec<_>>());
    match &options.record {
        Some(folder) => {
            let text = record(options, &load, &done);
            let findings: Vec<Finding> = done.into_iter().map(|row| row.finding).collect();
            put(folder, "netmap", &text, &picture::draw(&findings))
        }
        None => Ok(()),
    }
}

/// The table of targets.
fn table(done: &[Row]) -> String {
    let rows: Vec<Vec<String>> = done
        .iter()
        .flat_map(|row| row.finding.lines.iter().zip(&row.bound_by))
        .map(|(line, bound_by)| {
            let Line { what, ours, peer, ratio, target, verdict } = line;
            let cells = [what, ours, peer, ratio, target].map(String::clone);
            cells.into_iter().chain([verdict.to_string(), bound_by.to_string()]).collect()
        })
        .collect();
    markdown(&["what", "ours", "held against", "ratio", "target", "", "bound by"], &rows)
}

/// The text of `netmap-<date>.md`.
fn record(options: &Options, load: &str, done: &[Row]) -> String {
    let mut text = format!(
        "# Cards beside libpcap's, {}\n\n\
         Machine: {}. Load average before: {load}; as root the run has priority over it. Commit: {}.\n\
         Command: `cargo xtask bench netmap --rounds {} --ms {}`.\n\n\
         Middle of {} rounds (least..most). The contestants of a row take turns in one run, a ratio is of figures of the same \
         turn, and the middle of those ratios is held against the target; turns in which the virtual CPUs moved apart or together do \
         not count (\"of 5\": five turns did). Cards are the ends of a veth pair in a namespace of its own. Sender and receiver \
         sit on CPU 0 and CPU 1.\n\n\
         {}\n## All figures\n",
        machine::today(),
        machine::describe(),
        machine::commit(),
        options.rounds,
        options.ms,
        options.rounds,
        table(done)
    );
    placed_figures(&mut text, done.iter().flat_map(|row| &row.finding.comparisons));
    text.push_str(NOTES);
    text
}

const NOTES: &str = "
## What is measured

- *ours*: `netmap:v0`, `netmap:v1` with `NETMAP_DRIVER=xdp`; *a packet socket*: the same with `NETMAP_DRIVER=packet`; *libpcap*:
  the same program with the system's library, on `v0`, `v1`. Who captures or sends is started for its turn and gone in others'.
- *pcap_inject*: frames that the other end's interface counted. On veth the sender's system call carries a frame through the
  other end's stack.
- *frames in pages*: the kernel makes the frames inside bpf(2) (`BPF_F_TEST_XDP_LIVE_FRAMES`) and a program of the bench numbers
  them and redirects them to `v0`; `v1` gets them as pages, which is how a card's driver with XDP has them. *of a packet
  socket*: `sendmmsg` with 64 frames a call; veth copies these into pages before an XDP program sees them, a card does not.
- *the machine's CPU time*: all processors from the beginning of a round to its end, idle time taken off, for a million frames
  offered, 300,000 a second, UDP, of which one in 100 passes `udp dst port 53`; the others go on to the host, which drops them as not
  its own. It includes the sender and that drop. *ours, /x* is `netmap:v1/x`: the port has the card to itself, and
  what its filter refuses ends in the driver. *The sender's and the reader's*: of these two processes, with the softirqs that ran
  inside them, which on veth is all of the receiving side; this figure stands also where other programs run. *More than when nobody captures*: without what a round takes that has no capture.
- *our own code*: the AF_XDP port's code on rings in memory (frames of 60 bytes, 4,096 buffers, receive times taken out of the
  frames' metadata), the time of the lines that play the kernel not counted.
- *through bridge*: sender and receiver on two switches, `bridge -i valefrom:pump -i valeto:pump` between them; *direct*: on one.
";
