//! `bench filter`: compiling filters and running them, ours beside the system's libpcap in one run.

mod expressions;
mod frames;
mod rows;
pub mod work;

use crate::options::Options;
use crate::priority::First;
use crate::record::{in_one_process, put};
use crate::rows::Finding;
use crate::run::{self, tell};
use crate::table::Line;
use crate::vale_bench::{catch_signals, table};
use crate::{machine, picture};
use compat_tests::dist;
use compat_tests::filters::library::{self, Library};
use frames::Frames;
use rows::Bench;

/// Runs the rows that `options` asks for.
///
/// # Errors
/// When nothing could be run, or the record can't be written. A target that is not met is no error.
pub fn run(options: &Options) -> Result<(), String> {
    let rows: [run::Row<Bench<'_>, Finding>; 7] = [
        ("hosts", |b| b.hosts()),
        ("ports", |b| b.ports()),
        ("short", |b| b.short()),
        ("mean", |b| b.mean()),
        ("verdict", |b| b.verdict()),
        ("calls", |b| b.calls()),
        ("jit", |b| b.jit()),
    ];
    run::known(options, &rows)?;
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
    let findings = run::all(options, &rows, &bench, |finding| {
        for line in &finding.lines {
            tell!("{}: {}; {}: {}", line.what, line.ours, line.target, line.verdict);
        }
    })?;
    let lines: Vec<&Line> = findings.iter().flat_map(|f| &f.lines).collect();
    tell!("\n{}", table(&lines));
    run::sum(&lines);
    match &options.record {
        Some(folder) => {
            let text = in_one_process("Filters beside libpcap's", "filter", options, &load, &findings) + NOTES;
            put(folder, "filter", &text, &picture::draw(&findings))
        }
        None => Ok(()),
    }
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
