//! A card's rings and its host's as one port: `netmap:eth0*`.
//!
//! A reader gets what the card receives and what the host sends, one ring after the other; what is sent goes to the card.
//!
//! The two halves are ports of their own, and sleep by the descriptors that they give to programs that select.

use crate::sys::wait::{Any, Event, poll_numbers};
use nm_core::{Port, PortControl, PortError, PortInfo, PortKind, PortRx, RxRing, Stats, Woken};
use std::io::{self, ErrorKind};
use std::os::fd::{AsRawFd, RawFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Who waits for many frames looks by the clock instead of being woken for each.
const NAP: Duration = Duration::from_millis(1);

/// Joins the two.
///
/// # Errors
/// [`PortError::Io`] when there is no descriptor left.
pub fn join(name: &str, card: Port, host: Port) -> Result<Port, PortError> {
    let io = |source: io::Error| PortError::Io { what: format!("{name}: descriptor"), source };
    let control = Arc::new(Control {
        name: name.to_string(),
        halves: [card.control, host.control],
        wake: Event::new().map_err(io)?,
        woken: AtomicBool::new(false),
    });
    let mut halves = [card.rx, host.rx];
    let mut fds = [0; 2];
    for (fd, half) in fds.iter_mut().zip(&mut halves) {
        *fd = half.selectable_fd()?;
    }
    let rx = Rx { control: Arc::clone(&control), halves, fds, current: 0, any: None };
    Ok(Port { rx: Box::new(rx), tx: card.tx, control })
}

struct Control {
    name: String,
    halves: [Arc<dyn PortControl>; 2],
    wake: Event,
    woken: AtomicBool,
}

impl PortControl for Control {
    fn wake(&self) {
        // ORDER: Release pairs with the Acquire in `wait`; the event makes a sleeper look.
        self.woken.store(true, Ordering::Release);
        self.wake.set();
    }

    fn stats(&self) -> Stats {
        let [card, host] = self.halves.each_ref().map(|half| half.stats());
        Stats {
            received: card.received + host.received,
            received_bytes: card.received_bytes + host.received_bytes,
            sent: card.sent,
            sent_bytes: card.sent_bytes,
            dropped_full: card.dropped_full + host.dropped_full,
            dropped_stalled: card.dropped_stalled + host.dropped_stalled,
            dropped_long: card.dropped_long + host.dropped_long,
            dropped_unfinished: card.dropped_unfinished + host.dropped_unfinished,
            rejected: card.rejected,
            malformed: card.malformed + host.malformed,
            dropped_interface: card.dropped_interface + host.dropped_interface,
        }
    }

    fn info(&self) -> PortInfo {
        let [card, host] = self.halves.each_ref().map(|half| half.info());
        PortInfo {
            name: self.name.clone(),
            kind: PortKind::Port,
            rx_slots: card.rx_slots + host.rx_slots,
            memory: card.memory + host.memory,
            ..card
        }
    }

    fn stamped_by_card(&self) -> bool {
        self.halves[0].stamped_by_card()
    }

    fn loses_tags(&self) -> bool {
        self.halves.iter().any(|half| half.loses_tags())
    }

    /// Whichever half the frames came from.
    fn count_rejected(&self, frames: u64) {
        self.halves[0].count_rejected(frames);
    }
}

struct Rx {
    control: Arc<Control>,
    halves: [Box<dyn PortRx>; 2],
    fds: [RawFd; 2],
    current: usize,
    any: Option<Any>,
}

impl Rx {
    /// Syncs, and turns to the other half when this one has nothing. A half whose frames a reader still holds keeps them until
    /// its turn comes again. Returns the slots that can be read now.
    fn sync(&mut self) -> Result<u32, PortError> {
        let ready = self.halves[self.current].rxsync()?;
        if ready > 0 {
            return Ok(ready);
        }
        let other = 1 - self.current;
        let ready = self.halves[other].rxsync()?;
        if ready > 0 || self.halves[other].ring().held() > 0 {
            self.current = other;
        }
        Ok(ready)
    }

    fn settle(&mut self) {
        self.halves.iter_mut().for_each(|half| half.settle_fd());
    }
}

impl PortRx for Rx {
    fn ring(&mut self) -> &mut RxRing {
        self.halves[self.current].ring()
    }

    fn rxsync(&mut self) -> Result<u32, PortError> {
        self.sync()
    }

    fn wait(&mut self, slots: u32, timeout: Option<Duration>) -> Result<Woken, PortError> {
        let slots = slots.min(self.ring().num_slots() / 2).max(1);
        let end = timeout.and_then(|t| Instant::now().checked_add(t));
        loop {
            if self.sync()? >= slots {
                return Ok(Woken::Frames);
            }
            // ORDER: Acquire pairs with the Release in `wake`.
            if self.control.woken.swap(false, Ordering::Acquire) {
                self.control.wake.clear();
                return Ok(Woken::Woken);
            }
            let left = end.map(|e| e.saturating_duration_since(Instant::now()));
            if left.is_some_and(|l| l.is_zero()) {
                return Ok(Woken::TimedOut);
            }
            let wake = self.control.wake.as_fd().as_raw_fd();
            let slept = if slots > 1 {
                poll_numbers([wake], Some(left.map_or(NAP, |l| l.min(NAP)))).map(drop)
            } else {
                self.settle();
                poll_numbers([wake, self.fds[0], self.fds[1]], left).map(drop)
            };
            match slept {
                Ok(()) => {}
                Err(e) if e.kind() == ErrorKind::Interrupted => return Ok(Woken::Woken),
                Err(source) => return Err(PortError::Io { what: format!("{}: poll", self.control.name), source }),
            }
        }
    }

    fn selectable_fd(&mut self) -> Result<RawFd, PortError> {
        if self.any.is_none() {
            let io = |source| PortError::Io { what: format!("{}: selectable descriptor", self.control.name), source };
            let any = Any::new().map_err(io)?;
            for fd in self.fds {
                any.add_number(fd).map_err(io)?;
            }
            self.any = Some(any);
            self.settle();
        }
        Ok(self.any.as_ref().map_or(-1, Any::as_raw_fd))
    }

    fn settle_fd(&mut self) {
        self.settle();
    }

    fn offer_filter(&mut self, program: &[libc::sock_filter]) -> bool {
        // Both, or frames of an earlier program would be kept back by one of them.
        let [card, host] = self.halves.each_mut().map(|half| half.offer_filter(program));
        card && host
    }
}
