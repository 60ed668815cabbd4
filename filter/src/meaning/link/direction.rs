//! `inbound`, `outbound`, `ifindex`: what the link-layer header tells of a packet's way, or Linux beside it.

use super::dlt;
use crate::PacketSource;
use crate::error::{Error, fail};
use crate::ir::{C, Size, V, Value};
use crate::linktypes::description_or_dlt;
use crate::meaning::{Base, Gen};

/// `SKF_AD_OFF`: loads from here on ask Linux.
const ANCILLARY: u32 = 0xffff_f000;
/// `SKF_AD_PKTTYPE`, and its value for packets that this host sends.
const PACKET_TYPE: u32 = 4;
const PACKET_OUTGOING: u32 = 4;
/// `SKF_AD_IFINDEX`.
const INTERFACE_INDEX: u32 = 8;

impl Gen<'_> {
    /// `inbound` and `outbound`.
    ///
    /// # Errors
    /// Nothing tells.
    pub(in crate::meaning) fn direction(&mut self, outbound: bool) -> Result<C, Error> {
        let now = self.off.linktype_now;
        let by = |state: &mut Self, offset, size, inbound_value, outbound_value| {
            state.cmp(Base::LinkHeader, offset, size, if outbound { outbound_value } else { inbound_value })
        };
        let is_outgoing = match now {
            dlt::IPNET => return Ok(by(self, 2, Size::H, 2, 1)),
            dlt::PFLOG => return Ok(by(self, 60, Size::B, 1, 2)),
            dlt::PPP_PPPD => return Ok(by(self, 0, Size::B, 0, 1)),
            _ if dlt::is_juniper(now) => {
                return Ok(self.mcmp(Base::LinkHeader, 3, Size::B, u32::from(!outbound), 1));
            }
            dlt::SLIP => {
                let is_incoming = self.cmp(Base::LinkHeader, 0, Size::B, 0);
                self.ir.not(is_incoming)
            }
            dlt::LINUX_SLL => self.cmp(Base::LinkHeader, 0, Size::H, PACKET_OUTGOING),
            dlt::LINUX_SLL2 => self.cmp(Base::LinkHeader, 10, Size::B, PACKET_OUTGOING),
            _ => {
                let kind = self.ancillary("inbound/outbound", Size::H, PACKET_TYPE)?;
                self.ir.test(crate::ir::Test::Eq, kind, PACKET_OUTGOING)
            }
        };
        Ok(if outbound { is_outgoing } else { self.ir.not(is_outgoing) })
    }

    /// `ifindex`.
    ///
    /// # Errors
    /// Nothing tells.
    pub(in crate::meaning) fn ifindex(&mut self, index: u32) -> Result<C, Error> {
        if self.off.linktype_now == dlt::LINUX_SLL2 {
            return Ok(self.cmp(Base::LinkHeader, 4, Size::W, index));
        }
        let value = self.ancillary("ifindex", Size::W, INTERFACE_INDEX)?;
        Ok(self.ir.test(crate::ir::Test::Eq, value, index))
    }

    /// What Linux knows beside the packet. Without a device the program may still be meant for a socket: there it is a load that only the
    /// kernel can carry out, and that refuses the packet elsewhere.
    fn ancillary(&mut self, word: &str, size: Size, what: u32) -> Result<V, Error> {
        let linktype = description_or_dlt(self.off.linktype_now);
        match self.options.source {
            PacketSource::Live { basic: true, .. } => Ok(self.ir.value(Value::Ancillary(what))),
            PacketSource::Live { basic: false, .. } => fail!("{word} not supported on {linktype}"),
            PacketSource::Savefile { .. } => fail!("{word} not supported on {linktype} when reading savefiles"),
            PacketSource::Dead => Ok(self.ir.value(Value::Load { size, base: None, offset: ANCILLARY + what })),
        }
    }
}
