//! Towards the application: from the kernel's ring into our region's, and waiting for frames.

use super::{Shared, count, filter};
use crate::sys::packet::{Captured, PacketRing, RESERVE};
use crate::sys::wait::{Any, Event, poll};
use nm_core::ring::peer::PeerRing;
use nm_core::ring::slots::{FrameRef, MAX_FRAME};
use nm_core::shm::mapping::Mapping;
use nm_core::{PortError, PortRx, RxRing, Woken};
use std::io::ErrorKind;
use std::os::fd::{AsFd, RawFd};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// Who waits for many frames looks by the clock instead of being woken for each.
const NAP: Duration = Duration::from_millis(1);
/// How often a reader that never sleeps asks whether the interface still exists.
const CHECK_EVERY: Duration = Duration::from_millis(100);
/// Bytes of both Ethernet addresses: behind them stands a VLAN tag.
const ADDRESSES: usize = 12;

/// The receive side of a port.
pub struct Rx {
    shared: Arc<Shared>,
    frames: PacketRing,
    /// The same ring twice: as who fills it sees it, and as the reader.
    fill: PeerRing,
    ring: RxRing,
    /// A frame that came by the queue.
    large: Vec<u8>,
    select: Option<Select>,
    checked: Instant,
    gone: bool,
}

/// The descriptor that a program selects on: the socket, or frames that wait in our own ring.
struct Select {
    any: Any,
    waiting: Event,
    set: bool,
}

impl Rx {
    /// `None` when the mapping is too short.
    pub fn new(shared: Arc<Shared>, frames: PacketRing, mapping: &Arc<Mapping>) -> Option<Rx> {
        let (fill, ring) = (PeerRing::new(mapping, &shared.layout)?, RxRing::new(mapping, &shared.layout)?);
        let checked = Instant::now();
        Some(Rx { shared, frames, fill, ring, large: Vec::new(), select: None, checked, gone: false })
    }

    /// Moves frames from the kernel's ring to ours while there is room. Returns the slots that can be read.
    fn pull(&mut self) -> u32 {
        let counters = &self.shared.counters;
        let mut tail = self.ring.tail();
        let mut space = self.fill.space(tail, self.ring.head()).unwrap_or(0);
        let (mut frames, mut bytes) = (0, 0);
        while let Some(captured) = self.frames.front() {
            if captured.outgoing {
                self.frames.give_back();
                continue;
            }
            // The largest that it can become.
            let tag = if captured.vlan.is_some() { RESERVE } else { 0 };
            let len = captured.len as usize + tag;
            if PeerRing::slots_for(len.min(MAX_FRAME)) > space {
                break;
            }
            let time_ns = captured.time_ns;
            match whole(captured, &mut self.large, &self.shared) {
                Ok(frame) if frame.len() > MAX_FRAME => count(&counters.dropped_long, 1),
                Ok(frame) if frame.len() < len => count(&counters.dropped_full, 1),
                Ok(frame) => match self.fill.put(tail, FrameRef::from(frame), time_ns) {
                    Ok(next) => {
                        space -= PeerRing::slots_for(frame.len());
                        (frames, bytes) = (frames + 1, bytes + frame.len() as u64);
                        tail = next;
                    }
                    Err(_) => count(&counters.malformed, 1),
                },
                Err(Malformed) => count(&counters.malformed, 1),
            }
            self.frames.give_back();
        }
        if frames > 0 {
            count(&counters.received, frames);
            count(&counters.received_bytes, bytes);
            self.ring.set_tail(tail);
        }
        let malformed = self.ring.take_malformed();
        if malformed > 0 {
            count(&counters.malformed, malformed);
        }
        self.ring.ready()
    }

    /// As [`Rx::pull`]; now and then looks whether the interface is still there.
    fn sync(&mut self) -> Result<u32, PortError> {
        let ready = self.pull();
        if ready == 0 && self.checked.elapsed() >= CHECK_EVERY {
            self.check()?;
        }
        Ok(ready)
    }

    #[cold]
    fn check(&mut self) -> Result<(), PortError> {
        self.checked = Instant::now();
        if self.gone {
            return Err(PortError::Disappeared);
        }
        let found = self.shared.check();
        self.gone = matches!(found, Err(PortError::Disappeared));
        found
    }

    fn take_wake(&self) -> bool {
        // ORDER: Acquire pairs with the Release in `wake`.
        let woken = self.shared.woken.load(Ordering::Acquire) && self.shared.woken.swap(false, Ordering::Acquire);
        if woken {
            self.shared.wake.clear();
        }
        woken
    }

