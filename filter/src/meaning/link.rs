//! What the link types look like: the test for a protocol, for each of them. Its folder has their layouts and their own words.

mod atm;
mod broadcast;
mod direction;
pub(crate) mod dlt;
pub(crate) mod layout;
mod llc;
mod names;
mod pf;
mod ss7;
pub(crate) mod start;
mod station;
#[cfg(test)]
mod tests;
mod wlan;

use super::numbers::{ethertype, sap};
use super::{Base, Gen};
use crate::PacketSource;
use crate::error::{Error, fail};
use crate::ir::{C, Cond, Size, Test};

/// The highest value of Ethernet's type field that is a length (`ETHERMTU`).
pub(crate) const ETHERNET_MTU: u32 = 1500;

const AF_INET: u32 = 2;
const AF_INET6: u32 = 10;
/// `AF_INET6` on NetBSD, OpenBSD and Npcap; FreeBSD; Darwin.
const AF_INET6_ELSEWHERE: [u32; 3] = [24, 28, 30];

impl Gen<'_> {
    /// Whether the payload is of this protocol: an Ethernet type, or an LLC SAP up to 1500.
    ///
    /// # Errors
    /// The link type does not tell, or libpcap does not look.
    pub(crate) fn linktype(&mut self, protocol: u32) -> Result<C, Error> {
        if self.off.label_stack_depth > 0 {
            return self.mpls_payload(protocol);
        }
        let now = self.off.linktype_now;
        Ok(match now {
            _ if dlt::is_ethernet(now) => {
                // Geneve and VXLAN have an Ethernet type whether or not an Ethernet header follows.
                let before = if self.off.is_encap { None } else { self.prev_linkhdr_check() };
                let is = self.ethernet_type(protocol);
                self.behind(before, is)
            }
            _ if dlt::is_wlan(now) => {
                let is_data = self.wlan_data();
                let is = self.llc_type(protocol);
                self.ir.and(is_data, is)
            }
            dlt::FDDI | dlt::IEEE802 | dlt::ATM_RFC1483 | dlt::ATM_CLIP | dlt::IP_OVER_FC => self.llc_type(protocol),
            dlt::SUNATM => {
                let is_llc = self.atm_type(atm::LLC);
                let is = self.llc_type(protocol);
                self.ir.and(is_llc, is)
            }
            dlt::LINUX_SLL => self.cooked_type(protocol),
            dlt::C_HDLC | dlt::HDLC => {
                let value = if protocol == sap::ISO { sap::ISO << 8 | sap::ISO } else { protocol };
                self.cmp(Base::LinkType, 0, Size::H, value)
            }
            dlt::PPP | dlt::PPP_PPPD | dlt::PPP_SERIAL | dlt::PPP_ETHER => {
                self.cmp(Base::LinkType, 0, Size::H, ppp_type(protocol))
            }
            dlt::PPP_BSDOS if protocol == ethertype::IP => {
                // IP, and both of Van Jacobson's compressed forms.
                self.any([0x21, 0x2d, 0x2f], |state, kind| state.cmp(Base::LinkType, 0, Size::H, kind))
            }
            dlt::PPP_BSDOS => self.cmp(Base::LinkType, 0, Size::H, ppp_type(protocol)),
            dlt::RAW | dlt::SLIP | dlt::SLIP_BSDOS => match protocol {
                ethertype::IP => self.mcmp(Base::LinkHeader, 0, Size::B, 0x40, 0xf0),
                ethertype::IPV6 => self.mcmp(Base::LinkHeader, 0, Size::B, 0x60, 0xf0),
                _ => self.constant(false),
            },
            dlt::IPV4 => self.constant(protocol == ethertype::IP),
            dlt::IPV6 => self.constant(protocol == ethertype::IPV6),
            dlt::LTALK => self.constant(protocol == ethertype::ATALK),
            dlt::NULL | dlt::LOOP | dlt::ENC => self.loopback_type(protocol),
            dlt::PFLOG => match protocol {
                ethertype::IP => self.cmp(Base::LinkHeader, 1, Size::B, AF_INET),
                ethertype::IPV6 => self.cmp(Base::LinkHeader, 1, Size::B, AF_INET6),
                _ => self.constant(false),
            },
            dlt::IPNET => match protocol {
                ethertype::IP => self.cmp(Base::LinkType, 0, Size::B, 2),
                ethertype::IPV6 => self.cmp(Base::LinkType, 0, Size::B, 26),
                _ => self.constant(false),
            },
            dlt::ARCNET | dlt::ARCNET_LINUX => match protocol {
                ethertype::IP => self.cmp(Base::LinkType, 0, Size::B, 212),
                ethertype::ARP => self.cmp(Base::LinkType, 0, Size::B, 213),
                ethertype::REVARP => self.cmp(Base::LinkType, 0, Size::B, 214),
                ethertype::ATALK => self.cmp(Base::LinkType, 0, Size::B, 221),
                ethertype::IPV6 => self.cmp(Base::LinkType, 0, Size::B, 196),
                _ => self.constant(false),
            },
            dlt::FRELAY => self.frame_relay_type(protocol),
            _ if dlt::is_juniper(now) => self.mcmp(Base::LinkHeader, 0, Size::W, 0x4d47_4300, 0xffff_ff00),
            dlt::BACNET_MS_TP => self.mcmp(Base::LinkHeader, 0, Size::W, 0x55ff_0000, 0xffff_0000),
            _ if self.off.linktype.is_some() => self.cmp(Base::LinkType, 0, Size::H, protocol),
            _ => fail!("{} link-layer type filtering not implemented", names::family(now)),
        })
    }

    /// What must hold of the header before an encapsulation: ATM LANE has data, Geneve and VXLAN an Ethernet header.
    pub(crate) fn prev_linkhdr_check(&mut self) -> Option<C> {
        if self.off.is_encap
            && let (Some(link), Some(payload)) = (self.off.link.variable, self.off.payload.variable)
        {
            if link == payload {
                return None; // VXLAN: there is always a header.
            }
            let no_header = self.ir.cond(Cond::Test(Test::Eq, link, payload));
            return Some(self.ir.not(no_header));
        }
        if self.off.previous_linktype != dlt::SUNATM {
            return None;
        }
        let is_control = self.cmp(Base::PreviousLinkHeader, atm::PAYLOAD, Size::H, 0xff00);
        Some(self.ir.not(is_control))
    }

    /// Always this. Like libpcap it loads nothing.
    pub(crate) fn constant(&mut self, holds: bool) -> C {
        self.ir.cond(Cond::Const(holds))
    }

    /// `before` and then `is`; `is` alone when nothing comes before.
    pub(super) fn behind(&mut self, before: Option<C>, is: C) -> C {
        match before {
            Some(before) => self.ir.and(before, is),
            None => is,
        }
    }

    /// One of the tests that `test` makes of `of`, asked in this order.
    pub(super) fn any<T, const N: usize>(&mut self, of: [T; N], mut test: impl FnMut(&mut Self, T) -> C) -> C {
        let mut any = None;
        for one in of {
            let one = test(self, one);
            any = Some(match any {
                Some(before) => self.ir.or(before, one),
                None => one,
            });
        }
        any.unwrap_or_else(|| self.constant(false))
    }

    /// Behind MPLS nothing names the protocol: at the bottom of the stack IP's version tells.
    fn mpls_payload(&mut self, protocol: u32) -> Result<C, Error> {
        let version = match protocol {
            ethertype::IP => 0x40,
            ethertype::IPV6 => 0x60,
            _ => fail!("unsupported protocol over mpls"),
        };
        let is_bottom = self.mcmp(Base::Network, 2_u32.wrapping_neg(), Size::B, 1, 1);
        let is = self.mcmp(Base::Network, 0, Size::B, version, 0xf0);
        Ok(self.ir.and(is_bottom, is))
    }

    /// An address family in the order of the machine that captured (DLT_LOOP: of the network).
    fn loopback_type(&mut self, protocol: u32) -> C {
        let (live, savefile) = ([AF_INET6], AF_INET6_ELSEWHERE);
        match (protocol, self.options.source) {
            (ethertype::IP, _) => self.loopback_family(AF_INET),
            (ethertype::IPV6, PacketSource::Savefile { .. }) => self.any(savefile, Gen::loopback_family),
            (ethertype::IPV6, _) => self.any(live, Gen::loopback_family),
            _ => self.constant(false),
        }
    }

    fn loopback_family(&mut self, family: u32) -> C {
        let family = match (self.off.linktype_now, self.options.source) {
            (dlt::LOOP, _) => family,
            (_, PacketSource::Savefile { swapped: true }) => family.swap_bytes().to_be(),
            _ => family.to_be(),
        };
        self.cmp(Base::LinkHeader, 0, Size::W, family)
    }

    /// An unnumbered frame with the protocol's NLPID, behind an address of 2 bytes.
    fn frame_relay_type(&mut self, protocol: u32) -> C {
        let nlpid = |state: &mut Self, nlpid: u32| state.cmp(Base::LinkHeader, 2, Size::H, 0x0300 | nlpid);
        match protocol {
            ethertype::IP => nlpid(self, 0xcc),
            ethertype::IPV6 => nlpid(self, 0x8e),
            // CLNP, ES-IS, IS-IS.
            sap::ISO => self.any([0x81, 0x82, 0x83], nlpid),
            _ => self.constant(false),
        }
    }
}

/// PPP's number for a protocol; the number itself where they are the same.
fn ppp_type(protocol: u32) -> u32 {
    match protocol {
        ethertype::IP => 0x21,
        ethertype::IPV6 => 0x57,
        ethertype::DECNET => 0x27,
        ethertype::ATALK => 0x29,
        ethertype::NS => 0x25,
        sap::ISO => 0x23,
        sap::STP => 0x31,
        sap::IPX => 0x2b,
        _ => protocol,
    }
}
