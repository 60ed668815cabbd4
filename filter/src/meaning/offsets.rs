//! Where headers begin.

use super::Base;
use super::link::layout::{Layout, NONE};
use crate::ir::V;

/// A place in the packet: `variable + constant` (libpcap's `bpf_abs_offset`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Offset {
    /// Computed from the packet.
    pub(crate) variable: Option<V>,
    /// In bytes.
    pub(crate) constant: u32,
    /// How much of the constant part a computed index is added to: what libpcap keeps with the variable part. It matters where a negative
    /// index wraps, for an address must not.
    pub(crate) before_index: u32,
}

impl Offset {
    /// A place known beforehand.
    pub(crate) const fn at(constant: u32) -> Offset {
        Offset { variable: None, constant, before_index: 0 }
    }

    /// A place in a tunnel.
    pub(crate) const fn within(variable: V, constant: u32) -> Offset {
        Offset { variable: Some(variable), constant, before_index: constant }
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
    /// What is looked at is inside Geneve or VXLAN, where an Ethernet header may be absent.
    pub(crate) is_encap: bool,
    pub(crate) label_stack_depth: u32,
    pub(crate) vlan_stack_depth: u32,
    /// Geneve and VXLAN tunnels around what is looked at.
    pub(crate) tunnels: u32,
    /// The packets begin with Sun's ATM pseudo-header.
    pub(crate) atm: bool,
    /// The MTP2 length indicator, where the link type has one; the other fields of SS7 lie behind it.
    pub(crate) ss7: Option<u32>,
}

impl Offsets {
    /// Those that a filter for `linktype` begins with; `link` and `payload` are the variable parts.
    pub(crate) fn new(linktype: i32, layout: Layout, link: Option<V>, payload: Option<V>, atm: bool) -> Offsets {
        let link = Offset { variable: link, constant: layout.link, before_index: 0 };
        Offsets {
            linktype_now: linktype,
            previous_linktype: linktype,
            link,
            previous_link: link,
            outermost_link: link,
            linktype: (layout.linktype != NONE).then_some(Offset::at(layout.linktype)),
            payload: Offset { variable: payload, constant: layout.payload, before_index: 0 },
            nl: layout.nl,
            nl_nosnap: layout.nl_nosnap,
            is_encap: false,
            label_stack_depth: 0,
            vlan_stack_depth: 0,
            tunnels: 0,
            atm,
            ss7: (layout.ss7 != NONE).then_some(layout.ss7),
        }
    }

    /// What follows is of link type `linktype` and begins at `link` (libpcap's `PUSH_LINKHDR`); the type field, the payload and the
    /// network header are the caller's to set.
    pub(crate) fn push(&mut self, linktype: i32, link: Offset) {
        self.previous_linktype = self.linktype_now;
        self.previous_link = self.link;
        self.linktype_now = linktype;
        self.link = link;
        self.is_encap = false;
    }

    /// Where `from` counts from. For transport headers behind IPv4 the length of the network header comes on top.
    pub(crate) fn of(&self, from: Base) -> Offset {
        match from {
            Base::Packet => Offset::at(0),
            Base::LinkHeader => self.link,
            Base::PreviousLinkHeader => self.previous_link,
            Base::Llc => self.payload,
            Base::PreviousMpls => self.payload.plus(self.nl.wrapping_sub(4)),
            Base::LinkType => self.linktype.unwrap_or_default(),
            Base::Network | Base::Transport4 => self.payload.plus(self.nl),
            Base::NetworkNoSnap => self.payload.plus(self.nl_nosnap),
            Base::Transport6 => self.payload.plus(self.nl).plus(40),
        }
    }
}
