//! Towards the application: the module's receive rings, one after the other, frames in place.
//!
//! A reader sees one ring at a time. When it has been read empty and given back, the next one that has something takes its place: so
//! each ring's frames stay in order, and none waits for more than one ring of each other. A ring that a callback still looks into while
//! a nested read goes on to the next keeps its slots, and is given back when its turn comes again.

use super::memory::HwRing;
use super::{Device, Direction, Shared, now};
use nm_core::shm::layout::Layout;
use nm_core::shm::mapping::Mapping;
use nm_core::sync::count_together;
use nm_core::{PortError, PortRx, RxRing, Woken};
use std::io::{self, ErrorKind};
use std::os::fd::RawFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Who waits for many frames looks by the clock instead of being woken for each.
const NAP: Duration = Duration::from_millis(1);

/// The receive side of a port.
pub struct Rx<D> {
    shared: Arc<Shared<D>>,
    /// At least one: without any receive ring, one of our own in which nothing ever is.
    rings: Vec<HwRing>,
    current: usize,
    none: Option<RxRing>,
    /// The head of the current ring that the module knows.
    published: u32,
    gone: bool,
}

impl<D: Device> Rx<D> {
    pub fn new(shared: Arc<Shared<D>>, rings: Vec<HwRing>) -> io::Result<Rx<D>> {
        let none = if rings.is_empty() { Some(empty_ring()?) } else { None };
        let published = rings.first().map_or(0, |r| r.ring.head());
        Ok(Rx { shared, rings, current: 0, none, published, gone: false })
    }

    fn ready(&self) -> u32 {
        self.rings.iter().map(|r| r.ring.ready()).sum()
    }

    /// Shows the module all that was given back.
    fn publish(&mut self) {
        self.rings.iter_mut().for_each(|r| r.ring.publish_head());
        self.published = self.rings.get(self.current).map_or(0, |r| r.ring.head());
    }

    /// Learns what a sync has brought, and turns to the ring whose turn it is. Returns the slots of it that can be read.
    fn learn(&mut self) -> u32 {
        for hw in &mut self.rings {
            let time_ns = hw.synced_at().unwrap_or_else(now);
            let (frames, bytes) = hw.ring.learn_tail(time_ns);
            count_together(&self.shared.counters.received, frames);
            count_together(&self.shared.counters.received_bytes, bytes);
            count_together(&self.shared.counters.malformed, hw.ring.take_malformed());
        }
        self.turn()
    }

    fn turn(&mut self) -> u32 {
        if self.rings.is_empty() {
            return 0;
        }
        if self.rings[self.current].ring.ready() == 0 {
            let mut after = (1..self.rings.len()).map(|n| (self.current + n) % self.rings.len());
            // One without frames that was not given back yet is given back by being read on.
            let next = after.clone().find(|n| self.rings[*n].ring.ready() > 0);
            if let Some(next) = next.or_else(|| after.find(|n| self.rings[*n].ring.held() > 0)) {
                self.current = next;
                self.published = self.rings[next].ring.head();
            }
        }
        self.rings[self.current].ring.ready()
    }

    /// A sync without a sleep, by a system call.
    fn sync(&mut self) -> Result<u32, PortError> {
        if self.gone {
            return Err(PortError::Disappeared);
        }
        if self.rings.is_empty() {
            return Ok(0);
        }
        self.publish();
        let synced = self.shared.sync(Direction::Rx);
        self.gone = matches!(synced, Err(PortError::Disappeared));
        synced?;
        Ok(self.learn())
    }

    /// Whether the module should soon get slots back, although there is still something to read.
    fn owes(&self) -> bool {
        let Some(hw) = self.rings.get(self.current) else { return false };
        let (head, slots) = (hw.ring.head(), hw.ring.num_slots());
        (head + slots - self.published) % slots >= slots / 4
    }

    /// Sleeps until a frame, a wake, a signal, or for `longest`; the module syncs meanwhile. True after a signal.
    fn sleep(&mut self, many: bool, longest: Option<Duration>) -> Result<bool, PortError> {
        if many || self.rings.is_empty() {
            let nap = if many { Some(longest.map_or(NAP, |l| l.min(NAP))) } else { longest };
            return match crate::sys::wait::poll([self.shared.wake.as_fd()], nap) {
                Ok(_) => self.sync().map(|_| false),
                Err(e) if e.kind() == ErrorKind::Interrupted => Ok(true),
                Err(source) => Err(PortError::Io { what: format!("{}: poll", self.shared.name), source }),
            };
        }
        self.publish();
        match self.shared.device.poll(self.shared.wake.as_fd(), longest) {
            Ok(ready) => {
                self.learn();
                if ready.failed {
                    // An interface that is gone says so here; a ring that the module had to start anew goes on, but is no reason
                    // to come back at once.
                    self.sync()?;
                    nm_core::sys::nap(NAP);
                }
                Ok(false)
            }
            Err(e) if e.kind() == ErrorKind::Interrupted => Ok(true),
            Err(source) => Err(PortError::Io { what: format!("{}: poll", self.shared.name), source }),
        }
    }
}

/// A ring of ours without frames, for a port that has no receive ring.
fn empty_ring() -> io::Result<RxRing> {
    let layout = Layout { rx_slots: nm_core::shm::layout::MIN_SLOTS, tx_slots: nm_core::shm::layout::MIN_SLOTS };
    let mapping = Mapping::anonymous(layout.total_bytes())?;
    RxRing::new(&mapping, &layout).ok_or_else(|| ErrorKind::OutOfMemory.into())
}

impl<D: Device> PortRx for Rx<D> {
    fn ring(&mut self) -> &mut RxRing {
        match &mut self.none {
            Some(ring) => ring,
            None => &mut self.rings[self.current].ring,
        }
    }

    fn rxsync(&mut self) -> Result<u32, PortError> {
        let ready = self.turn();
        if ready > 0 && !self.owes() {
            return Ok(ready);
        }
        self.sync()
    }

    fn wait(&mut self, slots: u32, timeout: Option<Duration>) -> Result<Woken, PortError> {
        let held: u32 = self.rings.iter().map(|r| r.ring.held()).sum();
        let most = self.shared.slots[0].saturating_sub(self.rings.len() as u32 + held);
        let slots = slots.min(most).max(1);
        self.rxsync()?;
        let end = timeout.and_then(|t| Instant::now().checked_add(t));
        loop {
            if self.ready() >= slots {
                self.turn();
                return Ok(Woken::Frames);
            }
            if self.shared.take_wake() {
                return Ok(Woken::Woken);
            }
            let left = end.map(|e| e.saturating_duration_since(Instant::now()));
            if left.is_some_and(|l| l.is_zero()) {
                self.turn();
                return Ok(Woken::TimedOut);
            }
            if self.sleep(slots > 1, left)? {
                return Ok(Woken::Woken);
            }
        }
    }

    fn selectable_fd(&mut self) -> Result<RawFd, PortError> {
        self.settle_fd();
        Ok(self.shared.device.raw_fd())
    }

    /// The module's own descriptor is readable while a ring has slots beyond the `cur` that we show it.
    fn settle_fd(&mut self) {
        self.publish();
    }
}
