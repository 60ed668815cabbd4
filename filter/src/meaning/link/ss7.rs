//! Signalling System 7: MTP2's signal units and MTP3's routing label, also on high-speed links, whose header is 3 bytes longer.

use crate::action::{Mtp2, Mtp3, Rel};
use crate::error::{Error, fail};
use crate::ir::{C, Size, Test};
use crate::meaning::{Base, Gen};

/// From the length indicator, in bytes.
const SIO: u32 = 1;
const LABEL: u32 = 2;
const SLS: u32 = 5;
/// High-speed links: their length indicator, of 9 bits, and how far everything behind it is moved.
const LONG_LENGTH: u32 = 2;
const LONG_HEADER: u32 = 3;

/// Bits of the length indicators.
const LENGTH_BITS: u32 = 0x3f;
const LONG_LENGTH_BITS: u32 = 0xff80;

impl Gen<'_> {
    /// A kind of signal unit: by its length 0 (fill-in), 1 or 2 (link status), more (message).
    ///
    /// # Errors
    /// It is not MTP2.
    pub(in crate::meaning) fn mtp2(&mut self, which: Mtp2) -> Result<C, Error> {
        let (name, family) = match which {
            Mtp2::Fisu => ("fisu", "MTP2"),
            Mtp2::Lssu => ("lssu", "MTP2"),
            Mtp2::Msu => ("msu", "MTP2"),
            Mtp2::Hfisu => ("hfisu", "MTP2_HSL"),
            Mtp2::Hlssu => ("hlssu", "MTP2_HSL"),
            Mtp2::Hmsu => ("hmsu", "MTP2_HSL"),
        };
        let Some(li) = self.off.ss7 else { fail!("'{name}' supported only on {family}") };
        let (offset, size, mask, two) = match which {
            Mtp2::Fisu | Mtp2::Lssu | Mtp2::Msu => (li, Size::B, LENGTH_BITS, 2),
            Mtp2::Hfisu | Mtp2::Hlssu | Mtp2::Hmsu => (li + LONG_LENGTH, Size::H, LONG_LENGTH_BITS, 2 << 7),
        };
        let length = self.load(Base::Packet, offset, size);
        let length = self.masked(length, mask);
        Ok(match which {
            Mtp2::Fisu | Mtp2::Hfisu => self.ir.test(Test::Eq, length, 0),
            Mtp2::Msu | Mtp2::Hmsu => self.ir.test(Test::Gt, length, two),
            Mtp2::Lssu | Mtp2::Hlssu => {
                let some = self.ir.test(Test::Gt, length, 0);
                let many = self.ir.test(Test::Gt, length, two);
                let few = self.ir.not(many);
                self.ir.and(some, few)
            }
        })
    }

    /// A field of the service information octet and the routing label.
    ///
    /// # Errors
    /// It is not SS7, or the value does not fit.
    pub(in crate::meaning) fn mtp3(&mut self, field: Mtp3, rel: Rel, value: u32) -> Result<C, Error> {
        let (name, max) = match field {
            Mtp3::Sio | Mtp3::Hsio => ("sio", 0xff),
            Mtp3::Opc | Mtp3::Hopc => ("opc", 0x3fff),
            Mtp3::Dpc | Mtp3::Hdpc => ("dpc", 0x3fff),
            Mtp3::Sls | Mtp3::Hsls => ("sls", 0xf),
        };
        let Some(li) = self.off.ss7 else { fail!("'{name}' supported only on SS7") };
        if value > max {
            fail!("{name} value {value} too big; max value = {max}");
        }
        let start = match field {
            Mtp3::Sio | Mtp3::Opc | Mtp3::Dpc | Mtp3::Sls => li,
            Mtp3::Hsio | Mtp3::Hopc | Mtp3::Hdpc | Mtp3::Hsls => li + LONG_HEADER,
        };
        // The label is little-endian: 14 bits of destination, 14 of origin, 4 of link selection. Comparisons other than for equality
        // compare the bytes as they lie, as libpcap's do.
        let (offset, size, mask, value) = match field {
            Mtp3::Sio | Mtp3::Hsio => (SIO, Size::B, u32::MAX, value),
            Mtp3::Opc | Mtp3::Hopc => (LABEL, Size::W, (max << 14).swap_bytes(), (value << 14).swap_bytes()),
            Mtp3::Dpc | Mtp3::Hdpc => (LABEL, Size::W, max.swap_bytes(), value.swap_bytes()),
            Mtp3::Sls | Mtp3::Hsls => (SLS, Size::B, max << 4, value << 4),
        };
        Ok(self.field(Base::Packet, start + offset, size, mask, rel, value))
    }

    /// Whether the masked bytes stand in this relation to `value`.
    pub(super) fn field(&mut self, from: Base, offset: u32, size: Size, mask: u32, rel: Rel, value: u32) -> C {
        let (test, contrary) = match rel {
            Rel::Eq => (Test::Eq, false),
            Rel::Ne => (Test::Eq, true),
            Rel::Gt => (Test::Gt, false),
            Rel::Le => (Test::Gt, true),
            Rel::Ge => (Test::Ge, false),
            Rel::Lt => (Test::Ge, true),
        };
        let holds = self.ncmp(from, offset, size, mask, test, value);
        if contrary { self.ir.not(holds) } else { holds }
    }
}
