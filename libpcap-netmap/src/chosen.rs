//! `PCAP_NETMAP`: names with commas between them, for programs that can't be told otherwise.
//!
//! | a name there | means |
//! |---|---|
//! | `eth0` | a program that opens `eth0` gets `netmap:eth0`: the card's rings, all frames in, none that the host sends |
//! | `vale0:x`, `netmap:eth0` | it stands in the device list, whether it is open or not |
//!
//! Only cards with Ethernet frames have rings for us: `lo`, tunnels, a wireless card in monitor mode and a name that is no
//! interface (yet) go on to the system's library, as without the variable. A program that got privileges from its file is
//! not told of it.

use drivers::sys::interface::Interface;
use nm_core::name::{NetmapName, NetmapRings, PortName};

/// The names in the variable.
fn names() -> Vec<String> {
    let value = if nm_core::sys::secure_execution() { None } else { std::env::var("PCAP_NETMAP").ok() };
    let names = value.iter().flat_map(|v| v.split(',')).map(str::trim);
    names.filter(|name| !name.is_empty()).map(String::from).collect()
}

/// The rings that a program gets when it opens `device`, a plain name; `None`: the system's library serves it.
pub(crate) fn rings_of(device: &str) -> Option<NetmapName> {
    rings_among(&names(), device, |name| Interface::find(name).ok())
}

fn rings_among(names: &[String], device: &str, find: impl Fn(&str) -> Option<Interface>) -> Option<NetmapName> {
    if !names.iter().any(|name| name == device) {
        return None;
    }
    // Not by parsing `netmap:` and the name: an interface may be called `br-7`, which would be a ring of `br`.
    let card = find(device).filter(|card| card.ethernet && !card.loopback)?;
    (card.index != 0).then(|| NetmapName { ifname: device.into(), rings: NetmapRings::All, flags: 0, memory: 0 })
}

/// The names that are listed whether they are open or not, with what they mean.
pub(crate) fn always_listed() -> Vec<(String, PortName)> {
    listed_among(&names())
}

fn listed_among(names: &[String]) -> Vec<(String, PortName)> {
    let mut listed: Vec<(String, PortName)> = Vec::new();
    for name in names {
        match PortName::parse(name) {
            Ok(port @ (PortName::Vale(_) | PortName::Netmap(_))) if !listed.iter().any(|(known, _)| known == name) => {
                listed.push((name.clone(), port));
            }
            _ => {}
        }
    }
    listed
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> Vec<String> {
        "eth0,lo,tun0,br-7,nosuch0,vale0:x,netmap:eth1,vale0:x,vale0:/".split(',').map(String::from).collect()
    }

    fn find(name: &str) -> Option<Interface> {
        let card = Interface { index: 7, up: true, mtu: 1500, ethernet: name != "tun0", loopback: name == "lo" };
        (name != "nosuch0").then_some(card)
    }

    #[test]
    fn named_cards_with_ethernet_frames_have_rings() {
        let rings = |device: &str| rings_among(&names(), device, find).map(|name| (name.ifname, name.rings));
        assert_eq!(rings("eth0"), Some(("eth0".into(), NetmapRings::All)));
        assert_eq!(rings("br-7"), Some(("br-7".into(), NetmapRings::All)));
        for device in ["lo", "tun0", "nosuch0", "eth1", "eth", "any"] {
            assert_eq!(rings(device), None, "{device}");
        }
    }

    #[test]
    fn ports_are_listed_once_and_cards_are_not() {
        let listed: Vec<_> = listed_among(&names()).into_iter().map(|(name, _)| name).collect();
        assert_eq!(listed, ["vale0:x", "netmap:eth1"]);
    }
}
