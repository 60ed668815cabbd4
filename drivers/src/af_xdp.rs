//! A card's rings through AF_XDP: the kernel's own driver, a program of ours in it, and memory that both share.
//!
//! ```text
//!   card, queue q --> [bpf] the filter: refused frames go on to the host (and nowhere with `/x`)
//!                        | accepted
//!                     socket of q: receive ring --> [rx] --> region's receive ring --> the application
//!                                  fill ring    <-- [rx] <-- released slots
//!   region's transmit ring, inject --> [tx] --> transmit ring --> card;   completion ring --> [tx]
//! ```
//!
//! | file | what |
//! |---|---|
//! | `rx.rs`, `tx.rs` | towards the application, towards the wire |
//! | `kicker.rs` | who makes the kernel send, when the caller leaves frames |
//! | `umem.rs` | the region, whose buffers are the UMEM's chunks |
//! | `ring.rs` | the kernel's rings, as positions |
//! | `queue.rs` | sockets, one for each queue of the card |
//! | `attach.rs` | the program on the interface, and the filter in it |
//! | `error.rs` | what went wrong, in the words of ports |
//!
//! **Modes**, the best one that the driver has: the card writes into our buffers (*zero-copy*); the program runs in the
//! driver and the kernel copies (*native*); it runs in the network stack, for any interface (*generic*).
//!
//! **Long frames.** A chunk is 2,048 bytes, of which 1,792 are the frame's; 4,096 where the MTU needs it; where that is
//! not enough, frames come in pieces, as chains of slots (Linux 6.6).
//!
//! **What is given back.** Everything hangs on descriptors: the program on its link, promiscuous mode on a packet
//! socket. Whatever way the process ends, the host has its interface as it was.
//!
//! **What it does not see**: frames that the host sends.
//!
//! **VLAN tags** that the card takes out of its frames are put back ([`bpf`](crate::bpf)) by native programs, where kernel (Linux 6.8) and
//! driver tell them. In generic mode, and without a copy for frames in pieces, they are lost: `ethtool -K eth0 rxvlan off` makes
//! the card leave them in.

mod attach;
mod error;
pub mod kicker;
mod queue;
pub mod ring;
pub mod rx;
pub mod tx;
pub mod umem;

use crate::Error;
use crate::flags;
use crate::stamping::CardTimes;
use crate::sys::bpf::XdpMode;
use crate::sys::card::{receive_queues, tags_beside};
use crate::sys::interface::Interface;
use crate::sys::netlink;
use crate::sys::packet::PacketSocket;
use crate::sys::wait::Event;
use crate::sys::xdp::{Binding, MappedRing, XdpSocket};
use attach::{Attachment, Wanted};
use error::Failure;
use nm_core::abi::NR_EXCLUSIVE;
use nm_core::name::{NetmapName, NetmapRings};
use nm_core::shm::layout::write_interface;
use nm_core::shm::mapping::Mapping;
use nm_core::shm::place::RESERVED_BUFS;
use nm_core::sync::{AtomicU64, count, count_together};
use nm_core::{Port, PortControl, PortError, PortInfo, PortKind, RxRing, Stats, TxRing};
use ring::Waiting;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use umem::Layout;

/// How a port is made.
#[derive(Clone, Debug)]
pub struct Options {
    /// Buffers to receive into, of all queues; `None`: enough for most.
    pub rx_slots: Option<u32>,
    /// The card takes in frames for others, too.
    pub promiscuous: bool,
    /// Microseconds that a call keeps the driver at work (`SO_PREFER_BUSY_POLL`); 0: its interrupts do.
    pub busy_poll_us: u32,
    /// The best mode that is tried.
    pub mode: Mode,
    /// The last one.
    pub least: Mode,
    /// Generic mode is not gone on to where it would lose VLAN tags.
    pub keeps_tags: bool,
    /// Frames have the card's times, where its driver tells them to a program.
    pub card_times: Option<CardTimes>,
    /// A filter may come when the process has given its privileges up.
    pub late_filter: bool,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            rx_slots: None,
            promiscuous: true,
            busy_poll_us: 0,
            mode: Mode::ZeroCopy,
            least: Mode::Generic,
            keeps_tags: false,
            card_times: None,
            late_filter: false,
        }
    }
}

