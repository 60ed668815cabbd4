//! Tokens to actions, from the bottom up.
//!
//! The grammar is that of libpcap, and so is the order of what comes out of it: an operation once both its sides are read, a primitive
//! as soon as no token more can belong to it, looked at or not. So of two errors the same one is reported.
//!
//! What is begun and waits for its rest lies on a stack of [`Frame`]s; `tcp and not (port 80 or` has, from the bottom,
//!
//! ```text
//!     Join(expression, and)    Not    Paren    Join(expression, or)
//! ```
//!
//! The topmost frame decides what may come next, its [`Place`]. [`Parser::operand`] reads on from there until something is complete
//! ([`Done`]), then [`Parser::complete`] gives it to the frame that waited for it, which may complete that in turn.
//!
//! Not every pair of parentheses is alike. Those in the place of a primitive hold an expression, those behind qualifiers names and numbers
//! only, one level deep; behind `and` and `or` it may be either, and what is found inside tells. In libpcap's grammar:
//!
//! ```text
//!     expr: term | expr (and|or) (term | id)
//!     term: head id | '(' expr ')' | arth relop arth | not term | a word
//!     id:   nid | number | '(' pid ')'
//!     nid:  a name or an address | not id
//!     pid:  nid | (number | pid) (and|or) id
//! ```

use super::scanner::{Scanner, Token};
use crate::action::{Action, Alu, Kind, Proto, Qual, Rel};

/// Symbols that libpcap's parser can have on its stack at once, the empty one at its bottom among them.
const MAX_DEPTH: usize = 9998;

/// Why parsing ends, in libpcap's words.
pub(super) type Stop = String;

/// What may come next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// A primitive.
    Term,
    /// A primitive, or a name or number with the qualifiers of the one before.
    TermOrId,
    /// A name or number.
    Id,
    /// An operand of arithmetic.
    Arith,
    /// Within a parenthesis in each of these places.
    InTerm,
    InTermOrId,
    InId,
    InArith,
    /// Within a parenthesis that holds a number and nothing else.
    InNumber,
}

impl Place {
    pub(super) fn has_terms(self) -> bool {
        matches!(self, Place::Term | Place::TermOrId | Place::InTerm | Place::InTermOrId)
    }

    fn has_ids(self) -> bool {
        matches!(self, Place::TermOrId | Place::Id | Place::InTermOrId | Place::InId)
    }

    fn has_arithmetic(self) -> bool {
        self.has_terms() || matches!(self, Place::Arith | Place::InArith)
    }

    /// Within a parenthesis that opens here.
    fn parenthesized(self) -> Place {
        match self {
            Place::Term | Place::InTerm | Place::InTermOrId => Place::InTerm,
            Place::TermOrId => Place::InTermOrId,
            Place::Id => Place::InId,
            Place::Arith | Place::InArith => Place::InArith,
            Place::InId | Place::InNumber => Place::InNumber,
        }
    }

    /// Behind a `not` that stands here, if it may.
    fn negated(self) -> Option<Place> {
        match self {
            Place::Term | Place::InTerm => Some(Place::Term),
            Place::TermOrId | Place::InTermOrId => Some(Place::TermOrId),
            Place::Id | Place::InId => Some(Place::Id),
            Place::Arith | Place::InArith | Place::InNumber => None,
        }
    }
}

/// What `and` and `or` join.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Joined {
    /// Expressions.
    Terms,
    /// Names and numbers, within parentheses.
    Ids,
}

/// Something that waits for its rest. The qualifiers are those that a name would inherit.
#[derive(Clone, Copy, Debug)]
pub(super) enum Frame {
    /// The left side and `and` or `or`.
    Join {
        what: Joined,
        or: bool,
        qual: Qual,
    },
    Not {
        place: Place,
        qual: Qual,
    },
    Paren {
        inside: Place,
        qual: Qual,
    },
    /// Qualifiers.
    Head(Qual),
    /// The left operand and its operator.
    Binary(Alu),
    Minus,
    /// The left side of a comparison and its operator.
    Relation(Rel),
    /// A protocol and `[`.
    Index(Proto),
}

