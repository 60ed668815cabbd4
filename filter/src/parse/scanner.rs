//! Text to tokens: at every place the longest that matches; of two as long, the one that `scan` tries first.

use super::constants::constant;
use super::keywords::{keyword, operator};
use super::literals;
use crate::action::{Alu, Atm, AtmField, Dir, Kind, Mtp2, Mtp3, Proto, Rel};
use std::net::Ipv6Addr;

/// The pieces of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Token<'t> {
    /// The text is over.
    End,
    /// Nothing of the language.
    Bad,
    /// A number or a name for one.
    Number(u32),
    /// A name.
    Name(&'t [u8]),
    /// Two to four numbers with dots between them.
    Dotted(&'t [u8]),
    /// An IPv6 address.
    Ipv6(&'t [u8]),
    /// An Ethernet address.
    Ether(&'t [u8]),
    /// An ARCnet address, with its `$`.
    Arcnet(&'t [u8]),
    Open,
    Close,
    OpenBracket,
    CloseBracket,
    Colon,
    And,
    Or,
    Not,
    Alu(Alu),
    Rel(Rel),
    /// A protocol.
    Proto(Proto),
    Src,
    Dst,
    /// A direction but these two.
    Dir(Dir),
    /// What a direction can stand before.
    Kind(Kind),
    /// What none can stand before: `gateway`, `proto`, `protochain`.
    Undirected(Kind),
    Mask,
    Len,
    Broadcast,
    Multicast,
    Less,
    Greater,
    Byte,
    Inbound,
    Outbound,
    IfIndex,
    Vlan,
    Mpls,
    PppoeD,
    PppoeS,
    Geneve,
    Vxlan,
    PfIfname,
    PfRuleset,
    PfRnr,
    PfSrnr,
    PfReason,
    PfAction,
    Type,
    Subtype,
    FrameDir,
    Llc,
    Atm(Atm),
    AtmField(AtmField),
    Mtp2(Mtp2),
    Mtp3(Mtp3),
}

/// What a word can be, in the order in which they are preferred.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Form {
    Name,
    BogusEther,
    Ipv6,
    Dotted,
    Number,
    Ether,
}

/// Cuts a text into tokens.
pub(super) struct Scanner<'t> {
    text: &'t [u8],
    at: usize,
    /// What is wrong with the last token, when it is [`Token::Bad`] and there is more to say than that.
    pub(super) error: Option<String>,
}

impl<'t> Scanner<'t> {
    pub(super) fn new(text: &'t [u8]) -> Scanner<'t> {
        Scanner { text, at: 0, error: None }
    }

    /// The next token; [`Token::End`] for ever when there is none.
    pub(super) fn scan(&mut self) -> Token<'t> {
        while let Some(b' ' | b'\t' | b'\r' | b'\n') = self.text.get(self.at) {
            self.at += 1;
        }
        let rest = &self.text[self.at..];
        let (length, token) = match rest {
            [] => (0, Token::End),
            [b'\\', name @ ..] => match escaped(name) {
                0 => (1, Token::Bad),
                length => (1 + length, Token::Name(&name[..length])),
            },
            [b'$', b, rest @ ..] if b.is_ascii_hexdigit() => {
                let length = if rest.first().is_some_and(u8::is_ascii_hexdigit) { 3 } else { 2 };
                (length, Token::Arcnet(&self.text[self.at..self.at + length]))
            }
            [b, ..] if b.is_ascii_alphanumeric() => self.word(rest),
            [b':', b':', ..] => self.word(rest),
            _ => operator(rest).unwrap_or((1, Token::Bad)),
        };
        self.at += length;
        token
    }

    fn word(&mut self, rest: &'t [u8]) -> (usize, Token<'t>) {
        let mut best = (literals::name(rest), Form::Name);
        if rest[0] == b':' || rest[0].is_ascii_hexdigit() {
            best = best.max((literals::ether(rest), Form::Ether));
            best = best.max((literals::ipv6(rest), Form::Ipv6));
            best = best.max((literals::bogus_ether(rest), Form::BogusEther));
        }
        if rest[0].is_ascii_digit() {
            best = best.max((literals::dotted(rest), Form::Dotted));
            best = best.max((literals::number(rest), Form::Number));
        }
        let (length, form) = best;
        let text = &rest[..length];
        let token = match form {
            Form::Name => keyword(text).or_else(|| constant(text).map(Token::Number)).unwrap_or(Token::Name(text)),
            Form::Ether => Token::Ether(text),
            Form::Dotted => Token::Dotted(text),
            Form::Number => match value(text) {
                Ok(number) => Token::Number(number),
                Err(wrong) => self.bad(format!("number {} {wrong}", String::from_utf8_lossy(text))),
            },
            Form::Ipv6 => {
                let address = String::from_utf8_lossy(text);
                match address.parse::<Ipv6Addr>() {
                    Ok(_) => Token::Ipv6(text),
                    Err(_) => self.bad(format!("bogus IPv6 address {address}")),
                }
            }
            Form::BogusEther => self.bad(format!("bogus ethernet address {}", String::from_utf8_lossy(text))),
        };
        (length, token)
    }

    fn bad(&mut self, error: String) -> Token<'t> {
        self.error = Some(error);
        Token::Bad
    }
}

/// How long the name behind a backslash is.
fn escaped(text: &[u8]) -> usize {
    text.iter().position(|b| b" !()\n\t".contains(b)).unwrap_or(text.len())
}

/// The value of a number: hexadecimal with `0x` before it, octal with `0`, or else decimal.
fn value(text: &[u8]) -> Result<u32, &'static str> {
    let (digits, radix) = match text {
        [b'0', b'x' | b'X', digits @ ..] => (digits, 16),
        [b'0', digits @ ..] => (digits, 8),
        _ => (text, 10),
    };
    let mut value = 0_u32;
    for &digit in digits {
        let digit = char::from(digit).to_digit(radix).ok_or("contains non-octal digit")?;
        value = value.checked_mul(radix).and_then(|value| value.checked_add(digit)).ok_or("overflows 32 bits")?;
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(text: &[u8]) -> Vec<Token<'_>> {
        let mut scanner = Scanner::new(text);
        std::iter::repeat_with(|| scanner.scan()).take_while(|token| *token != Token::End).collect()
    }

    fn error(text: &str) -> String {
        let mut scanner = Scanner::new(text.as_bytes());
        assert_eq!(scanner.scan(), Token::Bad);
        scanner.error.unwrap_or_default()
    }

    #[test]
    fn the_longest_match_wins() {
        assert_eq!(tokens(b"tcp-syn"), [Token::Number(2)]);
        assert_eq!(tokens(b"tcp-synx"), [Token::Name(b"tcp-synx")]);
        assert_eq!(tokens(b"1.2.3.4.5"), [Token::Name(b"1.2.3.4.5")]);
        assert_eq!(tokens(b"10-20"), [Token::Name(b"10-20")]);
        assert_eq!(tokens(b"10-"), [Token::Number(10), Token::Alu(Alu::Sub)]);
        assert_eq!(tokens(b"a!=b"), [Token::Name(b"a"), Token::Rel(Rel::Ne), Token::Name(b"b")]);
        assert_eq!(tokens(b"TCP tcp"), [Token::Name(b"TCP"), Token::Proto(Proto::Tcp)]);
        assert_eq!(tokens(b"1:2"), [Token::Number(1), Token::Colon, Token::Number(2)]);
    }

    #[test]
    fn of_equal_matches_the_address_wins() {
        assert_eq!(tokens(b"112233445566"), [Token::Ether(b"112233445566")]);
        assert_eq!(tokens(b"a.b.c.d.e.f"), [Token::Ether(b"a.b.c.d.e.f")]);
        assert_eq!(tokens(b"1.2.3.4"), [Token::Dotted(b"1.2.3.4")]);
        assert_eq!(tokens(b"1:2:3:4:5:6:7::"), [Token::Ipv6(b"1:2:3:4:5:6:7::")]);
    }

    #[test]
    fn a_backslash_makes_any_word_a_name() {
        assert_eq!(tokens(b"\\tcp (\\a$b\r)"), [Token::Name(b"tcp"), Token::Open, Token::Name(b"a$b\r"), Token::Close]);
        assert_eq!(tokens(b"\\ \\(")[..2], [Token::Bad, Token::Bad]);
        assert_eq!(tokens(b"\\\xff"), [Token::Name(b"\xff")]);
    }

    #[test]
    fn arcnet_addresses_are_one_byte() {
        assert_eq!(tokens(b"$1 $abc"), [Token::Arcnet(b"$1"), Token::Arcnet(b"$ab"), Token::Name(b"c")]);
        assert_eq!(tokens(b"$"), [Token::Bad]);
    }

    #[test]
    fn numbers_have_three_radixes_and_32_bits() {
        assert_eq!(tokens(b"010 0x1F 0XfF 0 4294967295"), [8, 31, 255, 0, u32::MAX].map(Token::Number));
        assert_eq!(error("4294967296"), "number 4294967296 overflows 32 bits");
        assert_eq!(error("0x100000000"), "number 0x100000000 overflows 32 bits");
        assert_eq!(error("0400000000000"), "number 0400000000000 overflows 32 bits");
        assert_eq!(error("09"), "number 09 contains non-octal digit");
    }

    #[test]
    fn addresses_that_are_none_say_so() {
        assert_eq!(error("::1.2.3.400"), "bogus IPv6 address ::1.2.3.400");
        assert_eq!(error("1:2:3:"), "bogus ethernet address 1:2:3:");
    }
}
