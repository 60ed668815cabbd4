//! From AF_XDP back to a packet socket, when a filter can't get into the driver any more.
//!
//! A program is loaded into the kernel with privileges, and `tcpdump`, for one, gives its own up between opening the card and
//! setting its filter. Without the filter the driver would take every frame from the host, and `tcpdump -i netmap:eth0 udp
//! port 53` would cut the connection that somebody is logged in by. Mostly a program that was loaded in time takes such a filter
//! ([`Filtering::Written`](crate::bpf::Filtering)), but not before Linux 6.9, and none of more than 1,024 instructions. For those a
//! packet socket is opened beside the card's rings while that is allowed. It refuses all frames. When a filter is refused for want of privileges, it goes there instead (which
//! takes none), the driver's program goes, and the host has its traffic back.
//!
//! | state | frames come from | goes to | by |
//! |---|---|---|---|
//! | rings | AF_XDP | draining | a filter that only the packet socket takes |
//! | draining | AF_XDP, what it has left | copies | a look that finds nothing |
//! | copies | the packet socket | | |

use crate::af_xdp::Rings;
use crate::sys::wait::Any;
use crate::{af_packet, af_xdp};
use nm_core::name::NetmapName;
use nm_core::{Port, PortControl, PortError, PortInfo, PortRx, RxRing, Stats, Woken};
use std::io;
use std::os::fd::RawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Frames that the packet socket keeps: it is hardly ever used.
const FRAMES: u32 = 1024;
/// Refuses every frame.
const NOTHING: [libc::sock_filter; 1] =
    [libc::sock_filter { code: (libc::BPF_RET | libc::BPF_K) as u16, jt: 0, jf: 0, k: 0 }];

/// Opens a card's rings, with the way back where there is one.
///
/// # Errors
/// As [`af_xdp::open`].
pub fn open(name: &NetmapName, options: &af_xdp::Options) -> Result<Port, PortError> {
    let (port, rings) = af_xdp::open_rings(name, options)?;
    // In promiscuous mode is the card already.
    let (frames, promiscuous, card_times) = (Some(FRAMES), false, options.card_times.clone());
    let copies =
        af_packet::open(name, &af_packet::Options { frames, promiscuous, gather: None, card_times, as_on_wire: false });
    // A single ring, for one, is nothing that a packet socket has.
    let Ok(mut copies) = copies else { return Ok(port) };
    if !copies.rx.offer_filter(&NOTHING) {
        return Ok(port);
    }
    let control = Arc::new(Control { rings: port.control, copies: copies.control, retreated: AtomicBool::new(false) });
    let rx = Rx { at: At::Rings, rings, xdp: port.rx, copies: copies.rx, any: None, control: Arc::clone(&control) };
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
    rings: Rings,
    xdp: Box<dyn PortRx>,
    copies: Box<dyn PortRx>,
    any: Option<Any>,
    control: Arc<Control>,
}

impl Rx {
    /// The side that frames come from.
    #[inline(always)]
    fn side(&mut self) -> &mut dyn PortRx {
        if self.at == At::Copies { &mut *self.copies } else { &mut *self.xdp }
    }

    /// From now on who selects hears of the packet socket, too. Not before its frames are wanted: nobody takes the error that it has
    /// while the interface is down, nor frames that came before it refused all, and who selects would never sleep.
    fn select_copies(&mut self) -> io::Result<()> {
        let Some(any) = &self.any else { return Ok(()) };
        let fd = self.copies.selectable_fd().map_err(io::Error::other)?;
        any.add_number(fd)
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
            let name = self.control.info().name;
            let io = |source| PortError::Io { what: format!("{name}: epoll"), source };
            let any = Any::new().map_err(io)?;
            any.add_number(self.xdp.selectable_fd()?).map_err(io)?;
            self.any = Some(any);
            if self.at != At::Rings {
                self.select_copies().map_err(io)?;
            }
        }
        Ok(self.any.as_ref().map_or(-1, Any::as_raw_fd))
    }

    fn settle_fd(&mut self) {
        self.xdp.settle_fd();
        self.copies.settle_fd();
    }

    fn offer_filter(&mut self, program: &[libc::sock_filter]) -> bool {
        if self.at != At::Rings {
            return self.copies.offer_filter(program);
        }
        match self.rings.filter(program) {
            Ok(()) => true,
            // A reader that could not select on the other side any more stays on this one.
            Err(error) if error.is_permission() && self.select_copies().is_ok() => {
                let taken = self.copies.offer_filter(program);
                self.rings.leave();
                self.at = At::Draining;
                // ORDER: Relaxed; for people who look.
                self.control.retreated.store(true, Ordering::Relaxed);
                taken
            }
            Err(_) => false,
        }
    }
}

struct Control {
    rings: Arc<dyn PortControl>,
    copies: Arc<dyn PortControl>,
    retreated: AtomicBool,
}

impl PortControl for Control {
    fn wake(&self) {
        self.rings.wake();
        self.copies.wake();
    }

    fn leave_to_host(&self, leave: bool) {
        self.rings.leave_to_host(leave);
    }

    fn stats(&self) -> Stats {
        let a = self.rings.stats();
        // The packet socket has frames that came before it refused all; until it is read from, they don't count.
        // ORDER: Relaxed; counters.
        let b = if self.retreated.load(Ordering::Relaxed) { self.copies.stats() } else { Stats::default() };
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
        // ORDER: Relaxed; for people who look.
        match self.retreated.load(Ordering::Relaxed) {
            false => self.rings.info(),
            true => PortInfo { driver: "af_packet, for the filter came without privileges", ..self.copies.info() },
        }
    }

    fn stamped_by_card(&self) -> bool {
        self.rings.stamped_by_card()
    }

    fn loses_tags(&self) -> bool {
        // ORDER: Relaxed; for people who look.
        !self.retreated.load(Ordering::Relaxed) && self.rings.loses_tags()
    }

    fn count_rejected(&self, frames: u64) {
        self.rings.count_rejected(frames);
    }
}
