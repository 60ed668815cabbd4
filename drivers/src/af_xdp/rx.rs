//! Towards the application: from the sockets' rings into the region's receive ring, and waiting for frames.
//!
//! ```text
//!   card --> a queue's receive ring: address --> slot at the tail: buffer, length, time
//!   card <-- the queue's fill ring <-- the buffer of a released slot
//! ```
//! Nothing is copied and, while frames are there, nothing asked of the kernel. All queues end in one ring, in the order
//! in which they are looked at; the frames carry their times.

use super::Shared;
use super::ring::{Cells, Descriptor, Filler, Taker};
use super::umem::Chunks;
use crate::bpf::METADATA_LEN;
use crate::bpf::metadata::{MARK_BACK, MARKED, MARKED_BY_CARD, TIME_BACK};
use crate::stamping::CardTimes;
use crate::sys::interface::Interface;
use crate::sys::wait::{Any, Event};
use crate::sys::xdp::{MappedRing, Sleepers, XdpSocket};
use crate::times::Times;
use nm_core::abi::NS_MOREFRAG;
use nm_core::clock::Clock;
use nm_core::ring::slots::{Buffer, Piece};
use nm_core::sync::{count, count_together};
use nm_core::{PortError, PortRx, RxRing, Woken};
use std::io::ErrorKind;
use std::os::fd::{AsFd, RawFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long a reader looks at the rings before it sleeps, when the last looks were worth it.
const SPIN: Duration = Duration::from_micros(20);
/// How often a reader that never sleeps asks whether the interface still exists, and one that sleeps while it is down.
const CHECK_EVERY: Duration = Duration::from_millis(50);
/// How long a reader that wants a batch sleeps on the clock: while frames stream, no more than there are buffers arrive
/// at 14.88 M/s; while they trickle, at 8 M/s. Naps twice as long where the kernel copies saved 15 us of 870 for each 1,000 frames
/// of which 990 are refused, and lost frames in floods that begin at 1.8 M/s.
const NAP: Duration = Duration::from_micros(200);
const LONGEST_NAP: Duration = Duration::from_micros(500);
/// A nap that filled less than this part of the ring is followed by one twice as long. 256 frames of 16,384 in 200 us are 1.3 M/s. Where
/// the kernel copies (veth, 0.3 M/s) that is two naps for a batch instead of five, each of which costs a virtual machine some 30 us.
const FEW: u32 = 64;
/// After so many naps without a frame, the next frame shall wake the reader.
const EMPTY_NAPS: u32 = 4;
/// The descriptors that are looked at in a nap, which come first: the interface's and the wake-up's.
const QUIET: usize = 2;
/// A second-level cache has room for the first lines of so many buffers, which lie 2,048 bytes apart and share few of its sets.
const SOON: u32 = 256;

/// Bytes of a VLAN tag.
const TAG: u32 = 4;

/// One queue's rings, wherever they lie.
pub struct In<C> {
    /// Received frames.
    pub rx: Taker<C, 2>,
    /// Buffers to receive into.
    pub fill: Filler<C, 1>,
    /// Buffers were put into the fill ring and not published.
    pub unpublished: bool,
}

impl<C: Cells> In<C> {
    /// Whether the driver is to be woken. One that waits for buffers is woken for some; one that works in our calls alone (busy polling)
    /// whenever it waits.
    #[inline(always)]
    pub fn wants_call(&mut self, busy_polls: bool) -> bool {
        // What is there and not what was put there just now: a driver may find no buffer, and say so when there are some again.
        self.fill.needs_wakeup() && (busy_polls || self.fill.waiting() > 0)
    }
}

/// What is done with the rings of all queues, apart from sockets and waiting: driven by the bench on rings in memory, too.
pub struct Mover<C> {
    /// The queues.
    pub queues: Vec<In<C>>,
    chunks: Chunks,
    /// The region's receive ring.
    pub ring: RxRing,
    stamps: Stamps,
    /// Frames taken, not yet counted elsewhere.
    pub frames: u64,
    /// Bytes of them.
    pub bytes: u64,
    /// Descriptors and buffers that made no sense, not yet counted elsewhere.
    pub malformed: u64,
}

/// Where frames get their times from.
struct Stamps {
    /// The times of nearly all frames: the host's, or the card's where it was asked for them.
    usual: Marked,
    /// The host's, where the card's are usual.
    rare: Option<Marked>,
    clock: Clock,
    /// The clock was read for frames of this sync that don't tell their time.
    stamped: bool,
}

impl<C: Cells> Mover<C> {
    /// Into `ring`.
    pub fn new(queues: Vec<In<C>>, chunks: Chunks, ring: RxRing) -> Mover<C> {
        let usual = Marked { mark: MARKED, times: Times::new() };
        let stamps = Stamps { usual, rare: None, clock: Clock::new(), stamped: false };
        Mover { queues, chunks, ring, stamps, frames: 0, bytes: 0, malformed: 0 }
    }

    /// The frames' metadata may have the card's times. If nobody says so, none of them does.
    pub fn stamped_by(&mut self, card_times: &CardTimes) {
        self.stamps.usual = Marked { mark: MARKED_BY_CARD, times: Times::of_card(card_times.clone()) };
        self.stamps.rare = Some(Marked { mark: MARKED, times: Times::new() });
    }

    /// Gives released buffers back, and takes what came. Returns the slots that can be read.
    #[inline]
    pub fn sync(&mut self) -> u32 {
        self.give_back();
        self.stamps.stamped = false;
        let before = self.ring.tail();
        for queue in 0..self.queues.len() {
            self.take(queue);
        }
        if self.ring.tail() != before {
            self.ring.publish();
        }
        self.publish();
        self.ring.ready()
    }

    #[inline(always)]
    fn give_back(&mut self) {
        if let [queue] = &mut self.queues[..] {
            // A card with one queue, and no question whose a buffer is.
            let chunks = self.chunks;
            loop {
                let most = self.ring.released();
                let mut taking = self.ring.taking_back();
                let put = queue.fill.put_each(most, || taking.next().map(|buf_idx| chunks.address(buf_idx)));
                taking.finish();
                if put == 0 {
                    break;
                }
                queue.unpublished = true;
            }
        }
        while let Some(buf_idx) = self.ring.take_back() {
            self.fill(buf_idx);
        }
    }

    /// Puts a buffer into the fill ring of its queue, or of any that has room.
    #[inline(always)]
    fn fill(&mut self, buf_idx: u32) {
        let address = self.chunks.address(buf_idx);
        let home = self.chunks.queue(buf_idx).and_then(|queue| self.queues.get_mut(queue));
        if let Some(queue) = home {
            if queue.fill.put(address) {
                queue.unpublished = true;
                return;
            }
        }
        for queue in &mut self.queues {
            if queue.fill.put(address) {
                queue.unpublished = true;
                return;
            }
        }
        self.malformed += 1;
    }

    #[inline(always)]
    fn publish(&mut self) {
        for queue in &mut self.queues {
            if queue.unpublished {
                queue.fill.publish();
                queue.unpublished = false;
            }
        }
    }

    /// Takes a queue's frames while the ring has room.
    #[inline(always)]
    fn take(&mut self, queue: usize) {
        let ready = self.queues[queue].rx.ready();
        let mut done = 0;
        while done < ready {
            let plain = self.take_plain(queue, done, ready);
            let taken = if plain > 0 { plain } else { self.take_other(queue, done, ready) };
            if taken == 0 {
                break;
            }
            done += taken;
        }
        if done > 0 {
            self.queues[queue].rx.release(done);
        }
    }

    /// Takes frames of one buffer each from the entry `first` on, up to the end of the ring's memory or the first thing that is not one,
    /// or needs a look at the clock: how many. No call inside, so that all it needs stays in registers.
    #[inline(always)]
    fn take_plain(&mut self, queue: usize, first: u32, ready: u32) -> u32 {
        let Mover { queues, chunks, ring, stamps, bytes, .. } = self;
        let (rx, chunks, mut sum) = (&queues[queue].rx, *chunks, 0);
        let most = (ready - first).min(ring.room());
        let mut ring = ring.appending(ready <= SOON);
        let taken = rx.each(first, most, |Descriptor { address, len, more }| {
            if more || len > u32::from(u16::MAX) {
                return false;
            }
            let Some(buffer) = chunks.buffer(address).and_then(|buf_idx| ring.buffer(buf_idx)) else { return false };
            let Some(time_ns) = noted(buffer).and_then(|noted| stamps.known(noted)) else { return false };
            buffer.set_note(MARK_BACK, [0; 4]);
            let sound = ring.put(buffer, len as u16, time_ns);
            sum += if sound { u64::from(len) } else { 0 };
            sound
        });
        ring.finish();
        *bytes += sum;
        self.frames += u64::from(taken);
        taken
    }

    /// Takes what the entry `first` begins with and [`Mover::take_plain`] left: how many entries; 0 when it has to wait.
    #[cold]
    fn take_other(&mut self, queue: usize, first: u32, ready: u32) -> u32 {
        let descriptor = self.queues[queue].rx.descriptor(first);
        if descriptor.more {
            return self.take_chain(queue, first, ready);
        }
        let there = self.chunks.buffer(descriptor.address).or_else(|| self.begins_early(descriptor));
        let Some(buf_idx) = there else {
            self.refuse(descriptor.address);
            return 1;
        };
        let time_ns = self.time(buf_idx);
        // A length of more than 16 bits is more than any buffer has.
        let len = descriptor.len.min(u32::from(u16::MAX));
        if self.ring.append(Piece { buf_idx, len: len as u16, flags: 0 }, time_ns) {
            self.frames += 1;
            self.bytes += u64::from(len);
            self.forget_note(buf_idx);
        } else if self.ring.room() == 0 {
            return 0;
        } else {
            self.refuse(descriptor.address);
        }
        1
    }

    /// Moves a frame to where its buffer begins that got its VLAN tag back, and was not copied since; its metadata with it.
    fn begins_early(&mut self, Descriptor { address, len, .. }: Descriptor) -> Option<u32> {
        let buf_idx = self.chunks.buffer(address.checked_add(TAG.into())?)?;
        let (before, room) = (METADATA_LEN as u32, u32::from(u16::MAX));
        let moved = len <= room && self.ring.move_up(buf_idx, before + TAG, TAG, before + len);
        moved.then_some(buf_idx)
    }

    /// Takes the chain that begins `first` entries ahead: how many pieces were done with; 0 when it has to wait.
    #[cold]
    fn take_chain(&mut self, queue: usize, first: u32, ready: u32) -> u32 {
        let (start, mut pieces, mut sound, mut bytes) = (self.ring.tail(), 0, true, 0);
        let head = self.chunks.buffer(self.queues[queue].rx.descriptor(first).address);
        loop {
            if first + pieces == ready {
                // The kernel publishes whole frames, so its end was written after the look that told of it.
                self.ring.cut(start);
                self.queues[queue].rx.look_again();
                return 0;
            }
            let descriptor = self.queues[queue].rx.descriptor(first + pieces);
            pieces += 1;
            if sound {
                if self.ring.room() == 0 {
                    self.ring.cut(start);
                    return 0;
                }
                let time_ns = match self.chunks.buffer(descriptor.address) {
                    Some(buf_idx) if pieces == 1 => self.time(buf_idx),
                    _ => 0,
                };
                let (len, flags) = (descriptor.len, if descriptor.more { NS_MOREFRAG } else { 0 });
                let piece = self.chunks.buffer(descriptor.address).filter(|_| len <= u32::from(u16::MAX));
                let piece = piece.map(|buf_idx| Piece { buf_idx, len: len as u16, flags });
                sound = piece.is_some_and(|piece| self.ring.append(piece, time_ns));
                bytes += u64::from(len);
            }
            if !descriptor.more {
                break;
            }
        }
        if sound {
            (self.frames, self.bytes) = (self.frames + 1, self.bytes + bytes);
            head.into_iter().for_each(|buf_idx| self.forget_note(buf_idx));
        } else {
            self.ring.cut(start);
            for piece in 0..pieces {
                let address = self.queues[queue].rx.descriptor(first + piece).address;
                self.refuse(address);
            }
        }
        pieces
    }

    /// Gives the buffer of a descriptor that makes no sense back at once.
    #[cold]
    fn refuse(&mut self, address: u64) {
        self.malformed += 1;
        if let Some(buf_idx) = self.chunks.buffer_around(address) {
            if self.chunks.queue(buf_idx).is_some() {
                self.forget_note(buf_idx);
                self.fill(buf_idx);
            }
        }
    }

    /// When the frame in a buffer was accepted; 0 when it does not say so, and is given the sync's time.
    fn time(&mut self, buf_idx: u32) -> u64 {
        let noted = self.ring.buffer(buf_idx).and_then(noted);
        self.stamps.time(noted, &mut self.ring)
    }

    /// The note is read: the next frame in the buffer may come without one. Its line is at hand now, and not when the
    /// buffer goes back.
    #[inline(always)]
    fn forget_note(&mut self, buf_idx: u32) {
        if let Some(buffer) = self.ring.buffer(buf_idx) {
            buffer.set_note(MARK_BACK, [0; 4]);
        }
    }
}

/// What a frame's metadata says of its time, or what lies there.
#[derive(Clone, Copy)]
struct Noted {
    mark: [u8; 4],
    time: u64,
}

/// `None` without room for metadata. Time and mark are read one by one: a processor waits before it reads at once what was written in
/// parts.
#[inline(always)]
fn noted(buffer: Buffer<'_>) -> Option<Noted> {
    Some(Noted { time: u64::from_ne_bytes(buffer.note(TIME_BACK)?), mark: buffer.note(MARK_BACK)? })
}

/// The times of frames with one of our marks.
struct Marked {
    mark: [u8; 4],
    times: Times,
}

impl Stamps {
    /// What a slot says of a frame with this metadata; 0: the sync's time is the frame's. `None` when a clock has to be read, or
    /// has to be found.
    #[inline(always)]
    fn known(&self, noted: Noted) -> Option<u64> {
        if noted.mark == self.usual.mark {
            return self.usual.times.known(noted.time);
        }
        (self.stamped && self.rare.as_ref().is_none_or(|rare| rare.mark != noted.mark)).then_some(0)
    }

    /// The same, and the clock is read where it has to be.
    fn time(&mut self, noted: Option<Noted>, ring: &mut RxRing) -> u64 {
        if let Some(Noted { mark, time: time @ 1.. }) = noted {
            let mut all = [Some(&mut self.usual), self.rare.as_mut()].into_iter().flatten();
            if let Some(marked) = all.find(|marked| marked.mark == mark) {
                return marked.times.realtime(time);
            }
        }
        if !self.stamped {
            ring.set_stamp(self.clock.now());
            self.stamped = true;
        }
        0
    }
}

/// The descriptor that a program selects on: the sockets, the interface's end, or frames that wait in our own ring.
struct Select {
    any: Any,
    waiting: Event,
    set: bool,
}

/// The receive side of a port.
pub(super) struct Rx {
    shared: Arc<Shared>,
    mover: Mover<MappedRing>,
    sockets: Vec<Arc<XdpSocket>>,
    sleepers: Sleepers,
    select: Option<Select>,
    /// The last looks before sleeping were worth it.
    spin: bool,
    /// How long the next nap is.
    nap: Duration,
    checked: Instant,
    /// The interface is down: nobody tells when it goes away, so it is asked for.
    down: bool,
    gone: bool,
}

impl Rx {
    pub fn new(shared: Arc<Shared>, queues: Vec<super::queue::RxQueue>, ring: RxRing) -> Rx {
        let sockets: Vec<_> = queues.iter().map(|queue| Arc::clone(&queue.socket)).collect();
        let watch: Arc<dyn AsFd + Send + Sync> = Arc::clone(&shared.watch) as _;
        let wake: Arc<dyn AsFd + Send + Sync> = Arc::new(WakeOf(Arc::clone(&shared)));
        let all = [watch, wake].into_iter().chain(sockets.iter().map(|s| Arc::clone(s) as _)).collect();
        let ins = queues.into_iter().map(|q| In { rx: q.rx, fill: q.fill, unpublished: false }).collect();
        let mut mover = Mover::new(ins, shared.layout.chunks(), ring);
        if let Some(card_times) = &shared.card_times {
            mover.stamped_by(card_times);
        }
        let (sleepers, checked) = (Sleepers::new(all), Instant::now());
        Rx { shared, mover, sockets, sleepers, select: None, spin: true, nap: NAP, checked, down: false, gone: false }
    }

    #[cold]
    fn poll_failed(&self, source: std::io::Error) -> PortError {
        PortError::Io { what: format!("{}: poll", self.shared.name), source }
    }

    #[inline]
    fn pull(&mut self) -> u32 {
        let ready = self.mover.sync();
        let mover = &mut self.mover;
        let malformed = mover.malformed + mover.ring.take_malformed();
        if mover.frames | malformed != 0 {
            let counters = &self.shared.counters;
            count(&counters.received, std::mem::take(&mut mover.frames));
            count(&counters.received_bytes, std::mem::take(&mut mover.bytes));
            count_together(&counters.malformed, malformed);
            mover.malformed = 0;
        }
        for (queue, socket) in mover.queues.iter_mut().zip(&self.sockets) {
            if queue.wants_call(self.shared.busy_polls) {
                socket.wake_receiver();
            }
        }
        ready
    }

    /// As [`Rx::pull`]; looks whether the interface is still there, now and then, or each time for who selects and
    /// found nothing.
    fn sync(&mut self) -> Result<u32, PortError> {
        let ready = self.pull();
        if ready == 0 && (self.select.is_some() || self.checked.elapsed() >= CHECK_EVERY) {
            self.check()?;
        }
        Ok(ready)
    }

    #[cold]
    fn check(&mut self) -> Result<(), PortError> {
        self.checked = Instant::now();
        let shared = &self.shared;
        let news = shared.watch.take_error();
        if !self.gone && self.down | !matches!(news, Ok(None)) {
            // It may go down and away between two looks, and come up again.
            let up = Interface::is_up(shared.card.index);
            (self.gone, self.down) = (up.is_none(), up == Some(false));
        }
        if self.gone {
            if let Some(select) = &mut self.select {
                select.waiting.set();
                select.set = true;
            }
            return Err(PortError::Disappeared);
        }
        Ok(())
    }

    fn take_wake(&self) -> bool {
        self.shared.take_wake()
    }

    /// Looks at the rings for a while. True when there are enough frames.
    fn watch_for(&mut self, slots: u32) -> bool {
        if !self.spin {
            return false;
        }
        let start = Instant::now();
        while start.elapsed() < SPIN {
            for _ in 0..8 {
                std::hint::spin_loop();
            }
            if self.pull() >= slots {
                return true;
            }
        }
        self.spin = false;
        false
    }
}

struct WakeOf(Arc<Shared>);

impl AsFd for WakeOf {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.0.wake.as_fd()
    }
}

