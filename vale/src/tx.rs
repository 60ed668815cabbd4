//! Towards the wire: from a port into the rings of others. The sender does the forwarding.
//!
//! A batch is looked at once to decide where each frame goes, then each destination gets its frames under one lock
//! and one publication. One frame a call takes the same way without the detour over the transmit ring: its bytes go
//! from the caller's memory straight into the receiver's buffer.

use crate::member::Member;
use crate::peer::{Batch, Sender, Single};
use crate::route::{Routes, Target};
use crate::table::age_of;
use nm_core::clock::Clock;
use nm_core::ring::slots::{FrameRef, MAX_FRAME};
use nm_core::shm::switch_page::PORTS;
use nm_core::sync::{AtomicU64, Fences, Ordering};
use nm_core::{PortError, PortKind, PortTx, TxRing};
use std::sync::Arc;

/// Frames that are decided on at once.
const BATCH: usize = 256;
/// Bytes of an Ethernet header.
const HEADER: usize = 14;

/// The transmit side of a port.
pub struct Tx {
    member: Arc<Member>,
    tag: u32,
    fences: Fences,
    routes: Routes,
    clock: Clock,
    ring: Option<TxRing>,
    batch: Vec<(u32, Target)>,
    arrived: Vec<usize>,
}

/// Frames of a transmit ring, by where they begin.
struct FromRing<'a> {
    ring: &'a mut TxRing,
    at: &'a [(u32, Target)],
}

impl Batch for FromRing<'_> {
    #[inline(always)]
    fn frame(&mut self, k: usize) -> Option<FrameRef<'_>> {
        self.ring.frame_at(self.at[k].0)?.0
    }
}

impl Tx {
    /// The transmit side of a port that just joined.
    pub fn new(member: Arc<Member>) -> Tx {
        let (tag, fences) = (member.tag(), member.fences());
        Tx { member, tag, fences, routes: Routes::new(), clock: Clock::new(), ring: None, batch: Vec::new(), arrived: Vec::new() }
    }

    fn refuse_if_read_only(&self) -> Result<(), PortError> {
        match self.member.kind {
            PortKind::Port => Ok(()),
            _ => Err(PortError::ReadOnly { port: self.member.name().into() }),
        }
    }

    #[inline(always)]
    fn refresh(&mut self) {
        if self.routes.refresh(&self.member) {
            self.fences = self.member.fences();
        }
    }

    #[inline(always)]
    fn count_sent(&self, frames: u64, bytes: u64) {
        let owner = &self.member.page.owner;
        // ORDER: Relaxed; counters with one writer.
        let count = |c: &AtomicU64, n: u64| c.store(c.load(Ordering::Relaxed).wrapping_add(n), Ordering::Relaxed);
        count(&owner.sent, frames);
        count(&owner.sent_bytes, bytes);
    }
}

impl PortTx for Tx {
    #[inline]
    fn inject(&mut self, frame: &[u8], nonblocking: bool) -> Result<(), PortError> {
        if frame.len() < HEADER {
            return Err(PortError::TooShort { len: frame.len() });
        }
        if frame.len() > MAX_FRAME {
            return Err(PortError::TooLong { len: frame.len() });
        }
        self.refuse_if_read_only()?;
        self.refresh();
        let time_ns = self.clock.now();
        let frame = FrameRef::from(frame);
        let Some((destination, source)) = frame.addresses() else { return Ok(()) };
        let target = self.routes.target(&self.member, destination, source, age_of(time_ns));
        self.count_sent(1, frame.len() as u64);
        let sender = Sender { member: &self.member, tag: self.tag, fences: self.fences, nonblocking };
        let (wanted, made) = match target {
            Target::One(port) if self.routes.is_quiet() => {
                (1, deliver_all(&mut self.routes, port, sender, &mut Single(frame), 1, time_ns))
            }
            _ => forward(&mut self.routes, sender, &mut Single(frame), &[(0, target)], &mut self.arrived, time_ns),
        };
        if wanted > 0 && made == 0 { Err(PortError::NoRoom) } else { Ok(()) }
    }

    fn ring(&mut self) -> Result<&mut TxRing, PortError> {
        self.refuse_if_read_only()?;
        if self.ring.is_none() {
            self.ring = Some(self.member.make_tx_ring()?);
        }
        match &mut self.ring {
            Some(ring) => Ok(ring),
            None => Err(PortError::Gone { port: self.member.name().into() }),
        }
    }

