//! Which driver serves a card.
//!
//! | in this order | needs | gives way to the next one when |
//! |---|---|---|
//! | AF_XDP, zero-copy | a card's driver that has it | the driver has not |
//! | AF_XDP, native | a card's driver with XDP | the driver has not |
//! | AF_XDP, generic | Linux 5.9, `CAP_BPF`, `CAP_NET_ADMIN` | the kernel has no AF_XDP, or the right is missing |
//! | AF_PACKET | `CAP_NET_RAW` | |
//!
//! A card's host rings (`netmap:eth0^`) have a driver of their own, which stands beside AF_XDP.
//!
//! `NETMAP_DRIVER` pins the choice: then there is no next one. A card that somebody else has, that is down or does not
//! exist is an error at once: another driver would make something else of the name than what was asked for.

use crate::{af_packet, af_xdp, host};
use nm_core::name::{NetmapName, NetmapRings};
use nm_core::{Port, PortError, sys};

/// What can serve a card.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Driver {
    /// `NETMAP_DRIVER=module`: the netmap kernel module.
    Module,
    /// `NETMAP_DRIVER=xdp`: [`af_xdp`].
    Xdp,
    /// `NETMAP_DRIVER=packet`: [`af_packet`].
    Packet,
}

/// How a port is made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Slots of the receive ring; `None`: the driver's own.
    pub rx_slots: Option<u32>,
    /// The card takes in frames for others, too.
    pub promiscuous: bool,
    /// The only driver; `None`: the best one.
    pub driver: Option<Driver>,
    /// Microseconds that the driver is kept at work by each call (AF_XDP); 0: its interrupts wake it.
    pub busy_poll_us: u32,
}

/// The most of them: longer, and a call would not return.
const LONGEST_POLL: u32 = 10_000;

impl Options {
    /// What the environment says: `NETMAP_DRIVER`, and `NETMAP_BUSY_POLL` in microseconds. A program that got privileges
    /// from its file is not told.
    ///
    /// # Errors
    /// [`PortError::Io`] for a word or a number that means nothing.
    pub fn from_environment() -> Result<Options, PortError> {
        if sys::secure_execution() {
            return Ok(Options::default());
        }
        let text = |name: &str| std::env::var(name).ok().filter(|text| !text.is_empty());
        let wrong = |what| PortError::Io { what, source: std::io::ErrorKind::InvalidInput.into() };
        let driver = match text("NETMAP_DRIVER").as_deref() {
            None => None,
            Some("module") => Some(Driver::Module),
            Some("xdp") => Some(Driver::Xdp),
            Some("packet") => Some(Driver::Packet),
            Some(other) => return Err(wrong(format!("NETMAP_DRIVER={other}: neither module, xdp nor packet"))),
        };
        let busy_poll_us = match text("NETMAP_BUSY_POLL") {
            None => 0,
            Some(text) => text.parse().ok().filter(|us| *us <= LONGEST_POLL).ok_or_else(|| {
                wrong(format!("NETMAP_BUSY_POLL={text}: not a number of microseconds up to {LONGEST_POLL}"))
            })?,
        };
        Ok(Options { driver, busy_poll_us, ..Options::default() })
    }
}

/// Opens a card's rings.
///
/// # Errors
/// The best driver's, or that of the only one.
pub fn open(name: &NetmapName, options: &Options) -> Result<Port, PortError> {
    let host_rings = matches!(name.rings, NetmapRings::Host | NetmapRings::OneHost(_));
    match options.driver {
        None | Some(Driver::Xdp) if host_rings => host::open(name),
        Some(Driver::Module) => Err(PortError::Unsupported {
            port: name.to_string(),
            why: "NETMAP_DRIVER=module: the netmap kernel module is not loaded (no /dev/netmap)",
        }),
        Some(Driver::Xdp) => xdp(name, options),
        Some(Driver::Packet) => packet(name, options),
        None => xdp(name, options).or_else(|error| match error {
            PortError::Unsupported { .. } | PortError::Denied { .. } | PortError::Io { .. } if !is_taken(&error) => {
                // What both refuse, the better one refuses in its own words.
                packet(name, options).map_err(|_| error)
            }
            _ => Err(error),
        }),
    }
}

/// Somebody's program is there: what the card receives is spoken for.
fn is_taken(error: &PortError) -> bool {
    matches!(error, PortError::Io { source, .. } if source.raw_os_error() == Some(libc::EBUSY))
}

fn xdp(name: &NetmapName, options: &Options) -> Result<Port, PortError> {
    let Options { rx_slots, promiscuous, busy_poll_us, .. } = *options;
    af_xdp::open(name, &af_xdp::Options { rx_slots, promiscuous, busy_poll_us, ..af_xdp::Options::default() })
}

fn packet(name: &NetmapName, options: &Options) -> Result<Port, PortError> {
    let Options { rx_slots, promiscuous, .. } = *options;
    af_packet::open(name, &af_packet::Options { frames: rx_slots, promiscuous })
}
