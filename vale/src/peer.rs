//! Another port, as a sender sees it: mapped once, then filled.

use crate::flow::{self, Room};
use crate::member::Member;
use crate::turns::Turns;
use crate::{bell, place};
use nm_core::clock::Clock;
use nm_core::lock::{Held, Stuck};
use nm_core::ring::peer::PeerRing;
use nm_core::ring::slots::FrameRef;
use nm_core::shm::layout::Layout;
use nm_core::shm::mapping::{Mapping, View};
use nm_core::shm::port_page::{BESIDE, PORT_MAGIC, PortPage};
use nm_core::shm::switch_page::VERSION;
use nm_core::sync::{Fences, Ordering, count, count_together};
use nm_core::sys;
use std::fs::File;
use std::os::fd::AsRawFd;
use std::sync::OnceLock;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

/// A lock's owner that stays inside for longer is looked at: if it is stopped, its receiver's frames are dropped and counted.
const LOCK_PATIENCE: Duration = Duration::from_millis(100);
/// One that others keep from running, on a machine with many more programs than processors, is waited for so many times as long.
const LOCK_ROUNDS: u32 = 10;
/// As [`LOCK_PATIENCE`], of senders that are not to wait.
const SHORT_LOCK_PATIENCE: Duration = Duration::from_millis(10);

/// A mapped port.
pub struct Peer {
    /// Its control words.
    pub page: View<PortPage>,
    ring: PeerRing,
    /// The owner that was mapped.
    pub generation: u32,
    index: usize,
    fifo: OnceLock<Option<File>>,
    /// The last try to enter met an owner that did not leave.
    stuck: AtomicBool,
    /// The last wait for room was short.
    pub waits_shortly: AtomicBool,
    /// What it is to wait for a reader on our processor.
    pub turns: Turns,
}

/// Who sends, and how.
#[derive(Clone, Copy)]
pub struct Sender<'a> {
    /// The sending port.
    pub member: &'a Member,
    /// Its tag.
    pub tag: u32,
    /// Its fences.
    pub fences: Fences,
    /// Never wait for room.
    pub nonblocking: bool,
    /// The control words of the port from whose ring the frames come.
    pub behind: Option<&'a View<PortPage>>,
}

/// Frames for one port, one after the other.
pub trait Source {
    /// The next frame, with its number in the batch.
    fn next(&mut self) -> Option<(usize, FrameRef<'_>)>;

    /// Puts as many of the next frames as it can into `space` slots of a ring from `tail` on, all at once: moves `tail`
    /// on, returns the frames and their bytes. (0, 0) leaves them to [`Source::next`].
    #[inline(always)]
    fn put_many(&mut self, _ring: &PeerRing, _tail: &mut u32, _space: u32, _time_ns: u64) -> (u32, u64) {
        (0, 0)
    }
}

/// One frame.
pub struct Once<'a>(pub Option<FrameRef<'a>>);

impl Source for Once<'_> {
    fn next(&mut self) -> Option<(usize, FrameRef<'_>)> {
        self.0.take().map(|f| (0, f))
    }
}

impl Peer {
    /// Maps a port; `None` when it is gone or its file makes no sense.
    pub fn map(member: &Member, index: usize, generation: u32) -> Option<Peer> {
        let file = member.switch.open_port_file(&place::port_file(index), sys::READ_WRITE).ok()?;
        let head: View<PortPage> = View::new(&Mapping::new(&file, size_of::<PortPage>()).ok()?)?;
        // ORDER: Relaxed; published by the entry's state, and checked below.
        let id = |w: &nm_core::sync::AtomicU32| w.load(Ordering::Relaxed);
        if head.id.magic.load(Ordering::Relaxed) != PORT_MAGIC
            || id(&head.id.version) != VERSION
            || id(&head.id.generation) != generation
        {
            return None;
        }
        let layout = Layout::new(id(&head.id.rx_slots), id(&head.id.tx_slots))?;
        let mapping = Mapping::new(&file, layout.rx_bytes()).ok()?;
        let ring = PeerRing::new(&mapping, &layout)?;
        Some(Peer {
            page: View::new(&mapping)?,
            ring,
            generation,
            index,
            fifo: OnceLock::new(),
            stuck: AtomicBool::new(false),
            waits_shortly: AtomicBool::new(false),
            turns: Turns::default(),
        })
    }

    /// How the reader looks at its ring: as [`nm_core::shm::port_page::SleepLine::looking`].
    #[inline(always)]
    pub fn looking(&self) -> u32 {
        // ORDER: Relaxed; what a stale value costs is said at `vale::rx`.
        self.page.sleep.looking.load(Ordering::Relaxed)
    }

