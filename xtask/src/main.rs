//! The front doors of the project: `cargo xtask build`, `demo`, `test`, `bench`, `kernels`.
//!
//! Each installs from the distribution what it lacks, where it may, and says so; a check stands in `ci/` and is
//! only called from here.
#![forbid(unsafe_code)]
#![allow(clippy::print_stdout, clippy::print_stderr)] // a program for a terminal

mod bench;
mod build;
mod capture;
mod demo;
mod kernels;
mod packages;
mod running;
mod terminal;
mod test;
mod workspace;

use std::error::Error;
use std::process::ExitCode;

/// Why a task ended without having done its work: a sentence for whoever called it.
type Failure = Box<dyn Error + Send + Sync>;

const USAGE: &str = "\
usage: cargo xtask build                 dist/: libpcap.so.0.8, libpcap.so.1 and the tools
       cargo xtask demo                  bittwist plays a capture to tcpdump over vale0, both unmodified
       cargo xtask test [--long]         every check of ci/, with a count at the end
       cargo xtask bench vale [OPTION]…  ours beside its peers; see bench vale --help
       cargo xtask bench filter [OPTION]…  filters beside libpcap's
       cargo xtask bench savefile [OPTION]…  capture files beside libpcap's
       cargo xtask bench netmap [OPTION]…  cards beside libpcap's
       cargo xtask kernels [VERSION]…    the tests of cards on Debian's other kernels, in a virtual machine";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    let done = match words[..] {
        ["build"] => build::all(),
        ["demo"] => demo::run(),
        ["test"] => return test::exit_code(false),
        ["test", "--long"] => return test::exit_code(true),
        ["kernels", ref versions @ ..] => kernels::run(versions),
        ["bench", ref rest @ ..] if !rest.is_empty() => bench::run(rest),
        ["help" | "--help" | "-h"] => {
            println!("{USAGE}");
            Ok(())
        }
        _ => Err(USAGE.into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}
