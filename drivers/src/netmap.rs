//! The netmap kernel module: `netmap:eth0` where `/dev/netmap` is, and all other names of netmap(4).
//!
//! ```text
//!   kernel's receive rings ──> [rx] one after the other, frames in place
//!   inject ──> [tx] one copy into the kernel's transmit ring, NIOCTXSYNC at once
//! ```
//! | file | what |
//! |---|---|
//! | `request.rs` | what a name asks for, as the bytes that the module reads |
//! | `device.rs` | the module behind a trait: [`Device`], so that tests have one without a kernel |
//! | `memory.rs` | where the rings are in the module's memory |
//!
//! The kernel keeps to netmap's rules, and yet nothing that it wrote is trusted further than the mapping: rings are
//! checked when they are found, tails and slots whenever they are read.
//!
//! **Time.** The module says per ring when it was synced (`NR_TIMESTAMP`); frames get the time of the sync that found them, and
//! keep it. So a reader who is awake has them right to the microsecond, and one who was asleep is woken by the first.
//!
//! **Buffers without a slot** ([`Options::extra_bufs`]) are for who sends frames on to a port that is slower than they come: what finds its
//! transmit ring full waits there ([`Spare`](nm_core::ring::spare)), and the ring that it came by goes on.
//!
//! **Drops.** The module counts none. Frames that the card's own driver lost are counted by the interface.

mod device;
mod memory;
mod request;
mod rx;
mod tx;

pub use crate::sys::netmap::{Bytes, Direction, HEADER};
pub use device::{Device, Module};
pub use request::PortFacts;

use memory::Rings;
use nm_core::abi::{NR_EXCLUSIVE, NR_MONITOR_RX, NR_MONITOR_TX, NR_RX_RINGS_ONLY, NR_TX_RINGS_ONLY};
use nm_core::name::{NetmapName, NetmapRings};
use nm_core::ring::spare::Spare;
use nm_core::sync::{AtomicU64, count_together};
use nm_core::{Port, PortControl, PortError, PortInfo, PortKind, Stats, sys};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::sys::interface;
use crate::sys::wait::Event;

/// How a port is made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Buffers beside those in the rings: as many frames that are sent on may wait for a full transmit ring. The module may give
    /// fewer ([`PortControl::extra_bufs`]).
    pub extra_bufs: u32,
}

/// Whether the kernel has the module, and this process may use it.
pub fn is_there() -> bool {
    Module::open().is_ok()
}

/// Opens what `name` says, by the module.
///
/// # Errors
/// [`PortError::Unsupported`] without the module; [`PortError::NoDevice`], [`PortError::InUse`], [`PortError::Denied`],
/// [`PortError::NoMemory`], and [`PortError::Io`] for what else the module says.
pub fn open(name: &NetmapName, options: &Options) -> Result<Port, PortError> {
    let module = Module::open().map_err(|e| match e.raw_os_error() {
        Some(libc::ENOENT | libc::ENXIO | libc::ENODEV) => PortError::Unsupported {
            port: name.to_string(),
            why: "the netmap kernel module is not loaded (no /dev/netmap)",
        },
        _ => refusal(name, e),
    })?;
    open_on(module, name, options)
}

/// As [`open`], on any device that behaves as the module does.
///
/// # Errors
/// As [`open`].
pub fn open_on<D: Device>(device: D, name: &NetmapName, options: &Options) -> Result<Port, PortError> {
    // Who sends nothing has no frames to keep.
    let extra_bufs = if has_rings(name, Direction::Tx) { options.extra_bufs } else { 0 };
    let answer = request::register(&device, name, extra_bufs)?;
    let io = |what: &str, source| PortError::Io { what: format!("{name}: {what}"), source };
    let bytes = usize::try_from(answer.memory).map_err(|_| io("memory", io::ErrorKind::OutOfMemory.into()))?;
    let mapping = device.map(bytes, answer.memory_id).map_err(|e| io("mmap", e))?;
    let rings = memory::find(&mapping, answer.offset, name, answer.extra_bufs)?;
    let Rings { rx, tx, buf_size, spare, malformed } = rings;
    let shared = Arc::new(Shared {
        device,
        name: name.to_string(),
        lost_before: interface_of(name).map(|card| (received_drops(&card), card)),
        kind: kind_of(name),
        wake: Event::new().map_err(|e| io("eventfd", e))?,
        woken: AtomicBool::new(false),
        slots: [slots(rx.iter().map(|r| r.ring.num_slots())), tx.as_ref().map_or(0, |t| t.num_slots())],
        buf_size,
        memory: answer.memory,
        extra_bufs: spare.as_ref().map_or(0, Spare::buffers),
        counters: Counters::default(),
    });
    count_together(&shared.counters.malformed, malformed);
    let rx = rx::Rx::new(Arc::clone(&shared), rx).map_err(|e| io("memory", e))?;
    let tx = tx::Tx::new(Arc::clone(&shared), tx, spare);
    Ok(Port { rx: Box::new(rx), tx: Box::new(tx), control: shared })
}

/// What the module tells about a port without binding it.
///
/// # Errors
/// As [`open`].
pub fn facts<D: Device>(device: &D, name: &NetmapName) -> Result<PortFacts, PortError> {
    request::port_info(device, name)
}

