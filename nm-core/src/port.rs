//! What opens: a port, in three parts that different threads may hold.
//!
//! A reader that sleeps in [`PortRx::wait`], a second thread that sends through [`PortTx`], and a signal handler
//! that calls [`PortControl::wake`] never need one another's part.

use crate::{PortError, RxFrame, RxRing, TxRing};
use std::os::fd::RawFd;
use std::sync::Arc;
use std::time::Duration;

/// An open port. Dropping all parts closes it.
pub struct Port {
    /// Frames towards the application.
    pub rx: Box<dyn PortRx>,
    /// Frames towards the wire.
    pub tx: Box<dyn PortTx>,
    /// Waking, counters and information.
    pub control: Arc<dyn PortControl>,
}

/// Why [`PortRx::wait`] came back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Woken {
    /// At least as many slots as asked for are in the ring.
    Frames,
    /// The time is over. Fewer slots than asked for, maybe none, are in the ring.
    TimedOut,
    /// [`PortControl::wake`] was called, or a signal arrived.
    Woken,
}

/// What [`PortRx::glance`] saw.
#[derive(Clone, Copy, Debug)]
pub enum Glance {
    /// Nothing is there.
    Nothing,
    /// A frame that was just found, and counts as handed out. Valid until the next glance, or the ring's next release and rxsync.
    Frame(RxFrame),
    /// The ring has frames.
    More,
}

/// The receive side of a port.
pub trait PortRx: Send {
    /// The ring as the last [`PortRx::rxsync`] left it.
    fn ring(&mut self) -> &mut RxRing;

    /// Gives released slots back to the senders and learns of new frames: one Release, one Acquire, no lock,
    /// no system call. Returns the number of slots that can be read.
    ///
    /// # Errors
    /// [`PortError::Gone`] when the port has been taken away.
    fn rxsync(&mut self) -> Result<u32, PortError>;

    /// The look of a reader who spins, whose ring is empty and released: as [`PortRx::rxsync`], and the first frame at once if it is
    /// whole in one slot.
    ///
    /// # Errors
    /// As [`PortRx::rxsync`].
    fn glance(&mut self) -> Result<Glance, PortError> {
        if self.rxsync()? == 0 {
            return Ok(Glance::Nothing);
        }
        Ok(self.ring().next_whole().map_or(Glance::More, Glance::Frame))
    }

    /// Waits until at least `slots` slots (1 for any frame; clamped to what the ring can hold) can be read:
    /// spins shortly, then sleeps. `None` waits for ever. Syncs the ring.
    ///
    /// # Errors
    /// As [`PortRx::rxsync`].
    fn wait(&mut self, slots: u32, timeout: Option<Duration>) -> Result<Woken, PortError>;

    /// A descriptor that is readable exactly while a frame waits. From the first call on, the reader calls
    /// [`PortRx::settle_fd`] after each round of reading. The port owns the descriptor.
    ///
    /// # Errors
    /// [`PortError::Io`] when it can't be made.
    fn selectable_fd(&mut self) -> Result<RawFd, PortError>;

    /// Makes the descriptor of [`PortRx::selectable_fd`] agree with the ring; does nothing when none was asked for.
    fn settle_fd(&mut self);

    /// Whether frames are kept back where they come from until many are there or their time is over, so that a reader who sees one
    /// needs not wait for others.
    fn gathers(&self) -> bool {
        false
    }

    /// Offers the reader's filter: classic BPF over a frame's bytes, checked by the reader, who runs it himself on all that he
    /// gets. From now on the port may keep frames from him that it refuses, and none that it accepts; it forgets an earlier
    /// program. Returns whether it does.
    fn offer_filter(&mut self, program: &[libc::sock_filter]) -> bool {
        let _ = program;
        false
    }
}

/// The transmit side of a port.
pub trait PortTx: Send {
    /// Sends one frame, at once: when this returns `Ok` every receiver that had room owns it. (A card whose frames the kernel copies
    /// may get those that stream up to 100 us later.)
    /// With `nonblocking` a receiver without room is not waited for.
    ///
    /// # Errors
    /// [`PortError::TooShort`], [`PortError::TooLong`], [`PortError::ReadOnly`] for a listener;
    /// [`PortError::NoRoom`] when there were receivers and none took it.
    fn inject(&mut self, frame: &[u8], nonblocking: bool) -> Result<(), PortError>;

    /// The transmit ring, for who sends in batches. Made on first use.
    ///
    /// # Errors
    /// [`PortError::Io`] when its memory can't be had, [`PortError::ReadOnly`] for a listener.
    fn ring(&mut self) -> Result<&mut TxRing, PortError>;

    /// Sends what lies between the ring's `hwcur` and `head`. Returns the number of frames that left the ring.
    ///
    /// # Errors
    /// As [`PortTx::inject`], but a full receiver is not an error: its drops are counted.
    fn txsync(&mut self, nonblocking: bool) -> Result<u32, PortError>;

    /// Sends on what lies in another port's receive ring: at most `slots` slots of those that can be read, in batches. They count as
    /// handed out: the ring's reader releases them. A frame that finds no room within the sender's patience is dropped.
    ///
    /// # Errors
    /// As [`PortTx::txsync`].
    fn forward(&mut self, from: &mut RxRing, slots: u32, nonblocking: bool) -> Result<Forwarded, PortError> {
        let mut moved = Forwarded::default();
        let end = from.ready().saturating_sub(slots);
        self.take_refused();
        while from.ready() > end {
            let ring = self.ring()?;
            let left = from.ready() - end;
            let mut frames = from.outgoing();
            frames.keep(left);
            while let Some((frame, next)) = frames.frame_at(frames.first()) {
                if let Some(frame) = frame {
                    if !ring.put_frame(frame) {
                        break;
                    }
                    moved.frames += 1;
                    moved.bytes += frame.len() as u64;
                }
                frames.consume(next);
            }
            let full = frames.frame_at(frames.first()).is_some();
            let done = frames.done();
            from.pass(done);
            let left = self.txsync(nonblocking)?;
            if full && left == 0 {
                // Nothing moves: what is in the ring stays there, and what would follow it goes.
                from.pass_frame();
                moved.refused += 1;
            }
        }
        moved.refuse(self.take_refused());
        Ok(moved)
    }