impl Frame {
    /// How many symbols it is on libpcap's stack.
    fn weight(self) -> usize {
        match self {
            Frame::Join { .. } | Frame::Binary(_) | Frame::Relation(_) | Frame::Index(_) => 2,
            Frame::Not { .. } | Frame::Paren { .. } | Frame::Head(_) | Frame::Minus => 1,
        }
    }
}

/// Something complete, with the qualifiers for what follows. Its actions are out, but for [`Done::Number`].
#[derive(Clone, Copy, Debug)]
pub(super) enum Done {
    /// A number, of which it is not known yet what it is for.
    Number(u32),
    /// An arithmetic expression that a parenthesis can close.
    Computed,
    /// An operand.
    Operand,
    /// A primitive.
    Term(Qual),
    /// A primitive or more of them, joined.
    Expression(Qual),
    /// A name or an address, or the negation of one.
    Name(Qual),
    /// The same, a number, or a group of them in parentheses.
    Id(Qual),
    /// One or more of them within parentheses.
    Ids(Qual),
}

/// The state of a parse.
pub(super) struct Parser<'t> {
    scanner: Scanner<'t>,
    /// A token that was looked at but not taken.
    ahead: Option<Token<'t>>,
    frames: Vec<Frame>,
    /// Symbols on libpcap's stack: what the frames weigh, and the empty one at the bottom.
    depth: usize,
    pub(super) actions: Vec<Action>,
}