/// How frames get from the driver to us, from the best to the one that every interface has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mode {
    /// The card writes them into our buffers.
    ZeroCopy,
    /// The program runs in the driver, the kernel copies what it accepts.
    Native,
    /// The program runs in the network stack, the kernel copies what it accepts.
    Generic,
}

impl Mode {
    /// From the best to the one that every interface has.
    pub const ALL: [Mode; 3] = [Mode::ZeroCopy, Mode::Native, Mode::Generic];

    /// For [`PortInfo::driver`].
    pub fn driver(self) -> &'static str {
        match self {
            Mode::ZeroCopy => "af_xdp, zero-copy",
            Mode::Native => "af_xdp, native, the kernel copies",
            Mode::Generic => "af_xdp, generic, the kernel copies",
        }
    }

    fn hook(self) -> XdpMode {
        match self {
            Mode::ZeroCopy | Mode::Native => XdpMode::Native,
            Mode::Generic => XdpMode::Generic,
        }
    }

    fn binding(self, pieces: bool) -> Binding<'static> {
        match self {
            Mode::ZeroCopy => Binding::ZeroCopy { pieces },
            Mode::Native | Mode::Generic => Binding::Copy { pieces },
        }
    }
}

/// Buffers to receive into, if nobody says: of one queue, and of all. A virtual machine may start the reader's processor 5 ms after
/// the frame that woke it: with 4,096, floods that began at 1.7 M/s on veth lost 0.8 to 5.4 % of their frames, and none with these.
const RX_SLOTS: u32 = 16_384;
/// The fewest of a queue, and the most of all.
const FEWEST: u32 = 64;
const MOST: u32 = 65_536;
/// Slots of the transmit ring.
const TX_SLOTS: u32 = 1024;
/// Bytes of an Ethernet header with a VLAN tag.
const HEADER: u32 = 18;
/// The chunks that every kernel takes.
const CHUNKS: [u32; 2] = [2048, 4096];

/// Opens a card's rings.
///
/// # Errors
/// [`PortError::NoDevice`], [`PortError::NotUp`], [`PortError::Denied`], [`PortError::InUse`] when another port has the
/// card, [`PortError::Unsupported`] for names and interfaces that AF_XDP can't serve, [`PortError::Io`].
pub fn open(name: &NetmapName, options: &Options) -> Result<Port, PortError> {
    open_rings(name, options).map(|(port, _)| port)
}

/// As [`open`]; beside the port what takes filters.
pub(crate) fn open_rings(name: &NetmapName, options: &Options) -> Result<(Port, Rings), PortError> {
    let failure = Failure { port: name.to_string() };
    let card = Interface::find(&name.ifname).map_err(|e| failure.io("interface", e))?;
    if !card.ethernet {
        return Err(failure.unsupported("its frames have no Ethernet header, and netmap's always have one"));
    }
    flags::check(name, None)?;
    let count = receive_queues(&name.ifname);
    let numbers: Vec<u32> = match name.rings {
        NetmapRings::All => (0..count).collect(),
        NetmapRings::One(number) if u32::from(number) < count => vec![number.into()],
        NetmapRings::One(_) => return Err(failure.unsupported("the card has fewer rings")),
        _ => return Err(failure.unsupported("AF_XDP serves a card's own rings")),
    };
    if !card.up {
        return Err(PortError::NotUp { port: failure.port });
    }
    let watch = PacketSocket::watching(card.index).map_err(|e| failure.io("packet socket", e))?;
    if options.promiscuous {
        watch.promiscuous(card.index).map_err(|e| failure.io("promiscuous mode", e))?;
    }
    let longest = card.mtu.saturating_add(HEADER);
    let chunk = CHUNKS.into_iter().find(|chunk| longest <= chunk - umem::HEADROOM);
    let pieces = chunk.is_none();
    let layout = Layout {
        chunk: chunk.unwrap_or(CHUNKS[1]),
        queues: numbers.len() as u32,
        per_queue: per_queue(options.rx_slots, numbers.len() as u32),
        tx_slots: TX_SLOTS,
    };
    let region = Mapping::anonymous(layout.total_bytes()).map_err(|e| failure.io("memory", e))?;
    write_interface(&region, layout.interface(), layout.tx_ring(), layout.rx_ring(), &failure.port);
    let opening = Opening { failure, name, options, card, queues: count, numbers, watch, region, layout };

    let mut refused = None;
    let modes = Mode::ALL.into_iter().filter(|mode| (options.mode..=options.least).contains(mode));
    // Some drivers give the program long frames in pieces only, whatever room there is. Whole ones are tried first: they
    // keep a virtual cable from passing merged frames of 64 KiB.
    let tries = modes.flat_map(|mode| [(mode, pieces), (mode, true)].into_iter().take(if pieces { 1 } else { 2 }));
    for (mode, pieces) in tries {
        let goes_on = mode == Mode::Generic && refused.is_some();
        if goes_on && options.keeps_tags && tags_beside(&name.ifname, card.index) {
            break;
        }
        match opening.attempt(mode, pieces) {
            Ok(opened) => return opening.finish(opened),
            Err(Attempt::Next(error)) => refused = Some(error),
            Err(Attempt::End(error)) => return Err(error),
        }
    }
    Err(refused.unwrap_or_else(|| opening.failure.unsupported("no mode was to be tried")))
}

