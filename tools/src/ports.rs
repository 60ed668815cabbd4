//! Ports as the tools use them: rings where the name is a switch's, libpcap's calls otherwise.

use crate::checksum::Completion;
use crate::cli::Error;
use crate::pcap::{Handle, Read, Use};
use crate::stop::Stop;
use nm_core::name::{NetmapName, NetmapRings, PortName};
use nm_core::{Forwarded, Port, PortControl, PortError, PortInfo, PortRx, PortTx};
use std::sync::{Arc, Weak};
use std::time::Duration;

/// An open port, for sending and receiving in two threads or one.
pub struct TwoWay {
    /// Frames towards us.
    pub receiver: Receiver,
    /// Frames from us.
    pub sender: Sender,
    /// What it is, where it has rings.
    pub info: Option<PortInfo>,
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

/// Opens a port both ways. A sleeping receiver is woken when the user wants to end.
///
/// `immediate` matters where libpcap serves the port: frames come one by one rather than in blocks.
///
/// # Errors
/// [`Error::Failed`] with the reason from the switch or from libpcap.
pub fn open(name: &str, immediate: bool, stop: &Arc<Stop>) -> Result<TwoWay, Error> {
    let options = vale::Options::default();
    let rings = match &PortName::parse(name).map_err(PortError::from)? {
        PortName::Vale(name) => Some(vale::open(name, &options)?),
        PortName::Netmap(name) => Some(open_netmap(name)?),
        _ => None,
    };
    match rings {
        Some(port) => {
            let info = port.control.info();
            wake_at_the_end(Arc::downgrade(&port.control), stop.clone());
            let sender = Sender::Rings(port.tx, info.clone());
            Ok(TwoWay { receiver: Receiver::Rings(port.rx), sender, info: Some(info) })
        }
        // Two handles: one alone may not be used by two threads.
        None => Ok(TwoWay {
            receiver: Receiver::Pcap(Handle::open(name, Use::Receive { immediate })?),
            sender: Sender::Pcap(Handle::open(name, Use::Send)?, None),
            info: None,
        }),
    }
}

/// A card takes in frames for everybody: who moves frames between ports wants them.
fn open_netmap(name: &NetmapName) -> Result<Port, PortError> {
    let options = drivers::Options { promiscuous: true, ..drivers::Options::from_environment()? };
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

    /// Why libpcap did not take a frame, when it didn't.
    pub fn refusal(&self) -> Option<&str> {
        match self {
            Sender::Rings(..) => None,
            Sender::Pcap(_, refused) => refused.as_deref(),
        }
    }
}

/// Moves at most `max` of the frames that [`Receiver::wait`] or [`Receiver::look`] found to `to`: from ring to ring in batches.
/// With `completion` they get the checksums that they lack.
///
/// # Errors
/// [`Error::Failed`] when either port is gone, or `to` may not send.
pub fn forward(
    from: &mut Receiver,
    to: &mut Sender,
    max: usize,
    completion: &mut Option<Completion>,
) -> Result<Forwarded, Error> {
    if let (Receiver::Rings(rx), Sender::Rings(tx, _)) = (&mut *from, &mut *to) {
        let (ring, slots) = (rx.ring(), u32::try_from(max).unwrap_or(u32::MAX));
        if let Some(completion) = completion {
            completion.in_ring(ring, slots);
        }
        let moved = tx.forward(ring, slots, false)?;
        ring.release();
        return Ok(moved);
    }
    let mut moved = Forwarded::default();
    from.read(max, |frame| {
        let frame = match completion {
            Some(completion) => completion.of(frame),
            None => frame,
        };
        match to.send(frame)? {
            true => (moved.frames, moved.bytes) = (moved.frames + 1, moved.bytes + frame.len() as u64),
            false => moved.refused += 1,
        }
        Ok(())
    })?;
    Ok(moved)
}

/// For the frames that come from this port: those of a switch are whole, or made by a program that wanted them so.
pub fn completion(name: &str) -> Option<Completion> {
    match PortName::parse(name) {
        Ok(PortName::Vale(_)) => None,
        Ok(PortName::Netmap(name)) => {
            matches!(name.rings, NetmapRings::All | NetmapRings::One(_) | NetmapRings::AllAndHost)
                .then(Completion::default)
        }
        _ => Some(Completion::default()),
    }
}