    /// Puts frames into the port's ring: one lock, one publication, one bell, unless the ring fills up on the way.
    /// `delivered` hears of each frame that got in. Returns how many did.
    #[inline]
    pub fn deliver<S: Source>(
        &self,
        sender: Sender<'_>,
        frames: &mut S,
        time_ns: u64,
        mut delivered: impl FnMut(usize),
    ) -> u32 {
        let mut entered = self.begin(sender);
        let mut count = 0;
        if let Some(f) = &mut entered {
            f.look_for_space(self.ring.num_slots());
            count += f.put_many(frames, time_ns);
        }
        while let Some((k, frame)) = frames.next() {
            let need = self.ring.free_for(frame.len());
            let f = match &mut entered {
                Some(f) => f,
                None => match self.begin(sender) {
                    Some(f) => entered.insert(f),
                    None => {
                        count_together(&self.page.drops.stalled, 1);
                        continue;
                    }
                },
            };
            if f.space < need && !f.look_for_space(need) {
                // Publish what is there, so that the receiver can make room, and leave the lock while waiting.
                entered.take().into_iter().for_each(|f| f.publish(sender));
                match self.wait_for_room(sender, need) {
                    Some(f) => entered.insert(f),
                    None => continue,
                };
            }
            let Some(f) = &mut entered else { continue };
            if f.put(frame, time_ns) {
                count += 1;
                delivered(k);
            }
            count += f.put_many(frames, time_ns);
        }
        if let Some(f) = entered {
            f.publish(sender);
        }
        count
    }

    /// Puts one frame into the port's ring, if that needs no waiting: `false` leaves it to [`Peer::deliver`].
    ///
    /// Written flat, over scalars: a struct that is stored in parts and loaded as a whole waits until the processor's
    /// store queue has drained, here behind lines that the reader still has; that took two thirds of a frame's time.
    ///
    /// With `GLANCED` it is shown beside its tail, if it fits there.
    #[inline(always)]
    pub fn deliver_one<const GLANCED: bool>(
        &self,
        member: &Member,
        tag: u32,
        fences: Fences,
        frame: FrameRef<'_>,
        time_ns: u64,
    ) -> bool {
        let need = self.ring.free_for(frame.len());
        if !self.page.lock.enter_biased(tag, fences) {
            return false;
        }
        let holder = &self.page.holder;
        // ORDER: Relaxed; written under the lock that we hold.
        let (tail, mut head) = (holder.tail(), holder.head_seen.load(Ordering::Relaxed));
        if self.ring.space(tail, head).is_none_or(|space| space < need) {
            head = self.page.drain.look();
            if self.ring.space(tail, head).is_none_or(|space| space < need) {
                self.page.lock.leave_biased(tag);
                return false;
            }
            // ORDER: Relaxed; under the lock.
            holder.head_seen.store(head, Ordering::Relaxed);
        }
        let Ok(new_tail) = self.ring.put(tail, frame, time_ns) else {
            self.page.lock.leave_biased(tag);
            return false;
        };
        count(&holder.received, 1);
        count(&holder.received_bytes, frame.len() as u64);
        if GLANCED && frame.len() <= BESIDE {
            self.page.fill.publish_beside((tail, new_tail), holder, frame.len(), |at| frame.eight(at));
        } else {
            self.page.fill.publish(new_tail, holder);
        }
        self.page.lock.leave_biased(tag);
        fences.light();
        let filled = self.ring.filled(new_tail, head).unwrap_or(u32::MAX);
        bell::ring_if_armed(&self.page, filled, || self.write_fifo(member));
        true
    }

    /// [`Peer::deliver_one`] to a reader who spins for single frames, apart from that for streams, whose registers are few.
    #[inline(never)]
    pub fn deliver_to_glance(
        &self,
        member: &Member,
        tag: u32,
        fences: Fences,
        frame: FrameRef<'_>,
        time: &mut Clock,
    ) -> bool {
        self.page.fill.ask();
        self.deliver_one::<true>(member, tag, fences, frame, time.now())
    }

    #[inline(always)]
    fn begin<'p>(&'p self, sender: Sender<'p>) -> Option<Filling<'p>> {
        // Who found a stopped owner inside does not wait for it a second time.
        // ORDER: Relaxed, both; a sender's own note.
        let patience = match (self.stuck.load(Ordering::Relaxed), sender.nonblocking) {
            (true, _) => Duration::ZERO,
            (false, true) => SHORT_LOCK_PATIENCE,
            (false, false) => LOCK_PATIENCE,
        };
        let held = self.page.lock.enter(sender.tag, sender.fences, sender.member, patience);
        let held = held.or_else(|stuck| self.enter_late(sender, stuck, patience));
        self.stuck.store(held.is_err(), Ordering::Relaxed);
        let held = held.ok()?;
        let holder = &self.page.holder;
        // ORDER: Relaxed; written under the lock that we hold.
        let (tail, head) = (holder.tail(), holder.head_seen.load(Ordering::Relaxed));
        match self.ring.space(tail, head) {
            Some(space) => Some(Filling { peer: self, held, tail, space, frames: 0, bytes: 0 }),
            None => self.repair(held),
        }
    }

