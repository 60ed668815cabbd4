//! A card's host rings, `netmap:eth0^`: frames that the host sends to the card come to us instead, and what we send the host
//! receives as from the card.
//!
//! ```text
//!          the host's stack                         ^ as received from eth0
//!                | to be sent by eth0               |
//!         eth0, TCX egress ──> tap ──> [rx]   [tx] ──> tap, TCX ingress
//!              (redirect)      │ read           write │   (redirect, BPF_F_INGRESS)
//!                              └────── our rings ─────┘
//! ```
//! The tap is ours alone: it goes with our descriptor, and both programs go with theirs, so after any end of the process,
//! `kill -9` too, the host sends by the card again. What is sent past the host's queues (a port of ours on the card itself,
//! whatever its driver) does not come here: so `bridge netmap:eth0 netmap:eth0^` makes no circle.
//!
//! A tap that offers no offloads makes the kernel cut large TCP segments to the MTU and fill in all checksums before we read
//! them: what comes here is what a plain card would be given. The tap has the card's MTU as it was when we opened it.
//!
//! Frames carry the time at which we took them from the tap. Frames that the host sends while our ring and the tap's
//! queue are full are lost, as on a card that is too slow; the tap counts them, and so do we.
//!
//! **What still passes by.** The kernel's own captures see the frames on their way to the card as before, since they are
//! taken behind this hook: so they see them only when we send them on. A qdisc on the card is passed by, too.

mod rx;
mod tx;

use crate::Error;
use crate::bpf::{Link, Redirect, attach_tcx, load_redirect};
use crate::copying::{self, Control, KernelCounts};
use crate::flags;
use crate::sys::bpf::TcHook;
use crate::sys::interface::{self, Interface};
use crate::sys::packet::PacketSocket;
use crate::sys::tap::Tap;
use nm_core::name::{NetmapName, NetmapRings};
use nm_core::shm::layout::Layout;
use nm_core::{Port, PortError};
use std::io;
use std::os::fd::AsFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Begins the names of our taps.
const PREFIX: &str = "nmhost";
const RX_SLOTS: u32 = 4096;
const TX_SLOTS: u32 = 512;
/// Frames that wait in the tap: what the host sends at once, a window or two of TCP, fits.
const QUEUE: u32 = 4096;

/// What makes the way of a host ring; dropping it gives the host its card back.
struct Diversion {
    tap: Tap,
    card: Interface,
    /// Tells when the card goes away.
    watch: PacketSocket,
    /// Keeps others from diverting the same card.
    _mark: UnixDatagram,
    /// In this order: first nothing is diverted any more, then the tap goes.
    _links: [Link; 2],
}

/// Opens the host rings of `name`: `netmap:eth0^`. There is one each way.
///
/// # Errors
/// [`PortError::NoDevice`], [`PortError::NotUp`], [`PortError::Denied`] without `CAP_NET_ADMIN` and `CAP_BPF`,
/// [`PortError::InUse`] when another program has them, [`PortError::Unsupported`] where the kernel has no TCX or no tun driver.
pub fn open(name: &NetmapName) -> Result<Port, PortError> {
    let port = name.to_string();
    let unsupported = |why| PortError::Unsupported { port: port.clone(), why };
    if !matches!(name.rings, NetmapRings::Host | NetmapRings::OneHost(0)) {
        return Err(unsupported("there is one host ring here, netmap:IF^; the netmap module may have more"));
    }
    flags::check(name, None)?;
    let diversion = Arc::new(divert(&port, &name.ifname)?);
    let layout = Layout { rx_slots: RX_SLOTS, tx_slots: TX_SLOTS };
    let tap = diversion.tap.name().to_string();
    let seen = AtomicU64::new(0);
    let counts = Box::new(move || {
        let now = interface::drops(&tap).map(|[_, sent]| sent);
        // ORDER: Relaxed; a counter.
        let dropped = now.map_or(0, |now| now.saturating_sub(seen.fetch_max(now, Ordering::Relaxed)));
        KernelCounts { shown: 0, dropped }
    });
    let control = Control::new(port.clone(), "host ring", layout, 0, counts)
        .map_err(|source| PortError::Io { what: format!("{port}: eventfd"), source })?;
    let port = copying::open(Arc::new(control), rx::Sent::new(Arc::clone(&diversion)), tx::Received(diversion))?;
    Ok(flags::honour(name, port))
}

