//! How long the number, address or name is that a text begins with; 0: it begins with none.
//!
//! The longest match counts, and it need not end where a word ends: of `::12345` the address is `::1234`.

/// A name: letters, digits, `-`, `_` and `.`, beginning with a letter or digit and not ending in `-` or `_`.
pub(super) fn name(text: &[u8]) -> usize {
    if !text.first().is_some_and(u8::is_ascii_alphanumeric) {
        return 0;
    }
    let end = run(text, |b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
    text[..end].iter().rposition(|b| !matches!(b, b'-' | b'_')).map_or(0, |last| last + 1)
}

/// A number: digits, or `0x` and hexadecimal digits.
pub(super) fn number(text: &[u8]) -> usize {
    if let [b'0', b'x' | b'X', hex @ ..] = text {
        let digits = run(hex, u8::is_ascii_hexdigit);
        if digits > 0 {
            return 2 + digits;
        }
    }
    run(text, u8::is_ascii_digit)
}

/// Two to `most` numbers with dots between them.
fn dotted_up_to(most: usize, text: &[u8]) -> (usize, usize) {
    let mut end = number(text);
    let mut parts = usize::from(end > 0);
    while parts > 0 && parts < most && text.get(end) == Some(&b'.') {
        let next = number(&text[end + 1..]);
        if next == 0 {
            break;
        }
        end += 1 + next;
        parts += 1;
    }
    (end, parts)
}

/// Two to four numbers with dots between them.
pub(super) fn dotted(text: &[u8]) -> usize {
    match dotted_up_to(4, text) {
        (end, 2..) => end,
        _ => 0,
    }
}

/// Exactly four.
fn quad(text: &[u8]) -> usize {
    match dotted_up_to(4, text) {
        (end, 4) => end,
        _ => 0,
    }
}

/// An Ethernet address: six bytes of one or two digits with `:`, `-` or `.` between them, three words of four digits with `.`
/// between them, or twelve digits.
pub(super) fn ether(text: &[u8]) -> usize {
    let words = hex_groups(text, 3, 4..=4, b'.');
    let plain = if hex_run(text, 12) == 12 { 12 } else { 0 };
    let bytes = |separator| hex_groups(text, 6, 1..=2, separator);
    [bytes(b':'), bytes(b'-'), bytes(b'.'), words, plain].into_iter().max().unwrap_or(0)
}

/// `count` groups of so many hexadecimal digits.
fn hex_groups(text: &[u8], count: usize, digits: std::ops::RangeInclusive<usize>, separator: u8) -> usize {
    let mut at = 0;
    for group in 1..=count {
        let length = hex_run(&text[at..], *digits.end());
        if !digits.contains(&length) {
            return 0;
        }
        at += length;
        if group < count {
            if text.get(at) != Some(&separator) {
                return 0;
            }
            at += 1;
        }
    }
    at
}

/// Two or more times a byte of one or two digits and a colon or more: what looks like an Ethernet address and is none.
pub(super) fn bogus_ether(text: &[u8]) -> usize {
    let (mut end, mut groups) = (0, 0);
    loop {
        let digits = hex_run(&text[end..], 2);
        let colons = if digits == 0 { 0 } else { run(&text[end + digits..], |&b| b == b':') };
        if colons == 0 {
            return if groups >= 2 { end } else { 0 };
        }
        end += digits + colons;
        groups += 1;
    }
}

/// An IPv6 address: eight groups of up to four digits, the last two of which may be a dotted quad, or fewer with one `::`.
///
/// With `::` there are at most seven groups, or five and a quad, also where fewer would be an address.
pub(super) fn ipv6(text: &[u8]) -> usize {
    let (mut at, mut groups, mut longest) = (0, 0, 0);
    let mut elided = text.starts_with(b"::");
    if elided {
        at = 2;
        longest = 2;
    }
    loop {
        let with_quad = if elided { groups <= 5 } else { groups == 6 };
        if with_quad {
            let length = quad(&text[at..]);
            if length > 0 {
                longest = longest.max(at + length);
            }
        }
        let digits = hex_run(&text[at..], 4);
        if digits == 0 || groups == if elided { 7 } else { 8 } {
            return longest;
        }
        at += digits;
        groups += 1;
        if elided || groups == 8 {
            longest = longest.max(at);
        }
        match text[at..] {
            [b':', b':', ..] if !elided && groups <= 7 => {
                elided = true;
                at += 2;
                longest = longest.max(at);
            }
            [b':', ..] => at += 1,
            _ => return longest,
        }
    }
}

/// How many bytes at the start are so.
fn run(text: &[u8], so: impl Fn(&u8) -> bool) -> usize {
    text.iter().position(|b| !so(b)).unwrap_or(text.len())
}

/// How many hexadecimal digits are at the start, no more than `most`.
fn hex_run(text: &[u8], most: usize) -> usize {
    run(&text[..most.min(text.len())], u8::is_ascii_hexdigit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_may_end_in_a_dot_but_not_in_a_dash() {
        assert_eq!(name(b"a-b_c.-- x"), 6);
        assert_eq!(name(b"-a"), 0);
        assert_eq!(name(b"a----"), 1);
    }

    #[test]
    fn a_number_is_decimal_or_hexadecimal() {
        assert_eq!(number(b"0x1fg"), 4);
        assert_eq!(number(b"0xg"), 1);
        assert_eq!(number(b"12a"), 2);
        assert_eq!(dotted(b"1.0x2.3.4.5"), 9);
        assert_eq!(dotted(b"1.2."), 3);
        assert_eq!(dotted(b"1."), 0);
    }

    #[test]
    fn ethernet_addresses_have_five_forms() {
        assert_eq!(ether(b"1:2:03:4:5:666"), 13);
        assert_eq!(ether(b"1-2-3-4-5-6"), 11);
        assert_eq!(ether(b"1.2.3.4.5.6"), 11);
        assert_eq!(ether(b"1.2.3.4.5"), 0);
        assert_eq!(ether(b"0011.2233.4455"), 14);
        assert_eq!(ether(b"001122334455"), 12);
        assert_eq!(bogus_ether(b"1:2::3"), 5);
        assert_eq!(bogus_ether(b"1:2"), 0);
        assert_eq!(bogus_ether(b"1:222:"), 0);
    }

    #[test]
    fn ipv6_addresses_end_where_they_must() {
        assert_eq!(ipv6(b"::"), 2);
        assert_eq!(ipv6(b":::"), 2);
        assert_eq!(ipv6(b"::12345"), 6);
        assert_eq!(ipv6(b"1:2:3:4:5:6:7:8:9"), 15);
        assert_eq!(ipv6(b"1:2:3:4:5:6:7::"), 15);
        assert_eq!(ipv6(b"1:2:3:4:5:6:7:8::"), 15);
        assert_eq!(ipv6(b"1:2:3:4:5:6:7"), 0);
        assert_eq!(ipv6(b"::1:2:3:4:5:6:7:8"), 15);
        assert_eq!(ipv6(b"1:2:3:4:5:6:1.2.3.4"), 19);
        assert_eq!(ipv6(b"1:2::3:4:1.2.3.4.5"), 16);
        assert_eq!(ipv6(b"1::2:3:4:5:6:1.2.3.4"), 14);
        assert_eq!(ipv6(b"1::1.2.3"), 4);
    }
}
