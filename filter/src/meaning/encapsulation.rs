//! MPLS and PPPoE: words that move the offsets of what follows.

use super::link::dlt;
use super::numbers::ethertype;
use super::{Base, Gen};
use crate::error::{Error, fail};
use crate::ir::{C, Size};
use crate::linktypes;

/// PPP's number for MPLS (unicast).
const PPP_MPLS: u32 = 0x0281;
/// A label, with its traffic class, its bottom-of-stack bit and its time to live.
const MPLS_ENTRY: u32 = 4;
const MAX_LABEL: u32 = 0xf_ffff;
const PPPOE_HEADER: u32 = 6;
/// PPP's type field.
const PPP_TYPE: u32 = 2;
const MAX_SESSION: u32 = 0xffff;

impl Gen<'_> {
    /// `mpls`: an entry of the label stack. What follows looks behind it.
    ///
    /// # Errors
    /// The link type has no MPLS, or the label is too large.
    pub(crate) fn mpls(&mut self, label: Option<u32>) -> Result<C, Error> {
        let mut is = if self.off.label_stack_depth > 0 {
            // The entry before is not the bottom of the stack.
            self.mcmp(Base::PreviousMpls, 2, Size::B, 0, 1)
        } else {
            match self.off.linktype_now {
                dlt::C_HDLC | dlt::HDLC => self.linktype(ethertype::MPLS)?,
                now if dlt::is_ethernet(now) => self.linktype(ethertype::MPLS)?,
                dlt::PPP => self.linktype(PPP_MPLS)?,
                now => fail!("no MPLS support for {}", linktypes::description_or_dlt(now)),
            }
        };
        if let Some(label) = label {
            if label > MAX_LABEL {
                fail!("MPLS label {label} greater than maximum {MAX_LABEL}");
            }
            let is_it = self.mcmp(Base::Network, 0, Size::W, label << 12, 0xffff_f000);
            is = self.ir.and(is, is_it);
        }
        self.off.nl = self.off.nl.wrapping_add(MPLS_ENTRY);
        self.off.nl_nosnap = self.off.nl_nosnap.wrapping_add(MPLS_ENTRY);
        self.off.label_stack_depth = self.off.label_stack_depth.saturating_add(1);
        Ok(is)
    }

    /// `pppoed`: PPPoE's discovery.
    ///
    /// # Errors
    /// The link type does not tell.
    pub(crate) fn pppoe_d(&mut self) -> Result<C, Error> {
        self.linktype(ethertype::PPPOE_DISCOVERY)
    }

    /// `pppoes`: a PPPoE session. What follows looks at the PPP packet in it.
    ///
    /// # Errors
    /// The link type does not tell, or the number is too large.
    pub(crate) fn pppoe_s(&mut self, session: Option<u32>) -> Result<C, Error> {
        let mut is = self.linktype(ethertype::PPPOE_SESSION)?;
        if let Some(session) = session {
            if session > MAX_SESSION {
                fail!("PPPoE session number {session} greater than maximum {MAX_SESSION}");
            }
            let is_it = self.mcmp(Base::Network, 0, Size::W, session, 0xffff);
            is = self.ir.and(is, is_it);
        }
        let link = self.off.payload.plus(self.off.nl).plus(PPPOE_HEADER);
        self.off.push(dlt::PPP, link);
        self.off.linktype = Some(link);
        self.off.payload = link.plus(PPP_TYPE);
        self.off.nl = 0;
        self.off.nl_nosnap = 0;
        Ok(is)
    }
}
