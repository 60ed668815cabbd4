//! A reader on a port where nothing happens.

use crate::pcap_lib::{self, OpenOptions, PcapLib};
use crate::role::{Args, Report, serve};

/// `role=pcap-sleep lib=ours|system if=`: reads, as tcpdump does, until a frame comes or it is killed.
pub fn sleep(args: &Args) -> Result<(), String> {
    let lib = PcapLib::load(&pcap_lib::find(args.text("lib")?)?)?;
    let mut pcap =
        lib.open(args.text("if")?, &OpenOptions { immediate: false, nonblocking: false, timeout_ms: 1000 })?;
    serve(|round| {
        round.started();
        while pcap.next()?.is_none() {}
        Ok(Report::default())
    })
}
