//! IEEE 802.2: protocols behind it, on its own and on Ethernet and Linux' cooked sockets, and the word `llc`.

use super::{ETHERNET_MTU, dlt, ethertype, sap};
use crate::action::Llc;
use crate::error::{Error, fail};
use crate::ir::{C, Size, Test};
use crate::linktypes::description_or_dlt;
use crate::meaning::{Base, Gen};

/// In the type field of Linux' cooked sockets: Novell's 802.3 without LLC, and 802.2.
const COOKED_802_3: u32 = 1;
const COOKED_802_2: u32 = 4;

/// The two ways in which 802.2 says what it carries are told from an Ethernet type by a type field.
#[derive(Clone, Copy)]
enum TypeField {
    /// It is a length when it is at most 1500.
    Ethernet,
    /// It has a value of its own for 802.2.
    Cooked,
}

impl Gen<'_> {
    /// Ethernet: a type, or a length and 802.2.
    pub(super) fn ethernet_type(&mut self, protocol: u32) -> C {
        self.type_or_llc(TypeField::Ethernet, protocol)
    }

    /// Linux' cooked sockets, version 1.
    pub(super) fn cooked_type(&mut self, protocol: u32) -> C {
        self.type_or_llc(TypeField::Cooked, protocol)
    }

    fn type_or_llc(&mut self, field: TypeField, protocol: u32) -> C {
        match protocol {
            sap::ISO | sap::IP | sap::NETBEUI => {
                let is_llc = self.is_llc(field);
                let is = self.saps(protocol);
                self.ir.and(is_llc, is)
            }
            sap::IPX => self.ipx(field),
            ethertype::ATALK | ethertype::AARP => {
                let is_type = self.cmp(Base::LinkType, 0, Size::H, protocol);
                let is_llc = self.is_llc(field);
                let is_snap = self.snap(if protocol == ethertype::ATALK { 0x08_0007 } else { 0 }, protocol);
                let is = self.ir.and(is_llc, is_snap);
                self.ir.or(is_type, is)
            }
            0..=ETHERNET_MTU => {
                let is_llc = self.is_llc(field);
                let is = match field {
                    TypeField::Ethernet => self.cmp(Base::LinkType, 2, Size::B, protocol),
                    TypeField::Cooked => self.cmp(Base::LinkHeader, self.off.payload.constant, Size::B, protocol),
                };
                self.ir.and(is_llc, is)
            }
            _ => self.cmp(Base::LinkType, 0, Size::H, protocol),
        }
    }

    fn is_llc(&mut self, field: TypeField) -> C {
        match field {
            TypeField::Ethernet => {
                let is_type = self.ncmp(Base::LinkType, 0, Size::H, u32::MAX, Test::Gt, ETHERNET_MTU);
                self.ir.not(is_type)
            }
            TypeField::Cooked => self.cmp(Base::LinkType, 0, Size::H, COOKED_802_2),
        }
    }

    /// IPX in all its four frame formats: Ethernet II, 802.3 without LLC, 802.2, SNAP.
    fn ipx(&mut self, field: TypeField) -> C {
        let ethernet_2 = self.cmp(Base::LinkType, 0, Size::H, ethertype::IPX);
        let is_llc = self.is_llc(field);
        let by_sap = self.cmp(Base::Llc, 0, Size::B, sap::IPX);
        let rest = match field {
            TypeField::Ethernet => {
                let novell = self.cmp(Base::Llc, 0, Size::H, 0xffff);
                let by_sap = self.ir.or(by_sap, novell);
                let by_snap = self.snap(0, ethertype::IPX);
                // SNAP is asked first.
                let is = self.ir.or(by_snap, by_sap);
                self.ir.and(is_llc, is)
            }
            TypeField::Cooked => {
                let novell = self.cmp(Base::LinkType, 0, Size::H, COOKED_802_3);
                let by_snap = self.snap(0, ethertype::IPX);
                let is = self.ir.or(by_sap, by_snap);
                let is = self.ir.and(is_llc, is);
                self.ir.or(novell, is)
            }
        };
        self.ir.or(ethernet_2, rest)
    }

    /// Link types that always have 802.2. Ethernet types are looked for where SNAP has them, without asking whether it is SNAP.
    pub(super) fn llc_type(&mut self, protocol: u32) -> C {
        match protocol {
            sap::IP | sap::ISO | sap::NETBEUI => self.saps(protocol),
            ethertype::ATALK => self.snap(0x08_0007, protocol),
            0..=ETHERNET_MTU => self.cmp(Base::Llc, 0, Size::B, protocol),
            _ => self.cmp(Base::Llc, 6, Size::H, protocol),
        }
    }

    /// Both service access points are this one.
    fn saps(&mut self, sap: u32) -> C {
        self.cmp(Base::Llc, 0, Size::H, sap << 8 | sap)
    }

    /// A SNAP header of this organization and type.
    fn snap(&mut self, organization: u32, kind: u32) -> C {
        let [_, o0, o1, o2] = organization.to_be_bytes();
        let [_, _, k0, k1] = kind.to_be_bytes();
        self.bcmp(Base::Llc, 0, &[sap::SNAP, sap::SNAP, 0x03, o0, o1, o2, k0, k1])
    }

    /// `llc`, of any type or one.
    pub(in crate::meaning) fn llc(&mut self, which: Llc) -> Result<C, Error> {
        let any = self.any_llc()?;
        let (value, mask) = match which {
            Llc::Any => return Ok(any),
            Llc::I => (0, 0x01),
            Llc::S => (0x01, 0x03),
            Llc::U => (0x03, 0x03),
            Llc::SType(value) => (u32::from(value), 0x0f),
            Llc::UType(value) => (u32::from(value), 0xef),
        };
        let is = self.mcmp(Base::Llc, 2, Size::B, value, mask);
        Ok(self.ir.and(any, is))
    }

    fn any_llc(&mut self) -> Result<C, Error> {
        let now = self.off.linktype_now;
        Ok(match now {
            dlt::EN10MB => {
                let is_llc = self.is_llc(TypeField::Ethernet);
                // Novell's 802.3 has no LLC.
                let novell = self.cmp(Base::Llc, 0, Size::H, 0xffff);
                let not_novell = self.ir.not(novell);
                self.ir.and(is_llc, not_novell)
            }
            dlt::SUNATM => self.atm_llc(),
            dlt::IEEE802 | dlt::FDDI | dlt::ATM_RFC1483 => self.constant(true),
            _ if dlt::is_wlan(now) => self.wlan_data(),
            _ => fail!("'llc' not supported for {}", description_or_dlt(now)),
        })
    }
}