    /// Goes on waiting for an owner that is not stopped: it lost the processor inside, and gets it back.
    #[cold]
    fn enter_late(&self, sender: Sender<'_>, stuck: Stuck, patience: Duration) -> Result<Held<'_>, Stuck> {
        let mut result = Err(stuck);
        for _ in 1..if patience == LOCK_PATIENCE { LOCK_ROUNDS } else { 1 } {
            match result {
                Err(stuck) if !sender.member.is_stopped(stuck.tag) => {
                    result = self.page.lock.enter(sender.tag, sender.fences, sender.member, patience);
                }
                _ => break,
            }
        }
        result
    }

    /// Senders' words that point outside the ring: somebody wrote garbage. Begin with an empty ring, if the reader's
    /// own word is in order.
    #[cold]
    fn repair<'p>(&'p self, held: Held<'p>) -> Option<Filling<'p>> {
        count_together(&self.page.drops.malformed, 1);
        let head = self.page.drain.look();
        let space = self.ring.space(head, head)?;
        // ORDER: Relaxed; under the lock.
        self.page.holder.head_seen.store(head, Ordering::Relaxed);
        Some(Filling { peer: self, held, tail: head, space, frames: 0, bytes: 0 })
    }

    /// Waits as the switch's rule says, then enters again; `None` when the frame is to be dropped (counted here).
    #[cold]
    fn wait_for_room<'p>(&'p self, sender: Sender<'p>, need: u32) -> Option<Filling<'p>> {
        if need >= self.ring.num_slots() {
            count_together(&self.page.drops.long, 1);
            return None;
        }
        // A reader that wants more frames than fit, long as they are, has slept enough.
        bell::ring_if_armed(&self.page, u32::MAX, || self.write_fifo(sender.member));
        // Each round waited until there was room; that it is gone again each time is garbage or very bad luck.
        for _ in 0..1000 {
            match flow::wait(sender, self, &self.ring, need) {
                Room::Maybe => {}
                Room::Full => {
                    count_together(&self.page.drops.full, 1);
                    return None;
                }
                Room::Stalled => {
                    count_together(&self.page.drops.stalled, 1);
                    return None;
                }
            }
            let Some(mut f) = self.begin(sender) else {
                count_together(&self.page.drops.stalled, 1);
                return None;
            };
            if f.space >= need || f.look_for_space(need) {
                return Some(f);
            }
        }
        count_together(&self.page.drops.full, 1);
        None
    }

    /// The thread that reads, or opened the port: [`nm_core::shm::port_page::SleepLine::thread`].
    pub fn reader(&self) -> u32 {
        // ORDER: Relaxed; a hint.
        self.page.sleep.thread.load(Ordering::Relaxed)
    }

    /// Whether its owner is gone.
    pub fn is_dead(&self, member: &Member) -> bool {
        member.switch.is_dead(self.index)
    }

    #[cold]
    fn write_fifo(&self, member: &Member) {
        let open = || member.switch.open_port_file(&place::fifo_file(self.index), sys::FIFO_FLAGS).ok();
        if let Some(f) = self.fifo.get_or_init(open) {
            sys::ring_fifo(f.as_raw_fd());
        }
    }
}

/// A port's ring while a sender is inside its lock.
struct Filling<'p> {
    peer: &'p Peer,
    held: Held<'p>,
    tail: u32,
    space: u32,
    frames: u32,
    bytes: u64,
}

impl Filling<'_> {
    #[inline(always)]
    fn look_for_space(&mut self, need: u32) -> bool {
        let head = self.peer.page.drain.look();
        match self.peer.ring.space(self.tail, head) {
            Some(space) => {
                // ORDER: Relaxed; under the lock.
                self.peer.page.holder.head_seen.store(head, Ordering::Relaxed);
                self.space = space;
            }
            None => count_together(&self.peer.page.drops.malformed, 1),
        }
        self.space >= need
    }

    #[inline(always)]
    fn put(&mut self, frame: FrameRef<'_>, time_ns: u64) -> bool {
        match self.peer.ring.put(self.tail, frame, time_ns) {
            Ok(tail) => {
                self.tail = tail;
                self.space -= PeerRing::slots_for(frame.len());
                self.frames += 1;
                self.bytes += frame.len() as u64;
                true
            }
            Err(_) => {
                count_together(&self.peer.page.drops.malformed, 1);
                false
            }
        }
    }

    #[inline(always)]
    fn put_many<S: Source>(&mut self, frames: &mut S, time_ns: u64) -> u32 {
        let (n, bytes) = frames.put_many(&self.peer.ring, &mut self.tail, self.space, time_ns);
        self.space -= n;
        self.frames += n;
        self.bytes += bytes;
        n
    }

    /// Publishes the frames, leaves the lock, and rings.
    #[inline(always)]
    fn publish(self, sender: Sender<'_>) {
        let Filling { peer, held, tail, frames, bytes, .. } = self;
        let holder = &peer.page.holder;
        count(&holder.received, u64::from(frames));
        count(&holder.received_bytes, bytes);
        // ORDER: Relaxed; under the lock.
        let head = holder.head_seen.load(Ordering::Relaxed);
        holder.processor.note();
        peer.page.fill.publish(tail, holder);
        drop(held);
        sender.fences.light();
        let filled = peer.ring.filled(tail, head).unwrap_or(u32::MAX);
        bell::ring_if_armed(&peer.page, filled, || peer.write_fifo(sender.member));
    }
}
