//! Ping-pong between two pcap programs in immediate mode: spinning on a non-blocking handle, or asleep in
//! `pcap_next_ex`.

use crate::clock;
use crate::frame::{self, END};
use crate::pcap_lib::{self, OpenOptions, Pcap, PcapLib};
use crate::role::{Args, Report, serve};
use std::time::Duration;

/// A pong that does not come is given up after this long.
const PATIENCE_NS: u64 = 100_000_000;

fn options(args: &Args) -> Result<OpenOptions, String> {
    Ok(OpenOptions { immediate: true, nonblocking: args.number::<u8>("spin")? != 0, timeout_ms: 100 })
}

/// How often to look between two glances at the clock: reading it would show in the times of who spins.
fn looks(args: &Args) -> Result<u32, String> {
    Ok(if args.number::<u8>("spin")? != 0 { 1000 } else { 1 })
}

/// `role=pcap-ping lib= if= spin=0|1 pause_us= cpu=`: sends, waits for the answer, and reports the median.
/// It lies down for `pause_us` between two pings, so that the other side is asleep when the next comes.
pub fn ping(args: &Args) -> Result<(), String> {
    let lib = PcapLib::load(&pcap_lib::find(args.text("lib")?)?)?;
    let mut pcap = lib.open(args.text("if")?, &options(args)?)?;
    let pause = Duration::from_micros(args.number("pause_us")?);
    let looks = looks(args)?;
    let mut frame = frame::build(60, frame::station(200), frame::station(1));
    serve(|round| {
        let mut times = Vec::with_capacity(1 << 20);
        let (mut lost, mut number) = (0u64, 0);
        let (start, deadline) = (clock::now_ns(), round.deadline());
        while clock::now_ns() < deadline {
            if !pause.is_zero() {
                std::thread::sleep(pause);
            }
            frame::set_mark(&mut frame, frame::flood_mark(0, round.number, number));
            number += 1;
            let sent = clock::now_ns();
            if !pcap.inject(&frame) {
                return Err(pcap.error());
            }
            match wait_for(&mut pcap, frame::mark(&frame), sent + PATIENCE_NS, looks)? {
                true => times.push(clock::now_ns() - sent),
                false => lost += 1,
            }
        }
        let end = clock::now_ns();
        frame::set_mark(&mut frame, frame::flood_mark(0, round.number, END));
        pcap.inject(&frame);
        times.sort_unstable();
        let at = |part: usize| times.get(times.len() * part / 100).copied().unwrap_or(0);
        Ok(Report::default()
            .with("sent", number)
            .with("received", times.len())
            .with("missing", lost)
            .with("start", start)
            .with("end", end)
            .with("median", at(50))
            .with("p99", at(99)))
    })
}

fn wait_for(pcap: &mut Pcap, mark: u64, deadline: u64, looks: u32) -> Result<bool, String> {
    loop {
        for _ in 0..looks {
            if pcap.next()?.is_some_and(|frame| frame::is_ours(frame) && frame::mark(frame) == mark) {
                return Ok(true);
            }
        }
        if clock::now_ns() > deadline {
            return Ok(false);
        }
    }
}

/// `role=pcap-pong lib= if= spin=0|1 cpu=`: answers each frame with the same mark.
pub fn pong(args: &Args) -> Result<(), String> {
    let lib = PcapLib::load(&pcap_lib::find(args.text("lib")?)?)?;
    let mut pcap = lib.open(args.text("if")?, &options(args)?)?;
    let mut answer = frame::build(60, frame::station(1), frame::station(200));
    let looks = looks(args)?;
    pcap.inject(&answer);
    serve(|round| {
        let mut received = 0u64;
        let deadline = round.deadline() + 1_000_000_000;
        round.started();
        while clock::now_ns() < deadline {
            for _ in 0..looks {
                let mark = match pcap.next()? {
                    Some(frame) if frame::is_ours(frame) => frame::mark(frame),
                    _ => continue,
                };
                if mark == frame::flood_mark(0, round.number, END) {
                    return Ok(Report::default().with("received", received));
                }
                frame::set_mark(&mut answer, mark);
                if !pcap.inject(&answer) {
                    return Err(pcap.error());
                }
                received += 1;
            }
        }
        Err("the other side never ended the round".to_string())
    })
}