/// Buffers of each queue: a power of two.
fn per_queue(slots: Option<u32>, queues: u32) -> u32 {
    let all = slots.unwrap_or(RX_SLOTS.max(queues * 512)).min(MOST);
    let each = (all / queues.max(1)).max(FEWEST);
    if each.is_power_of_two() { each } else { each.next_power_of_two() / 2 }
}

/// Why a mode is not the one.
enum Attempt {
    /// The next one may do.
    Next(PortError),
    /// None will.
    End(PortError),
}

/// A port on its way: what all modes have in common.
struct Opening<'a> {
    failure: Failure,
    name: &'a NetmapName,
    options: &'a Options,
    card: Interface,
    /// The card's receive queues, and the numbers of those that are opened.
    queues: u32,
    numbers: Vec<u32>,
    watch: PacketSocket,
    region: Arc<Mapping>,
    layout: Layout,
}

/// What a mode has given: the program on the card, which gives frames to the host until it knows the sockets, and these.
struct Opened {
    mode: Mode,
    pieces: bool,
    attachment: Attachment,
    queues: Vec<queue::RxQueue>,
    out: queue::TxQueue,
}

impl Opening<'_> {
    /// In this mode; with `pieces`, frames may come in several buffers.
    fn attempt(&self, mode: Mode, pieces: bool) -> Result<Opened, Attempt> {
        let Opening { failure, card, numbers, region, layout, .. } = self;
        // Without a copy the frame that got its tag back begins before its buffer, and is moved (rx.rs). A piece that fills its
        // buffer has no room for that.
        let tags = mode != Mode::ZeroCopy || !pieces;
        let stamped = self.options.card_times.is_some();
        let exclusive = self.name.flags & NR_EXCLUSIVE != 0;
        let wanted = Wanted { mode: mode.hook(), queues: self.queues, frags: pieces, tags, stamped, exclusive };
        let attachment = match Attachment::new(card.index, &wanted) {
            Ok(attachment) => attachment,
            Err(error) if mode != Mode::Generic && error::is_about_the_mode(&error) => {
                return Err(Attempt::Next(failure.driver(error)));
            }
            Err(error) => return Err(Attempt::End(failure.driver(error))),
        };
        match queue::open(region, layout, card.index, numbers, mode.binding(pieces)) {
            Ok((queues, out)) => Ok(Opened { mode, pieces, attachment, queues, out }),
            Err(error) if mode == Mode::ZeroCopy => Err(Attempt::Next(failure.io("zero-copy socket", error))),
            Err(error) => Err(Attempt::End(failure.socket(error, pieces))),
        }
    }

    /// Frames come from here on.
    fn finish(self, opened: Opened) -> Result<(Port, Rings), PortError> {
        let Opening { failure, name, options, card, watch, region, layout, .. } = self;
        let Opened { mode, pieces, mut attachment, queues, out } = opened;
        attachment.queues = queues.iter().map(|queue| (queue.number, Arc::clone(&queue.socket))).collect();
        if options.busy_poll_us > 0 {
            for queue in &queues {
                queue.socket.busy_poll(options.busy_poll_us).map_err(|e| failure.io("busy polling", e))?;
            }
        }
        if options.late_filter {
            attachment.foresee();
        }
        attachment.give().map_err(|e| failure.driver(e))?;
        let card_times = options.card_times.clone().filter(|_| attachment.card_time.is_some());

        let no_room = || failure.io("memory", std::io::ErrorKind::UnexpectedEof.into());
        // The receive ring's slots get their buffers with their frames.
        let first = vec![RESERVED_BUFS; layout.rx_bufs() as usize + 1];
        let rx_ring = RxRing::make(&region, &layout.rx_place(), first).ok_or_else(no_room)?;
        let slots = layout.tx_first()..layout.tx_first() + layout.tx_slots;
        let tx_ring = TxRing::make(&region, &layout.tx_place(), slots.collect()).ok_or_else(no_room)?;
        let shared = Arc::new(Shared {
            wake: Event::new().map_err(|e| failure.io("eventfd", e))?,
            name: failure.port,
            card,
            mode,
            loses_tags: !attachment.puts_tags_back() && tags_beside(&name.ifname, card.index),
            layout,
            attachment: Mutex::new(Some(attachment)),
            waiting: queues.iter().map(|queue| queue.rx.waiting()).collect(),
            in_pieces: pieces,
            sender: Arc::clone(&out.socket),
            sockets: queues.iter().map(|queue| Arc::clone(&queue.socket)).collect(),
            busy_polls: options.busy_poll_us > 0,
            watch: Arc::new(watch),
            card_times,
            woken: AtomicBool::new(false),
            counters: Counters::default(),
            lost_before: netlink::lost_frames(card.index).unwrap_or(0),
        });
        let rx = rx::Rx::new(Arc::clone(&shared), queues, rx_ring);
        let tx = tx::Tx::new(Arc::clone(&shared), out, tx_ring, pieces);
        let rings = Rings(Arc::clone(&shared));
        let port = Port { rx: Box::new(rx), tx: Box::new(tx), control: shared };
        Ok((flags::honour(name, port), rings))
    }
}

