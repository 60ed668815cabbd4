//! What an expression means in bytes of a packet, for a link type.
//!
//! `actions.rs` carries the parser's actions out, `offsets.rs` says where each header begins, `link.rs` and its folder what each link type
//! looks like, the other files have one family of words each; `finish.rs` puts in front what every program computes first. Behaviour
//! follows libpcap 1.10, and its main branch where that was mended.

#![forbid(unsafe_code)]

mod actions;
mod arithmetic;
mod chain;
mod encapsulation;
mod finish;
mod host;
mod identifier;
mod link;
mod numbers;
mod offsets;
mod parts;
mod port;
mod proto;
#[cfg(test)]
mod tests;
mod tunnel;
mod vlan;
mod words;

use crate::ir::{Alu, C, Ir, Size, Test, V, Value};
use crate::{Options, Resolve};
pub use actions::generate;
pub(crate) use offsets::{Offset, Offsets};

/// The state of a compilation.
pub(crate) struct Gen<'a> {
    pub(crate) ir: Ir,
    pub(crate) options: &'a Options,
    pub(crate) resolver: &'a dyn Resolve,
    /// Where headers begin, for the words that follow; `vlan`, `mpls`, … move them.
    pub(crate) off: Offsets,
    /// The link type's computed offsets: those that the condition uses are computed first of all, so they fault before any test is made.
    pub(crate) first: Vec<V>,
}

/// What an offset is counted from (libpcap's `e_offrel`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Base {
    /// The packet's first byte.
    Packet,
    /// The link-layer header.
    LinkHeader,
    /// The header before that of an encapsulation.
    PreviousLinkHeader,
    /// LLC: the link-layer payload.
    Llc,
    /// The previous MPLS header.
    PreviousMpls,
    /// The type field.
    LinkType,
    /// The network header.
    Network,
    /// The network header, LLC without SNAP.
    NetworkNoSnap,
    /// The transport header behind IPv4, whose length is variable.
    Transport4,
    /// The transport header behind IPv6, without extension headers.
    Transport6,
}

/// An arithmetic expression: its value, and what must hold of the packet for it to make sense (`tcp[0]`: it is TCP).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arith {
    pub(crate) value: V,
    pub(crate) check: Option<C>,
    /// Written as a number: division by 0 is then an error of the text.
    pub(crate) literal: bool,
}

impl Gen<'_> {
    /// The bytes at `offset` behind `from`.
    pub(crate) fn load(&mut self, from: Base, offset: u32, size: Size) -> V {
        let at = self.off.of(from);
        let base = match from {
            Base::Transport4 => Some(self.behind_ipv4()),
            _ => at.variable,
        };
        self.ir.value(Value::Load { size, base, offset: at.constant.wrapping_add(offset) })
    }

    /// What the constant part of [`Base::Transport4`] is added to: 4 * (P[network] & 0xf), and the payload's variable part.
    pub(crate) fn behind_ipv4(&mut self) -> V {
        let first = self.load(Base::Network, 0, Size::B);
        let (mask, two) = (self.ir.imm(0xf), self.ir.imm(2));
        let words = self.ir.alu(Alu::And, first, mask);
        let header = self.ir.alu(Alu::Lsh, words, two);
        match self.off.payload.variable {
            Some(variable) => self.ir.alu(Alu::Add, variable, header),
            None => header,
        }
    }

    /// Whether those bytes are `k`.
    pub(crate) fn cmp(&mut self, from: Base, offset: u32, size: Size, k: u32) -> C {
        let value = self.load(from, offset, size);
        self.ir.test(Test::Eq, value, k)
    }

    /// Whether those bytes, masked, are `k`.
    pub(crate) fn mcmp(&mut self, from: Base, offset: u32, size: Size, k: u32, mask: u32) -> C {
        let value = self.load(from, offset, size);
        let value = self.masked(value, mask);
        self.ir.test(Test::Eq, value, k)
    }

    /// `value & mask`; the value itself when the mask is all ones.
    pub(crate) fn masked(&mut self, value: V, mask: u32) -> V {
        if mask == u32::MAX {
            return value;
        }
        let mask = self.ir.imm(mask);
        self.ir.alu(Alu::And, value, mask)
    }

    /// Whether those bytes compare with `k` like this.
    pub(crate) fn ncmp(&mut self, from: Base, offset: u32, size: Size, mask: u32, test: Test, k: u32) -> C {
        let value = self.load(from, offset, size);
        let value = self.masked(value, mask);
        self.ir.test(test, value, k)
    }

    /// Whether the packet has these bytes there. Like libpcap it compares words from the end first.
    pub(crate) fn bcmp(&mut self, from: Base, offset: u32, bytes: &[u8]) -> C {
        let mut all = None;
        let mut rest = bytes;
        while !rest.is_empty() {
            let (size, n) = match rest.len() {
                4.. => (Size::W, 4),
                2..4 => (Size::H, 2),
                _ => (Size::B, 1),
            };
            let (head, tail) = rest.split_at(rest.len() - n);
            let k = tail.iter().fold(0, |k, &byte| (k << 8) | u32::from(byte));
            let part = self.cmp(from, offset.wrapping_add(head.len() as u32), size, k);
            all = Some(match all {
                None => part,
                Some(before) => self.ir.and(before, part),
            });
            rest = head;
        }
        all.unwrap_or_else(|| self.ir.cond(crate::ir::Cond::Const(true)))
    }
}
