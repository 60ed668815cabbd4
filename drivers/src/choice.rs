//! Which driver serves a card.
//!
//! | in this order | needs | gives way to the next one when |
//! |---|---|---|
//! | the netmap kernel module | `/dev/netmap`, and the right to open it | it is not there, or does not know the card |
//! | AF_XDP, zero-copy | a card's driver that has it | the driver has not |
//! | AF_XDP, native | a card's driver with XDP | the driver has not |
//! | AF_XDP, generic | Linux 5.9, `CAP_BPF`, `CAP_NET_ADMIN` | the kernel has no AF_XDP, the right is missing, or frames would lose their VLAN tags |
//! | AF_PACKET | `CAP_NET_RAW` | |
//!
//! **VLAN tags.** Programs of the network stack don't hear of a tag that lies beside its frame: with a card that takes tags out, and on any
//! bridge, macvlan or bond, they show all VLANs as one. A packet socket's reader puts the tags back. It is a copy beside the
//! host, so that who wants the frames away from there ([`Options::from_host`], `/x`, single rings) has them without their tags, and may
//! ask ([`loses_tags`](nm_core::PortControl::loses_tags)).
//!
//! `NETMAP_DRIVER` pins the choice: then there is no next one. A card that somebody else has, that is down or does not
//! exist is an error at once: another driver would make something else of the name than what was asked for.
//!
//! | name | without the module |
//! |---|---|
//! | `netmap:eth0^` | [`host`], whatever serves the card |
//! | `netmap:eth0*` | AF_XDP and [`host`], [joined](crate::both) |
//! | `netmap:vale0:a`, pipes | nothing here: a pipe can be a switch of two ports |

use crate::af_xdp::Mode;
use crate::stamping::{self, Stamping};
use crate::sys::card::tags_beside;
use crate::sys::interface::Interface;
use crate::sys::netdev::{XdpFeatures, xdp_features};
use crate::{af_packet, af_xdp, both, host, netmap, retreat};
use nm_core::abi::NR_EXCLUSIVE;
use nm_core::name::{NetmapName, NetmapRings};
use nm_core::{Port, PortError, sys};
use std::fmt;
use std::time::Duration;

/// What can serve a card.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Driver {
    /// `NETMAP_DRIVER=module`: the netmap kernel module.
    Module,
    /// `NETMAP_DRIVER=xdp`: [`af_xdp`].
    Xdp,
    /// `NETMAP_DRIVER=xdp-zerocopy`, `xdp-native`, `xdp-generic`: the same in this mode alone.
    XdpIn(Mode),
    /// `NETMAP_DRIVER=packet`: [`af_packet`].
    Packet,
}

impl Driver {
    /// What `NETMAP_DRIVER` calls them.
    const WORDS: [(&str, Driver); 6] = [
        ("module", Driver::Module),
        ("xdp", Driver::Xdp),
        ("xdp-zerocopy", Driver::XdpIn(Mode::ZeroCopy)),
        ("xdp-native", Driver::XdpIn(Mode::Native)),
        ("xdp-generic", Driver::XdpIn(Mode::Generic)),
        ("packet", Driver::Packet),
    ];

    /// By `NETMAP_DRIVER`'s word.
    pub fn named(word: &str) -> Option<Driver> {
        Driver::WORDS.iter().find(|known| known.0 == word).map(|known| known.1)
    }

    /// `NETMAP_DRIVER`'s word for it.
    pub fn word(self) -> &'static str {
        Driver::WORDS.iter().find(|known| known.1 == self).map_or("", |known| known.0)
    }

    /// Whether it goes this way.
    pub fn goes(self, way: Way) -> bool {
        match (self, way) {
            (Driver::Module, Way::Module) | (Driver::Xdp, Way::Xdp(_)) | (Driver::Packet, Way::Packet) => true,
            (Driver::XdpIn(mode), Way::Xdp(other)) => mode == other,
            _ => false,
        }
    }
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
    /// How long a frame may wait for others where that makes them cheaper (AF_PACKET); `None`: not at all.
    pub gather: Option<Duration>,
    /// Buffers beside those in the rings, in which frames that are sent on wait for room ([`netmap`] alone;
    /// [`extra_bufs`](nm_core::PortControl::extra_bufs) tells how many there are).
    pub extra_bufs: u32,
    /// Frames come as a wire carries them, where a driver can have them so ([`as_on_wire`](nm_core::PortControl::as_on_wire)).
    pub as_on_wire: bool,
    /// The host must not get the frames, too, wherever that can be had: who opens the port sends them on.
    pub from_host: bool,
    /// The reader may set a filter when the process has given its privileges up: AF_XDP gets ready for that.
    pub late_filter: bool,
    /// Whose clock the frames' times are of; a card that can't stamp them gives the host's
    /// ([`stamped_by_card`](nm_core::PortControl::stamped_by_card)).
    pub stamping: Stamping,
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
        let driver = match text("NETMAP_DRIVER") {
            None => None,
            Some(word) => Some(Driver::named(&word).ok_or_else(|| {
                let known = Driver::WORDS.map(|known| known.0).join(", ");
                wrong(format!("NETMAP_DRIVER={word}: none of {known}"))
            })?),
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

impl Options {
    /// Whether the netmap kernel module is to be asked first: it is there and may be used, or nothing else is wanted.
    pub fn wants_module(&self) -> bool {
        match self.driver {
            Some(driver) => driver == Driver::Module,
            None => netmap::is_there(),
        }
    }
}

/// One way to a card's frames, from the best to the one that every card has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// The netmap kernel module.
    Module,
    /// AF_XDP in this mode, or a lesser one.
    Xdp(Mode),
    /// A packet socket.
    Packet,
}

