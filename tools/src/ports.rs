//! Ports as the tools use them: rings where the name is a switch's, libpcap's calls otherwise.

use crate::checksum::Completion;
use crate::cli::Error;
use crate::pcap::{Handle, Read, Use};
use crate::segments::Cutter;
use crate::stop::Stop;
use nm_core::name::{NetmapName, NetmapRings, PortName};
use nm_core::ring::slots::FrameRef;
use nm_core::{Forwarded, Port, PortControl, PortError, PortInfo, PortRx, PortTx, RxRing};
use std::sync::{Arc, Weak};
use std::time::Duration;

/// An open port, for sending and receiving in two threads or one.
pub struct TwoWay {
    /// Frames towards us.
    pub receiver: Receiver,
    /// Frames from us.
    pub sender: Sender,
    /// What it is and counts, where it has rings.
    pub control: Option<Arc<dyn PortControl>>,
}

impl TwoWay {
    /// Of an open port; its sleeping receiver is woken when the user wants to end.
    pub fn of(port: Port, stop: &Arc<Stop>) -> TwoWay {
        let Port { rx, tx, control } = port;
        wake_at_the_end(Arc::downgrade(&control), stop.clone());
        TwoWay { receiver: Receiver::Rings(rx), sender: Sender::Rings(tx, control.info()), control: Some(control) }
    }
}

/// The receiving side.
pub enum Receiver {
    /// A port with rings: of a switch, a pipe, a card.
    Rings(Box<dyn PortRx>),
    /// Any other.
    Pcap(Handle),
}

/// The sending side.
pub enum Sender {
    /// A port with rings.
    Rings(Box<dyn PortTx>, PortInfo),
    /// Any other. The text is why a frame was refused last.
    Pcap(Handle, Option<String>),
}

/// What a port is opened for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Frames are read one by one, where libpcap serves the port.
    OneByOne,
    /// Frames are read in blocks there.
    InBlocks,
    /// Frames are sent on by another port: where their senders left something to a card that never comes, it is done
    /// if the driver knows of it.
    SendingOn,
}

/// Opens a port both ways. A sleeping receiver is woken when the user wants to end.
///
/// # Errors
/// [`Error::Failed`] with the reason from the switch or from libpcap.
pub fn open(name: &str, purpose: Purpose, stop: &Arc<Stop>) -> Result<TwoWay, Error> {
    open_with(name, purpose, 0, stop)
}

/// As [`open`], with so many buffers for frames that wait for room, where the port has such.
///
/// # Errors
/// As [`open`].
pub fn open_with(name: &str, purpose: Purpose, extra_bufs: u32, stop: &Arc<Stop>) -> Result<TwoWay, Error> {
    let options = vale::Options::default();
    let rings = match &PortName::parse(name).map_err(PortError::from)? {
        PortName::Vale(name) => Some(vale::open(name, &options)?),
        PortName::Netmap(name) => Some(open_netmap(name, purpose, extra_bufs)?),
        _ => None,
    };
    let immediate = purpose != Purpose::InBlocks;
    match rings {
        Some(port) => Ok(TwoWay::of(port, stop)),
        // Two handles: one alone may not be used by two threads.
        None => Ok(TwoWay {
            receiver: Receiver::Pcap(Handle::open(name, Use::Receive { immediate })?),
            sender: Sender::Pcap(Handle::open(name, Use::Send)?, None),
            control: None,
        }),
    }
}

/// A card takes in frames for everybody: who moves frames between ports wants them.
fn open_netmap(name: &NetmapName, purpose: Purpose, extra_bufs: u32) -> Result<Port, PortError> {
    let as_on_wire = purpose == Purpose::SendingOn;
    let options =
        drivers::Options { promiscuous: true, as_on_wire, extra_bufs, ..drivers::Options::from_environment()? };
    if !options.wants_module()
        && let Some(pipe) = vale::open_pipe(name, &vale::Options::default())
    {
        return pipe;
    }
    drivers::open(name, &options)
}

/// Holds the port only while it wakes it: the port closes when its other parts are dropped.
fn wake_at_the_end(control: Weak<dyn PortControl>, stop: Arc<Stop>) {
    std::thread::spawn(move || {
        let woken = stop.wait(None).is_ok().then(|| control.upgrade()).flatten();
        if let Some(control) = woken {
            control.wake();
        }
    });
}