    fn txsync(&mut self, nonblocking: bool) -> Result<u32, PortError> {
        self.refresh();
        let time_ns = self.clock.now();
        let Some(mut ring) = self.ring.take() else { return Ok(0) };
        let (mut frames, mut bytes) = (0u32, 0u64);
        loop {
            let mut at = ring.hwcur();
            self.batch.clear();
            // The common case: all frames of the batch to one port.
            let mut only = None;
            let mut mixed = !self.routes.is_quiet();
            while self.batch.len() < BATCH {
                let Some((frame, next)) = ring.frame_at(at) else { break };
                let mut target = Target::Nobody;
                if let Some((frame, (destination, source))) = frame.and_then(|f| Some((f, f.addresses()?))) {
                    frames += 1;
                    bytes += frame.len() as u64;
                    target = self.routes.target(&self.member, destination, source, age_of(time_ns));
                }
                mixed |= *only.get_or_insert(target) != target;
                self.batch.push((at, target));
                at = next;
            }
            if self.batch.is_empty() {
                break;
            }
            let sender = Sender { member: &self.member, tag: self.tag, fences: self.fences, nonblocking };
            let mut source = FromRing { ring: &mut ring, at: &self.batch };
            match only {
                Some(Target::One(port)) if !mixed => {
                    deliver_all(&mut self.routes, port, sender, &mut source, self.batch.len(), time_ns);
                }
                _ => {
                    forward(&mut self.routes, sender, &mut source, &self.batch, &mut self.arrived, time_ns);
                }
            }
            ring.consume(at);
        }
        let malformed = ring.take_malformed();
        if malformed != 0 {
            crate::peer::add(&self.member.page.drops.malformed, malformed);
        }
        self.ring = Some(ring);
        self.count_sent(u64::from(frames), bytes);
        Ok(frames)
    }
}

/// Gives all `n` frames of a batch to one port. Returns how many got in.
#[inline(always)]
fn deliver_all<B: Batch>(
    routes: &mut Routes,
    port: u8,
    sender: Sender<'_>,
    batch: &mut B,
    n: usize,
    time_ns: u64,
) -> u32 {
    match routes.peer(sender.member, port) {
        Some(peer) => peer.deliver(sender, batch, 0..n, time_ns, |_| {}),
        None => 0,
    }
}

/// Gives the frames of a batch to all who shall have them: (deliveries wanted, deliveries made), those to listeners
/// and monitors not counted. `arrived` is room for working in.
fn forward<B: Batch>(
    routes: &mut Routes,
    sender: Sender<'_>,
    batch: &mut B,
    targets: &[(u32, Target)],
    arrived: &mut Vec<usize>,
    time_ns: u64,
) -> (u32, u32) {
    let mut asked = [0u64; PORTS.div_ceil(64)];
    let mut flood = false;
    for (_, target) in targets {
        match target {
            Target::One(port) => asked[usize::from(*port) / 64] |= 1 << (port % 64),
            Target::Flood => flood = true,
            Target::Nobody => {}
        }
    }
    let (mut wanted, mut made) = (0, 0);
    for i in 0..routes.ports.len() {
        let port = routes.ports[i];
        if !flood && asked[usize::from(port) / 64] & 1 << (port % 64) == 0 {
            continue;
        }
        let is_for = |k: &usize| matches!(targets[*k].1, Target::Flood) || targets[*k].1 == Target::One(port);
        let watched = routes.monitors.iter().any(|(p, _)| *p == port);
        arrived.clear();
        if let Some(peer) = routes.peer(sender.member, port) {
            let picks = (0..targets.len()).filter(is_for).inspect(|_| wanted += 1);
            made += peer.deliver(sender, batch, picks, time_ns, |k| {
                if watched {
                    arrived.push(k);
                }
            });
        }
        for m in 0..if watched { routes.monitors.len() } else { 0 } {
            let (of, monitor) = routes.monitors[m];
            if of == port
                && let Some(peer) = routes.peer(sender.member, monitor)
            {
                peer.deliver(sender, batch, arrived.iter().copied(), time_ns, |_| {});
            }
        }
    }
    for i in 0..routes.listeners.len() {
        deliver_all(routes, routes.listeners[i], sender, batch, targets.len(), time_ns);
    }
    (wanted, made)
}
