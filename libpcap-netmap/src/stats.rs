//! Counters: `pcap_stats`.

use crate::abi::*;
use crate::dead;
use crate::guard;
use crate::handle::{self, Handle, Live, Source};
use crate::offline;
use libc::c_int;
use nm_core::Stats;
use std::sync::atomic::{AtomicU64, Ordering};

/// The counters since the handle was activated.
///
/// # Safety
/// `p` is NULL or an open handle; `stat` is NULL or may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pcap_stats(p: *mut Handle, stat: *mut pcap_stat) -> c_int {
    // SAFETY: by the caller's promise.
    match unsafe { handle::source(p) } {
        None => PCAP_ERROR,
        // SAFETY: passed on.
        Some(Source::System(s)) => unsafe { (s.library.pcap_stats)(s.p, stat) },
        Some(Source::Live(live)) => guard::live(live, PCAP_ERROR, || {
            // SAFETY: NULL or writable, by the caller's promise.
            read(live, unsafe { stat.as_mut() })
        }),
        Some(Source::Offline(offline)) => offline.refuse(offline::NO_STATISTICS),
        Some(Source::Dead(dead)) => dead.refuse(dead::NO_STATISTICS),
    }
}

fn read(live: &Live, stat: Option<&mut pcap_stat>) -> c_int {
    let active = match live.active() {
        Ok(active) => active,
        Err(code) => return code,
    };
    let Some(stat) = stat else {
        return live.fail(PCAP_ERROR, format_args!("pcap_stats was given no place for the counters"));
    };
    let mut counters = active.control.stats();
    // ORDER: Relaxed: a counter of the reader's; one that it is telling the port just now may count twice.
    counters.rejected += active.unflushed.load(Ordering::Relaxed);
    *stat = translate(&counters, &active.told);
    0
}

/// libpcap's three counters, which wrap at 32 bits. Those received count what passed the filter, dropped ones too, and what waits for it;
/// of those, none is taken back that was told.
fn translate(counters: &Stats, told: &AtomicU64) -> pcap_stat {
    let dropped =
        counters.dropped_full + counters.dropped_stalled + counters.dropped_long + counters.dropped_unfinished;
    let received = counters.received.saturating_sub(counters.rejected) + dropped;
    pcap_stat {
        // ORDER: Relaxed; a counter.
        ps_recv: told.fetch_max(received, Ordering::Relaxed).max(received) as u32,
        ps_drop: dropped as u32,
        ps_ifdrop: (counters.malformed + counters.dropped_interface) as u32,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_translated() {
        let told = AtomicU64::new(0);
        let counters = Stats {
            received: 100,
            rejected: 40,
            dropped_full: 1,
            dropped_stalled: 2,
            dropped_long: 3,
            malformed: 7,
            dropped_interface: 10,
            ..Stats::default()
        };
        let stat = translate(&counters, &told);
        assert_eq!((stat.ps_recv, stat.ps_drop, stat.ps_ifdrop), (66, 6, 17));
        assert_eq!(translate(&Stats { rejected: 50, ..counters }, &told).ps_recv, 66);
        assert_eq!(translate(&Stats { received: 1 << 32, rejected: 0, ..counters }, &told).ps_recv, 6);
    }
}
