//! Capture files read with ours and with the system's library: every frame, return code and error text.
//!
//! | variable | meaning |
//! |---|---|
//! | `SAVEFILE_MUTATIONS` | how many spoilt files (20,000; `ci/compat --long`: 500,000) |
//! | `SAVEFILE_SEED` | their seed (1) |
//! | `FILTER_CORPUS` | a folder of captures; else `../shared/corpus` beside the workspace |

use compat_tests::filters::corpus;
use compat_tests::filters::library::system;
use compat_tests::process::{say, skipped};
use compat_tests::savefiles::compare::Arena;
use compat_tests::savefiles::library::Library;
use compat_tests::savefiles::programs;
use compat_tests::savefiles::reading::{Event, Way, read};
use compat_tests::savefiles::specimens::captured;
use compat_tests::savefiles::tally::{Counter, Tally};
use compat_tests::{Program, Running, Sandbox, dist, frames, savefile};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const COMPARE: &str = env!("CARGO_BIN_EXE_savefile-compare");
/// Longer than any batch takes: who reads there hangs.
const LIMIT: Duration = Duration::from_secs(300);
/// Spoilt files that a process takes.
const BATCH: u64 = 2500;
/// The libpcap that ours is held against.
const VERSION: &str = "libpcap version 1.10.3 ";

fn variable(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).map_or(otherwise, |text| text.parse().unwrap_or_else(|e| panic!("{name}={text}: {e}")))
}

fn possible() -> bool {
    let version = Library::open(&system()).version();
    let same = version.starts_with(VERSION);
    if !same {
        skipped(&format!("the differences from {VERSION}are known; here is {version}"));
    }
    same
}

/// What is being read, and how far it came.
struct Turn {
    process: Running,
    progress: PathBuf,
    begun: Instant,
    /// Spoilt files: the first that is not this process's.
    end: u64,
}

/// What a process came to that did not end by itself: whose turn it was, at what, and the tally until then.
struct Lost {
    theirs: bool,
    at: String,
    tally: String,
}

fn lost(progress: &Path) -> Lost {
    let text = std::fs::read_to_string(progress).unwrap_or_default();
    let (first, tally) = text.split_once('\n').unwrap_or((&text, ""));
    let (whose, at) = first.split_once(' ').unwrap_or(("", ""));
    Lost { theirs: whose == "theirs", at: at.to_string(), tally: tally.to_string() }
}

/// The results of a test's processes.
#[derive(Default)]
struct Sum {
    tally: Tally,
    troubles: String,
    crashed: Vec<String>,
}

impl Sum {
    /// Takes what an ended process said; the number at which to go on when it was the system's library that crashed.
    fn take(&mut self, turn: Turn) -> Option<u64> {
        let late = turn.begun.elapsed() > LIMIT;
        let end = if late {
            let (stdout, _) = turn.process.printed();
            turn.process.kill();
            (stdout, "it hangs".to_string())
        } else {
            let end = turn.process.finish_within(LIMIT);
            (end.stdout.clone(), if end.success() { String::new() } else { format!("{:?} {}", end.signal, end.stderr) })
        };
        for line in end.0.lines() {
            match line.starts_with("tally ") {
                true => self.tally.add_line(line),
                false => self.troubles += &format!("{line}\n"),
            }
        }
        if end.1.is_empty() {
            return None;
        }
        let lost = lost(&turn.progress);
        self.tally.add_line(&lost.tally);
        if lost.theirs {
            self.tally.add(Counter::Crashes, 1);
            self.crashed.push(format!("{} ({})", lost.at, end.1.trim()));
            return Some(lost.at.parse::<u64>().map_or(turn.end, |number| number + 1));
        }
        self.tally.add(Counter::Lost, 1);
        self.troubles += &format!("our library was reading {} when the process ended: {}\n", lost.at, end.1);
        None
    }

    fn conclude(&self) {
        say(&self.tally.to_string());
        if !self.crashed.is_empty() {
            say(&format!("the system's library crashed at {}", self.crashed.join(", ")));
        }
        assert!(self.troubles.is_empty(), "{}{}", self.troubles, self.tally);
        assert_eq!((self.tally.get(Counter::Different), self.tally.get(Counter::Lost)), (0, 0));
    }
}

/// Reads files in every way, in one process after the other when the system's library crashes.
fn compare_files(sandbox: &Sandbox, files: &[PathBuf]) -> Sum {
    let mut sum = Sum::default();
    for (number, some) in files.chunks(60).enumerate() {
        let progress = sandbox.file(&format!("progress-{number}"));
        let process = Program::new(COMPARE).arg("files").args(some).env("SAVEFILE_PROGRESS", &progress).start();
        let mut turn = Turn { process, progress, begun: Instant::now(), end: 0 };
        while !turn.process.has_ended() && turn.begun.elapsed() <= LIMIT {
            std::thread::sleep(Duration::from_millis(20));
        }
        if sum.take(turn).is_some() {
            sum.troubles += "the system's library crashes on a sound file\n";
        }
    }
    sum
}

#[test]
fn captures() {
    if !possible() {
        return;
    }
    if !corpus::folder().is_dir() {
        skipped(&format!("{}: no captures but our own", corpus::folder().display()));
    }
    let files = captured();
    let sum = compare_files(&Sandbox::new(), &files);
    sum.conclude();
    assert!(!files.is_empty() && sum.tally.get(Counter::Opened) > 0);
}