/// What the parts of an open port share.
pub(crate) struct Shared {
    name: String,
    card: Interface,
    mode: Mode,
    loses_tags: bool,
    layout: Layout,
    /// First of those that hold something at the interface, so that it ends before the sockets do.
    attachment: Mutex<Option<Attachment>>,
    /// The rings that the reader empties, and whether their frames may have several entries.
    waiting: Vec<Waiting<MappedRing>>,
    in_pieces: bool,
    sender: Arc<XdpSocket>,
    sockets: Vec<Arc<XdpSocket>>,
    /// The card's driver works in our calls alone.
    busy_polls: bool,
    watch: Arc<PacketSocket>,
    /// How the reader has the times that the card told.
    card_times: Option<CardTimes>,
    /// Set by [`PortControl::wake`].
    wake: Event,
    woken: AtomicBool,
    counters: Counters,
    /// What the interface had lost before.
    lost_before: u64,
}

#[derive(Default)]
struct Counters {
    received: AtomicU64,
    received_bytes: AtomicU64,
    sent: AtomicU64,
    sent_bytes: AtomicU64,
    dropped_long: AtomicU64,
    rejected: AtomicU64,
    malformed: AtomicU64,
}

/// Takes off from a counter that one thread writes.
fn uncount(counter: &AtomicU64, n: u64) {
    count(counter, n.wrapping_neg());
}

impl Shared {
    fn take_wake(&self) -> bool {
        // ORDER: Acquire pairs with the Release in `wake`.
        let woken = self.woken.load(Ordering::Acquire) && self.woken.swap(false, Ordering::Acquire);
        if woken {
            self.wake.clear();
        }
        woken
    }

