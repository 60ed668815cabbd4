//! Capture files in our library and in the system's, side by side.
//!
//!     savefile-compare one FILE                       a file in every way, and all that differs
//!     savefile-compare show FILE                      what both libraries see of a file
//!     savefile-compare files FILE…                    files in every way (`savefiles.rs` starts this)
//!     savefile-compare run SEED FIRST COUNT FOLDER…   so many spoilt files; those of the folders are among the specimens
//!     savefile-compare keep SEED NUMBER FILE FOLDER…  writes one of them to a file
//!
//! `SAVEFILE_PROGRESS` names a file that says at any time who reads what, and what the ones before came to.
#![allow(clippy::print_stdout)] // a program for a terminal

use compat_tests::dist;
use compat_tests::filters::library::{system, without_dns};
use compat_tests::random::Random;
use compat_tests::savefiles::compare::{Arena, Findings};
use compat_tests::savefiles::library::Library;
use compat_tests::savefiles::reading::{Way, read};
use compat_tests::savefiles::specimens::Specimens;
use compat_tests::savefiles::tally::{Counter, Tally};
use std::collections::HashMap;
use std::fs::File;
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

fn main() -> ExitCode {
    without_dns();
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    let number = |text: &str| text.parse::<u64>().unwrap_or_else(|e| panic!("{text}: {e}"));
    let folders = |words: &[&str]| words.iter().map(PathBuf::from).collect::<Vec<_>>();
    match words[..] {
        ["one", file] => files(&[file]),
        ["show", file] => show(Path::new(file)),
        ["files", ref files_ @ ..] => files(files_),
        ["run", seed, first, count, ref rest @ ..] => {
            run(number(seed), number(first), number(count), &folders(rest));
        }
        ["keep", seed, at, file, ref rest @ ..] => {
            let (_, bytes) = spoilt(&Specimens::read(&folders(rest)), number(seed), number(at));
            std::fs::write(file, bytes).unwrap_or_else(|e| panic!("{file}: {e}"));
        }
        _ => {
            println!(
                "one FILE | show FILE | files FILE… | run SEED FIRST COUNT FOLDER… | keep SEED NUMBER FILE FOLDER…"
            );
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

fn arena() -> Arena {
    Arena { ours: Library::open(&dist::library()), theirs: Library::open(&system()) }
}

/// Whoever waits for this process looks there when it ends without a word.
struct Progress(Option<File>);

impl Progress {
    fn open() -> Progress {
        Progress(std::env::var_os("SAVEFILE_PROGRESS").and_then(|path| File::create(path).ok()))
    }

    fn say(&mut self, what: &str) {
        if let Some(file) = &mut self.0 {
            file.set_len(0).and_then(|()| file.write_all_at(what.as_bytes(), 0)).ok();
        }
    }
}

/// Differences of one sort that are told.
const TOLD: u64 = 1;
/// Sorts that are told.
const SORTS: usize = 30;

#[derive(Default)]
struct Account {
    tally: Tally,
    alike: HashMap<String, u64>,
}

impl Account {
    fn take(&mut self, findings: &Findings, path: &Path, what: &str) {
        self.tally.count(findings);
        let Some(difference) = &findings.difference else { return };
        let seen = self.alike.entry(difference.signature()).or_default();
        *seen += 1;
        if *seen <= TOLD && self.alike.len() <= SORTS {
            println!("{}  {what}\n", difference.tell(path));
            std::io::stdout().flush().ok();
        }
    }

    fn tell(self) {
        let mut counts: Vec<_> = self.alike.into_iter().collect();
        counts.sort_by_key(|(_, n)| std::cmp::Reverse(*n));
        counts.iter().take(40).for_each(|(what, n)| println!("{n:6} x {what}"));
        println!("{}", self.tally);
        std::io::stdout().flush().ok();
    }
}

fn files(files: &[&str]) {
    let (arena, mut account, mut progress) = (arena(), Account::default(), Progress::open());
    for file in files {
        for way in Way::all() {
            let findings =
                arena.examine(Path::new(file), way, |whose| progress.say(&format!("{whose} {file} {way:?}")));
            account.take(&findings, Path::new(file), "");
        }
    }
    account.tell();
}

/// The way and the bytes of a number.
fn spoilt(specimens: &Specimens, seed: u64, number: u64) -> (Way, Vec<u8>) {
    let mut random = Random::from_seed(seed ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let way = Way::any(&mut random);
    (way, specimens.spoilt(&mut random))
}

fn run(seed: u64, first: u64, count: u64, folders: &[PathBuf]) {
    let (arena, mut account, mut progress) = (arena(), Account::default(), Progress::open());
    let specimens = Specimens::read(folders);
    let beside = std::env::var_os("SAVEFILE_PROGRESS").map(|path| PathBuf::from(path).with_extension("spoilt"));
    let path = beside.unwrap_or_else(|| format!("/dev/shm/savefile-compare-{}", std::process::id()).into());
    for number in first..first + count {
        let (way, bytes) = spoilt(&specimens, seed, number);
        std::fs::write(&path, &bytes).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let tally = account.tally;
        let findings = arena.examine(&path, way, |whose| progress.say(&format!("{whose} {number}\n{tally}\n")));
        account.take(&findings, &path, &format!("again: savefile-compare keep {seed} {number} FILE FOLDER…"));
    }
    std::fs::remove_file(&path).ok();
    assert_eq!(account.tally.get(Counter::Readings), count);
    account.tell();
}

fn show(path: &Path) {
    let arena = arena();
    for (whose, library) in [("libpcap", &arena.theirs), ("ours", &arena.ours)] {
        println!("{whose}:");
        read(library, path, Way::PLAIN).iter().for_each(|event| println!("  {event}"));
    }
}
