//! Where we differ from libpcap 1.10.3 and mean to: it is wrong there, or its main branch has it better.
//!
//! Each row is tested: the difference is still there, and shows on the row's frame. A difference that no row covers fails the
//! differential test. The reasons stand at length in `filter/DIFFERENCES.md`.

use super::compare::{Difference, Kind, REJECTS_ALL};

/// A row.
pub struct Known {
    /// An expression that shows it.
    pub text: &'static str,
    /// For this link type.
    pub dlt: i32,
    /// On this frame, in hexadecimal digits, when it is a verdict that differs.
    pub frame: Option<&'static str>,
    /// Shows only where `localhost` has an IPv6 address, too.
    pub needs_ipv6_name: bool,
    /// Why.
    pub reason: &'static str,
    /// Whether a difference is of this sort.
    pub covers: fn(&Difference) -> bool,
}

/// The row that covers a difference.
pub fn covering(difference: &Difference) -> Option<&'static Known> {
    // Ours agrees with itself, whatever it is held against.
    let within = matches!(difference.kind, Kind::Optimizer | Kind::Engine | Kind::Invalid);
    KNOWN.iter().find(|known| !within && (known.covers)(difference))
}

/// The bytes of hexadecimal digits.
///
/// # Panics
/// When they are none.
pub fn bytes(hex: &str) -> Vec<u8> {
    let digit = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).expect("two hexadecimal digits");
    (0..hex.len() / 2).map(|at| digit(2 * at)).collect()
}

/// Whether one of these words stands in the expression.
fn says(d: &Difference, words: &[&str]) -> bool {
    d.case.text.split(|c: char| !c.is_ascii_alphanumeric()).any(|word| words.contains(&word))
}

/// Whether one of the first words stands before the second, with a number between them or none.
fn follows(d: &Difference, firsts: &[&str], second: &str) -> bool {
    firsts.iter().any(|first| {
        d.case.text.match_indices(first).any(|(at, _)| {
            let rest = d.case.text[at + first.len()..].trim_start();
            rest.trim_start_matches(|c: char| c.is_ascii_alphanumeric()).trim_start().starts_with(second)
        })
    })
}

/// Whether a comparison has something joined to it behind.
fn compares_first(d: &Difference) -> bool {
    let text = &d.case.text;
    text.find(['=', '<', '>']).is_some_and(|at| ["and", "or", "&&", "||"].iter().any(|glue| text[at..].contains(glue)))
}

/// Whether libpcap's answer contains one of these.
fn they_say(d: &Difference, texts: &[&str]) -> bool {
    texts.iter().any(|text| d.theirs.contains(text))
}

fn is_on(d: &Difference, dlts: &[i32]) -> bool {
    dlts.contains(&d.case.target.dlt)
}

/// A byte of the frame that shows a verdict.
fn byte(d: &Difference, at: usize) -> Option<u8> {
    d.frame.as_ref()?.bytes.get(at).copied()
}

/// A range of ports that is not two plain decimal numbers.
fn has_odd_range(d: &Difference) -> bool {
    let plain = |part: &str| part.parse::<u32>().is_ok() && (part == "0" || !part.starts_with('0'));
    let two_plain = |word: &str| word.split_once('-').is_some_and(|(first, last)| plain(first) && plain(last));
    let is_odd = |word: &str| word.contains('-') && word.starts_with(|c: char| c.is_ascii_digit()) && !two_plain(word);
    says(d, &["portrange"]) && d.case.text.split(|c: char| c.is_whitespace() || "()".contains(c)).any(is_odd)
}

