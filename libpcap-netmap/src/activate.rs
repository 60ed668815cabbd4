//! Activation: the options that were set become an open port.

use crate::abi::*;
use crate::error::{self, status_str};
use crate::guard;
use crate::handle::{self, Active, Handle, Live, Options, Source};
use crate::rx::{Rx, batch_time};
use crate::tx::Tx;
use drivers::Stamping;
use libc::c_int;
use nm_core::PortError;
use nm_core::name::PortName;
use std::cell::UnsafeCell;
use std::sync::atomic::{AtomicBool, AtomicU64};

/// Bytes of one buffer of a VALE port: what `pcap_set_buffer_size` is counted in.
const BUFFER_STRIDE: u32 = 2112;

/// Opens the port of a created handle: 0, a `PCAP_WARNING_*`, or a `PCAP_ERROR_*` with its text set and the handle still created.
pub(crate) fn activate(live: &Live) -> c_int {
    let options = match live.options() {
        Ok(options) => *options,
        Err(code) => return code,
    };
    if options.rfmon {
        return live.fail(PCAP_ERROR_RFMON_NOTSUP, format_args!("{}", status_str(PCAP_ERROR_RFMON_NOTSUP)));
    }
    let port = match open(live, &options) {
        Ok(port) => port,
        Err(error) => return live.fail_port(&error),
    };
    let snaplen = match options.snaplen {
        1..MAXIMUM_SNAPLEN => options.snaplen,
        _ => MAXIMUM_SNAPLEN,
    };
    // As libpcap where the card's driver refuses: the frames have the host's times.
    let as_asked = options.stamping == Stamping::Host || port.control.stamped_by_card();
    let done = if as_asked { 0 } else { PCAP_WARNING_TSTAMP_TYPE_NOTSUP };
    let nano = options.precision == PCAP_TSTAMP_PRECISION_NANO;
    let active = Active {
        control: port.control,
        rx: UnsafeCell::new(Rx::new(port.rx, snaplen as u32, nano)),
        tx: Tx::new(port.tx),
        snaplen,
        timeout_ms: options.timeout_ms,
        immediate: options.immediate,
        nonblocking: AtomicBool::new(options.nonblocking || options.timeout_ms < 0),
        fd_asked: AtomicBool::new(false),
        unflushed: AtomicU64::new(0),
        told: AtomicU64::new(0),
    };
    if live.activate(active) { done } else { live.fail(PCAP_ERROR_ACTIVATED, format_args!("{}", error::ACTIVATED)) }
}

fn open(
    live: &Live,
    &Options { buffer_size, promiscuous, stamping, immediate, timeout_ms, .. }: &Options,
) -> Result<nm_core::Port, PortError> {
    let buffers = buffers(buffer_size);
    // Programs open a device as often as they like.
    let ours = vale::Options { rx_bufs: buffers, again: true, ..vale::Options::default() };
    let gather = (!immediate).then(|| batch_time(timeout_ms));
    let unsupported = |why| PortError::Unsupported { port: live.device.clone(), why };
    match &live.name {
        Err(error) => Err(PortError::Name(error.clone())),
        Ok(PortName::Vale(name)) => vale::open(name, &ours),
        Ok(PortName::Netmap(name)) => {
            let asked = drivers::Options::from_environment()?;
            let options =
                drivers::Options { rx_slots: buffers, promiscuous, stamping, gather, late_filter: true, ..asked };
            let pipe = if options.wants_module() { None } else { vale::open_pipe(name, &ours) };
            pipe.unwrap_or_else(|| drivers::open(name, &options))
        }
        Ok(PortName::Vhost(_)) => Err(unsupported("vhost: ports are not served yet; ports of a switch (vale0:a) are")),
        Ok(_) => Err(unsupported("no driver of this library serves this name")),
    }
}

/// Buffers of the receive ring for `bytes` of them; `None`: the port's own.
fn buffers(bytes: c_int) -> Option<u32> {
    match u32::try_from(bytes) {
        Ok(0) | Err(_) => None,
        Ok(bytes) => Some((bytes / BUFFER_STRIDE).clamp(64, 65_536)),
    }
}

/// Opens what a created handle names: 0, a `PCAP_WARNING_*`, or a `PCAP_ERROR_*` with its text in the handle.
///
/// # Safety
/// `p` is NULL or an open handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pcap_activate(p: *mut Handle) -> c_int {
    // SAFETY: by the caller's promise.
    match unsafe { handle::source(p) } {
        None => PCAP_ERROR,
        // SAFETY: passed on.
        Some(Source::System(s)) => unsafe { (s.library.pcap_activate)(s.p) },
        Some(Source::Live(live)) => guard::live(live, PCAP_ERROR, || activate(live)),
        Some(Source::Offline(offline)) => offline.already_activated(),
        Some(Source::Dead(dead)) => dead.already_activated(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffer_sizes_become_buffers() {
        assert_eq!(buffers(0), None);
        assert_eq!(buffers(1), Some(64));
        assert_eq!(buffers(2112 * 500), Some(500));
        assert_eq!(buffers(c_int::MAX), Some(65_536));
    }
}
