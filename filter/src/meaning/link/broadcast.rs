//! `broadcast` and `multicast`.

use super::{dlt, ethertype};
use crate::NETMASK_UNKNOWN;
use crate::action::{Dir, Proto};
use crate::error::{Error, fail};
use crate::ir::{C, Size, Test};
use crate::meaning::{Base, Gen};

/// The broadcast address of 48 bits.
const EVERYONE: [u8; 6] = [0xff; 6];

impl Gen<'_> {
    /// `broadcast`.
    ///
    /// # Errors
    /// The link has none, or the network's mask is not known.
    pub(in crate::meaning) fn broadcast(&mut self, proto: Option<Proto>) -> Result<C, Error> {
        match proto {
            None | Some(Proto::Link) => match self.off.linktype_now {
                dlt::ARCNET | dlt::ARCNET_LINUX => Ok(self.cmp(Base::LinkHeader, 1, Size::B, 0)),
                dlt::BACNET_MS_TP => Ok(self.cmp(Base::LinkHeader, 3, Size::B, 0xff)),
                _ if self.has_mac_addresses() => self.mac_host(EVERYONE, Dir::Dst),
                _ => fail!("not a broadcast link"),
            },
            Some(Proto::Ip) => {
                if self.options.netmask == NETMASK_UNKNOWN {
                    fail!("netmask not known, so 'ip broadcast' not supported");
                }
                let host_bits = !self.options.netmask;
                let is_ip = self.linktype(ethertype::IP)?;
                let zeros = self.mcmp(Base::Network, 16, Size::W, 0, host_bits);
                let ones = self.mcmp(Base::Network, 16, Size::W, host_bits, host_bits);
                let either = self.ir.or(zeros, ones);
                Ok(self.ir.and(is_ip, either))
            }
            Some(_) => fail!("only link-layer/IP broadcast filters supported"),
        }
    }

    /// `multicast`.
    ///
    /// # Errors
    /// The link has none.
    pub(in crate::meaning) fn multicast(&mut self, proto: Option<Proto>) -> Result<C, Error> {
        let group_bit = |state: &mut Self, offset: u32| {
            let first = state.load(Base::LinkHeader, offset, Size::B);
            state.ir.test(Test::Set, first, 1)
        };
        let now = self.off.linktype_now;
        match proto {
            None | Some(Proto::Link) => match now {
                // ARCnet's broadcast serves.
                dlt::ARCNET | dlt::ARCNET_LINUX => return Ok(self.cmp(Base::LinkHeader, 1, Size::B, 0)),
                _ if dlt::is_ethernet(now) => {
                    let before = self.prev_linkhdr_check();
                    let is = group_bit(self, 0);
                    return Ok(self.behind(before, is));
                }
                dlt::FDDI => return Ok(group_bit(self, 1)),
                dlt::IEEE802 | dlt::IP_OVER_FC => return Ok(group_bit(self, 2)),
                _ if dlt::is_wlan(now) => return Ok(self.wlan_destination(group_bit)),
                _ => {}
            },
            Some(Proto::Ip) => {
                let is_ip = self.linktype(ethertype::IP)?;
                let is = self.mcmp(Base::Network, 16, Size::B, 0xe0, 0xf0);
                return Ok(self.ir.and(is_ip, is));
            }
            Some(Proto::Ip6) => {
                let is_ip6 = self.linktype(ethertype::IPV6)?;
                let is = self.cmp(Base::Network, 24, Size::B, 255);
                return Ok(self.ir.and(is_ip6, is));
            }
            Some(_) => {}
        }
        fail!(
            "link-layer multicast filters supported only on ethernet/FDDI/token ring/ARCNET/802.11/ATM LANE/Fibre Channel"
        )
    }
}
