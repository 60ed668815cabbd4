//! Addresses of stations: 48 bits.

use super::dlt;
use crate::action::Dir;
use crate::error::{Error, fail};
use crate::ir::C;
use crate::meaning::{Base, Gen};

/// Where the link-layer header has them, in bytes.
struct Addresses {
    source: u32,
    destination: u32,
}

impl Gen<'_> {
    /// Whether frames have addresses of 48 bits.
    pub(crate) fn has_mac_addresses(&self) -> bool {
        dlt::is_wlan(self.off.linktype_now) || self.mac_addresses().is_some()
    }

    /// Those at fixed places: 802.11 is another matter.
    fn mac_addresses(&self) -> Option<Addresses> {
        let (source, destination) = match self.off.linktype_now {
            now if dlt::is_ethernet(now) => (6, 0),
            dlt::FDDI => (7, 1),
            dlt::IEEE802 => (8, 2),
            dlt::IP_OVER_FC => (10, 2),
            _ => return None,
        };
        Some(Addresses { source, destination })
    }

    /// Whether a station's address is this one.
    ///
    /// # Errors
    /// The link has no such addresses, or not by this name.
    pub(crate) fn mac_host(&mut self, address: [u8; 6], dir: Dir) -> Result<C, Error> {
        let now = self.off.linktype_now;
        if dlt::is_wlan(now) {
            return Ok(self.wlan_host(address, dir));
        }
        let Some(at) = self.mac_addresses() else {
            fail!("ethernet addresses supported only on ethernet/FDDI/token ring/802.11/ATM LANE/Fibre Channel");
        };
        let where_then = if dlt::is_ethernet(now) { "802.11 with 802.11 headers" } else { "802.11" };
        let before = if dlt::is_ethernet(now) { self.prev_linkhdr_check() } else { None };
        let is = |state: &mut Self, offset: u32| state.bcmp(Base::LinkHeader, offset, &address);
        let is = match dir {
            Dir::Src => is(self, at.source),
            Dir::Dst => is(self, at.destination),
            Dir::And => {
                let (source, destination) = (is(self, at.source), is(self, at.destination));
                self.ir.and(source, destination)
            }
            Dir::Or | Dir::Default => {
                let (source, destination) = (is(self, at.source), is(self, at.destination));
                self.ir.or(source, destination)
            }
            Dir::Addr1 => fail!("'addr1' and 'address1' are only supported on {where_then}"),
            Dir::Addr2 => fail!("'addr2' and 'address2' are only supported on {where_then}"),
            Dir::Addr3 => fail!("'addr3' and 'address3' are only supported on {where_then}"),
            Dir::Addr4 => fail!("'addr4' and 'address4' are only supported on {where_then}"),
            Dir::Ra => fail!("'ra' is only supported on {where_then}"),
            Dir::Ta => fail!("'ta' is only supported on {where_then}"),
        };
        Ok(self.behind(before, is))
    }
}
