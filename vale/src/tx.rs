//! Towards the wire: from a port into the rings of others. The sender does the forwarding.
//!
//! A batch is looked at once to decide where each frame goes, then each destination gets its frames under one lock
//! and one publication. One frame a call takes the same way without the detour over the transmit ring: its bytes go
//! from the caller's memory straight into the receiver's buffer.

use crate::member::Member;
use crate::peer::{Once, Peer, Sender, Source};
use crate::route::{Routes, Target};
use crate::table::age_of;
use nm_core::clock::Clock;
use nm_core::ring::outgoing::Outgoing;
use nm_core::ring::peer::PeerRing;
use nm_core::ring::slots::{FrameRef, MAX_FRAME};
use nm_core::shm::port_page::{GLANCING, WATCHING};
use nm_core::shm::switch_page::PORTS;
use nm_core::sync::{Fences, Ordering, count, count_together};
use nm_core::{Forwarded, PortError, PortKind, PortTx, RxRing, TxRing};
use std::sync::Arc;

/// Frames that are grouped by destination at once.
const BATCH: usize = 256;
/// Shorter runs of frames to one port are not worth a lock each.
const SHORT_RUN: u32 = 32;
/// Frames without a clock read, at most: how far the age in the learning table may lag behind.
const WITHOUT_CLOCK: u32 = 64;
/// Bytes of an Ethernet header.
const HEADER: usize = 14;

/// The transmit side of a port.
pub struct Tx {
    member: Arc<Member>,
    tag: u32,
    fences: Fences,
    routes: Routes,
    clock: Clock,
    without_clock: u32,
    ring: Option<TxRing>,
    batch: Vec<(u32, Target)>,
    arrived: Vec<usize>,
}

/// Frames of a transmit ring from `at` on, while they have the same addresses.
struct Run<'a, 'r> {
    ring: &'a mut Outgoing<'r>,
    addresses: [u8; 12],
    at: u32,
    frames: u32,
    bytes: u64,
}

impl Source for Run<'_, '_> {
    #[inline(always)]
    fn next(&mut self) -> Option<(usize, FrameRef<'_>)> {
        let (frame, next) = self.ring.frame_at(self.at)?;
        // One that makes no sense ends the run; `group` passes over it.
        let frame = frame?;
        if frame.address_bytes() != Some(self.addresses) {
            return None;
        }
        self.at = next;
        self.frames += 1;
        self.bytes += frame.len() as u64;
        Some((0, frame))
    }

    #[inline(always)]
    fn put_many(&mut self, ring: &PeerRing, tail: &mut u32, space: u32, time_ns: u64) -> (u32, u64) {
        let (frames, bytes) = ring.put_run(tail, space, self.ring, &mut self.at, Some(self.addresses), time_ns);
        self.frames += frames;
        self.bytes += bytes;
        (frames, bytes)
    }
}

/// Those frames of a batch that `wanted` says, by number.
struct Picked<'a, 'r, W> {
    ring: &'a mut Outgoing<'r>,
    batch: &'a [(u32, Target)],
    k: usize,
    wanted: W,
    /// `wanted` is all of them, and nobody asks which got in: they can be copied in runs.
    whole: bool,
}

impl<W: FnMut(usize, Target) -> bool> Source for Picked<'_, '_, W> {
    fn next(&mut self) -> Option<(usize, FrameRef<'_>)> {
        while let Some((at, target)) = self.batch.get(self.k) {
            let k = self.k;
            self.k += 1;
            if (self.wanted)(k, *target) {
                // All of the batch were in order when they were grouped.
                return Some((k, self.ring.frame_at(*at)?.0?));
            }
        }
        None
    }

    #[inline(always)]
    fn put_many(&mut self, ring: &PeerRing, tail: &mut u32, space: u32, time_ns: u64) -> (u32, u64) {
        let Some((at, _)) = self.batch.get(self.k).filter(|_| self.whole) else { return (0, 0) };
        let left = (self.batch.len() - self.k) as u32;
        let (frames, bytes) = ring.put_run(tail, space.min(left), self.ring, &mut { *at }, None, time_ns);
        self.k += frames as usize;
        (frames, bytes)
    }
}

impl Tx {
    /// The transmit side of a port that just joined.
    pub fn new(member: Arc<Member>) -> Tx {
        let (tag, fences) = (member.tag(), member.fences());
        Tx {
            member,
            tag,
            fences,
            routes: Routes::new(),
            clock: Clock::new(),
            without_clock: 0,
            ring: None,
            batch: Vec::new(),
            arrived: Vec::new(),
        }
    }

    #[inline(always)]
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

    /// The age for the learning table, of a time that is not older than some frames.
    #[inline(always)]
    fn age(&mut self) -> u8 {
        if self.without_clock == 0 {
            self.without_clock = WITHOUT_CLOCK;
            self.clock.now();
        }
        self.without_clock -= 1;
        age_of(self.clock.last())
    }

