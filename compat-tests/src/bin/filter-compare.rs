//! Filters in our library and in the system's, side by side.
//!
//!     filter-compare one DLT EXPRESSION [FRAME]   both libraries' programs and what differs
//!     filter-compare run SEED FIRST COUNT         so many generated expressions (`filters.rs` starts several of these)
//!     filter-compare print SEED FIRST COUNT       those expressions, and what libpcap says
//!     filter-compare texts FILE                   the error texts for a file of `DLT<tab>expression` lines
//!     filter-compare listing FILE                 programs side by side, for such a file
//!     filter-compare hostile NAME                 one of the oversized expressions, in ours alone
#![allow(clippy::print_stdout)] // a program for a terminal

use compat_tests::dist;
use compat_tests::filters::case::Case;
use compat_tests::filters::compare::{Arena, Difference, REJECTS_ALL};
use compat_tests::filters::corpus::{self, Corpus, Frame};
use compat_tests::filters::library::{self, Library};
use compat_tests::filters::tally::{Counter, Tally};
use compat_tests::filters::{hostile, known, listing, shrink};
use std::collections::HashMap;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    library::without_dns();
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    let number = |text: &str| text.parse::<u64>().unwrap_or_else(|e| panic!("{text}: {e}"));
    match words[..] {
        ["one", dlt, text, ref frame @ ..] => one(number(dlt) as i32, text, frame.first().copied()),
        ["run", seed, first, count] => run(number(seed), number(first), number(count)),
        ["print", seed, first, count] => print(number(seed), number(first), number(count)),
        ["texts", file] => texts(Path::new(file)),
        ["listing", file] => print!("{}", listing::side_by_side(&arena(false), Path::new(file))),
        ["hostile", name] => println!("{}", hostile::compile(&Library::open(&dist::library()), name)),
        _ => {
            println!(
                "one DLT EXPRESSION [FRAME] | run SEED FIRST COUNT | print SEED FIRST COUNT | texts FILE | listing FILE | hostile NAME"
            );
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

fn arena(with_frames: bool) -> Arena {
    let theirs = Library::open(&library::system());
    let corpus = if with_frames { Corpus::read(&corpus::folder(), &theirs) } else { Corpus::default() };
    Arena { ours: Library::open(&dist::library()), theirs, corpus }
}

/// With `FILTER_KNOWN=1` the known ones are told, too.
fn unexplained(difference: &Difference) -> bool {
    known::covering(difference).is_none() || std::env::var_os("FILTER_KNOWN").is_some()
}

fn one(dlt: i32, text: &str, frame: Option<&str>) {
    let arena = arena(true);
    let case = Case::of(dlt, text);
    for (whose, library) in [("libpcap", &arena.theirs), ("ours", &arena.ours)] {
        for optimize in [false, true] {
            println!("{whose}{}:", if optimize { ", optimized" } else { "" });
            match library.compile(case.target, text.as_bytes(), optimize) {
                Ok(program) => arena.theirs.listing(&program).iter().for_each(|line| println!("  {line}")),
                Err(why) => println!("  {why}"),
            }
        }
    }
    let frames: Vec<Frame> = frame.iter().map(|hex| Frame::whole(known::bytes(hex))).collect();
    let findings = arena.examine_on(&case, &frames);
    println!("{} frames, {} matched, {} differences", findings.frames, findings.matched, findings.differences.len());
    for difference in findings.differences {
        let reason = known::covering(&difference).map_or("", |known| known.reason);
        println!("{}{reason}", arena.tell(&difference));
    }
}

/// Sorts of differences that are told, made small; `FILTER_TOLD` says how many of each sort (1).
const SORTS: usize = 40;

fn run(seed: u64, first: u64, count: u64) {
    let arena = arena(true);
    let mut tally = Tally::new();
    let told = std::env::var("FILTER_TOLD").ok().and_then(|text| text.parse().ok()).unwrap_or(1);
    let mut alike: HashMap<String, u64> = HashMap::new();
    // Whoever waits for this process looks here when it ends without a word.
    let mut progress = std::env::var_os("FILTER_PROGRESS").and_then(|path| std::fs::File::create(path).ok());
    for number in first..first + count {
        let case = Case::numbered(seed, number);
        if let Some(file) = &mut progress {
            use std::os::unix::fs::FileExt;
            let line = format!("{number}: {} {}\n", case.target.dlt, case.text);
            file.set_len(0).and_then(|()| file.write_all_at(line.as_bytes(), 0)).ok();
        }
        let findings = arena.examine(&case);
        tally.count(&findings);
        let (known, others): (Vec<_>, Vec<_>) = findings.differences.into_iter().partition(|d| !unexplained(d));
        tally.add(Counter::Known, u64::from(!known.is_empty() && others.is_empty()));
        let contradiction = |d: &Difference| d.ours == REJECTS_ALL || d.theirs == REJECTS_ALL;
        tally.add(Counter::Contradictions, u64::from(known.iter().any(contradiction)));
        tally.add(Counter::Differences, u64::from(!others.is_empty()));
        for difference in others {
            let seen = alike.entry(signature(&difference)).or_default();
            *seen += 1;
            if *seen <= told && alike.len() <= SORTS {
                let small = shrink::shrink(&arena, difference, &unexplained);
                println!("{}  found in expression {number} of seed {seed}: {}\n", arena.tell(&small), case.text);
            }
        }
    }
    let mut counts: Vec<_> = alike.into_iter().collect();
    counts.sort_by_key(|(_, n)| std::cmp::Reverse(*n));
    counts.iter().take(40).for_each(|(what, n)| println!("{n:6} x {what}"));
    println!("{tally}");
    std::io::stdout().flush().ok();
}

/// What differences that look alike have in common.
fn signature(difference: &Difference) -> String {
    let plain = |text: &str| {
        let mut quoted = false;
        let keep = |c: &char| {
            quoted ^= *c == '"' || *c == '\'';
            !quoted && !c.is_ascii_digit()
        };
        text.chars().filter(keep).collect::<String>()
    };
    let Difference { kind, optimize, ours, theirs, .. } = difference;
    if let Some(known) = known::covering(difference) {
        return format!("{kind:?} optimize={optimize} {}", known.reason);
    }
    let dlt = if difference.frame.is_some() { difference.case.target.dlt } else { -1 };
    format!("{kind:?} optimize={optimize} link type {dlt} libpcap: {} ours: {}", plain(theirs), plain(ours))
}

fn print(seed: u64, first: u64, count: u64) {
    let theirs = Library::open(&library::system());
    for number in first..first + count {
        let case = Case::numbered(seed, number);
        let said = match theirs.compile(case.target, case.text.as_bytes(), true) {
            Ok(program) => format!("{} instructions", program.len()),
            Err(why) => why,
        };
        println!("{number}: {} {}\n    {said}", case.target.dlt, case.text);
    }
}

fn texts(file: &Path) {
    let arena = arena(false);
    for (dlt, text) in listing::lines(file) {
        let case = Case::of(dlt, &text);
        let said = |library: &Library| match library.compile(case.target, text.as_bytes(), true) {
            Ok(_) => "accepted".to_string(),
            Err(why) => why,
        };
        let (ours, theirs) = (said(&arena.ours), said(&arena.theirs));
        let mark = if ours == theirs { " " } else { "!" };
        println!(
            "{mark} {dlt} {text}\n    {theirs}{}",
            if ours == theirs { String::new() } else { format!("\n    {ours}") }
        );
    }
}
