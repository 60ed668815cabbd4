//! The bench: ours beside its peers, in short alternating rounds of one run.
//!
//! `bench vale` is the front: [`vale_bench`] sets each [`rows`] up, [`contest`] lets the contestants take turns,
//! [`record`] and [`picture`] write down what came out. A contestant is a handful of processes: this same program
//! started again with `role=…` ([`roles`]), a small C program ([`dpdk`]), or DPDK's own test program
//! ([`testpmd`]). `bench filter`, `bench netmap` and `bench savefile` are the other fronts: [`filter_bench`],
//! [`netmap_bench`], [`savefile_bench`]. A role talks with its parent in lines over its standard input and output ([`child`],
//! [`role`]).
#![allow(clippy::print_stdout, clippy::print_stderr)] // a program for a terminal

mod child;
mod clock;
mod contest;
mod distance;
mod dpdk;
mod filter_bench;
mod frame;
mod machine;
mod netmap_bench;
mod netns;
mod options;
mod pcap_lib;
mod picture;
mod priority;
mod record;
mod role;
mod roles;
mod rows;
mod run;
mod savefile_bench;
mod table;
mod testpmd;
mod vale_bench;

use std::process::ExitCode;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let done = match args.first().map(String::as_str) {
        Some("vale") => options::Options::parse(&args[1..]).and_then(|o| vale_bench::run(&o)),
        Some("filter") => options::Options::parse(&args[1..]).and_then(|o| filter_bench::run(&o)),
        Some("netmap") => options::Options::parse(&args[1..]).and_then(|o| netmap_bench::run(&o)),
        Some("savefile") => options::Options::parse(&args[1..]).and_then(|o| savefile_bench::run(&o)),
        Some(savefile_bench::memory::ROLE) if args.len() == 3 => savefile_bench::memory::run(&args[1], &args[2]),
        Some(first) if first.starts_with("role=") => role::Args::parse(&args).and_then(|a| roles::run(&a)),
        _ => Err(options::USAGE.to_string()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("bench: {why}");
            ExitCode::FAILURE
        }
    }
}