fn divert(port: &str, ifname: &str) -> Result<Diversion, PortError> {
    let io = |what: &str, source: io::Error| match source.raw_os_error() {
        Some(libc::EPERM | libc::EACCES) => {
            let what = format!("{what}: CAP_NET_ADMIN may be required");
            PortError::Denied { port: port.to_string(), what, source }
        }
        _ => PortError::Io { what: format!("{port}: {what}"), source },
    };
    let card = Interface::find(ifname).map_err(|e| match e.raw_os_error() {
        Some(libc::ENODEV) => PortError::NoDevice { port: port.to_string() },
        _ => io("interface", e),
    })?;
    let unsupported = |why| PortError::Unsupported { port: port.to_string(), why };
    if !card.ethernet {
        return Err(unsupported("its frames have no Ethernet header, and netmap's always have one"));
    }
    if !card.up {
        return Err(PortError::NotUp { port: port.to_string() });
    }
    let mark = mark(card.index).map_err(|e| match e.kind() {
        io::ErrorKind::AddrInUse => PortError::InUse { port: port.to_string() },
        _ => io("mark", e),
    })?;
    let watch = PacketSocket::watching(card.index).map_err(|e| io("watch", e))?;
    let tap = Tap::new(PREFIX).map_err(|e| match e.raw_os_error() {
        Some(libc::ENOENT | libc::ENODEV | libc::ENXIO) => {
            unsupported("host rings need the kernel's tun driver (/dev/net/tun: modprobe tun)")
        }
        _ => io("tap", e),
    })?;
    be_silent(tap.name());
    interface::set_mtu(tap.name(), card.mtu).map_err(|e| io("the tap's MTU", e))?;
    interface::set_queue_len(tap.name(), QUEUE).map_err(|e| io("the tap's queue", e))?;
    interface::set_up(tap.name()).map_err(|e| io("the tap", e))?;
    let number = Interface::find(tap.name()).map_err(|e| io("the tap", e))?.index;

    let bpf = |error: Error| match error {
        Error::NoHook { .. } => unsupported("host rings need Linux 6.6: this kernel has no TCX hooks"),
        Error::Permission { source, .. } => PortError::Denied {
            port: port.to_string(),
            what: "CAP_BPF and CAP_NET_ADMIN may be required".into(),
            source,
        },
        other => PortError::Io { what: port.to_string(), source: io::Error::other(other) },
    };
    // Frames for the host first: when the host's begin to come, it can be answered.
    let receive = load_redirect(card.index, Redirect::Receive).map_err(bpf)?;
    let receive = attach_tcx(receive.as_fd(), number, TcHook::Ingress).map_err(bpf)?;
    let send = load_redirect(number, Redirect::Send).map_err(bpf)?;
    let send = attach_tcx(send.as_fd(), card.index, TcHook::Egress).map_err(bpf)?;
    Ok(Diversion { tap, card, watch, _mark: mark, _links: [send, receive] })
}

/// Of two programs that divert a card, the second would get nothing, and be told nothing. So the first has a socket with a
/// name that only one can have in a network namespace, and that goes with its process.
fn mark(card: u32) -> io::Result<UnixDatagram> {
    UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(format!("netmap-host-rings-of-{card}"))?)
}

/// Keeps the kernel from speaking for itself on the tap (IPv6's solicitations, reports): nobody asked this interface.
/// What can't be set (no IPv6 in the kernel, a read-only /proc) needs no setting, or costs a few frames.
fn be_silent(tap: &str) {
    let _ = std::fs::write(Path::new("/proc/sys/net/ipv6/conf").join(tap).join("disable_ipv6"), "1");
}
