//! A card through a packet socket: `netmap:eth0` where neither the kernel module nor AF_XDP serves.
//!
//! It is a copy: the host keeps its traffic, and what this port reads it reads beside the host. Like a card's ring it
//! has the frames that the card *receives*, not those that the host sends, and what is sent through it goes straight to
//! the card: past the host's queues, hooks and captures.
//!
//! ```text
//!   card -> kernel's ring of the socket -> [rx] one copy -> our region's receive ring
//!   inject, our region's transmit ring -> [tx] send, sendmmsg -> card
//! ```
//! **Which ring of the kernel.** Its second version, one frame a slot: a frame is there for us at the moment it is
//! filled, without a system call. The third version shows frames by blocks, when one is full or a timer of milliseconds
//! has gone off, and a reader who wants each frame at once would wait for it. `recvmmsg` needs no ring, but keeps
//! frames in the socket's buffer, which without `CAP_NET_ADMIN` ends at some 270 frames of 60 bytes; this ring has
//! thousands.
//!
//! **Frames larger than a slot of the kernel's** (what a card has merged, or a peer without a wire has not cut) come
//! whole by the socket's queue and become chains. They are shown as the host gets them: merged, and with the transport's
//! checksum not yet filled in where the host has been told not to look at it, as any capture on Linux has them.
//!
//! **Filters** run in the kernel as well as in the reader ([`filter`]): what the kernel refuses costs no copy. Since the
//! reader filters all that it gets, no frame of an earlier filter is ever shown, and none that both accept is lost.

mod filter;
mod rx;
mod tx;

use crate::sys::interface::Interface;
use crate::sys::packet::{OVERHEAD, PacketSocket};
use crate::sys::wait::Event;
use nm_core::name::{NetmapName, NetmapRings};
use nm_core::shm::layout::{Layout, MAX_SLOTS, MIN_SLOTS, write_interface};
use nm_core::shm::mapping::Mapping;
use nm_core::{Port, PortControl, PortError, PortInfo, PortKind, Stats};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// How a port is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Frames that the kernel keeps for us, at most 65,536; `None`: 4,096.
    pub frames: Option<u32>,
    /// The card takes in frames for others, too.
    pub promiscuous: bool,
}

impl Default for Options {
    fn default() -> Self {
        Options { frames: None, promiscuous: true }
    }
}

const FRAMES: u32 = 4096;
/// Slots of our own rings: frames wait in the kernel's, so few will do. A frame of 65,535 bytes takes 32.
const RX_SLOTS: u32 = 512;
const TX_SLOTS: u32 = 512;
/// Bytes of an Ethernet header with a VLAN tag.
const HEADER: u32 = 18;
/// Room in the kernel's queue for frames that are too large for its ring: some 60 of the largest.
const QUEUE_BYTES: i32 = 8 << 20;

/// Opens the card of `name`, all of it: a packet socket knows no single rings, and no rings of the host.
///
/// # Errors
/// [`PortError::NoDevice`], [`PortError::NotUp`], [`PortError::Denied`] without `CAP_NET_RAW`,
/// [`PortError::Unsupported`] for what a packet socket can't do, [`PortError::Io`].
pub fn open(name: &NetmapName, options: &Options) -> Result<Port, PortError> {
    let port = name.to_string();
    let unsupported = |why| PortError::Unsupported { port: port.clone(), why };
    if name.rings != NetmapRings::All {
        return Err(unsupported("AF_PACKET serves a card as a whole: single rings and pipes need the netmap module"));
    }
    if name.flags != 0 {
        return Err(unsupported("AF_PACKET gives a copy beside the host: /FLAGS need the netmap module"));
    }
    let io = |what: &str, source: io::Error| match source.raw_os_error() {
        Some(libc::ENODEV | libc::ENXIO) => PortError::NoDevice { port: port.clone() },
        Some(libc::ENETDOWN) => PortError::NotUp { port: port.clone() },
        Some(libc::EPERM | libc::EACCES) => {
            let what = format!("{what}: CAP_NET_RAW may be required");
            PortError::Denied { port: port.clone(), what, source }
        }
        _ => PortError::Io { what: format!("{port}: {what}"), source },
    };
    let card = Interface::find(&name.ifname).map_err(|e| io("interface", e))?;
    if !card.ethernet {
        return Err(unsupported("its frames have no Ethernet header, and netmap's always have one"));
    }
    let socket = PacketSocket::new().map_err(|e| io("socket", e))?;
    socket.ignore_outgoing();
    socket.receive_buffer(QUEUE_BYTES);
    let frames = options.frames.unwrap_or(FRAMES).clamp(64, MAX_SLOTS);
    let frame_size = (card.mtu.saturating_add(HEADER + OVERHEAD as u32)).clamp(2048, 65_536).next_power_of_two();
    let frames = socket.make_ring(frames, frame_size).map_err(|e| io("receive ring", e))?;
    socket.bypass_queues().map_err(|e| io("PACKET_QDISC_BYPASS", e))?;
    if options.promiscuous {
        socket.promiscuous(card.index).map_err(|e| io("PACKET_ADD_MEMBERSHIP", e))?;
    }
    socket.bind(card.index).map_err(|e| io("bind", e))?;

    let layout = Layout { rx_slots: RX_SLOTS.max(MIN_SLOTS), tx_slots: TX_SLOTS };
    let mapping = Mapping::anonymous(layout.total_bytes()).map_err(|e| io("memory", e))?;
    write_interface(&mapping, layout.interface(), layout.tx_ring(), layout.rx_ring(), &port);
    let memory = frames.memory() as u64 + layout.rx_bytes() as u64;
    let shared = Arc::new(Shared {
        name: port.clone(),
        card,
        socket,
        wake: Event::new().map_err(|e| io("eventfd", e))?,
        woken: AtomicBool::new(false),
        memory: AtomicU64::new(memory),
        layout,
        counters: Counters::default(),
    });
    let no_room = || io("memory", io::ErrorKind::UnexpectedEof.into());
    let rx = rx::Rx::new(Arc::clone(&shared), frames, &mapping).ok_or_else(no_room)?;
    let tx = tx::Tx::new(Arc::clone(&shared), mapping);
    Ok(Port { rx: Box::new(rx), tx: Box::new(tx), control: shared })
}