impl Receiver {
    /// Sleeps until a frame can be read, `timeout` is over (`None`: never), or the user wants to end.
    ///
    /// # Errors
    /// [`Error::Failed`] when the port is gone.
    pub fn wait(&mut self, stop: &Stop, timeout: Option<Duration>) -> Result<(), Error> {
        match self {
            Receiver::Rings(rx) => {
                rx.wait(1, timeout)?;
            }
            Receiver::Pcap(handle) => match handle.wait_fd() {
                Some(fd) => {
                    stop.wait_for(&[fd], timeout)?;
                }
                None => {
                    stop.wait(Some(Duration::from_millis(1)))?;
                }
            },
        }
        Ok(())
    }

    /// Learns of new frames without waiting.
    ///
    /// # Errors
    /// As [`Receiver::wait`].
    pub fn look(&mut self) -> Result<(), Error> {
        if let Receiver::Rings(rx) = self {
            rx.rxsync()?;
        }
        Ok(())
    }

    /// Hands at most `max` of the frames that [`Receiver::wait`] or [`Receiver::look`] found to `each`, in place.
    /// Returns how many.
    ///
    /// # Errors
    /// As [`Receiver::wait`]; what `each` returns ends the reading.
    pub fn read(&mut self, max: usize, mut each: impl FnMut(&[u8]) -> Result<(), Error>) -> Result<usize, Error> {
        let mut count = 0;
        match self {
            Receiver::Rings(rx) => {
                let ring = rx.ring();
                while count < max {
                    let Some(frame) = ring.next_frame() else { break };
                    // SAFETY: `len` bytes from `data` are the frame's until the release below. A process that
                    // shares the switch could change them meanwhile: they are copied and compared, never trusted.
                    each(unsafe { std::slice::from_raw_parts(frame.data, frame.len as usize) })?;
                    count += 1;
                }
                ring.release();
            }
            Receiver::Pcap(handle) => {
                while count < max {
                    let Read::Frame(frame) = handle.read()? else { break };
                    each(frame.bytes)?;
                    count += 1;
                }
            }
        }
        Ok(count)
    }

    /// Gives back what arrived, unread, so that nobody waits for us.
    ///
    /// # Errors
    /// As [`Receiver::wait`].
    pub fn discard(&mut self) -> Result<(), Error> {
        let Receiver::Rings(rx) = self else { return Ok(()) };
        if rx.rxsync()? > 0 {
            let ring = rx.ring();
            while ring.next_frame().is_some() {}
            ring.release();
        }
        Ok(())
    }
}

impl Sender {
    /// Sends one frame at once. False when it was not taken: no room, or a length that the port does not carry.
    ///
    /// # Errors
    /// [`Error::Failed`] when the port is gone or may not send.
    pub fn send(&mut self, frame: &[u8]) -> Result<bool, Error> {
        match self {
            Sender::Rings(tx, _) => match tx.inject(frame, false) {
                Ok(()) => Ok(true),
                Err(PortError::NoRoom | PortError::TooShort { .. } | PortError::TooLong { .. }) => Ok(false),
                Err(e) => Err(e.into()),
            },
            Sender::Pcap(handle, refused) => match handle.send(frame) {
                Ok(()) => Ok(true),
                Err(e) => {
                    *refused = Some(e.to_string());
                    Ok(false)
                }
            },
        }
    }

    /// Frames that [`forward`] took and that wait for room in the port.
    pub fn kept(&self) -> u32 {
        match self {
            Sender::Rings(tx, _) => tx.kept(),
            Sender::Pcap(..) => 0,
        }
    }

    /// Sends those of them that there is room for; with `all`, waits for it, and drops what finds none.
    ///
    /// # Errors
    /// As [`Sender::send`].
    pub fn send_kept(&mut self, all: bool) -> Result<Forwarded, Error> {
        match self {
            Sender::Rings(tx, _) => Ok(tx.send_kept(all)?),
            Sender::Pcap(..) => Ok(Forwarded::default()),
        }
    }

    /// Why libpcap did not take a frame, when it didn't.
    pub fn refusal(&self) -> Option<&str> {
        match self {
            Sender::Rings(..) => None,
            Sender::Pcap(_, refused) => refused.as_deref(),
        }
    }
}

