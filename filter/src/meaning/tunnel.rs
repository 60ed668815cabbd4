//! Geneve and VXLAN: Ethernet, and with Geneve other things, in UDP. What follows looks at what is inside.

use super::link::dlt;
use super::numbers::{ethertype, ip};
use super::port::Ports;
use super::{Base, Gen, Offset};
use crate::action::Dir;
use crate::error::{Error, fail};
use crate::ir::{Alu, C, Cond, Size, Test, V, Value};

const GENEVE_PORT: u16 = 6081;
const VXLAN_PORT: u16 = 4789;
/// Tunnels within tunnels. libpcap has no registers left for a sixth Geneve.
const MAX_TUNNELS: u32 = 5;
const MAX_VNI: u32 = 0xff_ffff;
const IPV6_HEADER: u32 = 40;
const UDP_HEADER: u32 = 8;
/// VXLAN's header, and Geneve's without options.
const TUNNEL_HEADER: u32 = 8;
const ETHERNET_ADDRESSES: u32 = 12;
const ETHERNET_HEADER: u32 = 14;

/// A tunnel's packets.
struct Tunnel {
    holds: C,
    /// Where the tunnel's header begins, but for the constant part: behind the outer IP header, whichever it is.
    header: V,
    constant: u32,
}

impl Gen<'_> {
    /// `geneve`.
    ///
    /// # Errors
    /// The link type does not tell, or the number is too large.
    pub(crate) fn geneve(&mut self, vni: Option<u32>) -> Result<C, Error> {
        let is_version_0 = |state: &mut Self, from| state.mcmp(from, UDP_HEADER, Size::B, 0, 0xc0);
        let Tunnel { holds, header, constant } = self.tunnel(GENEVE_PORT, "Geneve", vni, is_version_0)?;
        self.ir.unoptimized_by_libpcap = true; // It jumps where its optimizer does not follow.

        let first = self.ir.value(Value::Load { size: Size::B, base: Some(header), offset: constant });
        let words = self.masked(first, 0x3f);
        let two = self.ir.imm(2);
        let options = self.ir.alu(Alu::Lsh, words, two);
        let end = self.ir.alu(Alu::Add, header, options);

        // Either an Ethernet frame follows, or directly what the type says. `link` and `payload` are then the same.
        let kind = self.ir.value(Value::Load { size: Size::H, base: Some(header), offset: constant.wrapping_add(2) });
        let is_frame = self.ir.test(Test::Eq, kind, ethertype::BRIDGED);
        let behind_frame = self.more(end, ETHERNET_HEADER);
        let payload = self.ir.value(Value::If(is_frame, behind_frame, end));
        // The type's constant part is that of the tunnel's own type, 6 bytes less than that of the tunnel's end.
        let frame_type = self.more(end, TUNNEL_HEADER - 2 + ETHERNET_ADDRESSES);
        let linktype = self.ir.value(Value::If(is_frame, frame_type, header));

        let inside = constant.wrapping_add(TUNNEL_HEADER);
        self.off.push(dlt::EN10MB, Offset::within(end, inside));
        self.off.linktype = Some(Offset::within(linktype, constant.wrapping_add(2)));
        self.off.payload = Offset::within(payload, inside);
        self.off.nl = 0;
        self.off.is_encap = true;

        // A Geneve header that is cut short refuses the packet, whether or not anything looks inside.
        let complete = self.ir.cond(Cond::Eval(payload));
        Ok(self.ir.and(holds, complete))
    }

    /// `vxlan`.
    ///
    /// # Errors
    /// The link type does not tell, or the number is too large.
    pub(crate) fn vxlan(&mut self, vni: Option<u32>) -> Result<C, Error> {
        let has_vni = |state: &mut Self, from| state.cmp(from, UDP_HEADER, Size::B, 0x08);
        let Tunnel { holds, header, constant } = self.tunnel(VXLAN_PORT, "VXLAN", vni, has_vni)?;
        let inside = constant.wrapping_add(TUNNEL_HEADER);
        self.off.push(dlt::EN10MB, Offset::within(header, inside));
        self.off.linktype = Some(Offset::within(header, inside.wrapping_add(ETHERNET_ADDRESSES)));
        self.off.payload = Offset::within(header, inside.wrapping_add(ETHERNET_HEADER));
        self.off.nl = 0;
        self.off.is_encap = true;
        Ok(holds)
    }

    fn more(&mut self, value: V, n: u32) -> V {
        let n = self.ir.imm(n);
        self.ir.alu(Alu::Add, value, n)
    }

    /// UDP to `port`, over IPv4 or IPv6, with a header that `begins` so and has this number.
    fn tunnel(
        &mut self,
        port: u16,
        name: &str,
        vni: Option<u32>,
        begins: impl Fn(&mut Self, Base) -> C,
    ) -> Result<Tunnel, Error> {
        if self.off.tunnels == MAX_TUNNELS {
            fail!("too many registers needed to evaluate expression");
        }
        self.off.tunnels += 1;
        let ports = Ports { first: port, last: port, protocol: Some(ip::UDP) };
        let behind = |state: &mut Self, mut is: C, from: Base| {
            let begins = begins(state, from);
            is = state.ir.and(is, begins);
            if let Some(vni) = vni {
                if vni > MAX_VNI {
                    fail!("{name} VNI {vni} greater than maximum {MAX_VNI}");
                }
                let is_it = state.mcmp(from, UDP_HEADER + 4, Size::W, vni << 8, 0xffff_ff00);
                is = state.ir.and(is, is_it);
            }
            Ok(is)
        };
        let over4 = self.ports_over_ipv4(ports, Dir::Dst, "ports")?;
        let over4 = behind(self, over4, Base::Transport4)?;
        let over6 = self.ports_over_ipv6(ports, Dir::Dst, "ports")?;
        let over6 = behind(self, over6, Base::Transport6)?;
        let holds = self.ir.or(over4, over6);

        // Which of them it was: the type field tells, unless IPv4's and IPv6's tests are the same.
        let now = self.off.linktype_now;
        let tells = self.off.label_stack_depth > 0 || !(dlt::is_juniper(now) || now == dlt::BACNET_MS_TP);
        let is_ipv4 = if tells { self.linktype(ethertype::IP)? } else { over4 };
        let behind4 = self.behind_ipv4();
        let behind6 = match self.off.payload.variable {
            Some(variable) => self.more(variable, IPV6_HEADER),
            None => self.ir.imm(IPV6_HEADER),
        };
        let header = self.ir.value(Value::If(is_ipv4, behind4, behind6));
        let constant = self.off.payload.constant.wrapping_add(self.off.nl).wrapping_add(UDP_HEADER);
        Ok(Tunnel { holds, header, constant })
    }
}
