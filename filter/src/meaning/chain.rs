//! `protochain`: a protocol behind any number of headers.

use super::Gen;
use super::numbers::ethertype;
use crate::action::Proto;
use crate::error::{Error, fail};
use crate::ir::{C, Chain, Cond};

impl Gen<'_> {
    /// Whether the headers behind IPv4's or IPv6's lead to this protocol.
    ///
    /// # Errors
    /// Another network protocol, or a header before it whose length is variable.
    pub(super) fn proto_chain(&mut self, protocol: u32, proto: Option<Proto>) -> Result<C, Error> {
        let ipv6 = match proto {
            None => {
                let over4 = self.proto_chain(protocol, Some(Proto::Ip))?;
                let over6 = self.proto_chain(protocol, Some(Proto::Ip6))?;
                return Ok(self.ir.or(over4, over6));
            }
            Some(Proto::Ip) => false,
            Some(Proto::Ip6) => true,
            Some(_) => fail!("bad protocol applied for 'protochain'"),
        };
        if self.off.payload.variable.is_some() {
            fail!("'protochain' not supported with variable length headers");
        }
        self.ir.unoptimized_by_libpcap = true; // It is a loop.
        let linktype = self.linktype(if ipv6 { ethertype::IPV6 } else { ethertype::IP })?;
        let network = self.off.payload.constant.wrapping_add(self.off.nl);
        let chain = self.ir.cond(Cond::Chain(Chain { ipv6, network, protocol }));
        Ok(self.ir.and(linktype, chain))
    }
}
