//! `pcap_inject`, one frame a call, to `pcap_loop`: the same program for every library, only the path differs.

use crate::clock;
use crate::frame::{self, END, OrderCheck};
use crate::netns;
use crate::pcap_lib::{self, OpenOptions, PacketHeader, PcapLib, Stopper};
use crate::role::{Args, Report, serve};
use std::ffi::c_uchar;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

const OPEN: OpenOptions = OpenOptions { immediate: false, nonblocking: false, timeout_ms: 10 };

/// `role=pcap-send lib=ours|system if= len= cpu= [count_at=]`
///
/// With `count_at`, nobody receives: what arrived is what that interface counted.
pub fn send(args: &Args) -> Result<(), String> {
    let lib = PcapLib::load(&pcap_lib::find(args.text("lib")?)?)?;
    let pcap = lib.open(args.text("if")?, &OPEN)?;
    let mut frame = frame::build(args.number("len")?, frame::station(200), frame::station(1));
    let count_at = args.text("count_at").ok();
    let arrived = || count_at.map_or(Ok(0), netns::received_by);
    serve(|round| {
        let before = arrived()?;
        let (mut sent, mut refused) = (0u64, 0u64);
        let (start, deadline) = (clock::now_ns(), round.deadline());
        let mut end = start;
        while end < deadline {
            for _ in 0..64 {
                frame::set_mark(&mut frame, frame::flood_mark(0, round.number, sent + refused));
                match pcap.inject(&frame) {
                    true => sent += 1,
                    false => refused += 1,
                }
            }
            end = clock::now_ns();
        }
        if sent == 0 {
            return Err(pcap.error());
        }
        let report =
            Report::default().with("sent", sent).with("refused", refused).with("start", start).with("end", end);
        if count_at.is_some() {
            return Ok(report.with("received", arrived()? - before));
        }
        frame::set_mark(&mut frame, frame::flood_mark(0, round.number, END));
        for _ in 0..5 {
            // The receiver may be full, and the system's library does not wait for it.
            thread::sleep(Duration::from_millis(2));
            pcap.inject(&frame);
        }
        Ok(report)
    })
}

struct Receiver<'a> {
    stopper: Stopper<'a>,
    check: OrderCheck,
}

extern "C" fn receive_one(user: *mut c_uchar, header: *const PacketHeader, data: *const c_uchar) {
    // SAFETY: `user` is the Receiver that `receive` handed to run_loop and does not touch meanwhile; libpcap's
    // header and `caplen` bytes are valid during the call.
    let (receiver, frame) =
        unsafe { (&mut *user.cast::<Receiver>(), std::slice::from_raw_parts(data, (*header).caplen as usize)) };
    if frame::is_ours(frame) {
        receiver.check.note(frame::mark(frame));
        if receiver.check.ended > 0 {
            receiver.stopper.stop();
        }
    }
}

/// `role=pcap-recv lib=ours|system if= cpu=`
pub fn receive(args: &Args) -> Result<(), String> {
    let lib = PcapLib::load(&pcap_lib::find(args.text("lib")?)?)?;
    let pcap = lib.open(args.text("if")?, &OPEN)?;
    let hello = frame::build(60, [0xff; 6], frame::station(200));
    serve(|round| {
        pcap.inject(&hello);
        let stopper = pcap.stopper();
        let mut receiver = Receiver { stopper, check: OrderCheck::new(round.number, END) };
        round.started();
        thread::scope(|scope| {
            let (finished, ends) = mpsc::channel::<()>();
            // Every end frame may be lost.
            let patience = Duration::from_millis(round.ms + 1500);
            scope.spawn(move || {
                if let Err(RecvTimeoutError::Timeout) = ends.recv_timeout(patience) {
                    stopper.stop();
                }
            });
            // SAFETY: receive_one expects a Receiver, which lives across the call.
            let done = unsafe { pcap.run_loop(receive_one, (&raw mut receiver).cast()) };
            drop(finished);
            done
        })?;
        let Receiver { check, .. } = receiver;
        Ok(Report::default().with("received", check.received).with("missing", check.missing))
    })
}