    #[inline(always)]
    fn count_sent(&self, frames: u64, bytes: u64) {
        let owner = &self.member.page.owner;
        count(&owner.sent, frames);
        count(&owner.sent_bytes, bytes);
    }

    /// Frames and bytes sent so far.
    fn sent(&self) -> (u64, u64) {
        let owner = &self.member.page.owner;
        // ORDER: Relaxed; this side's own counters.
        (owner.sent.load(Ordering::Relaxed), owner.sent_bytes.load(Ordering::Relaxed))
    }

    /// One frame to several, or to one with whom it takes a lock or a wait.
    #[cold]
    fn inject_slowly(&mut self, frame: FrameRef<'_>, target: Target, nonblocking: bool) -> Result<(), PortError> {
        let time_ns = self.clock.now();
        let sender = Sender { member: &self.member, tag: self.tag, fences: self.fences, nonblocking, behind: None };
        let batch = [(0, target)];
        let (wanted, made) =
            forward(&mut self.routes, sender, &batch, &mut self.arrived, &mut |peer, _, wanted, delivered| {
                if !wanted(0, target) {
                    return 0;
                }
                if peer.deliver_one::<false>(sender.member, sender.tag, sender.fences, frame, time_ns) {
                    delivered(0);
                    return 1;
                }
                peer.deliver(sender, &mut Once(Some(frame)), time_ns, delivered)
            });
        if wanted > 0 && made == 0 { Err(PortError::NoRoom) } else { Ok(()) }
    }

    /// Sends frames from the ring's beginning for as long as they have the same addresses. Returns how many.
    fn send_run(&mut self, ring: &mut Outgoing<'_>, nonblocking: bool, time_ns: u64) -> u32 {
        let at = ring.first();
        let Some((Some(first), _)) = ring.frame_at(at) else { return 0 };
        let Some((addresses, (destination, source))) = first.address_bytes().zip(first.addresses()) else { return 0 };
        let target = self.routes.target(&self.member, destination, source, age_of(time_ns));
        let Target::One(port) = target else { return 0 };
        let sender =
            Sender { member: &self.member, tag: self.tag, fences: self.fences, nonblocking, behind: ring.page() };
        let mut run = Run { ring, addresses, at, frames: 0, bytes: 0 };
        if let Some(peer) = self.routes.peer(&self.member, port) {
            peer.deliver(sender, &mut run, time_ns, |_| {});
        }
        let Run { at, frames, bytes, .. } = run;
        ring.consume(at);
        self.count_sent(u64::from(frames), bytes);
        frames
    }

    /// Sends up to [`BATCH`] frames from the ring's beginning, each destination's under one lock. Returns how many slots
    /// were looked at as frames, and how many of those were.
    fn send_grouped(&mut self, ring: &mut Outgoing<'_>, nonblocking: bool, time_ns: u64) -> (usize, u32) {
        let (mut at, mut looked_at, mut bytes) = (ring.first(), 0, 0);
        self.batch.clear();
        while looked_at < BATCH {
            let Some((frame, next)) = ring.frame_at(at) else { break };
            looked_at += 1;
            if let Some((frame, (destination, source))) = frame.and_then(|f| Some((f, f.addresses()?))) {
                bytes += frame.len() as u64;
                let target = self.routes.target(&self.member, destination, source, age_of(time_ns));
                self.batch.push((at, target));
            }
            at = next;
        }
        let sender =
            Sender { member: &self.member, tag: self.tag, fences: self.fences, nonblocking, behind: ring.page() };
        let batch = &self.batch;
        forward(&mut self.routes, sender, batch, &mut self.arrived, &mut |peer, whole, wanted, delivered| {
            peer.deliver(sender, &mut Picked { ring, batch, k: 0, wanted, whole }, time_ns, delivered)
        });
        ring.consume(at);
        let frames = self.batch.len() as u32;
        self.count_sent(u64::from(frames), bytes);
        (looked_at, frames)
    }

