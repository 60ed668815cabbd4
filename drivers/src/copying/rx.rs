//! Towards the application: from a source into our region's ring, and waiting for frames.

use super::{Control, Counters, Source};
use crate::sys::wait::{Any, Event, poll};
use nm_core::ring::peer::PeerRing;
use nm_core::ring::slots::{FrameRef, MAX_FRAME};
use nm_core::shm::mapping::Mapping;
use nm_core::sync::{AtomicU64, count_together};
use nm_core::{PortError, PortRx, RxRing, Woken};
use std::io::ErrorKind;
use std::os::fd::RawFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Who waits for many frames looks by the clock instead of being woken for each.
const NAP: Duration = Duration::from_millis(1);
/// How often a reader that never sleeps asks whether there is still somebody to read from, and one that sleeps while that is down.
const CHECK_EVERY: Duration = Duration::from_millis(100);

/// The receive side of a port.
pub struct Rx<S> {
    control: Arc<Control>,
    source: S,
    /// The same ring twice: as who fills it sees it, and as the reader.
    fill: PeerRing,
    ring: RxRing,
    select: Option<Select>,
    checked: Instant,
    /// The interface is down.
    down: bool,
    gone: bool,
}

/// The descriptor that a program selects on: the source's, or frames that wait in our own ring.
struct Select {
    any: Any,
    waiting: Event,
    set: bool,
}

/// The free end of a receive ring.
pub struct Filler<'a> {
    ring: &'a PeerRing,
    tail: u32,
    space: u32,
    frames: u64,
    bytes: u64,
    /// The port's counters.
    pub counters: &'a Counters,
}

impl Filler<'_> {
    /// Whether a frame of `len` bytes fits. One that is too long for any ring does: it is counted by [`Filler::put`].
    pub fn has_room(&self, len: usize) -> bool {
        self.ring.free_for(len.min(MAX_FRAME)) <= self.space
    }

    /// Puts a frame, with its time in ns of CLOCK_REALTIME; the caller asked [`Filler::has_room`].
    pub fn put(&mut self, frame: &[u8], time_ns: u64) {
        if frame.len() > MAX_FRAME {
            self.lose(&self.counters.dropped_long);
        } else if !self.has_room(frame.len()) {
            self.lose(&self.counters.dropped_full);
        } else if let Ok(next) = self.ring.put(self.tail, FrameRef::from(frame), time_ns) {
            self.space -= PeerRing::slots_for(frame.len());
            self.tail = next;
            self.frames += 1;
            self.bytes += frame.len() as u64;
        } else {
            self.lose(&self.counters.malformed);
        }
    }

    /// Counts a frame that was taken and is not put.
    pub fn lose(&self, why: &AtomicU64) {
        count_together(why, 1);
        self.pass_over();
    }

    /// Counts a frame that was taken and is none of this port's.
    pub fn pass_over(&self) {
        count_together(&self.counters.lost, 1);
    }
}

impl<S: Source> Rx<S> {
    /// `None` when the mapping is too short.
    pub fn new(control: Arc<Control>, source: S, mapping: &Arc<Mapping>) -> Option<Rx<S>> {
        let (fill, ring) = (PeerRing::new(mapping, &control.layout)?, RxRing::new(mapping, &control.layout)?);
        Some(Rx { control, source, fill, ring, select: None, checked: Instant::now(), down: false, gone: false })
    }

    /// Moves frames from the source to our ring while there is room. Returns the slots that can be read.
    fn pull(&mut self) -> u32 {
        let counters = &self.control.counters;
        let tail = self.ring.tail();
        let space = self.fill.space(tail, self.ring.head()).unwrap_or(0);
        let mut to = Filler { ring: &self.fill, tail, space, frames: 0, bytes: 0, counters };
        self.source.pull(&mut to);
        count_together(&counters.received, to.frames);
        count_together(&counters.received_bytes, to.bytes);
        self.ring.set_tail(to.tail);
        count_together(&counters.malformed, self.ring.take_malformed());
        self.ring.ready()
    }

