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
//! **Which ring of the kernel.** Its second version, one frame a slot, for who wants each frame at once: it is there for us at
//! the moment it is filled, without a system call. The third version, for who told how long a frame may wait for others: frames
//! are shown by blocks, when one is full or the time is over, as libpcap's are. `recvmmsg` needs no ring, but keeps frames in the
//! socket's buffer, which without `CAP_NET_ADMIN` ends at some 270 frames of 60 bytes; these rings have thousands.
//!
//! **Frames larger than a slot of the kernel's** (what a card has merged, or a peer without a wire has not cut) come
//! whole by the socket's queue, which blocks don't need, and become chains. They are shown as the host gets them: merged, and
//! with the transport's checksum not yet filled in where the host has been told not to look at it, as any capture on Linux has
//! them.
//!
//! **Who sends frames on** wants them as a wire carries them ([`Options::as_on_wire`]): the kernel then says before each frame what its
//! sender left to a card ([`offload`](crate::offload)), and that is done on the way into our ring. Kernels before 6.2 can't say it of
//! datagrams in one piece for many, and drop those.
//!
//! **Filters** run in the kernel as well as in the reader ([`filter`]): what the kernel refuses costs no copy. Since the
//! reader filters all that it gets, no frame of an earlier filter is ever shown, and none that both accept is lost.

mod filter;
mod rx;
mod tx;

use crate::copying::{self, Control, KernelCounts};
use crate::flags;
use crate::stamping::CardTimes;
use crate::sys::interface::Interface;
use crate::sys::packet::blocks::BLOCK;
use crate::sys::packet::{OVERHEAD, PacketSocket, ReceiveRing};
use crate::times::Times;
use nm_core::name::{NetmapName, NetmapRings};
use nm_core::shm::layout::{Layout, MAX_SLOTS, SHARERS};
use nm_core::{Port, PortError};
use std::io;
use std::sync::Arc;
use std::time::Duration;

/// How a port is made.
#[derive(Clone, Debug)]
pub struct Options {
    /// Frames that the kernel keeps for us, at most 65,536; `None`: 4,096.
    pub frames: Option<u32>,
    /// The card takes in frames for others, too.
    pub promiscuous: bool,
    /// How long a frame may wait for others, so that they are cheaper; `None`: not at all.
    pub gather: Option<Duration>,
    /// Frames have the card's times, where it has stamped them.
    pub card_times: Option<CardTimes>,
    /// Frames come as a wire carries them: what their sender left to a card is done. Not with `gather`.
    pub as_on_wire: bool,
}

impl Default for Options {
    fn default() -> Self {
        Options { frames: None, promiscuous: true, gather: None, card_times: None, as_on_wire: false }
    }
}

const FRAMES: u32 = 4096;
/// Slots of our own rings: frames wait in the kernel's, so few will do. A frame of 65,535 bytes takes 32.
const RX_SLOTS: u32 = 2048;
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
    flags::check(
        name,
        Some("/x: a packet socket gives a copy beside the host; AF_XDP and the netmap module have rings of their own"),
    )?;
    let io = |what, source| failure(&port, what, source);
    let card = Interface::find(&name.ifname).map_err(|e| io("interface", e))?;
    if !card.ethernet {
        return Err(unsupported("its frames have no Ethernet header, and netmap's always have one"));
    }
    if !card.up {
        return Err(PortError::NotUp { port });
    }
    let mut socket = PacketSocket::new().map_err(|e| io("socket", e))?;
    make_room(&socket);
    if options.as_on_wire && options.gather.is_none() {
        // A kernel that can't tell has frames as a capture has them.
        let _ = socket.tell_offloads();
    }
    let bypass = |socket: &PacketSocket| socket.bypass_queues().map_err(|e| io("PACKET_QDISC_BYPASS", e));
    bypass(&socket)?;
    if options.promiscuous {
        socket.promiscuous(card.index).map_err(|e| io("PACKET_ADD_MEMBERSHIP", e))?;
    }
    let socket = Arc::new(socket);
    // Who is told must tell, too, for each frame that he sends: another socket need not.
    let sending = if socket.tells_offloads() {
        let sending = PacketSocket::new().map_err(|e| io("socket", e))?;
        bypass(&sending)?;
        sending.bind_to_send(card.index).map_err(|e| io("bind", e))?;
        Arc::new(sending)
    } else {
        Arc::clone(&socket)
    };
    receive(name, card, Sockets { receiving: socket, sending }, options)
}