/// All of them.
pub const KNOWN: &[Known] = &[
    Known {
        text: "vxlan",
        dlt: 1,
        frame: None,
        needs_ipv6_name: false,
        reason: "`vxlan` came after 1.10",
        covers: |d| says(d, &["vxlan"]),
    },
    Known {
        text: "broadcast and 7 % 4 == 164",
        dlt: 1,
        frame: None,
        needs_ipv6_name: false,
        reason: "every frame is refused by both; that nothing can match we find out, and libpcap's optimizer does not",
        covers: |d| d.kind == Kind::OursRefuses && d.optimize && d.ours == REJECTS_ALL,
    },
    Known {
        text: "hopc 78 and fisu and hmsu and fisu and hopc 0",
        dlt: 139,
        frame: None,
        needs_ipv6_name: false,
        reason: "every frame is refused by both; that nothing can match libpcap's optimizer finds out, and we do not",
        covers: |d| d.kind == Kind::TheirsRefuses && d.optimize && d.theirs == REJECTS_ALL,
    },
    Known {
        text: "pppoes",
        dlt: 127,
        frame: Some("0000080000000000080000000000000000000000000000000000000000000000aaaa030000008864"),
        needs_ipv6_name: false,
        reason: "libpcap reads a scratch word that nobody wrote",
        covers: |d| {
            let variable = is_on(d, &[105, 117, 119, 127, 163, 192]);
            variable && says(d, &["pppoes", "geneve"]) && d.kind == Kind::Verdict
        },
    },
    Known {
        text: "ip",
        dlt: 7,
        frame: Some("0100f0"),
        needs_ipv6_name: false,
        reason: "the payload of ARCnet types 240 and 241 is not where 1.10 looks for it",
        covers: |d| {
            let old = |kind: Option<u8>| matches!(kind, Some(240 | 241));
            d.kind == Kind::Verdict && (is_on(d, &[7]) && old(byte(d, 2)) || is_on(d, &[129]) && old(byte(d, 4)))
        },
    },
    Known {
        text: "ip multicast",
        dlt: 12,
        frame: Some("45000000000000000000000000000000ffffffff"),
        needs_ipv6_name: false,
        reason: "240.0.0.0/4 and the broadcast address are no multicast addresses",
        covers: |d| d.kind == Kind::Verdict && says(d, &["ip"]) && says(d, &["multicast"]),
    },
    Known {
        text: "type mgt",
        dlt: 192,
        frame: None,
        needs_ipv6_name: false,
        reason: "frames behind a PPI header have a frame control field",
        covers: |d| {
            let texts = ["802.11 link-layer types supported only on", "frame direction supported only with"];
            is_on(d, &[192]) && they_say(d, &texts)
        },
    },
    Known {
        text: "broadcast",
        dlt: 165,
        frame: None,
        needs_ipv6_name: false,
        reason: "MS/TP has a broadcast address",
        covers: |d| is_on(d, &[165]) && they_say(d, &["not a broadcast link"]),
    },
    Known {
        text: "len > 100",
        dlt: 2,
        frame: None,
        needs_ipv6_name: false,
        reason: "bytes and lengths need no link type",
        covers: |d| is_on(d, &[2, 3, 4, 5, 32]) && they_say(d, &["unknown data link type"]),
    },
    Known {
        text: "vpi != 3",
        dlt: 123,
        frame: Some("00040000"),
        needs_ipv6_name: false,
        reason: "1.10 takes != as =",
        covers: |d| {
            let fields = ["vpi", "vci", "sio", "opc", "dpc", "sls"];
            fields.iter().any(|field| follows(d, &[field], "!="))
        },
    },
    Known {
        text: "subtype bar",
        dlt: 105,
        frame: None,
        needs_ipv6_name: false,
        reason: "block acknowledgements came after 1.10",
        covers: |d| {
            says(d, &["bar", "ba"]) && they_say(d, &["unknown 802.11 type name", "unknown 802.11 subtype name"])
        },
    },
    Known {
        text: "gateway localhost",
        dlt: 1,
        frame: None,
        needs_ipv6_name: false,
        reason: "1.10 as built here has no gateways",
        covers: |d| they_say(d, &["'gateway' not supported in this configuration"]),
    },
    Known {
        text: "byte 0 & 5",
        dlt: 1,
        frame: Some("04"),
        needs_ipv6_name: false,
        reason: "1.10 does not load the byte",
        covers: |d| follows(d, &["byte"], "&") || follows(d, &["byte"], "|"),
    },
    Known {
        text: "link host $1f",
        dlt: 7,
        frame: Some("1f00"),
        needs_ipv6_name: false,
        reason: "1.10 compares with a number that it makes of the `$`",
        covers: |d| d.case.text.contains('$') && is_on(d, &[7, 129, 165]),
    },
    Known {
        text: "portrange 010-011",
        dlt: 1,
        frame: None,
        needs_ipv6_name: false,
        reason: "1.10 reads the numbers of a range in decimal, and stops where they end",
        covers: has_odd_range,
    },
    Known {
        text: "csnp",
        dlt: 1,
        frame: Some("0000000000000000000000000000fefe008300000098"),
        needs_ipv6_name: false,
        reason: "the upper bits of the PDU type are reserved",
        covers: |d| {
            let words = ["l1", "l2", "iih", "lsp", "snp", "csnp", "psnp", "isis"];
            d.kind == Kind::Verdict && says(d, &words) || d.ours.contains("IS-IS PDU type")
        },
    },
    Known {
        text: "1 / ip[0] = 1",
        dlt: 1,
        frame: None,
        needs_ipv6_name: false,
        reason: "1.10 takes an index's number for the divisor's",
        covers: |d| they_say(d, &["division by zero", "modulus by zero", "shift by more than 31 bits"]),
    },
    Known {
        text: "geneve or llc",
        dlt: 1,
        frame: None,
        needs_ipv6_name: false,
        reason: "where `geneve` does not hold 1.10 reads scratch words that nobody wrote",
        covers: |d| {
            d.kind == Kind::Verdict
                && says(d, &["geneve"])
                && (says(d, &["or", "not"]) || d.case.text.contains(['|', '!']))
        },
    },
    Known {
        text: "arp host localhost",
        dlt: 1,
        frame: None,
        needs_ipv6_name: true,
        reason: "that a name has an IPv6 address, too, is no reason to refuse it",
        covers: |d| {
            says(d, &["localhost"]) && says(d, &["arp", "rarp"]) && they_say(d, &["modifier applied to ip6 host"])
        },
    },
    Known {
        text: "less 10 or inbound",
        dlt: 127,
        frame: Some("00"),
        needs_ipv6_name: false,
        reason: "libpcap adds the header's length to the number of an ancillary word, and so needs the header for it",
        covers: |d| {
            let of_any_length = is_on(d, &[119, 127, 163, 192]);
            of_any_length && says(d, &["inbound", "outbound", "ifindex"]) && d.kind == Kind::Verdict
        },
    },
    Known {
        text: "1 = 1 and ip",
        dlt: 105,
        frame: None,
        needs_ipv6_name: false,
        reason: "1.10 lets the words of a comparison overwrite where the payload of a later term begins",
        covers: |d| d.kind == Kind::Verdict && is_on(d, &[105, 117, 119, 127, 163, 192]) && compares_first(d),
    },
    Known {
        text: "1+(1+(1+(1+(1+(1+(1+(1+(1+(1+(1+(1+(1+(1+(1+(1+(1+(1+ip[0]))))))))))))))))) = 1",
        dlt: 1,
        frame: None,
        needs_ipv6_name: false,
        reason: "intermediate values need no registers",
        covers: |d| they_say(d, &["too many registers needed", "out of registers"]),
    },
];
