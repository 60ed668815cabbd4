//! The words that begin a primitive, and what belongs to them.

use super::frame_types::{self, SUBTYPE_MASK, TYPE_MASK};
use super::grammar::{Done, Frame, Parser, Stop, string, syntax};
use super::scanner::Token;
use crate::action::{Action, Alu, Dir, Kind, Llc, Proto, Qual, Rel};

impl Parser<'_> {
    /// A primitive that begins with neither a protocol nor a number.
    pub(super) fn term(&mut self) -> Result<Option<Done>, Stop> {
        let action = match self.peek() {
            Token::Less => Action::Less(self.argument()?),
            Token::Greater => Action::Greater(self.argument()?),
            Token::IfIndex => Action::IfIndex(self.argument()?),
            Token::PfRnr => Action::PfRnr(self.argument()?),
            Token::PfSrnr => Action::PfSrnr(self.argument()?),
            Token::PfIfname => Action::PfIfname(self.name_argument()?),
            Token::PfRuleset => Action::PfRuleset(self.name_argument()?),
            Token::PfReason => self.pf_reason()?,
            Token::PfAction => {
                let name = self.name_argument()?;
                Action::PfAction(frame_types::pf_action(&name).ok_or_else(|| format!("unknown PF action \"{name}\""))?)
            }
            Token::Byte => self.byte()?,
            Token::Vlan => Action::Vlan(self.optional_number()?),
            Token::Mpls => Action::Mpls(self.optional_number()?),
            Token::PppoeS => Action::PppoeS(self.optional_number()?),
            Token::Geneve => Action::Geneve(self.optional_number()?),
            Token::Vxlan => Action::Vxlan(self.optional_number()?),
            Token::Llc => self.llc()?,
            Token::Inbound => self.alone(Action::Inbound)?,
            Token::Outbound => self.alone(Action::Outbound)?,
            Token::PppoeD => self.alone(Action::PppoeD)?,
            Token::Atm(atm) => self.alone(Action::Atm(atm))?,
            Token::Mtp2(mtp2) => self.alone(Action::Mtp2(mtp2))?,
            Token::AtmField(field) => return self.field(|rel, number| Action::AtmField(field, rel, number)),
            Token::Mtp3(field) => return self.field(|rel, number| Action::Mtp3(field, rel, number)),
            _ => return self.qualified(None),
        };
        self.give(action, Done::Term(Qual::Undefined))
    }

    fn alone(&mut self, action: Action) -> Result<Action, Stop> {
        self.shift(1)?;
        Ok(action)
    }

    fn argument(&mut self) -> Result<u32, Stop> {
        self.shift(1)?;
        self.expect_number(2)
    }

    fn name_argument(&mut self) -> Result<String, Stop> {
        self.shift(1)?;
        self.expect_name(2)
    }

    fn expect_name(&mut self, n: usize) -> Result<String, Stop> {
        match self.peek() {
            Token::Name(name) => self.shift(n).map(|_| string(name)),
            _ => Err(syntax()),
        }
    }

    /// A word and perhaps a number, in any parentheses.
    fn optional_number(&mut self) -> Result<Option<u32>, Stop> {
        self.shift(1)?;
        let mut open = 0;
        while self.peek() == Token::Open {
            open += 1;
            self.shift(1 + open)?;
        }
        if open == 0 && !matches!(self.peek(), Token::Number(_)) {
            return Ok(None);
        }
        let number = self.expect_number(2 + open)?;
        for open in (0..open).rev() {
            if self.peek() != Token::Close {
                return Err(syntax());
            }
            self.shift(4 + open)?;
        }
        Ok(Some(number))
    }

    /// `byte index op value`.
    fn byte(&mut self) -> Result<Action, Stop> {
        let index = self.argument()?;
        let op = match self.peek() {
            Token::Alu(Alu::And) => b'&',
            Token::Alu(Alu::Or) => b'|',
            Token::Rel(Rel::Lt) => b'<',
            Token::Rel(Rel::Gt) => b'>',
            Token::Rel(Rel::Eq) => b'=',
            _ => return Err(syntax()),
        };
        self.shift(3)?;
        Ok(Action::Byte(index, op, self.expect_number(4)?))
    }

    fn pf_reason(&mut self) -> Result<Action, Stop> {
        self.shift(1)?;
        if let Token::Number(number) = self.peek() {
            self.shift(2)?;
            return Ok(Action::PfReason(number));
        }
        let name = self.expect_name(2)?;
        let reason = frame_types::pf_reason(&name).ok_or_else(|| format!("unknown PF reason \"{name}\""))?;
        Ok(Action::PfReason(reason))
    }

    fn llc(&mut self) -> Result<Action, Stop> {
        self.shift(1)?;
        let llc = match self.peek() {
            Token::PfRnr => {
                self.shift(2)?;
                frame_types::RNR
            }
            Token::Name(_) => {
                let name = self.expect_name(2)?;
                frame_types::llc(&name).ok_or_else(|| format!("unknown LLC type name \"{name}\""))?
            }
            _ => Llc::Any,
        };
        Ok(Action::Llc(llc))
    }

    /// A field of ATM or MTP3: a number, a comparison with one, or several of them with `or` in parentheses.
    fn field(&mut self, action: impl Fn(Rel, u32) -> Action) -> Result<Option<Done>, Stop> {
        self.shift(1)?;
        let done = Done::Term(Qual::Undefined);
        match self.peek() {
            Token::Rel(rel) => {
                self.shift(2)?;
                let number = self.expect_number(3)?;
                return self.give(action(rel, number), done);
            }
            Token::Open => self.shift(2)?,
            _ => {
                let number = self.expect_number(2)?;
                return self.give(action(Rel::Eq, number), done);
            }
        };
        let number = self.expect_number(3)?;
        self.actions.push(action(Rel::Eq, number));
        while self.peek() == Token::Or {
            self.shift(4)?;
            let number = self.expect_number(5)?;
            self.actions.extend([action(Rel::Eq, number), Action::Or]);
        }
        match self.peek() {
            Token::Close => self.shift(4).map(|_| Some(done)),
            _ => Err(syntax()),
        }
    }

    /// What comes behind a protocol that qualifies it, or begins a primitive without one.
    pub(super) fn qualified(&mut self, proto: Option<Proto>) -> Result<Option<Done>, Stop> {
        // In libpcap the lack of a protocol is a symbol, too.
        self.room(1)?;
        let action = match self.peek() {
            Token::Src | Token::Dst | Token::Dir(_) => {
                let dir = self.direction()?;
                let kind = match self.peek() {
                    Token::Kind(kind) => self.shift(3).map(|_| kind)?,
                    _ => Kind::Default,
                };
                return self.head(proto, dir, kind);
            }
            Token::Kind(kind) | Token::Undirected(kind) => {
                self.shift(2)?;
                return self.head(proto, Dir::Default, kind);
            }
            Token::Broadcast => self.shift(2).map(|_| Action::Broadcast(proto))?,
            Token::Multicast => self.shift(2).map(|_| Action::Multicast(proto))?,
            Token::Type => self.wlan_type()?,
            Token::Subtype => {
                self.shift(2)?;
                let name = self.expect_name(3)?;
                let bits = frame_types::any_wlan_subtype(&name).ok_or("unknown 802.11 type name")?;
                Action::Wlan(bits, TYPE_MASK | SUBTYPE_MASK)
            }
            Token::FrameDir => self.wlan_direction()?,
            _ => return Err(syntax()),
        };
        self.give(action, Done::Term(Qual::Undefined))
    }

    fn head(&mut self, proto: Option<Proto>, dir: Dir, kind: Kind) -> Result<Option<Done>, Stop> {
        self.push(Frame::Head(Qual::Of { proto, dir, kind }))?;
        Ok(None)
    }

    /// `src`, `src or dst`, ….
    fn direction(&mut self) -> Result<Dir, Stop> {
        let (dir, other) = match self.shift(2)? {
            Token::Src => (Dir::Src, Token::Dst),
            Token::Dst => (Dir::Dst, Token::Src),
            Token::Dir(dir) => return Ok(dir),
            _ => return Err(syntax()),
        };
        let both = match self.peek() {
            Token::Or => Dir::Or,
            Token::And => Dir::And,
            _ => return Ok(dir),
        };
        self.shift(3)?;
        if self.peek() != other {
            return Err(syntax());
        }
        self.shift(4)?;
        Ok(both)
    }

    fn wlan_type(&mut self) -> Result<Action, Stop> {
        self.shift(2)?;
        let kind = match self.peek() {
            Token::Number(number) => {
                self.shift(3)?;
                if number & !TYPE_MASK != 0 {
                    return Err(format!("invalid 802.11 type value {number:#04x}"));
                }
                number
            }
            _ => {
                let name = self.expect_name(3)?;
                frame_types::wlan_type(&name).ok_or_else(|| format!("unknown 802.11 type name \"{name}\""))?
            }
        };
        if self.peek() != Token::Subtype {
            return Ok(Action::Wlan(kind, TYPE_MASK));
        }
        self.shift(4)?;
        let subtype = match self.peek() {
            Token::Number(number) => {
                self.shift(5)?;
                if number & !SUBTYPE_MASK != 0 {
                    return Err(format!("invalid 802.11 subtype value {number:#04x}"));
                }
                number
            }
            _ => {
                let name = self.expect_name(5)?;
                let names = frame_types::subtypes_of(kind).ok_or("unknown 802.11 type")?;
                frame_types::wlan_subtype(names, &name)
                    .ok_or_else(|| format!("unknown 802.11 subtype name \"{name}\""))?
            }
        };
        Ok(Action::Wlan(kind | subtype, TYPE_MASK | SUBTYPE_MASK))
    }

    fn wlan_direction(&mut self) -> Result<Action, Stop> {
        self.shift(2)?;
        if let Token::Number(number) = self.peek() {
            self.shift(3)?;
            return Ok(Action::WlanDir(number));
        }
        let name = self.expect_name(3)?;
        Ok(Action::WlanDir(frame_types::wlan_direction(&name).ok_or("unknown 802.11 direction")?))
    }
}
