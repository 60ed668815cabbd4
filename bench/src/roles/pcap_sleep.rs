//! A reader on a port where nothing happens.

use crate::pcap_lib::{self, OpenOptions, PacketHeader, PcapLib};
use crate::role::{Args, Report, serve};
use std::ffi::c_uchar;
use std::ptr;

extern "C" fn ignore(_: *mut c_uchar, _: *const PacketHeader, _: *const c_uchar) {}

/// `role=pcap-sleep lib=ours|system if=`: sits in `pcap_loop` with a timeout of a second, as tcpdump does, until it is
/// killed.
pub fn sleep(args: &Args) -> Result<(), String> {
    let lib = PcapLib::load(&pcap_lib::find(args.text("lib")?)?)?;
    let pcap = lib.open(args.text("if")?, &OpenOptions { immediate: false, nonblocking: false, timeout_ms: 1000 })?;
    serve(|round| {
        round.started();
        // SAFETY: the handler takes anything.
        unsafe { pcap.run_loop(ignore, ptr::null_mut()) }?;
        Ok(Report::default())
    })
}