    /// Sleeps until a frame, a wake, a signal, or for `longest`. Errors wait for [`Rx::check`]. True after a signal.
    fn sleep(&mut self, many: bool, longest: Option<Duration>) -> Result<bool, PortError> {
        let shared = &self.shared;
        let slept = if many {
            poll([shared.wake.as_fd()], Some(longest.map_or(NAP, |l| l.min(NAP)))).map(|_| false)
        } else {
            poll([shared.wake.as_fd(), shared.socket.as_fd()], longest).map(|[_, socket]| socket.failed)
        };
        match slept {
            Ok(true) => self.check().map(|()| false),
            Ok(false) => Ok(false),
            Err(e) if e.kind() == ErrorKind::Interrupted => Ok(true),
            Err(source) => Err(PortError::Io { what: format!("{}: poll", shared.name), source }),
        }
    }
}

/// A frame whose header makes no sense.
struct Malformed;

/// The bytes of a frame, its VLAN tag put back: in the kernel's ring, or in `large` when it came by the queue.
fn whole<'a>(captured: Captured<'a>, large: &'a mut Vec<u8>, shared: &Shared) -> Result<&'a [u8], Malformed> {
    let frame = if captured.queued {
        // One byte more than fits a ring, so that a longer frame is seen to be one.
        large.resize(RESERVE + MAX_FRAME + 1, 0);
        let n = shared.socket.take_queued(&mut large[RESERVE..]).ok_or(Malformed)?;
        &mut large[..RESERVE + n]
    } else {
        captured.bytes
    };
    if frame.len() < RESERVE {
        return Err(Malformed);
    }
    match captured.vlan {
        Some((protocol, tag)) if frame.len() >= RESERVE + ADDRESSES => {
            frame.copy_within(RESERVE..RESERVE + ADDRESSES, 0);
            frame[ADDRESSES..ADDRESSES + 2].copy_from_slice(&protocol.to_be_bytes());
            frame[ADDRESSES + 2..ADDRESSES + RESERVE].copy_from_slice(&tag.to_be_bytes());
            Ok(frame)
        }
        _ => Ok(&frame[RESERVE..]),
    }
}

impl PortRx for Rx {
    fn ring(&mut self) -> &mut RxRing {
        &mut self.ring
    }

    fn rxsync(&mut self) -> Result<u32, PortError> {
        self.sync()
    }

    fn wait(&mut self, slots: u32, timeout: Option<Duration>) -> Result<Woken, PortError> {
        let slots = slots.min(self.ring.num_slots() - 1 - self.ring.held()).max(1);
        if self.pull() >= slots {
            return Ok(Woken::Frames);
        }
        let end = timeout.and_then(|t| Instant::now().checked_add(t));
        // What is waiting for room in our ring makes the socket readable: whoever wants more slots than are free of
        // large frames would not sleep at all.
        loop {
            if self.gone {
                return Err(PortError::Disappeared);
            }
            if self.take_wake() {
                return Ok(Woken::Woken);
            }
            let left = end.map(|e| e.saturating_duration_since(Instant::now()));
            if left.is_some_and(|l| l.is_zero()) {
                return Ok(Woken::TimedOut);
            }
            let interrupted = self.sleep(slots > 1, left)?;
            let before = self.ring.ready();
            let ready = self.pull();
            if ready >= slots || (slots > 1 && ready == before && self.frames.front().is_some()) {
                return Ok(Woken::Frames);
            }
            if interrupted {
                return Ok(Woken::Woken);
            }
        }
    }

    fn selectable_fd(&mut self) -> Result<RawFd, PortError> {
        if self.select.is_none() {
            let io = |source| PortError::Io { what: format!("{}: selectable descriptor", self.shared.name), source };
            let select = Select { any: Any::new().map_err(io)?, waiting: Event::new().map_err(io)?, set: false };
            select.any.add(self.shared.socket.as_fd()).map_err(io)?;
            select.any.add(select.waiting.as_fd()).map_err(io)?;
            self.select = Some(select);
            self.settle_fd();
        }
        Ok(self.select.as_ref().map_or(-1, |s| s.any.as_raw_fd()))
    }

    fn settle_fd(&mut self) {
        let waiting = self.ring.ready() > 0;
        let Some(select) = &mut self.select else { return };
        if waiting && !select.set {
            select.waiting.set();
        } else if !waiting && select.set {
            select.waiting.clear();
        }
        select.set = waiting;
    }

    fn offer_filter(&mut self, program: &[libc::sock_filter]) -> bool {
        let attached = filter::for_kernel(program).is_some_and(|p| self.shared.socket.attach(&p).is_ok());
        if !attached {
            self.shared.socket.detach();
        }
        attached
    }
}