#[test]
fn files_that_programs_write() {
    if !possible() {
        return;
    }
    let sandbox = Sandbox::new();
    let folder = sandbox.file("written");
    std::fs::create_dir(&folder).expect("a folder");
    let (files, formats) = programs::write(&folder);
    say(&format!("{} files, {formats} formats of editcap", files.len()));
    let sum = compare_files(&sandbox, &files);
    sum.conclude();
    // pcap's own formats; the others are refused, with the same words.
    assert!(
        sum.tally.get(Counter::Opened) > 20 * 30 && sum.tally.get(Counter::Opened) < sum.tally.get(Counter::Readings)
    );
}

#[test]
fn spoilt_files() {
    if !possible() {
        return;
    }
    let (count, seed) = (variable("SAVEFILE_MUTATIONS", 20_000), variable("SAVEFILE_SEED", 1));
    let sandbox = Sandbox::new();
    let mut batches: Vec<(u64, u64)> =
        (0..count.div_ceil(BATCH)).map(|n| (n * BATCH, count.min((n + 1) * BATCH))).collect();
    batches.reverse();
    let workers = std::thread::available_parallelism().map_or(2, |n| n.get()).min(8);
    let (mut running, mut sum, mut number) = (Vec::<Turn>::new(), Sum::default(), 0);
    while !batches.is_empty() || !running.is_empty() {
        while let (true, Some((first, end))) = (running.len() < workers, batches.last().copied()) {
            batches.pop();
            let progress = sandbox.file(&format!("progress-{number}"));
            number += 1;
            let args = ["run".to_string(), seed.to_string(), first.to_string(), (end - first).to_string()];
            let process = Program::new(COMPARE).args(args).env("SAVEFILE_PROGRESS", &progress).start();
            running.push(Turn { process, progress, begun: Instant::now(), end });
        }
        std::thread::sleep(Duration::from_millis(20));
        let over = |turn: &mut Turn| turn.process.has_ended() || turn.begun.elapsed() > LIMIT;
        while let Some(at) = running.iter_mut().position(over) {
            let turn = running.remove(at);
            let end = turn.end;
            match sum.take(turn) {
                Some(next) if next < end => batches.push((next, end)),
                _ => {}
            }
        }
    }
    sum.conclude();
    let tally = sum.tally;
    // A reading in which the system's library crashed is none.
    assert_eq!(tally.get(Counter::Readings) + tally.get(Counter::Crashes), count);
    assert!(tally.get(Counter::Opened) > count / 3 && tally.get(Counter::Failed) > count / 5);
    assert!(tally.get(Counter::Known) + tally.get(Counter::Crashes) < count / 50, "too much is explained away");
}

/// A pcapng block of this machine's byte order.
fn block(kind: u32, body: &[u32]) -> Vec<u8> {
    let length = 12 + body.len() as u32 * 4;
    let words = [&[kind, length][..], body, &[length]].concat();
    words.into_iter().flat_map(u32::to_ne_bytes).collect()
}

/// The rows of the table of known differences that a small file can show, each by its reason.
#[test]
fn known_differences_are_still_there() {
    if !possible() {
        return;
    }
    let arena = Arena { ours: Library::open(&dist::library()), theirs: Library::open(&system()) };
    let sandbox = Sandbox::new();
    let reason = |name: &str, bytes: &[u8], way: Way| {
        let path = sandbox.file(name);
        std::fs::write(&path, bytes).expect("a file of the test");
        let findings = arena.examine(&path, way, |_| {});
        findings.known.map_or("none", |known| known.reason)
    };
    let section = block(0x0a0d_0d0a, &[0x1a2b_3c4d, 1, u32::MAX, u32::MAX]);
    let packet = |number| block(6, &[number, 0x1234_5678, 0x9abc_def0, 4, 4, 7]);

    let raw = block(1, &[101, 262_144]);
    let twice = [&section[..], &raw, &raw, &packet(1)].concat();
    assert!(reason("raw.pcapng", &twice, Way::PLAIN).starts_with("interfaces whose type has another number"));

    let fine = block(1, &[1, 262_144, u32::from_ne_bytes([9, 0, 1, 0]), u32::from_ne_bytes([0x80 + 60, 0, 0, 0]), 0]);
    let fine = [&section[..], &fine, &packet(0)].concat();
    assert!(reason("fine.pcapng", &fine, Way::PLAIN).starts_with("times in units of 2^-34"));

    let plain = sandbox.file("plain.pcap");
    savefile::write(&plain, &frames::datagrams(3));
    let mut bytes = std::fs::read(&plain).expect("a file of the test");
    let run = Program::new("sh").args(["-c", "gzip -k \"$1\"", "sh"]).arg(&plain).finish_within(LIMIT);
    run.expect_success();
    let packed = std::fs::read(sandbox.file("plain.pcap.gz")).expect("a packed file");
    assert_eq!(reason("packed.pcap", &packed, Way::PLAIN), "compressed files are read");
    assert_eq!(read(&arena.ours, &sandbox.file("packed.pcap"), Way::PLAIN), read(&arena.ours, &plain, Way::PLAIN));

    bytes[20..24].copy_from_slice(&3u32.to_ne_bytes());
    let way = Way { filter: Some("len > 100"), ..Way::PLAIN };
    assert!(reason("ax25.pcap", &bytes, way).starts_with("filters on link types"));

    // Neither is told apart: the time is put right before.
    bytes[24..28].copy_from_slice(&0xffff_fff0u32.to_ne_bytes());
    assert_eq!(reason("late.pcap", &bytes, Way::PLAIN), "none");
    let seconds = |library| {
        let events = read(library, &sandbox.file("late.pcap"), Way::PLAIN);
        events.iter().find_map(|event| if let Event::Frame { seconds, .. } = event { Some(*seconds) } else { None })
    };
    assert_eq!((seconds(&arena.ours), seconds(&arena.theirs)), (Some(0xffff_fff0), Some(-16)));
}