/// As [`open`], by a socket that was opened for a card when it was up, for another protocol. Takes no privileges. Receives what the socket's
/// filter accepts.
///
/// # Errors
/// [`PortError::NoDevice`], [`PortError::Io`].
pub(crate) fn open_by(
    socket: &Arc<PacketSocket>,
    card: Interface,
    name: &NetmapName,
    options: &Options,
) -> Result<Port, PortError> {
    let card = Interface { up: Interface::is_up(card.index) == Some(true), ..card };
    receive(name, card, Sockets { receiving: Arc::clone(socket), sending: Arc::clone(socket) }, options)
}

/// Room for frames that are too large for a socket's ring. It takes privileges.
pub(crate) fn make_room(socket: &PacketSocket) {
    socket.receive_buffer(QUEUE_BYTES);
}

fn failure(port: &str, what: &str, source: io::Error) -> PortError {
    let port = port.to_string();
    match source.raw_os_error() {
        Some(libc::ENODEV | libc::ENXIO) => PortError::NoDevice { port },
        Some(libc::ENETDOWN) => PortError::NotUp { port },
        Some(libc::EPERM | libc::EACCES) => {
            PortError::Denied { port, what: format!("{what}: CAP_NET_RAW may be required"), source }
        }
        _ => PortError::Io { what: format!("{port}: {what}"), source },
    }
}

/// What a port has open, twice the same where nothing speaks against it.
struct Sockets {
    receiving: Arc<PacketSocket>,
    sending: Arc<PacketSocket>,
}

/// Begins to receive.
fn receive(name: &NetmapName, card: Interface, sockets: Sockets, options: &Options) -> Result<Port, PortError> {
    let (port, socket) = (name.to_string(), &sockets.receiving);
    let io = |what, source| failure(&port, what, source);
    socket.ignore_outgoing();
    if options.card_times.is_some() {
        socket.take_card_stamps().map_err(|e| io("PACKET_TIMESTAMP", e))?;
    }
    let frames = options.frames.unwrap_or(FRAMES).clamp(64, MAX_SLOTS / SHARERS);
    let no_ring = |e| io("receive ring", e);
    let begin = || match socket.bind(card.index) {
        Err(e) if card.up || e.raw_os_error() != Some(libc::ENETDOWN) => Err(io("bind", e)),
        // It receives when the interface comes up.
        _ => Ok(()),
    };
    match options.gather {
        Some(longest) => {
            let ring = socket.make_blocks(blocks_for(frames), longest).map_err(no_ring)?;
            begin()?;
            make(name, card, sockets, ring, options)
        }
        None => {
            let ring = socket.make_ring(frames, frame_size(card.mtu)).map_err(no_ring)?;
            begin()?;
            make(name, card, sockets, ring, options)
        }
    }
}

fn make(
    name: &NetmapName,
    card: Interface,
    Sockets { receiving, sending }: Sockets,
    ring: impl ReceiveRing + 'static,
    options: &Options,
) -> Result<Port, PortError> {
    let port = name.to_string();
    let layout = Layout { rx_slots: RX_SLOTS, tx_slots: TX_SLOTS };
    let (asked, memory) = (Arc::clone(&receiving), ring.memory() as u64);
    let counts = Box::new(move || {
        let (came, dropped) = asked.statistics();
        KernelCounts { shown: came.saturating_sub(dropped).into(), dropped: dropped.into() }
    });
    let no_descriptor = |source| PortError::Io { what: format!("{port}: eventfd"), source };
    let mut control = Control::new(port.clone(), "af_packet", layout, memory, counts).map_err(no_descriptor)?;
    control.stamped_by_card = options.card_times.is_some();
    control.as_on_wire = receiving.tells_offloads();
    let card_times = options.card_times.clone().map(Times::of_card);
    let source = rx::Frames::new(port, card, receiving, ring, card_times);
    copying::open(Arc::new(control), source, tx::Wire(sending)).map(|port| flags::honour(name, port))
}

/// Bytes of the kernel's slot for a frame of the card's.
fn frame_size(mtu: u32) -> u32 {
    mtu.saturating_add(HEADER + OVERHEAD as u32).clamp(2048, 65_536).next_power_of_two()
}

/// Blocks with the memory of so many slots of 2,048 bytes.
fn blocks_for(frames: u32) -> u32 {
    (frames as usize * 2048).div_ceil(BLOCK).max(2) as u32
}
