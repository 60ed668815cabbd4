//! Files that Wireshark's programs write, each in every format that it has; and ours of the Rust API.

use crate::{Program, frames, savefile};
use ::savefile::Precision;
use ::savefile::write::{pcap, pcapng};
use std::path::{Path, PathBuf};
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(60);

/// The formats of a program, as its list of them has it: one a line, `name - description`.
fn formats(program: &str) -> Vec<String> {
    let run = Program::new(program).args(["-F", ""]).finish_within(LIMIT);
    let said = format!("{}{}", run.stdout, run.stderr);
    let names = said.lines().filter(|l| l.starts_with("    ")).filter_map(|l| l.trim().split(" - ").next());
    names.map(str::to_string).collect()
}

/// Fills `folder`. Returns the files, and how many formats they are of.
///
/// # Panics
/// When a program is missing, or writes none of pcap's own formats.
pub fn write(folder: &Path) -> (Vec<PathBuf>, usize) {
    let source = folder.join("source.pcap");
    savefile::write(&source, &frames::datagrams(60));
    let other = folder.join("other.pcap");
    savefile::write(&other, &frames::connection(7000, b"asked", &[b'a'; 3000]));
    let mut written = vec![source.clone(), other.clone()];
    let mut kept = 0;
    for format in formats("editcap") {
        let edited = folder.join(format!("editcap.{format}"));
        let merged = folder.join(format!("mergecap.{format}"));
        let read = folder.join(format!("tshark.{format}"));
        // A format that can't hold Ethernet refuses: then there is no file.
        let runs = [
            Program::new("editcap").args(["-F", &format]).args([&source, &edited]),
            Program::new("mergecap").args(["-F", &format, "-w"]).args([&merged, &source, &other]),
            Program::new("tshark").args(["-F", &format, "-r"]).arg(&source).arg("-w").arg(&read),
        ];
        let ended = runs.map(|program| program.finish_within(LIMIT).success());
        kept += usize::from(ended[0]);
        written.extend([edited, merged, read].into_iter().filter(|f| f.metadata().is_ok_and(|m| m.len() > 0)));
    }
    for name in ["pcap", "nsecpcap", "modpcap", "nokiapcap", "pcapng"] {
        assert!(written.contains(&folder.join(format!("editcap.{name}"))), "editcap has not written {name}");
    }
    // Cut frames, moved times, two interfaces, comments.
    let extra: [(&str, &[&str]); 4] = [
        ("cut.pcapng", &["-s", "40"]),
        ("shifted.pcapng", &["-t", "-1600000000.5"]),
        ("late.pcap", &["-F", "pcap", "-t", "2400000000"]),
        ("comments.pcapng", &["-a", "3:a comment"]),
    ];
    for (name, options) in extra {
        let file = folder.join(name);
        Program::new("editcap").args(options).args([&source, &file]).finish_within(LIMIT).expect_success();
        written.push(file);
    }
    let file = folder.join("two-interfaces.pcapng");
    let merged = Program::new("mergecap").args(["-I", "none", "-w"]).args([&file, &source, &other]);
    merged.finish_within(LIMIT).expect_success();
    written.push(file);
    for (name, bytes) in super::foreign::files().into_iter().chain(ours()) {
        std::fs::write(folder.join(&name), bytes).expect("a file of the test");
        written.push(folder.join(name));
    }
    (written, kept)
}

/// What `savefile::write` makes.
fn ours() -> Vec<(String, Vec<u8>)> {
    let frames = frames::datagrams(30);
    let time = |number: usize| 1_700_000_000_000_000_000 + number as u64 * 1_234_567_891;
    let mut files = Vec::new();
    for precision in [Precision::Micro, Precision::Nano] {
        let header = pcap::Header::of_handle(1, 0, 262_144, precision).expect("Ethernet has a number");
        let mut writer = pcap::Writer::new(Vec::new(), header).expect("memory takes all");
        for (number, frame) in frames.iter().enumerate() {
            writer.frame(time(number), frame.len() as u32, frame).expect("memory takes all");
        }
        files.push((format!("ours-{precision:?}.pcap"), writer.into_inner().expect("memory takes all")));
    }
    let section = pcapng::Section { application: Some("a test".into()), ..pcapng::Section::default() };
    let mut writer = pcapng::Writer::new(Vec::new(), &section).expect("memory takes all");
    let ports = ["vale0:a", "vale0:b"].map(|name| {
        let interface = pcapng::Interface { dlt: 1, snaplen: 65_535, name: Some(name.into()), ..Default::default() };
        writer.interface(&interface).expect("memory takes all")
    });
    for (number, bytes) in frames.iter().enumerate() {
        let (time_ns, wire_len) = (time(number), bytes.len() as u32);
        let comment = (number % 5 == 0).then_some("every fifth");
        let dropped = (number % 7 == 0).then_some(number as u64);
        let frame = pcapng::Frame { time_ns, wire_len, bytes, dropped, comment };
        writer.frame(ports[number % 2], &frame).expect("memory takes all");
    }
    let statistics = pcapng::Statistics { received: Some(33), dropped_by_system: Some(3), ..Default::default() };
    writer.statistics(ports[0], time(30), &statistics).expect("memory takes all");
    files.push(("ours.pcapng".into(), writer.into_inner().expect("memory takes all")));
    files
}
