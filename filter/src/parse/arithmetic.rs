//! Arithmetic and comparisons.

use super::grammar::{Done, Frame, Parser, Place, Stop, syntax};
use super::scanner::Token;
use crate::action::{Action, Alu, Proto, Qual};

impl Parser<'_> {
    /// What comes behind an operand: an operator that binds closer than the one before it, or else the end of what waits for it.
    pub(super) fn computed(&mut self) -> Result<Option<Done>, Stop> {
        let next = self.peek();
        let frame = self.top();
        if let Token::Alu(op) = next {
            let takes = match frame {
                Some(Frame::Binary(before)) => binds_closer(op, before),
                Some(Frame::Minus) => precedence(op).is_none(),
                _ => true,
            };
            if takes {
                return self.open(Frame::Binary(op));
            }
        }
        match (frame, next) {
            (Some(Frame::Binary(op)), _) => {
                self.pop();
                self.give(Action::Alu(op), Done::Computed)
            }
            (Some(Frame::Minus), _) => {
                self.pop();
                self.give(Action::Neg, Done::Computed)
            }
            (Some(Frame::Relation(rel)), _) => {
                self.pop();
                self.give(Action::Relation(rel), Done::Term(Qual::Undefined))
            }
            (Some(Frame::Index(proto)), Token::CloseBracket | Token::Colon) => self.load(proto).map(Some),
            (_, Token::Rel(rel)) if self.place().has_terms() => self.open(Frame::Relation(rel)),
            _ => Err(syntax()),
        }
    }

    /// The end of `proto[index:size]`.
    fn load(&mut self, proto: Proto) -> Result<Done, Stop> {
        let mut size = 1;
        if self.shift(2)? == Token::Colon {
            size = self.expect_number(3)?;
            if self.peek() != Token::CloseBracket {
                return Err(syntax());
            }
            self.shift(4)?;
        }
        self.pop();
        self.actions.push(Action::Load(proto, size));
        Ok(Done::Computed)
    }

    /// A protocol, which is taken already: what is behind tells whether its bytes are meant, itself, or what it qualifies.
    pub(super) fn protocol(&mut self, proto: Proto, place: Place) -> Result<Option<Done>, Stop> {
        match self.peek() {
            Token::OpenBracket => self.open(Frame::Index(proto)),
            _ if !place.has_terms() => Err(syntax()),
            Token::And | Token::Or | Token::Close | Token::End => {
                self.give(Action::Abbrev(proto), Done::Term(Qual::Undefined))
            }
            _ => self.qualified(Some(proto)),
        }
    }
}

/// Whether `next` is carried out before the operator on its left. `%` and `^` have no precedence in libpcap: whatever comes behind them
/// belongs to their right side, and they to the right side of whatever they come behind.
fn binds_closer(next: Alu, before: Alu) -> bool {
    match (precedence(next), precedence(before)) {
        (Some(next), Some(before)) => next > before,
        _ => true,
    }
}

fn precedence(op: Alu) -> Option<u8> {
    match op {
        Alu::Or => Some(0),
        Alu::And => Some(1),
        Alu::Lsh | Alu::Rsh => Some(2),
        Alu::Add | Alu::Sub => Some(3),
        Alu::Mul | Alu::Div => Some(4),
        Alu::Mod | Alu::Xor => None,
    }
}
