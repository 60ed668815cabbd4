//! The end of a program that did not close its handles.
//!
//! libpcap clears up behind such programs, too (`pcap_do_addexit` in its source: interfaces leave monitor mode). Ours
//! leave their switches, so that no files stay behind until somebody looks, and frames that were left to a kicker are sent.

extern "C" fn leave() {
    // The program is ending: nobody is left to be told of a panic.
    let _ = std::panic::catch_unwind(drivers::af_xdp::kicker::flush_all);
    let _ = std::panic::catch_unwind(vale::leave_all);
}

// SAFETY: the section holds pointers to functions without arguments, called once when the object is unloaded or the
// program exits; `leave` is one and does not unwind.
#[used]
#[unsafe(link_section = ".fini_array")]
static LEAVE: extern "C" fn() = leave;