/// What the parts of an open port share.
struct Shared {
    name: String,
    card: Interface,
    socket: PacketSocket,
    /// Set by [`PortControl::wake`].
    wake: Event,
    woken: AtomicBool,
    memory: AtomicU64,
    layout: Layout,
    counters: Counters,
}

#[derive(Default)]
struct Counters {
    received: AtomicU64,
    received_bytes: AtomicU64,
    sent: AtomicU64,
    sent_bytes: AtomicU64,
    dropped_full: AtomicU64,
    dropped_long: AtomicU64,
    rejected: AtomicU64,
    malformed: AtomicU64,
}

/// Adds to a counter.
fn count(counter: &AtomicU64, n: u64) {
    // ORDER: Relaxed; a counter.
    counter.fetch_add(n, Ordering::Relaxed);
}

impl PortControl for Shared {
    fn wake(&self) {
        // ORDER: Release pairs with the Acquire in `Rx::take_wake`; the event makes a sleeper look.
        self.woken.store(true, Ordering::Release);
        self.wake.set();
    }

    fn stats(&self) -> Stats {
        let c = &self.counters;
        // The kernel's own counter starts anew with each reading.
        count(&c.dropped_full, self.socket.statistics().1.into());
        // ORDER: Relaxed; counters.
        let get = |c: &AtomicU64| c.load(Ordering::Relaxed);
        Stats {
            received: get(&c.received),
            received_bytes: get(&c.received_bytes),
            sent: get(&c.sent),
            sent_bytes: get(&c.sent_bytes),
            dropped_full: get(&c.dropped_full),
            dropped_stalled: 0,
            dropped_long: get(&c.dropped_long),
            rejected: get(&c.rejected),
            malformed: get(&c.malformed),
        }
    }

    fn info(&self) -> PortInfo {
        PortInfo {
            name: self.name.clone(),
            driver: "af_packet (a copy: the host keeps its traffic)",
            kind: PortKind::Port,
            rx_slots: self.layout.rx_slots,
            tx_slots: self.layout.tx_slots,
            buf_size: nm_core::shm::layout::BUF_SIZE,
            // ORDER: Relaxed; for people who look.
            memory: self.memory.load(Ordering::Relaxed),
        }
    }

    fn count_rejected(&self, frames: u64) {
        count(&self.counters.rejected, frames);
    }
}

impl Shared {
    /// What an error that waits on the socket means: an interface that is down comes up again, one that is gone does not.
    fn check(&self) -> Result<(), PortError> {
        match self.socket.take_error() {
            Ok(None) => Ok(()),
            Ok(Some(e)) if e.raw_os_error() == Some(libc::ENETDOWN) => match Interface::exists(self.card.index) {
                true => Ok(()),
                false => Err(PortError::Disappeared),
            },
            Ok(Some(source)) | Err(source) => Err(PortError::Io { what: format!("{}: receive", self.name), source }),
        }
    }
}