    fn filter(&self, program: &[libc::sock_filter]) -> Result<(), Error> {
        let insn = |i: &libc::sock_filter| filter::Insn { code: i.code, jt: i.jt, jf: i.jf, k: i.k };
        let program: Vec<filter::Insn> = program.iter().map(insn).collect();
        match &mut *self.attachment.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(attachment) => attachment.filter(&program),
            None => Ok(()),
        }
    }
}

/// A port's program.
pub(crate) struct Rings(Arc<Shared>);

impl Rings {
    /// As [`PortRx::offer_filter`](nm_core::PortRx::offer_filter).
    ///
    /// # Errors
    /// Why the filter does not run in the driver.
    pub fn filter(&self, program: &[libc::sock_filter]) -> Result<(), Error> {
        self.0.filter(program)
    }

    /// The card, as it was when the port was opened.
    pub fn card(&self) -> Interface {
        self.0.card
    }

    /// The packet socket that has an error when the interface goes down or away, and receives nothing.
    pub fn watch(&self) -> &Arc<PacketSocket> {
        &self.0.watch
    }

    /// Gives the host all frames that are still to come.
    pub fn leave(&self) {
        self.0.attachment.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}

impl PortControl for Shared {
    fn wake(&self) {
        // ORDER: Release pairs with the Acquire in `take_wake`; the event makes a sleeper look.
        self.woken.store(true, Ordering::Release);
        self.wake.set();
    }

    fn stats(&self) -> Stats {
        let c = &self.counters;
        // ORDER: Relaxed; counters.
        let get = |c: &AtomicU64| c.load(Ordering::Relaxed);
        // As libpcap counts: those that wait in the kernel for a reader who stands still, too. Of one that goes on, some are missed, and none
        // is told twice.
        // ORDER: Acquire: what was read is known before what waits.
        let read = c.received.load(Ordering::Acquire);
        let received = read + self.waiting.iter().map(|ring| ring.frames(self.in_pieces)).sum::<u64>();
        let (mut dropped_full, mut malformed) = (0, get(&c.malformed));
        for s in self.sockets.iter().filter_map(|socket| socket.statistics().ok()) {
            dropped_full += s.dropped + s.ring_full;
            malformed += s.bad_fill + s.bad_transmit;
        }
        let lost = netlink::lost_frames(self.card.index).unwrap_or(self.lost_before);
        Stats {
            received,
            received_bytes: get(&c.received_bytes),
            sent: get(&c.sent),
            sent_bytes: get(&c.sent_bytes),
            dropped_full,
            dropped_stalled: 0,
            dropped_long: get(&c.dropped_long),
            dropped_unfinished: 0,
            rejected: get(&c.rejected),
            malformed,
            dropped_interface: lost.saturating_sub(self.lost_before),
        }
    }

    fn info(&self) -> PortInfo {
        PortInfo {
            name: self.name.clone(),
            driver: self.mode.driver(),
            kind: PortKind::Port,
            rx_slots: self.layout.rx_bufs() + 1,
            tx_slots: self.layout.tx_slots,
            buf_size: self.layout.chunk,
            memory: self.layout.total_bytes() as u64,
        }
    }

    fn loses_tags(&self) -> bool {
        self.loses_tags
    }

    fn count_rejected(&self, frames: u64) {
        count_together(&self.counters.rejected, frames);
    }

    fn stamped_by_card(&self) -> bool {
        self.card_times.is_some()
    }

    fn leave_to_host(&self, leave: bool) {
        let attachment = self.attachment.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(attachment) = attachment.as_ref().filter(|attachment| !attachment.filters) {
            // What the kernel refuses leaves things as they are: frames come to us.
            let _ = if leave { attachment.take_back() } else { attachment.give() };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queues_share_the_buffers() {
        assert_eq!(per_queue(None, 1), 16_384);
        assert_eq!(per_queue(None, 4), 4096);
        assert_eq!(per_queue(None, 64), 512);
        assert_eq!(per_queue(Some(100), 1), 64);
        assert_eq!(per_queue(Some(1), 3), 64);
        assert_eq!(per_queue(Some(1 << 20), 1), 65_536);
        assert_eq!(per_queue(Some(65_536), 3), 16_384);
    }
}
