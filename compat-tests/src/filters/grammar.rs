//! Expressions by a walk over the grammar of pcap-filter(7).
//!
//! An expression is a list of words, from which [`super::edits`] and [`super::shrink`] take some away. The words that fit a link
//! type are written more often for it, or most expressions would be refused.

use super::link_types::{Class, class};
use super::qualified::{self, Sort};
use super::vocabulary::{self as words, NAMED, PROTOCOLS};
use crate::random::Random;

/// An expression's words for a link type.
pub fn expression(random: &mut Random, dlt: i32) -> Vec<String> {
    let wild = random.percent(30);
    let mut writer = Writer { random, class: class(dlt), wild, out: Vec::new() };
    let depth = writer.random.weighted(&[(50, 0), (30, 1), (15, 2), (5, 4)]);
    writer.expression(depth);
    writer.out
}

/// The words as one text; brackets and operators sometimes touch their neighbours.
pub fn joined(random: &mut Random, words: &[String]) -> String {
    let tight = random.percent(20);
    let mut text = String::new();
    for (at, word) in words.iter().enumerate() {
        let touches = |word: &str| word.starts_with(|c: char| "()[]:<>=!+-*/%&|^".contains(c));
        let close = tight && at > 0 && (touches(word) || touches(&words[at - 1]));
        if at > 0 && !close {
            text.push(if random.percent(2) { '\t' } else { ' ' });
        }
        text.push_str(word);
    }
    text
}

/// The forms of a single condition.
#[derive(Clone, Copy)]
enum Term {
    Qualified,
    Parenthesis,
    Protocol,
    Relation,
    Cast,
    Length,
    Place,
    Encapsulation,
    Pf,
    Wlan,
    Llc,
    Atm,
    Ss7,
}

struct Writer<'a> {
    random: &'a mut Random,
    class: Class,
    /// Sense does not count.
    wild: bool,
    out: Vec<String>,
}

