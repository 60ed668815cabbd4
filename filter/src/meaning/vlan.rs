//! VLAN tags: in the packet, or beside it where Linux puts the outermost.

use super::link::dlt;
use super::numbers::ethertype;
use super::{Base, Gen, Offset};
use crate::PacketSource;
use crate::error::{Error, fail};
use crate::insn::op;
use crate::ir::{Alu, C, Size, Test, V, Value};
use crate::linktypes;

const MAX_VLAN: u32 = 0xfff;
const TAG: u32 = 4;

impl Gen<'_> {
    /// `vlan`. What follows looks behind the tag.
    ///
    /// # Errors
    /// The link type has no tags, the words before leave no place for one, or the number is too large.
    pub(crate) fn vlan(&mut self, number: Option<u32>) -> Result<C, Error> {
        if self.off.label_stack_depth > 0 {
            fail!("no VLAN match after MPLS");
        }
        let is = match self.off.linktype_now {
            dlt::EN10MB if self.tag_may_lie_beside() => self.vlan_in_or_beside(number)?,
            now if dlt::is_ethernet(now) => self.vlan_in_packet(number)?,
            dlt::IEEE802_11 | dlt::PRISM_HEADER | dlt::IEEE802_11_RADIO_AVS | dlt::IEEE802_11_RADIO => {
                self.vlan_in_packet(number)?
            }
            now => fail!("no VLAN support for {}", linktypes::description_or_dlt(now)),
        };
        self.off.vlan_stack_depth = self.off.vlan_stack_depth.saturating_add(1);
        Ok(is)
    }

    /// The outermost tag of a packet captured on Linux: the kernel may have taken it out.
    fn tag_may_lie_beside(&self) -> bool {
        matches!(self.options.source, PacketSource::Live { vlan: true, .. })
            && self.off.vlan_stack_depth == 0
            && self.off.link.variable.is_none()
            && self.off.link.constant == self.off.outermost_link.constant
    }

    fn vlan_in_packet(&mut self, number: Option<u32>) -> Result<C, Error> {
        let mut is = self.tagged()?;
        if let Some(number) = number {
            let tag = self.load(Base::Network, 0, Size::H);
            let is_it = self.vlan_number(tag, number)?;
            is = self.ir.and(is, is_it);
        }
        self.off.payload = self.off.payload.plus(TAG);
        self.off.linktype = self.off.linktype.map(|at| at.plus(TAG));
        Ok(is)
    }

    /// A tag beside the packet moves nothing in it, so what follows begins `(present ^ 1) * 4` bytes later.
    fn vlan_in_or_beside(&mut self, number: Option<u32>) -> Result<C, Error> {
        let present = self.ir.value(Value::Ancillary(op::AD_VLAN_TAG_PRESENT));
        let is_beside = self.ir.test(Test::Eq, present, 1);
        let is_in = self.tagged()?;
        let mut is = self.ir.or(is_beside, is_in);
        if let Some(number) = number {
            let (beside, within) =
                (self.ir.value(Value::Ancillary(op::AD_VLAN_TAG)), self.load(Base::Network, 0, Size::H));
            let tag = self.ir.value(Value::If(is_beside, beside, within));
            let is_it = self.vlan_number(tag, number)?;
            is = self.ir.and(is, is_it);
        }
        let (one, two) = (self.ir.imm(1), self.ir.imm(2));
        let absent = self.ir.alu(Alu::Xor, present, one);
        let moved = self.ir.alu(Alu::Lsh, absent, two);
        self.off.payload = Offset { variable: Some(moved), ..self.off.payload };
        self.off.linktype = self.off.linktype.map(|at| Offset { variable: Some(moved), ..at });
        Ok(is)
    }

    /// One of the types that a tag begins with.
    fn tagged(&mut self) -> Result<C, Error> {
        let mut any = self.linktype(ethertype::VLAN)?;
        for other in [ethertype::SERVICE_VLAN, ethertype::OLD_SERVICE_VLAN] {
            let other = self.linktype(other)?;
            any = self.ir.or(any, other);
        }
        Ok(any)
    }

    fn vlan_number(&mut self, tag: V, number: u32) -> Result<C, Error> {
        if number > MAX_VLAN {
            fail!("VLAN tag {number} greater than maximum {MAX_VLAN}");
        }
        let tag = self.masked(tag, MAX_VLAN);
        Ok(self.ir.test(Test::Eq, tag, number))
    }
}
