//! What could serve a card, and what would, without opening it: what [`open`](crate::open) goes by, told.

use crate::af_xdp::Mode;
use crate::bpf::btf::Function;
use crate::choice::{Driver, Missing, Offer, Options, Way, offers, prefers_tags};
use crate::stamping::{Stamping, may_choose, offered};
use crate::sys::bpf::{MapKind, has_capabilities, map_create, program_by_id, program_info};
use crate::sys::card::{driver, receive_queues};
use crate::sys::interface::Interface;
use crate::sys::netdev::{XdpFeatures, xdp_features};
use crate::sys::netlink::xdp_program_id;
use crate::sys::packet::PacketSocket;
use nm_core::PortError;
use nm_core::name::NetmapName;
use std::os::fd::AsFd;

/// What there is to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    /// The kernel's driver; `None` where it does not tell its name.
    pub kernel_driver: Option<String>,
    /// Receive queues.
    pub queues: u32,
    /// Bytes of a frame behind its Ethernet header.
    pub mtu: u32,
    /// Administratively up; a port needs that.
    pub up: bool,
    /// The kernel tells which of AF_XDP's modes the driver has (Linux 6.3); before, opening tries them.
    pub modes_told: bool,
    /// Kernel and driver tell the program on the card the VLAN tags that the card takes out of its frames.
    pub tags_told: bool,
    /// Whose clock the frames' times may be of, by the chosen way; empty: the host's, without a choice.
    pub stampings: Vec<Stamping>,
    /// The ways to its frames, best first.
    pub offers: Vec<Offer>,
    /// The first that can be gone, and will be unless the kernel refuses what it seems to have.
    pub chosen: Option<Way>,
    /// The driver that `NETMAP_DRIVER` allows.
    pub pinned: Option<Driver>,
}

/// Looks at a card.
///
/// # Errors
/// [`PortError::NoDevice`], and [`PortError::Io`] for what else the kernel says.
pub fn probe(name: &NetmapName, options: &Options) -> Result<Probe, PortError> {
    let card = Interface::find(&name.ifname).map_err(|source| match source.raw_os_error() {
        Some(libc::ENODEV) => PortError::NoDevice { port: name.ifname.clone() },
        _ => PortError::Io { what: format!("{}: interface", name.ifname), source },
    })?;
    let (offers, chosen) = choose(name, options, &card);
    let features = xdp_features(card.index).ok().flatten();
    Ok(Probe {
        kernel_driver: driver(&name.ifname),
        queues: receive_queues(&name.ifname),
        mtu: card.mtu,
        up: card.up,
        modes_told: features.is_some(),
        tags_told: features.is_some_and(XdpFeatures::vlan_tags) && Function::VlanTag.number().is_some(),
        stampings: chosen.map_or(Vec::new(), |way| offered(&name.ifname, card.index, way)),
        offers,
        chosen,
        pinned: options.driver,
    })
}

/// [`Probe::stampings`] alone, where there is a choice: else empty, after a question or two.
pub fn stampings(name: &NetmapName, options: &Options) -> Vec<Stamping> {
    if !may_choose(&name.ifname) {
        return Vec::new();
    }
    let Ok(card) = Interface::find(&name.ifname) else { return Vec::new() };
    let (_, chosen) = choose(name, options, &card);
    chosen.map_or(Vec::new(), |way| offered(&name.ifname, card.index, way))
}

/// All ways, and the one that is chosen.
fn choose(name: &NetmapName, options: &Options, card: &Interface) -> (Vec<Offer>, Option<Way>) {
    let mut offers = offers(&name.ifname).to_vec();
    for offer in &mut offers {
        offer.missing = offer.missing.or_else(|| in_the_way(offer.way, card));
        if offer.way == Way::Xdp(Mode::Generic) && offer.missing.is_none() && prefers_tags(name, options) {
            offer.missing = Some(Missing::Tags);
        }
    }
    let allowed = |offer: &&Offer| options.driver.is_none_or(|driver| driver.goes(offer.way));
    let chosen = offers.iter().filter(allowed).find(|offer| offer.missing.is_none()).map(|offer| offer.way);
    // Who has the card has its frames: the next way would be no answer to that.
    let chosen = chosen.filter(|_| !offers.iter().filter(allowed).any(|offer| offer.missing == Some(Missing::Taken)));
    (offers, chosen)
}

impl Probe {
    /// Whether a frame that comes this way has the VLAN tag in it that the card took out.
    pub fn has_tags(&self, way: Way) -> bool {
        match way {
            Way::Xdp(Mode::ZeroCopy | Mode::Native) => self.tags_told,
            // Programs of the network stack don't get at it; the module's frames are as the card wrote them.
            Way::Xdp(Mode::Generic) | Way::Module => false,
            Way::Packet => true,
        }
    }
}

/// What [`open`](crate::open) would run into on a way that the card has.
fn in_the_way(way: Way, card: &Interface) -> Option<Missing> {
    if !card.ethernet {
        return Some(Missing::Ethernet);
    }
    match way {
        // A user namespace's capabilities look like the system's until the kernel is asked.
        Way::Xdp(_) if !has_capabilities() || map_create(MapKind::Array, "nm_probe", 8, 1, 0).is_err() => {
            Some(Missing::XdpRights)
        }
        Way::Packet if PacketSocket::watching(card.index).is_err_and(|e| e.raw_os_error() == Some(libc::EPERM)) => {
            Some(Missing::PacketRights)
        }
        Way::Xdp(_) if matches!(xdp_program_id(card.index), Ok(Some(_))) => Some(Missing::Taken),
        _ => None,
    }
}

/// The XDP program on an interface: its number, and its name if it has one and may be looked at.
pub fn program_on(ifname: &str) -> Option<(u32, String)> {
    let id = xdp_program_id(Interface::find(ifname).ok()?.index).ok()??;
    let name = program_by_id(id).and_then(|program| program_info(program.as_fd())).map(|info| info.name);
    Some((id, name.unwrap_or_default()))
}