    /// Frames that [`PortTx::forward`] took from their rings and that wait for room in this one. It returns without them, and counts
    /// them when they leave or are dropped. Frames that are sent in other ways go behind them, but for short ones that their caller
    /// puts into a ring with too little room for the first of these.
    fn kept(&self) -> u32 {
        0
    }

    /// Sends those of them that there is room for. With `all`, waits for room as [`PortTx::forward`] does, and drops what finds none.
    ///
    /// # Errors
    /// As [`PortTx::txsync`].
    fn send_kept(&mut self, all: bool) -> Result<Forwarded, PortError> {
        let _ = all;
        Ok(Forwarded::default())
    }

    /// Frames that left the transmit ring since the last call and were not sent, since they don't fit the wire or the card threw
    /// them away; and their bytes.
    fn take_refused(&mut self) -> (u64, u64) {
        (0, 0)
    }
}

/// What [`PortTx::forward`] did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Forwarded {
    /// Frames that were taken.
    pub frames: u64,
    /// Bytes of those.
    pub bytes: u64,
    /// Frames that were not.
    pub refused: u64,
}

impl Forwarded {
    /// Of those that were taken so many, with these bytes, were refused after all.
    pub fn refuse(&mut self, (frames, bytes): (u64, u64)) {
        self.refused += frames;
        self.frames = self.frames.saturating_sub(frames);
        self.bytes = self.bytes.saturating_sub(bytes);
    }
}

impl std::ops::AddAssign for Forwarded {
    fn add_assign(&mut self, more: Forwarded) {
        self.frames += more.frames;
        self.bytes += more.bytes;
        self.refused += more.refused;
    }
}

/// What any thread, and a signal handler, may ask of an open port.
pub trait PortControl: Send + Sync {
    /// Makes a sleeping [`PortRx::wait`] return, or the next one. Async-signal-safe.
    fn wake(&self);
    /// The counters since the port was opened.
    fn stats(&self) -> Stats;
    /// What the port is.
    fn info(&self) -> PortInfo;
    /// Adds to [`Stats::rejected`]: the reader's filter refused `frames` frames.
    fn count_rejected(&self, frames: u64);
    /// While a filter is made, whose names may be asked for over this very card: a port that takes every frame from the
    /// host leaves them to it, until it is told `false`. Others have nothing to do.
    fn leave_to_host(&self, _leave: bool) {}
    /// Buffers beside those in the rings, in which frames that are sent on may wait for room ([`PortTx::kept`]).
    fn extra_bufs(&self) -> u32 {
        0
    }
    /// For people who look at a switch: what the caller passes this port's frames on to, and does nothing else.
    fn passes_on_to(&self, _what: &str) {}
    /// Frames have the times of the card's own clock, as far as it tells them.
    fn stamped_by_card(&self) -> bool {
        false
    }
    /// Frames may come without their VLAN tags: a card, or the kernel, has taken them out, and the driver does not hear of them.
    fn loses_tags(&self) -> bool {
        false
    }
    /// Frames are as a wire carries them: what a sender leaves to his card, checksums and cutting, is done.
    fn as_on_wire(&self) -> bool {
        false
    }
}

/// Counters of a port; 64 bits, frames unless said otherwise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Frames put into this port's receive ring.
    pub received: u64,
    /// Bytes of those.
    pub received_bytes: u64,
    /// Frames that this port sent into the switch or onto the wire.
    pub sent: u64,
    /// Bytes of those; and of frames that were injected in a stream, shared a call to the kernel, and were thrown away by the card.
    pub sent_bytes: u64,
    /// Frames for this port, dropped because its receive ring was full (and nobody was to wait).
    pub dropped_full: u64,
    /// Frames for this port, dropped because its reader made no progress for the flow-control time.
    pub dropped_stalled: u64,
    /// Frames for this port, dropped because they can't fit its ring.
    pub dropped_long: u64,
    /// Frames for this port, dropped because what their sender left to a card can't be done
    /// ([`PortControl::as_on_wire`]).
    pub dropped_unfinished: u64,
    /// Frames that the reader's filter refused.
    pub rejected: u64,
    /// Slots or words in shared memory that made no sense.
    pub malformed: u64,
    /// Frames that the interface lost before its driver could hand them on.
    pub dropped_interface: u64,
}

/// What sort of port it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PortKind {
    /// An ordinary port: sends and receives.
    Port,
    /// `vale0:*`: sees every frame that crosses the switch, sends none.
    Listener,
    /// `vale0:a/t`: sees what port `a` sends.
    MonitorTx,
    /// `vale0:a/r`: sees what port `a` receives.
    MonitorRx,
}

/// What a port is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortInfo {
    /// The name as typed after `-i`.
    pub name: String,
    /// Which driver serves it: `vale`, …
    pub driver: &'static str,
    /// What sort of port.
    pub kind: PortKind,
    /// Slots of the receive ring.
    pub rx_slots: u32,
    /// Slots of the transmit ring.
    pub tx_slots: u32,
    /// Bytes of one buffer.
    pub buf_size: u32,
    /// Bytes of the port's memory that are committed.
    pub memory: u64,
}
