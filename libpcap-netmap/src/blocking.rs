//! Waiting by other means: non-blocking mode, the selectable descriptor, the direction of what is read.

use crate::abi::*;
use crate::dead;
use crate::error::{self, Errbuf};
use crate::guard;
use crate::handle::{self, Handle, Live, Source};
use crate::offline;
use libc::{c_char, c_int, timeval};
use nm_core::name::{NetmapRings, PortName};
use nm_core::{PortInfo, PortKind};
use std::sync::atomic::Ordering;

/// Whether the handle is in non-blocking mode.
///
/// # Safety
/// `p` is NULL or an open handle; `errbuf` is NULL or has `PCAP_ERRBUF_SIZE` writable bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pcap_getnonblock(p: *mut Handle, errbuf: *mut c_char) -> c_int {
    // SAFETY: by the caller's promise.
    match unsafe { handle::source(p) } {
        None => PCAP_ERROR,
        // SAFETY: passed on.
        Some(Source::System(s)) => unsafe { (s.library.pcap_getnonblock)(s.p, errbuf) },
        Some(Source::Live(live)) => guard::live(live, PCAP_ERROR, || match live.active() {
            // ORDER: Relaxed: a mode; nothing else depends on it.
            Ok(active) => active.nonblocking.load(Ordering::Relaxed).into(),
            Err(code) => {
                // SAFETY: by the caller's promise.
                unsafe { Errbuf::write(errbuf, format_args!("{}", error::NOT_ACTIVATED)) };
                code
            }
        }),
        Some(Source::Offline(_)) => 0,
        Some(Source::Dead(dead)) => {
            // SAFETY: by the caller's promise.
            unsafe { Errbuf::write(errbuf, format_args!("{}", dead::NO_BLOCKING)) };
            dead.refuse(dead::NO_BLOCKING)
        }
    }
}

/// Sets or clears non-blocking mode; before activation, the mode that it starts with.
///
/// # Safety
/// As [`pcap_getnonblock`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pcap_setnonblock(p: *mut Handle, nonblocking: c_int, errbuf: *mut c_char) -> c_int {
    // SAFETY: by the caller's promise.
    match unsafe { handle::source(p) } {
        None => PCAP_ERROR,
        // SAFETY: passed on.
        Some(Source::System(s)) => unsafe { (s.library.pcap_setnonblock)(s.p, nonblocking, errbuf) },
        Some(Source::Live(live)) => guard::live(live, PCAP_ERROR, || match live.peek() {
            // ORDER: Relaxed: as above.
            Some(active) => {
                active.nonblocking.store(nonblocking != 0, Ordering::Relaxed);
                0
            }
            None => match live.options() {
                Ok(mut options) => {
                    options.nonblocking = nonblocking != 0;
                    0
                }
                Err(_) => PCAP_ERROR,
            },
        }),
        Some(Source::Offline(offline)) => {
            // SAFETY: by the caller's promise.
            unsafe { Errbuf::write(errbuf, format_args!("{}", offline::NO_NONBLOCKING)) };
            offline.refuse(offline::NO_NONBLOCKING)
        }
        Some(Source::Dead(dead)) => {
            // SAFETY: by the caller's promise.
            unsafe { Errbuf::write(errbuf, format_args!("{}", dead::NO_BLOCKING)) };
            dead.refuse(dead::NO_BLOCKING)
        }
    }
}

/// A descriptor that is readable exactly while a frame waits, for `select` and the like. The handle owns it.
///
/// # Safety
/// `p` is NULL or an open handle that no other thread reads.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pcap_get_selectable_fd(p: *mut Handle) -> c_int {
    // SAFETY: by the caller's promise.
    match unsafe { handle::source(p) } {
        None => PCAP_ERROR,
        // SAFETY: passed on.
        Some(Source::System(s)) => unsafe { (s.library.pcap_get_selectable_fd)(s.p) },
        // SAFETY: by the caller's promise.
        Some(Source::Offline(offline)) => unsafe { offline.descriptor() },
        Some(Source::Live(live)) => guard::live(live, PCAP_ERROR, || descriptor(live)),
        Some(Source::Dead(_)) => PCAP_ERROR,
    }
}

/// As [`pcap_get_selectable_fd`].
///
/// # Safety
/// As [`pcap_get_selectable_fd`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pcap_fileno(p: *mut Handle) -> c_int {
    // SAFETY: by the caller's promise.
    match unsafe { handle::source(p) } {
        None => PCAP_ERROR,
        // SAFETY: passed on.
        Some(Source::System(s)) => unsafe { (s.library.pcap_fileno)(s.p) },
        Some(Source::Live(live)) => guard::live(live, PCAP_ERROR, || descriptor(live)),
        // A savefile's is asked for as pcap_file or as the selectable one.
        Some(Source::Offline(_) | Source::Dead(_)) => PCAP_ERROR,
    }
}

fn descriptor(live: &Live) -> c_int {
    let Some(active) = live.peek() else { return PCAP_ERROR };
    // SAFETY: the reader's cell; no other thread reads meanwhile (the exported functions' condition), and a callback
    // of this thread runs while nobody holds a reference into it.
    let rx = unsafe { &mut *active.rx.get() };
    match rx.port().selectable_fd() {
        Ok(fd) => {
            // ORDER: Relaxed: read by the thread that reads frames.
            active.fd_asked.store(true, Ordering::Relaxed);
            fd
        }
        Err(error) => {
            live.fail_port(&error);
            PCAP_ERROR
        }
    }
}