/// Moves at most `max` of the frames that [`Receiver::wait`] or [`Receiver::look`] found to `to`: from ring to ring in batches.
/// What `mending` says is done to them before.
///
/// # Errors
/// [`Error::Failed`] when either port is gone, or `to` may not send.
pub fn forward(from: &mut Receiver, to: &mut Sender, max: usize, mending: &mut Mending) -> Result<Forwarded, Error> {
    if let (Receiver::Rings(rx), Sender::Rings(tx, _)) = (&mut *from, &mut *to) {
        return forward_rings(rx.ring(), &mut **tx, u32::try_from(max).unwrap_or(u32::MAX), mending);
    }
    let mut moved = Forwarded::default();
    let Mending { completion, cutter } = mending;
    from.read(max, |frame| {
        let mut send = |frame: &[u8]| {
            match to.send(frame)? {
                true => (moved.frames, moved.bytes) = (moved.frames + 1, moved.bytes + frame.len() as u64),
                false => moved.refused += 1,
            }
            Ok(())
        };
        let long = cutter.as_mut().and_then(|cutter| cutter.is_long(FrameRef::from(frame)).then_some(cutter));
        match (long, &mut *completion) {
            (Some(cutter), _) => cutter.cut(FrameRef::from(frame), send),
            (None, Some(completion)) => send(completion.of(frame)),
            (None, None) => send(frame),
        }
    })?;
    Ok(moved)
}

fn forward_rings(
    ring: &mut RxRing,
    tx: &mut dyn PortTx,
    slots: u32,
    Mending { completion, cutter }: &mut Mending,
) -> Result<Forwarded, Error> {
    let mut moved = Forwarded::default();
    let end = ring.ready().saturating_sub(slots);
    while ring.ready() > end {
        let left = ring.ready() - end;
        // Up to a long frame they go from where they lie.
        let (plain, long) = match cutter {
            Some(cutter) => ring.slots_before(left, |frame| cutter.is_long(frame)),
            None => (left, false),
        };
        if plain > 0 {
            if let Some(completion) = completion {
                completion.in_ring(ring, plain);
            }
            moved += tx.forward(ring, plain, false)?;
        }
        if let (true, Some(cutter)) = (long, &mut *cutter) {
            tx.take_refused();
            let mut outgoing = ring.outgoing();
            let Some((frame, next)) = outgoing.frame_at(outgoing.first()) else { break };
            if let Some(frame) = frame {
                cutter.cut(frame, |part| send_in_batch(tx, part, &mut moved))?;
            }
            outgoing.consume(next);
            let done = outgoing.done();
            ring.pass(done);
            tx.txsync(false)?;
            moved.refuse(tx.take_refused());
        }
    }
    ring.release();
    Ok(moved)
}

/// Puts a frame into the transmit ring, which is emptied when it is full.
fn send_in_batch(tx: &mut dyn PortTx, frame: &[u8], moved: &mut Forwarded) -> Result<(), Error> {
    let mut put = tx.ring()?.put(frame);
    if !put {
        tx.txsync(false)?;
        put = tx.ring()?.put(frame);
    }
    match put {
        true => (moved.frames, moved.bytes) = (moved.frames + 1, moved.bytes + frame.len() as u64),
        false => moved.refused += 1,
    }
    Ok(())
}

/// What is done to frames that come from one port before they go on.
#[derive(Default)]
pub struct Mending {
    /// They get the checksums that they lack.
    completion: Option<Completion>,
    /// Those that are longer than a wire's frames are cut.
    cutter: Option<Cutter>,
}

impl Mending {
    /// For the frames that come from this port: those of a switch are whole, or made by a program that wanted them so; some drivers
    /// have done it.
    pub fn of_port(name: &str, control: Option<&dyn PortControl>) -> Mending {
        if control.is_some_and(|control| control.as_on_wire()) {
            return Mending::default();
        }
        let completion = match PortName::parse(name) {
            Ok(PortName::Vale(_)) => None,
            Ok(PortName::Netmap(name)) => {
                matches!(name.rings, NetmapRings::All | NetmapRings::One(_) | NetmapRings::AllAndHost)
                    .then(Completion::default)
            }
            _ => Some(Completion::default()),
        };
        Mending { completion, cutter: Cutter::of_port(name) }
    }
}