fn slots(of_rings: impl Iterator<Item = u32>) -> u32 {
    of_rings.fold(0, u32::saturating_add)
}

fn received_drops(card: &str) -> u64 {
    interface::drops(card).map_or(0, |[received, _]| received)
}

/// The system's interface behind a name, where there is one.
fn interface_of(name: &NetmapName) -> Option<String> {
    let pipe = matches!(name.rings, NetmapRings::PipeMaster(_) | NetmapRings::PipeSlave(_));
    (!pipe && !name.ifname.contains(':')).then(|| name.ifname.clone())
}

fn kind_of(name: &NetmapName) -> PortKind {
    match (name.flags & NR_MONITOR_TX != 0, name.flags & NR_MONITOR_RX != 0) {
        (false, false) => PortKind::Port,
        (true, false) => PortKind::MonitorTx,
        (false, true) => PortKind::MonitorRx,
        (true, true) => PortKind::Listener,
    }
}

/// What the module, or the system before it, says to a request.
fn refusal(name: &NetmapName, source: io::Error) -> PortError {
    let port = name.to_string();
    match source.raw_os_error() {
        Some(libc::ENXIO | libc::ENODEV | libc::ENOENT) => PortError::NoDevice { port },
        Some(libc::EBUSY) => PortError::InUse { port },
        Some(libc::EPERM | libc::EACCES) => PortError::Denied { port, what: device::PATH.into(), source },
        Some(libc::ENOMEM) => PortError::Io { what: format!("{port}: the netmap module has no memory left"), source },
        Some(libc::EINVAL) if name.flags & NR_EXCLUSIVE != 0 => {
            PortError::Io { what: format!("{port}: the netmap module refuses these rings or /FLAGS"), source }
        }
        _ => PortError::Io { what: format!("{port}: netmap module"), source },
    }
}

/// What the parts of an open port share.
struct Shared<D> {
    device: D,
    name: String,
    /// The system's interface, where there is one, and what it had lost when the port was opened.
    lost_before: Option<(u64, String)>,
    kind: PortKind,
    wake: Event,
    woken: AtomicBool,
    /// Receive, transmit.
    slots: [u32; 2],
    buf_size: u32,
    memory: u64,
    /// Buffers without a slot that the module gave.
    extra_bufs: u32,
    counters: Counters,
}

#[derive(Default)]
struct Counters {
    received: AtomicU64,
    received_bytes: AtomicU64,
    sent: AtomicU64,
    sent_bytes: AtomicU64,
    rejected: AtomicU64,
    malformed: AtomicU64,
}

impl<D: Device> Shared<D> {
    /// Whether [`PortControl::wake`] was called; forgets it.
    fn take_wake(&self) -> bool {
        // ORDER: Acquire pairs with the Release in `wake`.
        let woken = self.woken.load(Ordering::Acquire) && self.woken.swap(false, Ordering::Acquire);
        if woken {
            self.wake.clear();
        }
        woken
    }

    /// Syncs the rings of a direction.
    fn sync(&self, direction: Direction) -> Result<(), PortError> {
        self.device.sync(direction).map_err(|source| match source.raw_os_error() {
            // The module stops the rings of an interface that goes away.
            Some(libc::EIO | libc::ENXIO | libc::ENODEV) => PortError::Disappeared,
            _ => PortError::Io { what: format!("{}: netmap module", self.name), source },
        })
    }
}

impl<D: Device> PortControl for Shared<D> {
    fn wake(&self) {
        // ORDER: Release pairs with the Acquire in `take_wake`; the event makes a sleeper look.
        self.woken.store(true, Ordering::Release);
        self.wake.set();
    }

    fn stats(&self) -> Stats {
        let c = &self.counters;
        // ORDER: Relaxed; counters.
        let get = |c: &AtomicU64| c.load(Ordering::Relaxed);
        Stats {
            received: get(&c.received),
            received_bytes: get(&c.received_bytes),
            sent: get(&c.sent),
            sent_bytes: get(&c.sent_bytes),
            rejected: get(&c.rejected),
            malformed: get(&c.malformed),
            dropped_interface: self.lost_before.as_ref().map_or(0, |(n, card)| received_drops(card).saturating_sub(*n)),
            ..Stats::default()
        }
    }

    fn info(&self) -> PortInfo {
        PortInfo {
            name: self.name.clone(),
            driver: "netmap",
            kind: self.kind,
            rx_slots: self.slots[0],
            tx_slots: self.slots[1],
            buf_size: self.buf_size,
            memory: self.memory,
        }
    }

    fn extra_bufs(&self) -> u32 {
        self.extra_bufs
    }

    fn count_rejected(&self, frames: u64) {
        count_together(&self.counters.rejected, frames);
    }
}

/// Whether a name's flags leave it rings of a direction.
fn has_rings(name: &NetmapName, direction: Direction) -> bool {
    match direction {
        Direction::Rx => name.flags & NR_TX_RINGS_ONLY == 0,
        // A monitor's transmit rings go nowhere.
        Direction::Tx => name.flags & (NR_RX_RINGS_ONLY | NR_MONITOR_TX | NR_MONITOR_RX) == 0,
    }
}

/// The system's time, for what the module gave none.
fn now() -> u64 {
    sys::realtime_ns()
}
