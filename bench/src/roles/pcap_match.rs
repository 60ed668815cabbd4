//! A capture with a filter, which counts what it accepts.

use crate::pcap_lib::{self, OpenOptions, PacketHeader, PcapLib};
use crate::role::{Args, Report, serve};
use std::ffi::c_uchar;
use std::thread;
use std::time::Duration;

const OPEN: OpenOptions = OpenOptions { immediate: false, nonblocking: false, timeout_ms: 10 };
/// How long it goes on after the sender has ended: the longest that a frame stays with the kernel.
const GRACE: Duration = Duration::from_millis(100);

extern "C" fn count_one(user: *mut c_uchar, _header: *const PacketHeader, _data: *const c_uchar) {
    // SAFETY: `user` is the count that `receive` handed to run_loop and does not touch meanwhile.
    unsafe { *user.cast::<u64>() += 1 };
}

/// `role=pcap-match lib=ours|system if= filter= cpu=`
pub fn receive(args: &Args) -> Result<(), String> {
    let lib = PcapLib::load(&pcap_lib::find(args.text("lib")?)?)?;
    let pcap = lib.open(args.text("if")?, &OPEN)?;
    pcap.filter(args.text("filter")?)?;
    serve(|round| {
        let (stopper, time) = (pcap.stopper(), Duration::from_millis(round.ms) + GRACE);
        let mut received = 0u64;
        round.started();
        thread::scope(|scope| {
            scope.spawn(move || {
                thread::sleep(time);
                stopper.stop();
            });
            // SAFETY: count_one expects a u64, which lives across the call.
            unsafe { pcap.run_loop(count_one, (&raw mut received).cast()) }
        })?;
        Ok(Report::default().with("received", received))
    })
}