    /// Sends all frames of a ring. Returns how many.
    fn send_all(&mut self, frames: &mut Outgoing<'_>, nonblocking: bool) -> u32 {
        self.refresh();
        let time_ns = self.clock.now();
        let mut sent = 0;
        loop {
            // The common case: all frames to one port, whom nobody watches.
            if self.routes.is_quiet() {
                let run = self.send_run(frames, nonblocking, time_ns);
                sent += run;
                if run > SHORT_RUN {
                    continue;
                }
            }
            let (looked_at, grouped) = self.send_grouped(frames, nonblocking, time_ns);
            sent += grouped;
            if looked_at == 0 {
                return sent;
            }
        }
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
        let frame = FrameRef::from(frame);
        let Some((destination, source)) = frame.addresses() else { return Ok(()) };
        let age = self.age();
        let target = self.routes.target(&self.member, destination, source, age);
        self.count_sent(1, frame.len() as u64);
        if let Target::One(port) = target
            && self.routes.is_quiet()
            && let Some(peer) = self.routes.peer(&self.member, port)
        {
            let (member, tag, fences) = (&self.member, self.tag, self.fences);
            let delivered = match peer.looking() {
                GLANCING => peer.deliver_to_glance(member, tag, fences, frame, &mut self.clock),
                how => {
                    let time_ns = if how == WATCHING { 0 } else { self.clock.now() };
                    peer.deliver_one::<false>(member, tag, fences, frame, time_ns)
                }
            };
            if delivered {
                if self.without_clock == 0 {
                    peer.page.holder.processor.note();
                }
                return Ok(());
            }
        }
        self.inject_slowly(frame, target, nonblocking)
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
        let Some(mut ring) = self.ring.take() else { return Ok(0) };
        let mut frames = ring.outgoing();
        let sent = self.send_all(&mut frames, nonblocking);
        let (to, malformed) = frames.done();
        ring.consume(to);
        if malformed != 0 {
            count_together(&self.member.page.drops.malformed, malformed);
        }
        self.ring = Some(ring);
        Ok(sent)
    }

    /// One copy, straight from the other port's ring into the receivers'.
    fn forward(&mut self, from: &mut RxRing, slots: u32, nonblocking: bool) -> Result<Forwarded, PortError> {
        self.refuse_if_read_only()?;
        let before = self.sent();
        let mut frames = from.outgoing();
        frames.keep(slots);
        self.send_all(&mut frames, nonblocking);
        let done = frames.done();
        from.pass(done);
        let now = self.sent();
        Ok(Forwarded { frames: now.0.wrapping_sub(before.0), bytes: now.1.wrapping_sub(before.1), refused: 0 })
    }
}

/// How [`forward`] gives frames to a port: (port, whether it is the whole batch and nobody hears of those that got in,
/// which of the batch, who hears of those that got in) to how many did.
type Give<'g> = dyn FnMut(&Peer, bool, &mut dyn FnMut(usize, Target) -> bool, &mut dyn FnMut(usize)) -> u32 + 'g;

/// Gives the frames of a batch to all who shall have them: (deliveries wanted, deliveries made), those to listeners
/// and monitors not counted. `arrived` is room for working in.
fn forward(
    routes: &mut Routes,
    sender: Sender<'_>,
    batch: &[(u32, Target)],
    arrived: &mut Vec<usize>,
    give: &mut Give<'_>,
) -> (u32, u32) {
    let mut asked = [0u64; PORTS.div_ceil(64)];
    let mut ask = |port: u8| asked[usize::from(port) / 64] |= 1 << (port % 64);
    let mut flood = false;
    let namesakes = std::mem::take(&mut routes.namesakes);
    for (_, target) in batch {
        match target {
            Target::One(port) => {
                ask(*port);
                namesakes.iter().filter(|(of, _)| of == port).for_each(|(_, other)| ask(*other));
            }
            Target::Flood => flood = true,
            Target::Nobody => {}
        }
    }
    let alike = batch.iter().all(|(_, target)| *target == batch[0].1);
    let (mut wanted, mut made) = (0, 0);
    for i in 0..routes.ports.len() {
        let port = routes.ports[i];
        if !flood && asked[usize::from(port) / 64] & 1 << (port % 64) == 0 {
            continue;
        }
        let watched = routes.monitors.iter().any(|(p, _)| *p == port);
        arrived.clear();
        if let Some(peer) = routes.peer(sender.member, port) {
            let mut is_for_it = |_, target: Target| {
                let yes = target.is(port, &namesakes);
                wanted += u32::from(yes);
                yes
            };
            made += give(peer, alike && !watched, &mut is_for_it, &mut |k| {
                if watched {
                    arrived.push(k);
                }
            });
        }
        // Only `arrived` frames are for monitors: none, and no lock is taken.
        for m in 0..if arrived.is_empty() { 0 } else { routes.monitors.len() } {
            let (of, monitor) = routes.monitors[m];
            if of == port
                && let Some(peer) = routes.peer(sender.member, monitor)
            {
                give(peer, false, &mut |k, _| arrived.binary_search(&k).is_ok(), &mut |_| {});
            }
        }
    }
    for i in 0..if batch.is_empty() { 0 } else { routes.listeners.len() } {
        let listener = routes.listeners[i];
        if let Some(peer) = routes.peer(sender.member, listener) {
            give(peer, true, &mut |_, _| true, &mut |_| {});
        }
    }
    routes.namesakes = namesakes;
    (wanted, made)
}