impl Writer<'_> {
    fn word(&mut self, word: &str) {
        self.out.push(word.to_string());
    }

    fn expression(&mut self, depth: u32) {
        let terms = self.random.weighted(&[(45, 1), (30, 2), (12, 3), (7, 5), (4, 9), (2, 18)]);
        // A long list is mostly of one kind.
        let alike = terms > 3 && self.random.percent(60);
        let glue = if self.random.percent(60) { "or" } else { "and" };
        let mut last = None;
        for term in 0..terms {
            if term > 0 {
                let glue =
                    if alike { glue } else { self.random.weighted(&[(50, "and"), (40, "or"), (5, "&&"), (5, "||")]) };
                self.word(glue);
            }
            let bare = last.filter(|_| self.random.percent(if alike { 85 } else { 25 }));
            match bare {
                Some(sort) => {
                    if self.random.percent(8) {
                        self.word("not");
                    }
                    qualified::identifier(self.random, sort, &mut self.out);
                }
                None => last = self.term(depth).or(last.filter(|_| self.random.percent(5))),
            }
        }
    }

    /// A condition; the sort of its identifier, when it ends in one.
    fn term(&mut self, depth: u32) -> Option<Sort> {
        if self.random.percent(12) {
            let not = if self.random.percent(50) { "not" } else { "!" };
            self.word(not);
        }
        // Words that only other link types know.
        let odd = if self.wild { 2 } else { 0 };
        let fitting = |at: Class, weight: u64, otherwise: u64| if self.class == at { weight } else { otherwise };
        let weights = [
            (34, Term::Qualified),
            (if depth > 0 { 16 } else { 0 }, Term::Parenthesis),
            (14, Term::Protocol),
            (16, Term::Relation),
            (3, Term::Cast),
            (3, Term::Length),
            (1, Term::Place),
            (9, Term::Encapsulation),
            (fitting(Class::Pflog, 30, odd), Term::Pf),
            (fitting(Class::Wlan, 30, odd), Term::Wlan),
            (3, Term::Llc),
            (fitting(Class::Atm, 30, odd), Term::Atm),
            (fitting(Class::Mtp, 2000, odd), Term::Ss7),
        ];
        match self.random.weighted(&weights) {
            Term::Qualified => return Some(qualified::write(self.random, self.class, self.wild, &mut self.out)),
            Term::Parenthesis => return self.parenthesis(depth - 1),
            Term::Protocol => {
                let plain = &PROTOCOLS[7..];
                let word = *self.random.pick(if self.wild { &PROTOCOLS } else { plain });
                self.word(word);
            }
            Term::Relation => self.relation(),
            Term::Cast => {
                let before: &[&str] =
                    if self.wild { &["ip6", "wlan", "tcp", "arp"] } else { &["ether", "ip", "ip", "link"] };
                if self.wild || self.random.percent(70) {
                    let word = *self.random.pick(before);
                    self.word(word);
                }
                let cast = if self.random.percent(50) { "broadcast" } else { "multicast" };
                self.word(cast);
            }
            Term::Length => self.length(),
            Term::Place => match self.random.below(4) {
                0 => self.word("inbound"),
                1 => self.word("outbound"),
                _ => self.word_and_number("ifindex"),
            },
            Term::Encapsulation => self.encapsulation(),
            Term::Pf => self.pf(),
            Term::Wlan => self.wlan(),
            Term::Llc => {
                self.word("llc");
                if self.random.percent(70) {
                    let word = *self.random.pick(&words::LLC_TYPES);
                    self.word(word);
                }
            }
            Term::Atm => self.atm(),
            Term::Ss7 => self.ss7(),
        }
        None
    }

    /// `(expression)`, or qualifiers with a list: `port (80 or 443)`.
    fn parenthesis(&mut self, depth: u32) -> Option<Sort> {
        if self.random.percent(25) {
            let sort = qualified::write(self.random, self.class, self.wild, &mut self.out);
            let first = self.out.pop().unwrap_or_default();
            self.out.extend(["(".to_string(), first]);
            for _ in 0..=self.random.below(3) {
                let glue = *self.random.pick(&["or", "or", "and"]);
                self.word(glue);
                qualified::identifier(self.random, sort, &mut self.out);
            }
            self.word(")");
            return Some(sort);
        }
        self.word("(");
        self.expression(depth);
        self.word(")");
        None
    }

    fn word_and_number(&mut self, word: &str) {
        self.word(word);
        let number = words::number(self.random);
        self.out.push(number);
    }

    fn length(&mut self) {
        match self.random.below(3) {
            0 => self.word_and_number("less"),
            1 => self.word_and_number("greater"),
            _ => {
                self.word_and_number("byte");
                let operator = *self.random.pick(&["<", ">", "=", "&", "|"]);
                self.word_and_number(operator);
            }
        }
    }

    fn encapsulation(&mut self) {
        let word = self.random.weighted(&[
            (35, "vlan"),
            (20, "mpls"),
            (8, "pppoed"),
            (15, "pppoes"),
            (20, "geneve"),
            (2, "vxlan"),
        ]);
        self.word(word);
        if word != "pppoed" && self.random.percent(45) {
            let number = words::number(self.random);
            if self.random.percent(10) {
                self.out.extend(["(".to_string(), number, ")".to_string()]);
            } else {
                self.out.push(number);
            }
        }
    }

    fn pf(&mut self) {
        let word =
            *self.random.pick(&["on", "ifname", "rset", "ruleset", "rnr", "srnr", "reason", "action", "rulenum"]);
        match word {
            "reason" => {
                self.word(word);
                let reason = *self.random.pick(&words::PF_REASONS);
                self.word(reason);
            }
            "action" => {
                self.word(word);
                let action = *self.random.pick(&words::PF_ACTIONS);
                self.word(action);
            }
            "rnr" | "srnr" | "rulenum" => self.word_and_number(word),
            _ => {
                self.word(word);
                let name =
                    *self.random.pick(&["em0", "vlan", "pflog0", "a-name-that-is-much-too-long-for-a-field", "lo"]);
                self.word(name);
            }
        }
    }

    fn wlan(&mut self) {
        let (kind, subtypes) = *self.random.pick(&words::WLAN_SUBTYPES);
        if self.random.percent(30) {
            self.word("wlan");
        }
        match self.random.below(8) {
            0..2 => {
                let kind = *self.random.pick(&words::WLAN_TYPES);
                self.out.extend(["type".to_string(), kind.to_string()]);
            }
            2..4 => {
                let subtype = *self.random.pick(subtypes);
                self.out.extend(["type", kind, "subtype", subtype].map(str::to_string));
            }
            4..6 => {
                let subtype = *self.random.pick(subtypes);
                self.out.extend(["subtype", subtype].map(str::to_string));
            }
            6 => {
                let direction = *self.random.pick(&["nods", "tods", "fromds", "dstods", "0", "1", "3", "4"]);
                self.out.extend(["dir", direction].map(str::to_string));
            }
            _ => {
                let numbers = [self.random.below(256), self.random.below(256)].map(|n| (n & 0xfc).to_string());
                let [kind, subtype] = numbers;
                self.out.extend(["type".to_string(), kind, "subtype".to_string(), subtype]);
            }
        }
    }

    fn atm(&mut self) {
        match self.random.below(3) {
            0 => self.field_and_values(&["vpi", "vci"]),
            _ => {
                let word = *self.random.pick(&words::LONELY[10..]);
                self.word(word);
            }
        }
    }

    fn ss7(&mut self) {
        if self.random.percent(40) {
            let word = *self.random.pick(&words::SIGNAL_UNITS);
            self.word(word);
        } else {
            self.field_and_values(&words::SS7_FIELDS);
        }
    }

    /// `sio 3`, `sio >= 3`, `sio (3 or 4)`.
    fn field_and_values(&mut self, fields: &[&str]) {
        let field = *self.random.pick(fields);
        self.word(field);
        match self.random.below(4) {
            0 => {
                let operator = *self.random.pick(&["=", "!=", "<", ">", "<=", ">=", "=="]);
                self.word_and_number(operator);
            }
            1 => {
                self.word_and_number("(");
                for _ in 0..self.random.below(3) {
                    self.word_and_number("or");
                }
                self.word(")");
            }
            _ => {
                let number = words::number(self.random);
                self.out.push(number);
            }
        }
    }

    fn relation(&mut self) {
        if self.random.percent(30) {
            return self.named_relation();
        }
        self.arithmetic(2);
        let operator = *self.random.pick(&["=", "==", "!=", "<", ">", "<=", ">="]);
        self.word(operator);
        let depth = self.random.weighted(&[(70, 0), (20, 1), (10, 2)]);
        self.arithmetic(depth);
    }

    /// `tcp[tcpflags] & (tcp-syn|tcp-ack) != 0`.
    fn named_relation(&mut self) {
        let (protocol, offset, values) = *self.random.pick(&NAMED);
        self.out.extend([protocol, "[", offset, "]"].map(str::to_string));
        let value = *self.random.pick(values);
        match self.random.below(3) {
            0 => self.out.extend(["&", value, "!=", "0"].map(str::to_string)),
            1 => {
                let other = *self.random.pick(values);
                self.out.extend(["&", "(", value, "|", other, ")", "==", value].map(str::to_string));
            }
            _ => self.out.extend(["=", value].map(str::to_string)),
        }
    }

    fn arithmetic(&mut self, depth: u32) {
        let leaf = depth == 0;
        match self.random.below(if leaf { 10 } else { 16 }) {
            0..4 => {
                let number = words::number(self.random);
                self.out.push(number);
            }
            4..9 => self.bytes(depth),
            9 => self.word("len"),
            10..14 => {
                self.arithmetic(depth - 1);
                let operator = *self.random.pick(&["+", "-", "*", "/", "%", "&", "&", "|", "^", "<<", ">>"]);
                self.word(operator);
                self.arithmetic(depth - 1);
            }
            14 => {
                self.word("-");
                self.arithmetic(depth - 1);
            }
            _ => {
                self.word("(");
                self.arithmetic(depth - 1);
                self.word(")");
            }
        }
    }

    /// `tcp[12:2]`.
    fn bytes(&mut self, depth: u32) {
        let protocol = match self.random.below(10) {
            0..7 => {
                *self.random.pick(&["ether", "ip", "ip", "tcp", "tcp", "udp", "icmp", "ip6", "arp", "link", "icmp6"])
            }
            _ => *self.random.pick(&PROTOCOLS),
        };
        self.word(protocol);
        self.word("[");
        if depth > 0 && self.random.percent(25) {
            self.arithmetic(depth - 1);
        } else {
            let index = match self.random.below(20) {
                0 => words::number(self.random),
                _ => self.random.below(40).to_string(),
            };
            self.out.push(index);
        }
        if self.random.percent(50) {
            self.word(":");
            let size = self.random.weighted(&[(60, "1"), (60, "2"), (60, "4"), (1, "0"), (1, "3"), (1, "8")]);
            self.word(size);
        }
        self.word("]");
    }
}
