//! Internet checksums (RFC 1071), and SCTP's, which is none.

/// The Internet checksum over `parts`, of which only the last may have an odd length.
pub fn checksum(parts: &[&[u8]]) -> u16 {
    !sum(parts)
}

/// The sum that the checksum is the complement of.
pub fn sum(parts: &[&[u8]]) -> u16 {
    let mut sum: u64 = parts.iter().map(|part| sum_of(part)).sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    // It was summed in the processor's order: the carries go round, so the bytes alone are swapped.
    u16::from_be(sum as u16)
}

/// The words of 32 bits of a part, summed: 16-bit words side by side, for a processor that adds several at once.
fn sum_of(part: &[u8]) -> u64 {
    let words = part.chunks_exact(4);
    let mut rest = [0; 4];
    rest[..words.remainder().len()].copy_from_slice(words.remainder());
    let word = |bytes: &[u8]| u64::from(u32::from_ne_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]));
    words.map(word).sum::<u64>() + word(&rest)
}

/// CRC-32C (RFC 9260, appendix A), as its bytes lie in an SCTP header.
pub fn crc32c(parts: &[&[u8]]) -> [u8; 4] {
    let step = |crc: u32, byte: &u8| crc >> 8 ^ CRC32C[usize::from(crc as u8 ^ byte)];
    (!parts.iter().copied().flatten().fold(u32::MAX, step)).to_le_bytes()
}

/// What a byte does to the remainder.
const CRC32C: [u32; 256] = {
    let mut table = [0; 256];
    let mut n = 0;
    while n < 256 {
        let (mut crc, mut bit) = (n as u32, 0);
        while bit < 8 {
            crc = crc >> 1 ^ if crc & 1 == 1 { 0x82f6_3b78 } else { 0 };
            bit += 1;
        }
        table[n] = crc;
        n += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn example_of_rfc_1071() {
        assert_eq!(checksum(&[&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]]), !0xddf2);
        assert_eq!(checksum(&[&[0x12]]), !0x1200);
        assert_eq!(checksum(&[]), 0xffff);
    }

    #[test]
    fn examples_of_rfc_3720() {
        // iSCSI's appendix B.4 has more of them than SCTP's.
        assert_eq!(crc32c(&[&[0; 32]]), [0xaa, 0x36, 0x91, 0x8a]);
        assert_eq!(crc32c(&[&[0xff; 20], &[0xff; 12]]), [0x43, 0xab, 0xa8, 0x62]);
        let counting: Vec<u8> = (0..32).collect();
        assert_eq!(crc32c(&[&counting]), [0x4e, 0x79, 0xdd, 0x46]);
    }

    #[test]
    fn every_length_sums_as_its_words_one_by_one() {
        let bytes: Vec<u8> = (0..70_000_usize).map(|n| if n < 40 { 0xff } else { (n * 7 + n / 251) as u8 }).collect();
        for len in (0..200).chain([1448, 1471, 65_507, 69_999]) {
            let mut plain = 0_u32;
            for pair in bytes[..len].chunks(2) {
                plain += u32::from(pair[0]) << 8 | pair.get(1).copied().map_or(0, u32::from);
                plain = (plain & 0xffff) + (plain >> 16);
            }
            assert_eq!(sum(&[&bytes[..len]]), plain as u16, "{len}");
            let (head, tail) = bytes[..len].split_at(len / 6 * 2);
            assert_eq!(sum(&[head, tail]), plain as u16, "{len} in two parts");
        }
    }
}