impl Way {
    /// All, in the order in which they are preferred.
    pub const ALL: [Way; 5] =
        [Way::Module, Way::Xdp(Mode::ZeroCopy), Way::Xdp(Mode::Native), Way::Xdp(Mode::Generic), Way::Packet];
}

/// A way, and why it is not there for a card, as far as that is known without trying.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offer {
    /// Which.
    pub way: Way,
    /// What is missing; `None`: it can be tried.
    pub missing: Option<Missing>,
}

/// Why a way is not there, or another one is preferred.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    /// The netmap kernel module.
    Module,
    /// Zero-copy in the card's driver.
    ZeroCopy,
    /// XDP in the card's driver.
    Xdp,
    /// VLAN tags that lie beside their frames: a packet socket's copy, which will do, has them.
    Tags,
    /// Ethernet headers.
    Ethernet,
    /// The rights to program the card.
    XdpRights,
    /// The right to a packet socket.
    PacketRights,
    /// Another program has the card.
    Taken,
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Missing::Module => "the netmap kernel module is not loaded (no /dev/netmap)",
            Missing::ZeroCopy => "the card's driver has no zero-copy",
            Missing::Xdp => "the card's driver has no XDP",
            Missing::Tags => "VLAN tags may be lost (NETMAP_DRIVER=xdp insists)",
            Missing::Ethernet => "its frames have no Ethernet header",
            Missing::XdpRights => "root, or CAP_BPF, CAP_NET_ADMIN and CAP_NET_RAW, are needed",
            Missing::PacketRights => "root, or CAP_NET_RAW, is needed",
            Missing::Taken => "an XDP program is on the interface",
        })
    }
}

/// All ways, by what kernel and driver say of themselves.
pub(crate) fn offers(ifname: &str) -> [Offer; Way::ALL.len()] {
    // A kernel that does not tell is tried; so is one that has no such interface, for the words of the error.
    let features = Interface::find(ifname).ok().and_then(|card| xdp_features(card.index).ok()).flatten();
    let module = netmap::is_there();
    Way::ALL.map(|way| Offer { way, missing: missing(way, module, features) })
}

/// Whether a packet socket's copy is all that is asked for.
fn copy_will_do(name: &NetmapName, options: &Options) -> bool {
    name.rings == NetmapRings::All && name.flags & NR_EXCLUSIVE == 0 && !options.from_host && options.driver.is_none()
}

/// Whether such a copy is preferred to generic mode, because it has tags that would be lost.
pub(crate) fn prefers_tags(name: &NetmapName, options: &Options) -> bool {
    copy_will_do(name, options) && Interface::find(&name.ifname).is_ok_and(|card| tags_beside(&name.ifname, card.index))
}

fn missing(way: Way, module: bool, features: Option<XdpFeatures>) -> Option<Missing> {
    let native = features.is_none_or(|f| f.native() && f.redirects());
    match way {
        Way::Module if !module => Some(Missing::Module),
        Way::Xdp(Mode::ZeroCopy) if features.is_some_and(|f| !f.zero_copy()) => Some(Missing::ZeroCopy),
        Way::Xdp(Mode::ZeroCopy | Mode::Native) if !native => Some(Missing::Xdp),
        _ => None,
    }
}

/// Opens a card's rings.
///
/// # Errors
/// The best driver's, or that of the only one.
pub fn open(name: &NetmapName, options: &Options) -> Result<Port, PortError> {
    if !options.wants_module() {
        let needs_module = |why| Err(PortError::Unsupported { port: name.to_string(), why });
        if name.ifname.contains(':') {
            return needs_module("no netmap kernel module is there, whose switch this is a port of (ours is vale0:a)");
        }
        match name.rings {
            NetmapRings::PipeMaster(_) | NetmapRings::PipeSlave(_) => {
                return needs_module("no netmap kernel module is there");
            }
            NetmapRings::Host | NetmapRings::OneHost(_) => return host::open(name),
            NetmapRings::AllAndHost if options.driver == Some(Driver::Packet) => {
                return needs_module("a packet socket leaves the card's frames to the host: * needs AF_XDP");
            }
            NetmapRings::AllAndHost => {
                let half = |rings| NetmapName { rings, ..name.clone() };
                let card = open_first(&half(NetmapRings::All), options, options.driver.or(Some(Driver::Xdp)))?;
                return both::join(&name.to_string(), card, host::open(&half(NetmapRings::Host))?);
            }
            NetmapRings::All | NetmapRings::One(_) => {}
        }
    }
    open_first(name, options, options.driver).map_err(|refused| match options.driver {
        None => says_what_x_costs(name, refused),
        Some(_) => refused,
    })
}

