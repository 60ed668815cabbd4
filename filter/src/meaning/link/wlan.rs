//! IEEE 802.11: its frame control field, its words, and where its addresses are.
//!
//! ```text
//! frame                             source  destination
//! management                          10       4
//! data  to DS 0  from DS 0            10       4
//!       to DS 1  from DS 0            10      16
//!       to DS 0  from DS 1            16       4
//!       to DS 1  from DS 1            24      16
//! control, reserved                  none    none
//! ```

use super::dlt;
use crate::action::Dir;
use crate::error::{Error, fail};
use crate::ir::{C, Size, Test};
use crate::meaning::{Base, Gen};

/// Frame control, first byte: type, subtype, and bits of the type.
const TYPE: u32 = 0x0c;
const TYPE_CONTROL: u32 = 0x04;
const TYPE_DATA: u32 = 0x08;
const SUBTYPE: u32 = 0xf0;
const SUBTYPE_CTS: u32 = 0xc0;
const SUBTYPE_ACK: u32 = 0xd0;

/// Frame control, second byte.
const DIRECTION: u32 = 0x03;
const TO_DS: u32 = 0x01;
const FROM_DS: u32 = 0x02;

impl Gen<'_> {
    /// Whether it is a data frame.
    pub(super) fn wlan_data(&mut self) -> C {
        self.mcmp(Base::LinkHeader, 0, Size::B, TYPE_DATA, TYPE)
    }

    /// `type`, `subtype`: bits of the first byte, and their mask.
    pub(in crate::meaning) fn wlan(&mut self, value: u32, mask: u32) -> Result<C, Error> {
        if !dlt::is_wlan(self.off.linktype_now) {
            fail!("802.11 link-layer types supported only on 802.11");
        }
        Ok(self.mcmp(Base::LinkHeader, 0, Size::B, value, mask))
    }

    /// `dir`: bits of the second byte.
    pub(in crate::meaning) fn wlan_dir(&mut self, value: u32) -> Result<C, Error> {
        if !dlt::is_wlan(self.off.linktype_now) {
            fail!("frame direction supported only with 802.11 headers");
        }
        Ok(self.mcmp(Base::LinkHeader, 1, Size::B, value, DIRECTION))
    }

    /// Whether a station's address is this one.
    pub(super) fn wlan_host(&mut self, address: [u8; 6], dir: Dir) -> C {
        let at = |state: &mut Self, offset: u32| state.bcmp(Base::LinkHeader, offset, &address);
        match dir {
            Dir::Src => self.wlan_source(at),
            Dir::Dst => self.wlan_destination(at),
            Dir::And => {
                let (source, destination) = (self.wlan_source(at), self.wlan_destination(at));
                self.ir.and(source, destination)
            }
            Dir::Or | Dir::Default => {
                let (source, destination) = (self.wlan_source(at), self.wlan_destination(at));
                self.ir.or(source, destination)
            }
            Dir::Addr1 => at(self, 4),
            Dir::Addr2 => {
                let has = self.has_second_address();
                let is = at(self, 10);
                self.ir.and(has, is)
            }
            Dir::Addr3 => {
                let is_control = self.mcmp(Base::LinkHeader, 0, Size::B, TYPE_CONTROL, TYPE);
                let has = self.ir.not(is_control);
                let is = at(self, 16);
                self.ir.and(has, is)
            }
            Dir::Addr4 => {
                let has = self.mcmp(Base::LinkHeader, 1, Size::B, TO_DS | FROM_DS, DIRECTION);
                let is = at(self, 24);
                self.ir.and(has, is)
            }
            // Receivers and transmitters are not spoken of in management frames.
            Dir::Ra => {
                let has = self.control_bit(0, TYPE_DATA);
                let is = at(self, 4);
                self.ir.and(has, is)
            }
            Dir::Ta => {
                let not_management = self.control_bit(0, TYPE_DATA);
                let has = self.has_second_address();
                let has = self.ir.and(not_management, has);
                let is = at(self, 10);
                self.ir.and(has, is)
            }
        }
    }

    /// Whether the frame has a source address, and `test` holds of it; `test` is given its offset.
    fn wlan_source(&mut self, test: impl Fn(&mut Self, u32) -> C) -> C {
        let (from_10, from_16, from_24) = (test(self, 10), test(self, 16), test(self, 24));
        let to_ds = self.control_bit(1, TO_DS);
        let from_ds = self.control_bit(1, FROM_DS);
        let by_ds = self.choice(to_ds, from_24, from_16);
        let data = self.choice(from_ds, by_ds, from_10);
        self.wlan_addressed(data, from_10)
    }

    /// Likewise for the destination.
    pub(super) fn wlan_destination(&mut self, test: impl Fn(&mut Self, u32) -> C) -> C {
        let (from_4, from_16) = (test(self, 4), test(self, 16));
        let to_ds = self.control_bit(1, TO_DS);
        let data = self.choice(to_ds, from_16, from_4);
        self.wlan_addressed(data, from_4)
    }

    /// A data frame of which `data` holds, or a management frame of which `management` does.
    fn wlan_addressed(&mut self, data: C, management: C) -> C {
        let is_data = self.control_bit(0, TYPE_DATA);
        let holds = self.choice(is_data, data, management);
        let is_control = self.control_bit(0, TYPE_CONTROL);
        let is_addressed = self.ir.not(is_control);
        self.ir.and(is_addressed, holds)
    }

    /// Clear-to-send and acknowledgement have no second address.
    fn has_second_address(&mut self) -> C {
        let without = [(TYPE_CONTROL, TYPE), (SUBTYPE_CTS, SUBTYPE), (SUBTYPE_ACK, SUBTYPE)];
        let [not_control, not_cts, not_ack] = without.map(|(value, mask)| {
            let is = self.mcmp(Base::LinkHeader, 0, Size::B, value, mask);
            self.ir.not(is)
        });
        let other = self.ir.and(not_cts, not_ack);
        self.ir.or(not_control, other)
    }

    /// Whether this bit of a byte of frame control is set.
    fn control_bit(&mut self, byte: u32, bit: u32) -> C {
        let control = self.load(Base::LinkHeader, byte, Size::B);
        self.ir.test(Test::Set, control, bit)
    }

    /// `yes` when `question` holds, else `no`.
    fn choice(&mut self, question: C, yes: C, no: C) -> C {
        let otherwise = self.ir.not(question);
        let (yes, no) = (self.ir.and(question, yes), self.ir.and(otherwise, no));
        self.ir.or(no, yes)
    }
}