/// How long a `select` may take at most; NULL: as long as it likes.
///
/// # Safety
/// `p` is NULL or an open handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pcap_get_required_select_timeout(p: *mut Handle) -> *const timeval {
    // SAFETY: by the caller's promise.
    match unsafe { handle::source(p) } {
        // SAFETY: passed on.
        Some(Source::System(s)) => unsafe { (s.library.pcap_get_required_select_timeout)(s.p) },
        _ => std::ptr::null(),
    }
}

/// Reads only frames that come in, or go out, or both. A port never sees what it sends itself.
///
/// # Safety
/// `p` is NULL or an open handle that no other thread reads.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pcap_setdirection(p: *mut Handle, direction: c_int) -> c_int {
    // SAFETY: by the caller's promise.
    match unsafe { handle::source(p) } {
        None => PCAP_ERROR,
        // SAFETY: passed on.
        Some(Source::System(s)) => unsafe { (s.library.pcap_setdirection)(s.p, direction) },
        Some(Source::Live(live)) => guard::live(live, PCAP_ERROR, || set_direction(live, direction)),
        Some(Source::Offline(offline)) if is_direction(direction) => offline.refuse(offline::NO_DIRECTION),
        Some(Source::Offline(offline)) => offline.refuse(INVALID_DIRECTION),
        Some(Source::Dead(dead)) if is_direction(direction) => dead.refuse(dead::NO_DIRECTION),
        Some(Source::Dead(dead)) => dead.refuse(INVALID_DIRECTION),
    }
}

const INVALID_DIRECTION: &str = "Invalid direction";

fn is_direction(direction: c_int) -> bool {
    [PCAP_D_INOUT, PCAP_D_IN, PCAP_D_OUT].contains(&direction)
}

fn set_direction(live: &Live, direction: c_int) -> c_int {
    if !is_direction(direction) {
        return live.fail(PCAP_ERROR, format_args!("{INVALID_DIRECTION}"));
    }
    let active = match live.active() {
        Ok(active) => active,
        Err(code) => return code,
    };
    let deliver = match delivers(&active.control.info(), direction) {
        Ok(deliver) => deliver,
        Err(why) => return live.fail(PCAP_ERROR, format_args!("{}: {why}", live.device)),
    };
    // SAFETY: as in `descriptor`.
    unsafe { (*active.rx.get()).deliver = deliver };
    0
}

/// Whether frames of a port have this direction, as the host of the port or the card sees it. Who asks for frames that a card's port
/// never has is told where they are, rather than left to wait.
fn delivers(port: &PortInfo, direction: c_int) -> Result<bool, &'static str> {
    let rings = match PortName::parse(&port.name) {
        // A module's switch has ports as ours have.
        Ok(PortName::Netmap(name)) if !name.ifname.contains(':') => Some(name.rings),
        _ => None,
    };
    match (port.kind, rings, direction) {
        (_, _, PCAP_D_INOUT) => Ok(true),
        (PortKind::Listener, ..) => Err("a listener sees frames in no direction: they cross the switch"),
        (PortKind::Port, Some(NetmapRings::All | NetmapRings::One(_)), PCAP_D_OUT) => {
            Err("has only frames that the card receives: those that the host sends are in netmap:CARD^")
        }
        (PortKind::Port, Some(NetmapRings::Host | NetmapRings::OneHost(_)), _) => match direction {
            PCAP_D_OUT => Ok(true),
            _ => Err("has only frames that the host sends: those that the card receives are in netmap:CARD"),
        },
        (PortKind::Port, Some(NetmapRings::AllAndHost), _) => {
            Err("does not tell frames in and out apart: netmap:CARD has those in, netmap:CARD^ those out")
        }
        (PortKind::MonitorTx, ..) => Ok(direction == PCAP_D_OUT),
        (PortKind::Port | PortKind::MonitorRx, ..) => Ok(direction == PCAP_D_IN),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directions_of_ports() {
        let of = |name: &str, kind, direction| {
            let port =
                PortInfo { name: name.into(), driver: "", kind, rx_slots: 0, tx_slots: 0, buf_size: 0, memory: 0 };
            delivers(&port, direction).ok()
        };
        let of_kind = |kind, direction| of("vale0:a", kind, direction);
        assert_eq!(of_kind(PortKind::Port, PCAP_D_OUT), Some(false));
        assert_eq!(of_kind(PortKind::Port, PCAP_D_IN), Some(true));
        assert_eq!(of_kind(PortKind::MonitorTx, PCAP_D_OUT), Some(true));
        assert_eq!(of_kind(PortKind::MonitorTx, PCAP_D_IN), Some(false));
        assert_eq!(of_kind(PortKind::MonitorRx, PCAP_D_IN), Some(true));
        assert_eq!(of_kind(PortKind::Listener, PCAP_D_INOUT), Some(true));
        assert_eq!(of_kind(PortKind::Listener, PCAP_D_IN), None);
        let both = |name| [PCAP_D_IN, PCAP_D_OUT].map(|direction| of(name, PortKind::Port, direction));
        assert_eq!(both("netmap:eth0"), [Some(true), None]);
        assert_eq!(both("netmap:eth0-2"), [Some(true), None]);
        assert_eq!(both("netmap:eth0^"), [None, Some(true)]);
        assert_eq!(both("netmap:eth0*"), [None, None]);
        assert_eq!(both("netmap:x{1"), [Some(true), Some(false)]);
        assert_eq!(both("netmap:vale0:a"), [Some(true), Some(false)]);
    }
}
