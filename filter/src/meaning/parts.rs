//! Addresses and numbers out of their text.

/// `1.2.3`: the number and its bits, 8 for each part. `None` when a part is above 255 or not decimal.
pub(super) fn dotted(text: &str) -> Option<(u32, u32)> {
    let (mut address, mut bits) = (0_u32, 0);
    for part in text.split('.') {
        let mut number = 0_u32;
        for digit in part.bytes() {
            number = number * 10 + (digit as char).to_digit(10)?;
            if number > 255 {
                return None;
            }
        }
        address = address << 8 | number;
        bits += 8;
    }
    (bits <= 32).then_some((address, bits))
}

/// `area.node` of a Decnet address. Like scanf's, it looks no further than the second number.
pub(super) fn decnet(text: &str) -> Option<u16> {
    let mut parts = text.split('.').map(|part| {
        let digits = part.len() - part.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        (digits, part.len() == digits, part[..digits].parse::<i64>().unwrap_or(i64::MAX) as u32)
    });
    let (area_digits, area_is_all, area) = parts.next()?;
    let (node_digits, _, node) = parts.next()?;
    let both = area_digits > 0 && area_is_all && node_digits > 0;
    both.then_some((area << 10 & 0xfc00 | node & 0x03ff) as u16)
}

/// An Ethernet address: six numbers of one or two hexadecimal digits, behind each other or with `:`, `-` or `.` between.
pub(super) fn ether(text: &str) -> Option<[u8; 6]> {
    let mut rest = text.bytes().peekable();
    let hex = |c: u8| (c as char).to_digit(16);
    let mut address = [0; 6];
    for byte in &mut address {
        rest.next_if(|c| matches!(c, b':' | b'-' | b'.'));
        let mut value = hex(rest.next()?)?;
        if let Some(low) = rest.peek().and_then(|&c| hex(c)) {
            rest.next();
            value = value << 4 | low;
        }
        *byte = value as u8;
    }
    rest.next().is_none().then_some(address)
}

/// An ARCnet address: `$` and one or two hexadecimal digits.
pub(super) fn arcnet(text: &str) -> Option<u8> {
    u8::from_str_radix(text.strip_prefix('$')?, 16).ok()
}

/// A number as C writes it: decimal, `0x…`, or octal behind a 0.
pub(super) fn number(text: &str) -> Option<u32> {
    let (digits, radix) = match text.strip_prefix('0') {
        Some("") => ("0", 10),
        Some(rest) => match rest.strip_prefix(['x', 'X']) {
            Some(hex) => (hex, 16),
            None => (rest, 8),
        },
        None => (text, 10),
    };
    if digits.starts_with('+') {
        return None;
    }
    u32::from_str_radix(digits, radix).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dotted_numbers() {
        assert_eq!(dotted("1.2.3"), Some((0x01_0203, 24)));
        assert_eq!(dotted("255.0.00.0001"), Some((0xff00_0001, 32)));
        for wrong in ["256.1", "0x1.2", "1.2.3.4.5", "1.2.3.999999999999"] {
            assert_eq!(dotted(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn decnet_addresses() {
        assert_eq!(decnet("1.2"), Some(0x0402));
        assert_eq!(decnet("1.2.3"), Some(0x0402));
        assert_eq!(decnet("63.1023"), Some(0xffff));
        assert_eq!(decnet("0x1.2"), None);
    }

    #[test]
    fn link_layer_addresses() {
        let address = Some([0, 0x1b, 2, 0xc3, 4, 5]);
        for text in ["0:1b:2:c3:4:5", "00-1B-02-C3-04-05", "001b.02c3.0405", "001b02c30405", "0.1b.2.c3.4.5"] {
            assert_eq!(ether(text), address, "{text}");
        }
        assert_eq!(ether("1:2:3:4:5"), None);
        assert_eq!(ether("1:2:3:4:5:6:7"), None);
        assert_eq!((arcnet("$1f"), arcnet("$5"), arcnet("1f")), (Some(0x1f), Some(5), None));
    }

    #[test]
    fn numbers_as_c_writes_them() {
        assert_eq!(
            (number("010"), number("0x1F"), number("0"), number("65535")),
            (Some(8), Some(31), Some(0), Some(65535))
        );
        for wrong in ["08", "0x", "", "+1", "0+1", "0x+1", "-1", "4294967296", "20abc"] {
            assert_eq!(number(wrong), None, "{wrong}");
        }
    }
}