    #[cold]
    fn check(&mut self) -> Result<(), PortError> {
        self.checked = Instant::now();
        if self.gone {
            return Err(PortError::Disappeared);
        }
        let found = self.source.check();
        self.down = found.as_ref().is_ok_and(|down| *down);
        self.gone = matches!(found, Err(PortError::Disappeared));
        if self.gone {
            // The socket tells its error once; who selects must still hear of it.
            self.settle_fd();
        }
        found.map(drop)
    }

    /// Sleeps until a frame, a wake, a signal, or for `longest`. True after a signal.
    fn sleep(&mut self, many: bool, longest: Option<Duration>) -> Result<bool, PortError> {
        let wake = self.control.wake.as_fd();
        let slept = if many {
            poll([wake], Some(longest.map_or(NAP, |l| l.min(NAP)))).map(|_| false)
        } else {
            let fd = self.source.fd();
            let watch = self.source.watch().unwrap_or(fd);
            let longest = if self.down { Some(longest.map_or(CHECK_EVERY, |l| l.min(CHECK_EVERY))) } else { longest };
            poll([wake, fd, watch], longest).map(|[_, fd, watch]| fd.failed || watch.failed || self.down)
        };
        match slept {
            Ok(true) => self.check().map(|()| false),
            Ok(false) => Ok(false),
            Err(e) if e.kind() == ErrorKind::Interrupted => Ok(true),
            Err(source) => Err(PortError::Io { what: format!("{}: poll", self.control.name), source }),
        }
    }
}

impl<S: Source> PortRx for Rx<S> {
    fn ring(&mut self) -> &mut RxRing {
        &mut self.ring
    }

    fn rxsync(&mut self) -> Result<u32, PortError> {
        let ready = self.pull();
        if ready == 0 && (self.gone || self.checked.elapsed() >= CHECK_EVERY) {
            self.check()?;
        }
        Ok(ready)
    }

    fn wait(&mut self, slots: u32, timeout: Option<Duration>) -> Result<Woken, PortError> {
        let slots = slots.min(self.ring.num_slots() - 1 - self.ring.held()).max(1);
        if self.pull() >= slots {
            return Ok(Woken::Frames);
        }
        let end = timeout.and_then(|t| Instant::now().checked_add(t));
        loop {
            if self.gone {
                return Err(PortError::Disappeared);
            }
            if self.control.take_wake() {
                return Ok(Woken::Woken);
            }
            let left = end.map(|e| e.saturating_duration_since(Instant::now()));
            if left.is_some_and(|l| l.is_zero()) {
                return Ok(Woken::TimedOut);
            }
            let interrupted = self.sleep(slots > 1, left)?;
            let ready = self.pull();
            // A large frame that finds no room will find none while we wait: what is there is all that there can be.
            if ready >= slots || ready > 0 && self.source.has_more() {
                return Ok(Woken::Frames);
            }
            if interrupted {
                return Ok(Woken::Woken);
            }
        }
    }

    fn selectable_fd(&mut self) -> Result<RawFd, PortError> {
        if self.select.is_none() {
            let io = |source| PortError::Io { what: format!("{}: selectable descriptor", self.control.name), source };
            let select = Select { any: Any::new().map_err(io)?, waiting: Event::new().map_err(io)?, set: false };
            select.any.add(self.source.fd()).map_err(io)?;
            if let Some(watch) = self.source.watch() {
                select.any.add(watch).map_err(io)?;
            }
            select.any.add(select.waiting.as_fd()).map_err(io)?;
            self.select = Some(select);
            self.settle_fd();
        }
        Ok(self.select.as_ref().map_or(-1, |s| s.any.as_raw_fd()))
    }

    fn settle_fd(&mut self) {
        let waiting = self.ring.ready() > 0 || self.gone;
        let Some(select) = &mut self.select else { return };
        if waiting && !select.set {
            select.waiting.set();
        } else if !waiting && select.set {
            select.waiting.clear();
        }
        select.set = waiting;
    }

    fn gathers(&self) -> bool {
        self.source.gathers()
    }

    fn offer_filter(&mut self, program: &[libc::sock_filter]) -> bool {
        self.source.offer_filter(program)
    }
}