impl<'t> Parser<'t> {
    pub(super) fn new(text: &'t [u8]) -> Parser<'t> {
        Parser { scanner: Scanner::new(text), ahead: None, frames: Vec::new(), depth: 1, actions: Vec::new() }
    }

    /// Reads the whole text.
    pub(super) fn run(mut self) -> Vec<Action> {
        if let Err(stop) = self.expression() {
            // What was wrong with a token is known before what is wrong with its place.
            let text = self.scanner.error.take().unwrap_or(stop);
            self.actions.push(Action::Fail(text));
        }
        self.actions
    }

    fn expression(&mut self) -> Result<(), Stop> {
        if self.peek() == Token::End {
            return Ok(());
        }
        loop {
            let mut done = self.operand()?;
            while let Some(complete) = done {
                if matches!(complete, Done::Expression(_)) && self.frames.is_empty() && self.peek() == Token::End {
                    return Ok(());
                }
                done = self.complete(complete)?;
            }
        }
    }

    /// Reads until something is complete; `None`: a frame was pushed, and its operand comes next.
    fn operand(&mut self) -> Result<Option<Done>, Stop> {
        let place = self.place();
        match self.peek() {
            Token::Number(number) => {
                self.shift(1)?;
                Ok(Some(Done::Number(number)))
            }
            Token::Open => self.open(Frame::Paren { inside: place.parenthesized(), qual: self.qual() }),
            Token::Not => match place.negated() {
                Some(place) => self.open(Frame::Not { place, qual: self.qual() }),
                None => Err(syntax()),
            },
            Token::Alu(Alu::Sub) if place.has_arithmetic() => self.open(Frame::Minus),
            Token::Len if place.has_arithmetic() => {
                self.shift(1)?;
                self.give(Action::Len, Done::Computed)
            }
            Token::Proto(proto) if place.has_arithmetic() => {
                self.shift(1)?;
                self.protocol(proto, place)
            }
            Token::Name(_) | Token::Dotted(_) | Token::Ipv6(_) | Token::Ether(_) | Token::Arcnet(_)
                if place.has_ids() =>
            {
                self.identifier().map(Some)
            }
            _ if place.has_terms() => self.term(),
            _ => Err(syntax()),
        }
    }

    /// Gives what is complete to the frame that waits for it. Gives what that completes, or `None` when an operand comes next.
    fn complete(&mut self, done: Done) -> Result<Option<Done>, Stop> {
        match done {
            Done::Number(number) => self.number(number),
            Done::Computed => match self.top() {
                Some(Frame::Paren { .. }) if self.peek() == Token::Close => {
                    self.close()?;
                    Ok(Some(Done::Computed))
                }
                _ => Ok(Some(Done::Operand)),
            },
            Done::Operand => self.computed(),
            Done::Term(qual) => match self.top() {
                Some(Frame::Not { .. }) => {
                    self.pop();
                    self.give(Action::Not, Done::Term(qual))
                }
                Some(Frame::Join { what: Joined::Terms, or, .. }) => {
                    self.pop();
                    self.give(join(or), Done::Expression(qual))
                }
                _ => Ok(Some(Done::Expression(qual))),
            },
            Done::Expression(qual) => self.joined(Joined::Terms, qual),
            Done::Name(qual) => match self.top() {
                Some(Frame::Paren { .. }) => Ok(Some(Done::Ids(qual))),
                _ => Ok(Some(Done::Id(qual))),
            },
            Done::Id(qual) => match self.pop() {
                Some(Frame::Head(_)) => Ok(Some(Done::Term(qual))),
                Some(Frame::Not { .. }) => self.give(Action::Not, Done::Name(qual)),
                Some(Frame::Join { what: Joined::Terms, or, .. }) => self.give(join(or), Done::Expression(qual)),
                Some(Frame::Join { what: Joined::Ids, or, .. }) => self.give(join(or), Done::Ids(qual)),
                _ => Err(syntax()),
            },
            Done::Ids(qual) => self.joined(Joined::Ids, qual),
        }
    }

    /// What comes behind an expression or a list of names: more of it, or the parenthesis that closes it.
    fn joined(&mut self, what: Joined, qual: Qual) -> Result<Option<Done>, Stop> {
        match (self.peek(), self.top()) {
            (Token::And, _) => self.open(Frame::Join { what, or: false, qual }),
            (Token::Or, _) => self.open(Frame::Join { what, or: true, qual }),
            (Token::Close, Some(Frame::Paren { qual: before, .. })) => {
                self.close()?;
                Ok(Some(match what {
                    Joined::Terms => Done::Term(before),
                    Joined::Ids => Done::Id(qual),
                }))
            }
            _ => Err(syntax()),
        }
    }

    /// A number's meaning: a name's stead, an operand, or, in parentheses alone, still open.
    fn number(&mut self, number: u32) -> Result<Option<Done>, Stop> {
        let (place, qual) = (self.place(), self.qual());
        if matches!(self.top(), Some(Frame::Paren { .. })) && self.peek() == Token::Close {
            self.close()?;
            return Ok(Some(Done::Number(number)));
        }
        match place {
            Place::Id => self.give(Action::Number(number, qual), Done::Id(qual)),
            Place::TermOrId if matches!(self.peek(), Token::And | Token::Or | Token::Close | Token::End) => {
                self.give(Action::Number(number, qual), Done::Id(qual))
            }
            Place::InTermOrId if matches!(self.peek(), Token::And | Token::Or) => {
                self.give(Action::Number(number, qual), Done::Ids(qual))
            }
            Place::InId => self.give(Action::Number(number, qual), Done::Ids(qual)),
            Place::InNumber => Err(syntax()),
            _ => self.give(Action::Const(number), Done::Operand),
        }
    }

    fn identifier(&mut self) -> Result<Done, Stop> {
        let qual = self.qual();
        let action = match self.shift(1)? {
            Token::Name(name) => Action::Name(string(name), qual),
            Token::Ether(address) => Action::Ether(string(address), qual),
            Token::Arcnet(address) => Action::Arcnet(string(address), qual),
            Token::Ipv6(address) => {
                let bits = if self.peek() == Token::Alu(Alu::Div) { self.prefix()? } else { 128 };
                Action::Net6(string(address), bits, qual)
            }
            Token::Dotted(address) => match self.peek() {
                Token::Alu(Alu::Div) => Action::Net(string(address), self.prefix()?, qual),
                Token::Mask => {
                    self.shift(2)?;
                    match self.peek() {
                        Token::Dotted(mask) => {
                            self.shift(3)?;
                            Action::NetMask(string(address), string(mask), qual)
                        }
                        _ => return Err(syntax()),
                    }
                }
                _ => {
                    address_fits(qual)?;
                    Action::Dotted(string(address), qual)
                }
            },
            _ => return Err(syntax()),
        };
        self.actions.push(action);
        Ok(Done::Name(qual))
    }

    /// `/` and a number.
    fn prefix(&mut self) -> Result<u32, Stop> {
        self.shift(2)?;
        self.expect_number(3)
    }

    /// What the topmost frame waits for.
    pub(super) fn place(&self) -> Place {
        match self.top() {
            None => Place::Term,
            Some(Frame::Join { what: Joined::Terms, .. }) => Place::TermOrId,
            Some(Frame::Join { what: Joined::Ids, .. } | Frame::Head(_)) => Place::Id,
            Some(Frame::Not { place, .. }) => place,
            Some(Frame::Paren { inside, .. }) => inside,
            Some(Frame::Binary(_) | Frame::Minus | Frame::Relation(_) | Frame::Index(_)) => Place::Arith,
        }
    }

    /// The qualifiers that a name would have here.
    fn qual(&self) -> Qual {
        match self.top() {
            Some(
                Frame::Join { qual, .. } | Frame::Not { qual, .. } | Frame::Paren { qual, .. } | Frame::Head(qual),
            ) => qual,
            _ => Qual::Undefined,
        }
    }

    pub(super) fn top(&self) -> Option<Frame> {
        self.frames.last().copied()
    }

    pub(super) fn pop(&mut self) -> Option<Frame> {
        let frame = self.frames.pop()?;
        self.depth -= frame.weight();
        Some(frame)
    }

    pub(super) fn push(&mut self, frame: Frame) -> Result<(), Stop> {
        self.room(frame.weight())?;
        self.depth += frame.weight();
        self.frames.push(frame);
        Ok(())
    }

    /// Takes a token that begins a frame.
    pub(super) fn open(&mut self, frame: Frame) -> Result<Option<Done>, Stop> {
        self.ahead = None;
        self.push(frame)?;
        Ok(None)
    }

    /// Takes the token that closes the topmost parenthesis.
    fn close(&mut self) -> Result<(), Stop> {
        self.shift(2)?;
        self.pop();
        Ok(())
    }

    /// What is looked at and not taken.
    pub(super) fn peek(&mut self) -> Token<'t> {
        *self.ahead.get_or_insert_with(|| self.scanner.scan())
    }

