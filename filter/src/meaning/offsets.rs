//! Where headers begin.

use super::Base;
use crate::ir::V;

/// A place in the packet: `variable + constant` (libpcap's `bpf_abs_offset`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Offset {
    /// Computed from the packet.
    pub(crate) variable: Option<V>,
    /// In bytes.
    pub(crate) constant: u32,
}

impl Offset {
    /// A place known beforehand.
    pub(crate) const fn at(constant: u32) -> Offset {
        Offset { variable: None, constant }
    }

    /// `n` bytes further.
    pub(crate) fn plus(self, n: u32) -> Offset {
        Offset { constant: self.constant.wrapping_add(n), ..self }
    }
}

/// All of them, for what is parsed now. By libpcap's names: a link-layer header at `link`, its type field at `linktype` (none: no
/// such field), its payload at `payload`, in which the network header begins `nl` bytes further (`nl_nosnap`: behind LLC without SNAP).
#[derive(Clone, Debug)]
pub(crate) struct Offsets {
    /// The DLT that now counts: it changes inside PPPoE, Geneve, …
    pub(crate) linktype_now: i32,
    /// Before an encapsulation changed it.
    pub(crate) previous_linktype: i32,
    pub(crate) link: Offset,
    pub(crate) previous_link: Offset,
    pub(crate) outermost_link: Offset,
    pub(crate) linktype: Option<Offset>,
    pub(crate) payload: Offset,
    pub(crate) nl: u32,
    pub(crate) nl_nosnap: u32,
    /// Where the MAC-layer payload begins is variable (802.11).
    pub(crate) atm: bool,
    pub(crate) is_encap: bool,
    pub(crate) label_stack_depth: u32,
    pub(crate) vlan_stack_depth: u32,
    /// ATM and MTP fields, where the link type has them.
    pub(crate) vpi: Option<u32>,
    pub(crate) vci: Option<u32>,
    pub(crate) proto: Option<u32>,
    pub(crate) payload_atm: Option<u32>,
    pub(crate) li: Option<u32>,
    pub(crate) sio: Option<u32>,
    pub(crate) opc: Option<u32>,
    pub(crate) dpc: Option<u32>,
    pub(crate) sls: Option<u32>,
}

impl Offsets {
    /// Where `from` counts from. For transport headers behind IPv4 the length of the network header comes on top.
    pub(crate) fn of(&self, from: Base) -> Offset {
        match from {
            Base::Packet => Offset::at(0),
            Base::LinkHeader => self.link,
            Base::PreviousLinkHeader => self.previous_link,
            Base::Llc | Base::LinkPayload => self.payload,
            Base::PreviousMpls => self.payload.plus(self.nl.wrapping_sub(4)),
            Base::LinkType => self.linktype.unwrap_or_default(),
            Base::Network | Base::Transport4 => self.payload.plus(self.nl),
            Base::NetworkNoSnap => self.payload.plus(self.nl_nosnap),
            Base::Transport6 => self.payload.plus(self.nl).plus(40),
        }
    }
}