/// By the first way that can be gone, of `driver`'s or of all.
fn open_first(name: &NetmapName, options: &Options, driver: Option<Driver>) -> Result<Port, PortError> {
    let mut offers = offers(&name.ifname).to_vec();
    offers.retain(|offer| driver.is_none_or(|driver| driver.goes(offer.way)));
    // What a pinned driver lacks it says itself.
    if offers.iter().any(|offer| offer.missing.is_none()) {
        offers.retain(|offer| offer.missing.is_none());
    }
    let (mut refused, mut tried) = (None, None);
    for Offer { way, .. } in offers {
        match (way, tried) {
            // AF_XDP goes on to lesser modes by itself.
            (Way::Xdp(_), Some(Way::Xdp(_))) => continue,
            (Way::Xdp(Mode::Generic), _) if prefers_tags(name, options) => continue,
            _ => tried = Some(way),
        }
        match open_by(way, name, options) {
            Ok(port) => return Ok(port),
            Err(error) if gives_way(way, &error) => {
                // What all refuse, the best one refuses in its own words.
                refused.get_or_insert(error);
            }
            Err(error) => return Err(error),
        }
    }
    Err(refused.unwrap_or(PortError::NoDevice { port: name.to_string() }))
}

/// A card that only a packet socket can serve is refused to who wants it alone: not because of what the better drivers say.
fn says_what_x_costs(name: &NetmapName, refused: PortError) -> PortError {
    const HINT: &str = " (without /x a packet socket would serve the card, as a copy beside the host)";
    match refused {
        _ if name.flags & NR_EXCLUSIVE == 0 || name.rings != NetmapRings::All => refused,
        PortError::Denied { port, what, source } => PortError::Denied { port, what: what + HINT, source },
        PortError::Io { what, source } => PortError::Io { what: what + HINT, source },
        // What is asked of the name, or of the card: a packet socket asks the same.
        other => other,
    }
}

fn open_by(way: Way, name: &NetmapName, options: &Options) -> Result<Port, PortError> {
    let Options { rx_slots, promiscuous, busy_poll_us, gather, extra_bufs, as_on_wire, late_filter, .. } = *options;
    let card_times = stamping::begin(name, way, options.stamping)?;
    match way {
        Way::Module => netmap::open(name, &netmap::Options { extra_bufs }),
        Way::Xdp(mode) => {
            let least = if let Some(Driver::XdpIn(only)) = options.driver { only } else { Mode::Generic };
            let keeps_tags = copy_will_do(name, options);
            let xdp = af_xdp::Options {
                rx_slots,
                promiscuous,
                busy_poll_us,
                mode,
                least,
                keeps_tags,
                card_times,
                late_filter,
            };
            match options.driver {
                None if late_filter => retreat::open(name, &xdp),
                _ => af_xdp::open(name, &xdp),
            }
        }
        Way::Packet => {
            let options = af_packet::Options { frames: rx_slots, promiscuous, gather, card_times, as_on_wire };
            af_packet::open(name, &options)
        }
    }
}

/// Whether another driver may do what this error's could not. Not when somebody's program is there: what the card receives is
/// spoken for.
fn gives_way(way: Way, error: &PortError) -> bool {
    match error {
        // Cards that the module does not know, others do.
        PortError::NoDevice { .. } => way == Way::Module,
        PortError::Unsupported { .. } | PortError::Denied { .. } => true,
        PortError::Io { source, .. } => source.raw_os_error() != Some(libc::EBUSY),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pinned_driver_has_only_its_own_ways() {
        let ways = |driver: Driver| -> Vec<Way> { Way::ALL.into_iter().filter(|way| driver.goes(*way)).collect() };
        assert_eq!(ways(Driver::Xdp), &Way::ALL[1..4]);
        assert_eq!(ways(Driver::XdpIn(Mode::Native)), [Way::Xdp(Mode::Native)]);
        assert_eq!(ways(Driver::Packet), [Way::Packet]);
        assert_eq!(ways(Driver::Module), [Way::Module]);
    }

    #[test]
    fn drivers_have_words() {
        for (word, driver) in Driver::WORDS {
            assert_eq!((Driver::named(word), driver.word()), (Some(driver), word));
        }
        assert_eq!((Driver::named("generic"), Driver::named("")), (None, None));
    }

    #[test]
    fn a_kernel_that_does_not_tell_is_tried() {
        for way in &Way::ALL[1..] {
            assert_eq!(missing(*way, false, None), None, "{way:?}");
        }
        assert!(missing(Way::Module, false, None).is_some());
        assert_eq!(missing(Way::Module, true, None), None);
    }
}
