//! From AF_XDP back to a packet socket, when a filter can't get into the driver any more.
//!
//! A program is loaded into the kernel with privileges, and `tcpdump`, for one, gives its own up between opening the card and
//! setting its filter. Without the filter the driver would take every frame from the host, and `tcpdump -i netmap:eth0 udp
//! port 53` would cut the connection that somebody is logged in by. Mostly a program that was loaded in time takes such a filter
//! ([`Filtering::Written`](crate::bpf::Filtering)), but not before Linux 6.9, and none of more than 1,024 instructions. For those a
//! packet socket is there that was opened in time: the one that tells the rings of the interface's end, and refuses every frame. When a filter
//! is refused for want of privileges, it goes there instead (which takes none, nor does the rest), the driver's program goes, and the
//! host has its traffic back.
//!
//! | state | frames come from | goes to | by |
//! |---|---|---|---|
//! | rings | AF_XDP | draining | a filter that only the packet socket takes |
//! | draining | AF_XDP, what it has left | copies | a look that finds nothing |
//! | copies | the packet socket | | |

use crate::af_xdp::Rings;
use crate::sys::wait::Any;
use crate::{af_packet, af_xdp};
use nm_core::abi::NR_EXCLUSIVE;
use nm_core::name::{NetmapName, NetmapRings};
use nm_core::{Port, PortControl, PortError, PortInfo, PortRx, RxRing, Stats, Woken};
use std::io;
use std::os::fd::RawFd;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// Frames that the packet socket keeps: it is hardly ever used.
const FRAMES: u32 = 1024;

/// Opens a card's rings, with the way back where there is one.
///
/// # Errors
/// As [`af_xdp::open`].
pub fn open(name: &NetmapName, options: &af_xdp::Options) -> Result<Port, PortError> {
    let (port, rings) = af_xdp::open_rings(name, options)?;
    // Neither a single ring is what a packet socket has, nor frames that nobody else gets.
    if name.rings != NetmapRings::All || name.flags & NR_EXCLUSIVE != 0 {
        return Ok(port);
    }
    af_packet::make_room(rings.watch());
    let control = Arc::new(Control { rings: port.control, copies: OnceLock::new() });
    // In promiscuous mode is the card already.
    let (frames, promiscuous, card_times) = (Some(FRAMES), false, options.card_times.clone());
    let options = af_packet::Options { frames, promiscuous, gather: None, card_times, as_on_wire: false };
    let (name, xdp, control_of_rx) = (name.clone(), port.rx, Arc::clone(&control));
    let rx = Rx { at: At::Rings, name, options, rings, xdp, copies: None, any: None, control: control_of_rx };
    Ok(Port { rx: Box::new(rx), tx: port.tx, control })
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum At {
    Rings,
    Draining,
    Copies,
}

struct Rx {
    at: At,
    name: NetmapName,
    /// How the packet socket is read.
    options: af_packet::Options,
    rings: Rings,
    xdp: Box<dyn PortRx>,
    copies: Option<Box<dyn PortRx>>,
    any: Option<Any>,
    control: Arc<Control>,
}

impl Rx {
    /// The side that frames come from.
    #[inline(always)]
    fn side(&mut self) -> &mut dyn PortRx {
        match &mut self.copies {
            Some(copies) if self.at == At::Copies => &mut **copies,
            _ => &mut *self.xdp,
        }
    }

    /// Leaves the rings for the packet socket, with a filter that only that takes: whether it does. A reader that could not select there stays
    /// here.
    fn retreat(&mut self, program: &[libc::sock_filter]) -> Result<bool, PortError> {
        let Port { mut rx, control, .. } =
            af_packet::open_by(self.rings.watch(), self.rings.card(), &self.name, &self.options)?;
        if let Some(any) = &self.any {
            any.add_number(rx.selectable_fd()?).map_err(|source| self.epoll(source))?;
        }
        let taken = rx.offer_filter(program);
        self.rings.leave();
        self.at = At::Draining;
        self.copies = Some(rx);
        // Nobody else sets it.
        let _ = self.control.copies.set(control);
        Ok(taken)
    }

    /// Whether the rings still have frames, when they are being left.
    #[cold]
    fn drain(&mut self) -> bool {
        if self.xdp.rxsync().is_ok_and(|ready| ready > 0) {
            return true;
        }
        self.xdp.settle_fd();
        self.at = At::Copies;
        false
    }

    fn epoll(&self, source: io::Error) -> PortError {
        PortError::Io { what: format!("{}: epoll", self.name), source }
    }
}

impl PortRx for Rx {
    #[inline]
    fn ring(&mut self) -> &mut RxRing {
        self.side().ring()
    }

    #[inline]
    fn rxsync(&mut self) -> Result<u32, PortError> {
        if self.at == At::Draining && self.drain() {
            return Ok(self.xdp.ring().ready());
        }
        self.side().rxsync()
    }

    fn wait(&mut self, slots: u32, timeout: Option<Duration>) -> Result<Woken, PortError> {
        if self.at == At::Draining && self.drain() {
            return Ok(Woken::Frames);
        }
        self.side().wait(slots, timeout)
    }

    fn selectable_fd(&mut self) -> Result<RawFd, PortError> {
        if self.any.is_none() {
            let any = Any::new().map_err(|source| self.epoll(source))?;
            for side in [Some(&mut self.xdp), self.copies.as_mut()].into_iter().flatten() {
                let fd = side.selectable_fd()?;
                any.add_number(fd).map_err(|source| PortError::Io { what: format!("{}: epoll", self.name), source })?;
            }
            self.any = Some(any);
        }
        Ok(self.any.as_ref().map_or(-1, Any::as_raw_fd))
    }

    fn settle_fd(&mut self) {
        self.xdp.settle_fd();
        self.copies.iter_mut().for_each(|copies| copies.settle_fd());
    }

    fn offer_filter(&mut self, program: &[libc::sock_filter]) -> bool {
        if let Some(copies) = &mut self.copies {
            return copies.offer_filter(program);
        }
        match self.rings.filter(program) {
            Ok(()) => true,
            Err(error) => error.is_permission() && self.retreat(program).unwrap_or(false),
        }
    }
}

struct Control {
    rings: Arc<dyn PortControl>,
    /// From when the rings are being left.
    copies: OnceLock<Arc<dyn PortControl>>,
}

impl PortControl for Control {
    fn wake(&self) {
        self.rings.wake();
        if let Some(copies) = self.copies.get() {
            copies.wake();
        }
    }

    fn leave_to_host(&self, leave: bool) {
        self.rings.leave_to_host(leave);
    }

    fn stats(&self) -> Stats {
        let a = self.rings.stats();
        let b = self.copies.get().map_or(Stats::default(), |copies| copies.stats());
        Stats {
            received: a.received + b.received,
            received_bytes: a.received_bytes + b.received_bytes,
            dropped_full: a.dropped_full + b.dropped_full,
            dropped_long: a.dropped_long + b.dropped_long,
            dropped_unfinished: a.dropped_unfinished + b.dropped_unfinished,
            malformed: a.malformed + b.malformed,
            ..a
        }
    }

    fn info(&self) -> PortInfo {
        match self.copies.get() {
            None => self.rings.info(),
            Some(copies) => PortInfo { driver: "af_packet, for the filter came without privileges", ..copies.info() },
        }
    }

    fn stamped_by_card(&self) -> bool {
        self.rings.stamped_by_card()
    }

    fn loses_tags(&self) -> bool {
        self.copies.get().is_none() && self.rings.loses_tags()
    }

    fn count_rejected(&self, frames: u64) {
        self.rings.count_rejected(frames);
    }
}