impl PortRx for Rx {
    fn ring(&mut self) -> &mut RxRing {
        &mut self.mover.ring
    }

    #[inline]
    fn rxsync(&mut self) -> Result<u32, PortError> {
        self.sync()
    }

    fn wait(&mut self, slots: u32, timeout: Option<Duration>) -> Result<Woken, PortError> {
        let ring = &self.mover.ring;
        let slots = slots.min(ring.num_slots() - 1 - ring.held()).max(1);
        if self.pull() >= slots {
            return Ok(Woken::Frames);
        }
        let end = timeout.and_then(|t| Instant::now().checked_add(t));
        let (mut slept, mut empty) = (false, 0);
        loop {
            if self.gone {
                return Err(PortError::Disappeared);
            }
            if self.take_wake() {
                return Ok(Woken::Woken);
            }
            if !slept && self.mover.ring.ready() == 0 && self.watch_for(slots) {
                return Ok(Woken::Frames);
            }
            let left = end.map(|e| e.saturating_duration_since(Instant::now()));
            if left.is_some_and(|l| l.is_zero()) {
                return Ok(Woken::TimedOut);
            }
            let before = self.mover.ring.ready();
            if before > 0 && empty < EMPTY_NAPS && !self.down {
                // Some are there and more are wanted: each would wake us, and who sends it pays for that.
                match self.sleepers.nap(left.map_or(self.nap, |l| l.min(self.nap)), QUIET) {
                    Ok(()) => {}
                    Err(e) if e.kind() == ErrorKind::Interrupted => return Ok(Woken::Woken),
                    Err(source) => return Err(self.poll_failed(source)),
                }
                let ready = self.pull();
                self.spin = ready - before > 1;
                if ready >= slots {
                    return Ok(Woken::Frames);
                }
                empty = if ready == before { empty + 1 } else { 0 };
                let few = ready - before < self.mover.ring.num_slots() / FEW;
                self.nap = if few { (self.nap * 2).min(LONGEST_NAP) } else { NAP };
                if self.checked.elapsed() >= CHECK_EVERY {
                    self.check()?;
                }
                continue;
            }
            let longest = if self.down { Some(left.map_or(CHECK_EVERY, |l| l.min(CHECK_EVERY))) } else { left };
            slept = true;
            match self.sleepers.sleep(longest, 0) {
                Ok(failed) => {
                    if failed || self.down {
                        self.check()?;
                    }
                }
                Err(e) if e.kind() == ErrorKind::Interrupted => return Ok(Woken::Woken),
                Err(source) => return Err(self.poll_failed(source)),
            }
            let ready = self.pull();
            // Whatever begins now may be a flood.
            (empty, self.nap) = (0, NAP);
            // So many at one look: they stream, and the next ones come before a sleep would end.
            self.spin = ready - before > 1;
            if ready >= slots {
                return Ok(Woken::Frames);
            }
        }
    }

    fn selectable_fd(&mut self) -> Result<RawFd, PortError> {
        if self.select.is_none() {
            let io = |source| PortError::Io { what: format!("{}: epoll", self.shared.name), source };
            let (any, waiting) = (Any::new().map_err(io)?, Event::new().map_err(io)?);
            for socket in &self.sockets {
                any.add(socket.as_fd()).map_err(io)?;
            }
            any.add(self.shared.watch.as_fd()).map_err(io)?;
            any.add(waiting.as_fd()).map_err(io)?;
            self.select = Some(Select { any, waiting, set: false });
            self.settle_fd();
        }
        Ok(self.select.as_ref().map_or(-1, |select| select.any.as_raw_fd()))
    }

    fn settle_fd(&mut self) {
        let Some(select) = &mut self.select else { return };
        let waiting = self.mover.ring.ready() > 0 || self.gone;
        if waiting != select.set {
            if waiting {
                select.waiting.set();
            } else {
                select.waiting.clear();
            }
            select.set = waiting;
        }
    }

    fn offer_filter(&mut self, program: &[libc::sock_filter]) -> bool {
        self.shared.filter(program).is_ok()
    }
}