    /// Takes the next token, the `n`th that lies on libpcap's stack above the frames.
    pub(super) fn shift(&mut self, n: usize) -> Result<Token<'t>, Stop> {
        let token = self.peek();
        self.ahead = None;
        self.room(n)?;
        Ok(token)
    }

    /// Takes a number.
    pub(super) fn expect_number(&mut self, n: usize) -> Result<u32, Stop> {
        match self.peek() {
            Token::Number(number) => self.shift(n).map(|_| number),
            _ => Err(syntax()),
        }
    }

    /// Whether libpcap's stack has room for `n` symbols above the frames.
    pub(super) fn room(&self, n: usize) -> Result<(), Stop> {
        if self.depth + n > MAX_DEPTH {
            return Err("can't parse filter expression: memory exhausted".into());
        }
        Ok(())
    }

    /// Sends an action off, which completes something.
    pub(super) fn give(&mut self, action: Action, done: Done) -> Result<Option<Done>, Stop> {
        self.actions.push(action);
        Ok(Some(done))
    }
}

/// The error for a token that may not come here.
pub(super) fn syntax() -> Stop {
    "can't parse filter expression: syntax error".into()
}

pub(super) fn string(text: &[u8]) -> String {
    String::from_utf8_lossy(text).into_owned()
}

fn join(or: bool) -> Action {
    if or { Action::Or } else { Action::And }
}

/// Refuses an address behind qualifiers for ports and protocols.
fn address_fits(qual: Qual) -> Result<(), Stop> {
    let word = match qual {
        Qual::Of { kind: Kind::Port, .. } => "port",
        Qual::Of { kind: Kind::PortRange, .. } => "portrange",
        Qual::Of { kind: Kind::Proto, .. } => "proto",
        Qual::Of { kind: Kind::ProtoChain, .. } => "protochain",
        _ => return Ok(()),
    };
    Err(format!("'{word}' modifier applied to ip host"))
}
