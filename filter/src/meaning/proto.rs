//! Protocols, by name and by number.

use super::link::dlt;
use super::numbers::{ethertype, ip, isis, link_protocol, nlpid, sap};
use super::words::no_payload;
use super::{Base, Gen};
use crate::action::Proto;
use crate::error::{Error, fail};
use crate::ir::{C, Size};

impl Gen<'_> {
    /// A protocol alone.
    ///
    /// # Errors
    /// The word stands for no protocol, or the link type does not tell.
    pub(crate) fn abbrev(&mut self, proto: Proto) -> Result<C, Error> {
        match proto {
            Proto::Sctp => self.proto(ip::SCTP, None),
            Proto::Tcp => self.proto(ip::TCP, None),
            Proto::Udp => self.proto(ip::UDP, None),
            Proto::Pim => self.proto(ip::PIM, None),
            Proto::Ah => self.proto(ip::AH, None),
            Proto::Esp => self.proto(ip::ESP, None),
            Proto::Icmp => self.proto(ip::ICMP, Some(Proto::Ip)),
            Proto::Igmp => self.proto(ip::IGMP, Some(Proto::Ip)),
            Proto::Igrp => self.proto(ip::IGRP, Some(Proto::Ip)),
            Proto::Vrrp | Proto::Carp => self.proto(ip::VRRP, Some(Proto::Ip)),
            Proto::Icmp6 => self.proto(ip::ICMPV6, Some(Proto::Ip6)),
            Proto::Ip => self.linktype(ethertype::IP),
            Proto::Arp => self.linktype(ethertype::ARP),
            Proto::Rarp => self.linktype(ethertype::REVARP),
            Proto::Atalk => self.linktype(ethertype::ATALK),
            Proto::Aarp => self.linktype(ethertype::AARP),
            Proto::Decnet => self.linktype(ethertype::DECNET),
            Proto::Sca => self.linktype(ethertype::SCA),
            Proto::Lat => self.linktype(ethertype::LAT),
            Proto::Mopdl => self.linktype(ethertype::MOPDL),
            Proto::Moprc => self.linktype(ethertype::MOPRC),
            Proto::Ip6 => self.linktype(ethertype::IPV6),
            Proto::Iso => self.linktype(sap::ISO),
            Proto::Stp => self.linktype(sap::STP),
            Proto::Ipx => self.linktype(sap::IPX),
            Proto::Netbeui => self.linktype(sap::NETBEUI),
            Proto::Clnp => self.proto(nlpid::CLNP, Some(Proto::Iso)),
            Proto::Esis => self.proto(nlpid::ESIS, Some(Proto::Iso)),
            Proto::Isis => self.proto(nlpid::ISIS, Some(Proto::Iso)),
            // A hello between two routers does not show its level here.
            Proto::IsisL1 => {
                self.isis_pdu(&[isis::L1_LAN_HELLO, isis::P2P_HELLO, isis::L1_LSP, isis::L1_CSNP, isis::L1_PSNP])
            }
            Proto::IsisL2 => {
                self.isis_pdu(&[isis::L2_LAN_HELLO, isis::P2P_HELLO, isis::L2_LSP, isis::L2_CSNP, isis::L2_PSNP])
            }
            Proto::IsisIih => self.isis_pdu(&[isis::L1_LAN_HELLO, isis::L2_LAN_HELLO, isis::P2P_HELLO]),
            Proto::IsisLsp => self.isis_pdu(&[isis::L1_LSP, isis::L2_LSP]),
            Proto::IsisSnp => self.isis_pdu(&[isis::L1_CSNP, isis::L2_CSNP, isis::L1_PSNP, isis::L2_PSNP]),
            Proto::IsisCsnp => self.isis_pdu(&[isis::L1_CSNP, isis::L2_CSNP]),
            Proto::IsisPsnp => self.isis_pdu(&[isis::L1_PSNP, isis::L2_PSNP]),
            Proto::Link => fail!("link layer applied in wrong context"),
            Proto::Radio => fail!("'radio' is not a valid protocol type"),
        }
    }

    /// Whether the packet carries protocol `number` in `proto`: in IPv4 or IPv6 when none is named.
    ///
    /// # Errors
    /// `proto` has no such field, or the link type does not tell.
    pub(super) fn proto(&mut self, number: u32, proto: Option<Proto>) -> Result<C, Error> {
        match proto {
            None => {
                let over4 = self.proto(number, Some(Proto::Ip))?;
                let over6 = self.proto(number, Some(Proto::Ip6))?;
                Ok(self.ir.or(over4, over6))
            }
            Some(Proto::Link) => self.linktype(number),
            Some(Proto::Ip) => {
                let linktype = self.linktype(ethertype::IP)?;
                let is = self.cmp(Base::Network, 9, Size::B, number);
                Ok(self.ir.and(linktype, is))
            }
            Some(Proto::Ip6) => {
                let linktype = self.linktype(ethertype::IPV6)?;
                let is = self.cmp(Base::Network, 6, Size::B, number);
                let is_fragment = self.cmp(Base::Network, 6, Size::B, ip::FRAGMENT);
                let behind_it = self.cmp(Base::Network, 40, Size::B, number);
                let behind_it = self.ir.and(is_fragment, behind_it);
                let is = self.ir.or(is, behind_it);
                Ok(self.ir.and(linktype, is))
            }
            Some(Proto::Iso) => self.osi(number),
            Some(Proto::Isis) => {
                if number > isis::MASK {
                    fail!("IS-IS PDU type {number} greater than maximum {}", isis::MASK);
                }
                self.isis_pdu(&[number])
            }
            Some(proto) => Err(Error::new(no_payload(proto))),
        }
    }

    /// Bytes between the type and OSI's header.
    fn osi_padding(&self) -> u32 {
        u32::from(matches!(self.off.linktype_now, dlt::C_HDLC | dlt::HDLC))
    }

    /// Whether the packet is of this protocol of OSI's network layer.
    fn osi(&mut self, number: u32) -> Result<C, Error> {
        if self.off.linktype_now == dlt::FRELAY {
            return Ok(self.cmp(Base::LinkHeader, 2, Size::H, 0x0300 | number));
        }
        let linktype = self.linktype(sap::ISO)?;
        let is = self.cmp(Base::NetworkNoSnap, self.osi_padding(), Size::B, number);
        Ok(self.ir.and(linktype, is))
    }

    /// Whether the packet is IS-IS, with one of these PDU types.
    fn isis_pdu(&mut self, types: &[u32]) -> Result<C, Error> {
        let is_isis = self.osi(nlpid::ISIS)?;
        let mut any = None;
        for &kind in types {
            let is = self.mcmp(Base::NetworkNoSnap, 4 + self.osi_padding(), Size::B, kind, isis::MASK);
            any = Some(match any {
                Some(before) => self.ir.or(before, is),
                None => is,
            });
        }
        Ok(match any {
            Some(is) => self.ir.and(is_isis, is),
            None => is_isis,
        })
    }

    /// The number of this name in `proto`'s field.
    ///
    /// # Errors
    /// Unknown.
    pub(super) fn protocol_number(&self, name: &str, proto: Option<Proto>) -> Result<u32, Error> {
        let (number, of) = match proto {
            None | Some(Proto::Ip | Proto::Ip6) => (self.resolver.protocol(name).map(u32::from), "ip"),
            Some(Proto::Link) => (link_protocol(name), "ether"),
            Some(Proto::Iso) => {
                let number = match name {
                    "esis" => Some(nlpid::ESIS),
                    "isis" => Some(nlpid::ISIS),
                    "clnp" => Some(nlpid::CLNP),
                    _ => None,
                };
                (number, "osi")
            }
            Some(_) => fail!("unknown protocol: {name}"),
        };
        number.ok_or_else(|| Error::new(format!("unknown {of} proto '{name}'")))
    }
}
