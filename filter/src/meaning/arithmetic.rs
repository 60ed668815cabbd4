//! Arithmetic on packet bytes, and comparisons.

use super::link::dlt;
use super::numbers::ip;
use super::{Arith, Base, Gen};
use crate::action::{Alu, Proto, Rel};
use crate::error::{Error, fail};
use crate::ir::{C, Cond, Size, Test, V, Value};

/// From here on an index may be negative: it is not added to a constant beforehand.
const FAR: u32 = 1 << 31;

impl Gen<'_> {
    /// A comparison: behind the checks of both sides.
    pub(crate) fn relation(&mut self, rel: Rel, a: Arith, b: Arith) -> C {
        let (test, contrary) = match rel {
            Rel::Gt => (Test::Gt, false),
            Rel::Ge => (Test::Ge, false),
            Rel::Eq => (Test::Eq, false),
            Rel::Le => (Test::Gt, true),
            Rel::Lt => (Test::Ge, true),
            Rel::Ne => (Test::Eq, true),
        };
        let mut is = self.ir.cond(Cond::Test(test, a.value, b.value));
        if contrary {
            is = self.ir.not(is);
        }
        match self.both(a.check, b.check) {
            Some(check) => self.ir.and(check, is),
            None => is,
        }
    }

    fn both(&mut self, a: Option<C>, b: Option<C>) -> Option<C> {
        match (a, b) {
            (Some(a), Some(b)) => Some(self.ir.and(a, b)),
            _ => a.or(b),
        }
    }

    /// `proto[index:size]`.
    ///
    /// # Errors
    /// No such size; a protocol whose header is not known to be anywhere.
    pub(crate) fn bytes(&mut self, proto: Proto, index: Arith, size: u32) -> Result<Arith, Error> {
        let size = match size {
            1 => Size::B,
            2 => Size::H,
            4 => Size::W,
            _ => fail!("data size must be 1, 2, or 4"),
        };
        let (value, check) = match proto {
            Proto::Radio => {
                let now = self.off.linktype_now;
                if !matches!(now, dlt::IEEE802_11_RADIO_AVS | dlt::IEEE802_11_RADIO | dlt::PRISM_HEADER) {
                    fail!("radio information not present in capture");
                }
                (self.load_at(Base::Packet, index.value, size), index.check)
            }
            Proto::Link => (self.load_at(Base::LinkHeader, index.value, size), index.check),
            Proto::Ip
            | Proto::Arp
            | Proto::Rarp
            | Proto::Atalk
            | Proto::Decnet
            | Proto::Sca
            | Proto::Lat
            | Proto::Moprc
            | Proto::Mopdl
            | Proto::Ip6 => {
                let is = self.abbrev(proto)?;
                (self.load_at(Base::Network, index.value, size), self.both(index.check, Some(is)))
            }
            Proto::Sctp
            | Proto::Tcp
            | Proto::Udp
            | Proto::Icmp
            | Proto::Igmp
            | Proto::Igrp
            | Proto::Pim
            | Proto::Vrrp
            | Proto::Carp => {
                let is = self.abbrev(proto)?;
                let whole = self.first_fragment();
                let is = self.ir.and(is, whole);
                let check = self.both(index.check, Some(is));
                let over4 = self.abbrev(Proto::Ip)?;
                (self.load_at(Base::Transport4, index.value, size), self.both(Some(over4), check))
            }
            Proto::Icmp6 => {
                let over6 = self.abbrev(Proto::Ip6)?;
                let check = self.both(index.check, Some(over6));
                let is = self.cmp(Base::Network, 6, Size::B, ip::ICMPV6);
                (self.load_at(Base::Transport6, index.value, size), self.both(check, Some(is)))
            }
            _ => fail!("unsupported index operation"),
        };
        Ok(Arith { value, check, literal: false })
    }

    /// The bytes at a computed index behind `from`. Index and variable parts are added before the constant part is, for an index may
    /// wrap, an address may not.
    fn load_at(&mut self, from: Base, mut index: V, size: Size) -> V {
        let at = self.off.of(from);
        let variable = match from {
            Base::Transport4 => Some(self.behind_ipv4()),
            _ => at.variable,
        };
        let Some(variable) = variable else {
            return self.ir.value(Value::Load { size, base: Some(index), offset: at.constant });
        };
        let (base, offset) = match self.ir.get(index) {
            Value::Imm(0) => (variable, at.constant),
            // An IPv4 header's length alone is small: nothing wraps.
            Value::Imm(k) if at.variable.is_none() && k < FAR && at.constant < FAR => (variable, at.constant + k),
            _ => {
                if at.before_index != 0 {
                    let before = self.ir.imm(at.before_index);
                    index = self.ir.alu(Alu::Add, index, before);
                }
                (self.ir.alu(Alu::Add, variable, index), at.constant.wrapping_sub(at.before_index))
            }
        };
        self.ir.value(Value::Load { size, base: Some(base), offset })
    }

    /// `a op b`.
    ///
    /// # Errors
    /// A division by the number 0, a shift by more bits than there are.
    pub(crate) fn arithmetic(&mut self, op: Alu, a: Arith, b: Arith) -> Result<Arith, Error> {
        if b.literal
            && let Value::Imm(k) = self.ir.get(b.value)
        {
            match op {
                Alu::Div if k == 0 => fail!("division by zero"),
                Alu::Mod if k == 0 => fail!("modulus by zero"),
                Alu::Lsh | Alu::Rsh if k > 31 => fail!("shift by more than 31 bits"),
                _ => {}
            }
        }
        let value = self.ir.alu(op, a.value, b.value);
        // Like libpcap, which forgets what the right side's loads ask for: `1 + ip[0]` does not ask for IP.
        Ok(Arith { value, check: a.check, literal: false })
    }

    /// `-a`.
    pub(crate) fn negated(&mut self, a: Arith) -> Arith {
        Arith { value: self.ir.value(Value::Neg(a.value)), literal: false, ..a }
    }

    /// `less n`: up to `n` bytes.
    pub(crate) fn less(&mut self, n: u32) -> C {
        let len = self.ir.value(Value::Len);
        let more = self.ir.test(Test::Gt, len, n);
        self.ir.not(more)
    }

    /// `greater n`: from `n` bytes.
    pub(crate) fn greater(&mut self, n: u32) -> C {
        let len = self.ir.value(Value::Len);
        self.ir.test(Test::Ge, len, n)
    }

    /// `byte index op k`, behind the link-layer header's first byte.
    ///
    /// # Errors
    /// No such operator.
    pub(crate) fn byte(&mut self, index: u32, op: u8, k: u32) -> Result<C, Error> {
        let byte = self.load(Base::LinkHeader, index, Size::B);
        Ok(match op {
            b'=' => self.ir.test(Test::Eq, byte, k),
            b'>' => self.ir.test(Test::Gt, byte, k),
            b'<' => {
                let from = self.ir.test(Test::Ge, byte, k);
                self.ir.not(from)
            }
            b'&' | b'|' => {
                let k = self.ir.imm(k);
                let value = self.ir.alu(if op == b'&' { Alu::And } else { Alu::Or }, byte, k);
                let nothing = self.ir.test(Test::Eq, value, 0);
                self.ir.not(nothing)
            }
            _ => fail!("syntax error in filter expression"),
        })
    }
}
