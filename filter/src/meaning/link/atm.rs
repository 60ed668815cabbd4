//! Sun's ATM: a pseudo-header of kind, VPI and VCI, then LLC or LAN emulation.

use super::dlt;
use crate::action::{Atm, AtmField, Rel};
use crate::error::{Error, fail};
use crate::ir::{C, Size};
use crate::meaning::offsets::Offset;
use crate::meaning::{Base, Gen};

/// Offsets in the pseudo-header; the low 4 bits of `KIND` are the kind.
const KIND: u32 = 0;
const VPI: u32 = 1;
const VCI: u32 = 2;
/// Where the pseudo-header ends.
pub(super) const PAYLOAD: u32 = 4;
/// A signalling message's type (Q.2931).
const MESSAGE_TYPE: u32 = PAYLOAD + 5;

/// Kinds.
const LANE: u32 = 1;
pub(super) const LLC: u32 = 2;

/// Signalling messages, in the order in which they are asked for.
const RELEASE_DONE: u32 = 0x5a;
const RELEASE: u32 = 0x4d;
const CONNECT_ACK: u32 = 0x0f;
const CONNECT: u32 = 0x07;
const SETUP: u32 = 0x05;
const CALL_PROCEEDING: u32 = 0x02;

impl Gen<'_> {
    /// One of the words for ATM traffic; `lane` says that what follows is Ethernet.
    ///
    /// # Errors
    /// It is not raw ATM.
    pub(in crate::meaning) fn atm(&mut self, which: Atm) -> Result<C, Error> {
        if !self.off.atm {
            fail!("'{}' supported only on raw ATM", name(which));
        }
        Ok(match which {
            Atm::Metac => self.circuit(1),
            Atm::Bcc => self.circuit(2),
            Atm::Oamf4sc => self.circuit(3),
            Atm::Oamf4ec => self.circuit(4),
            Atm::Sc => self.circuit(5),
            Atm::Ilmic => self.circuit(16),
            Atm::Lane => self.lane(),
            Atm::Oam | Atm::Oamf4 => {
                let is_path = self.cmp(Base::LinkHeader, VPI, Size::B, 0);
                let is_circuit = self.any([3, 4], |state, vci| state.cmp(Base::LinkHeader, VCI, Size::H, vci));
                self.ir.and(is_path, is_circuit)
            }
            Atm::Connectmsg => {
                let on_circuit = self.circuit(5);
                let is = self.message([RELEASE_DONE, RELEASE, CONNECT_ACK, CONNECT, SETUP, CALL_PROCEEDING]);
                self.ir.and(on_circuit, is)
            }
            Atm::Metaconnect => {
                let on_circuit = self.circuit(1);
                let is = self.message([RELEASE_DONE, RELEASE, CONNECT, SETUP, CALL_PROCEEDING]);
                self.ir.and(on_circuit, is)
            }
        })
    }

    /// `vpi`, `vci`.
    ///
    /// # Errors
    /// It is not raw ATM.
    pub(in crate::meaning) fn atm_field(&mut self, field: AtmField, rel: Rel, value: u32) -> Result<C, Error> {
        let (name, offset, size) = match field {
            AtmField::Vpi => ("vpi", VPI, Size::B),
            AtmField::Vci => ("vci", VCI, Size::H),
        };
        if !self.off.atm {
            fail!("'{name}' supported only on raw ATM");
        }
        Ok(self.field(Base::LinkHeader, offset, size, u32::MAX, rel, value))
    }

    /// Whether the pseudo-header says this kind.
    pub(super) fn atm_type(&mut self, kind: u32) -> C {
        self.mcmp(Base::LinkHeader, KIND, Size::B, kind, 0x0f)
    }

    /// `llc`: what follows is behind LLC again.
    pub(super) fn atm_llc(&mut self) -> C {
        let is = self.atm_type(LLC);
        self.off.linktype_now = self.off.previous_linktype;
        is
    }

    fn lane(&mut self) -> C {
        let is = self.atm_type(LANE);
        let ethernet = Offset::at(PAYLOAD + 2);
        self.off.push(dlt::EN10MB, ethernet);
        self.off.linktype = Some(ethernet.plus(12));
        self.off.payload = ethernet.plus(14);
        self.off.nl = 0;
        self.off.nl_nosnap = 3;
        is
    }

    /// Path 0, this circuit.
    fn circuit(&mut self, vci: u32) -> C {
        let is_path = self.cmp(Base::LinkHeader, VPI, Size::B, 0);
        let is_circuit = self.cmp(Base::LinkHeader, VCI, Size::H, vci);
        self.ir.and(is_path, is_circuit)
    }

    fn message<const N: usize>(&mut self, kinds: [u32; N]) -> C {
        self.any(kinds, |state, kind| state.cmp(Base::LinkHeader, MESSAGE_TYPE, Size::B, kind))
    }
}

/// As libpcap's messages spell it.
fn name(which: Atm) -> &'static str {
    match which {
        Atm::Lane => "lane",
        Atm::Metac => "metac",
        Atm::Bcc => "bcc",
        Atm::Oamf4ec => "oam4ec",
        Atm::Oamf4sc => "oam4sc",
        Atm::Sc => "sc",
        Atm::Ilmic => "ilmic",
        Atm::Oam => "oam",
        Atm::Oamf4 => "oamf4",
        Atm::Connectmsg => "connectmsg",
        Atm::Metaconnect => "metaconnect",
    }
}
