//! The kernel's own functions that a program may call, by the numbers that its type information (BTF) gives them.
//!
//! ```text
//!   header   magic, version, flags, length, where types and strings lie behind it
//!   types    one after the other, numbered from 1: name, kind and count, size; then what the kind has
//!   strings  each with a 0 at its end; a name is an offset into them
//! ```
//! (<https://docs.kernel.org/bpf/btf.html>.) Some 5 MB of types are read and walked once in a process, in a few ms, and only where a
//! program goes into a card's driver.

use std::fs::File;
use std::io::Read;
use std::sync::OnceLock;

const MAGIC: u16 = 0xeb9f;
/// The kind of a function.
const FUNC: u32 = 12;
/// More than any kernel's types take.
const MOST_BYTES: u64 = 64 << 20;

/// The functions that are asked for here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Function {
    /// A received frame's VLAN tag that the card has taken out (Linux 6.8).
    VlanTag,
    /// When the card received a frame, by the card's clock (Linux 6.3).
    ReceiveTime,
}

const NAMES: [&str; 2] = ["bpf_xdp_metadata_rx_vlan_tag", "bpf_xdp_metadata_rx_timestamp"];

impl Function {
    /// Its number in the running kernel; `None` when that has no such function, or does not tell.
    pub fn number(self) -> Option<u32> {
        static NUMBERS: OnceLock<[Option<u32>; NAMES.len()]> = OnceLock::new();
        NUMBERS.get_or_init(|| read().map_or([None; NAMES.len()], |bytes| functions(&bytes, NAMES)))[self as usize]
    }
}

fn read() -> Option<Vec<u8>> {
    let file = File::open("/sys/kernel/btf/vmlinux").ok()?;
    let mut bytes = Vec::with_capacity(file.metadata().ok()?.len().min(MOST_BYTES) as usize);
    file.take(MOST_BYTES).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

/// The numbers of the functions with these names, as far as the types make sense.
fn functions<const N: usize>(bytes: &[u8], names: [&str; N]) -> [Option<u32>; N] {
    let mut found = [None; N];
    let Some((types, strings)) = parts(bytes) else { return found };
    // A name is compared where it lies: an offset, looked up once.
    let is = |name: &str, offset: u32| {
        let rest = strings.get(offset as usize..).and_then(|text| text.strip_prefix(name.as_bytes()));
        rest.is_some_and(|rest| rest.first() == Some(&0))
    };
    let (mut rest, mut number) = (types, 0);
    while let (Some(name), Some(info)) = (word(rest, 0), word(rest, 4)) {
        number += 1;
        let kind = info >> 24 & 31;
        if kind == FUNC {
            for (found, wanted) in found.iter_mut().zip(names) {
                if found.is_none() && is(wanted, name) {
                    *found = Some(number);
                }
            }
        }
        let Some(next) = bytes_behind(kind, info & 0xffff).and_then(|more| rest.get(12 + more..)) else { break };
        rest = next;
    }
    found
}

/// The types and the strings.
fn parts(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let magic = u16::from_ne_bytes(*bytes.first_chunk()?);
    if magic != MAGIC || bytes.get(2) != Some(&1) {
        return None;
    }
    let body = bytes.get(word(bytes, 4)? as usize..)?;
    let part = |at: usize| body.get(word(bytes, at)? as usize..)?.get(..word(bytes, at + 4)? as usize);
    Some((part(8)?, part(16)?))
}

/// Bytes that a type of this kind has behind the three words of all; `None` for kinds that nobody knows yet.
fn bytes_behind(kind: u32, count: u32) -> Option<usize> {
    let count = count as usize;
    Some(match kind {
        // Pointers, forward declarations, names and qualifiers, functions, floating point, tags of types.
        2 | 7..=12 | 16 | 18 => 0,
        // Integers, variables, tags of declarations.
        1 | 14 | 17 => 4,
        // Arrays.
        3 => 12,
        // Members of structs and unions, sections of data, enumerations of 64 bits.
        4 | 5 | 15 | 19 => 12 * count,
        // Enumerations, parameters.
        6 | 13 => 8 * count,
        _ => return None,
    })
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().copied().map(u32::from_ne_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Types of every kind, then two functions, of which the first one's name begins like the second's.
    fn made() -> Vec<u8> {
        let strings = b"\0bpf_one\0bpf_one_more\0";
        let mut types = Vec::new();
        let mut put = |name: u32, kind: u32, count: u32, behind: usize| {
            for word in [name, kind << 24 | count, 4] {
                types.extend(word.to_ne_bytes());
            }
            // What lies there looks like functions.
            types.extend(1_u32.to_ne_bytes().iter().chain(&(FUNC << 24).to_ne_bytes()).cycle().take(behind));
        };
        for (kind, count, behind) in [
            (1, 0, 4),
            (2, 0, 0),
            (3, 0, 12),
            (4, 3, 36),
            (5, 1, 12),
            (6, 2, 16),
            (7, 0, 0),
            (8, 0, 0),
            (13, 4, 32),
            (14, 0, 4),
            (15, 2, 24),
            (16, 0, 0),
            (17, 0, 4),
            (18, 0, 0),
            (19, 2, 24),
        ] {
            put(1, kind, count, behind);
        }
        put(9, FUNC, 1, 0); // 16
        put(1, FUNC, 1, 0); // 17
        let mut bytes = Vec::new();
        bytes.extend(MAGIC.to_ne_bytes());
        bytes.extend([1, 0]);
        for word in [24, 0, types.len() as u32, types.len() as u32, strings.len() as u32] {
            bytes.extend(word.to_ne_bytes());
        }
        bytes.extend(types);
        bytes.extend(strings);
        bytes
    }

    #[test]
    fn functions_have_the_numbers_of_their_places_among_all_types() {
        let found = functions(&made(), ["bpf_one", "bpf_one_more", "bpf_on", "more"]);
        assert_eq!(found, [Some(17), Some(16), None, None]);
    }

    #[test]
    fn spoilt_types_have_no_functions_and_end() {
        let good = made();
        for len in 0..good.len() {
            functions(&good[..len], ["bpf_one"]);
        }
        for at in 0..good.len() {
            for value in [0, 1, 0x7f, 0x80, 0xff] {
                let mut bytes = good.clone();
                bytes[at] = value;
                let [found] = functions(&bytes, ["bpf_one"]);
                assert!(found.is_none_or(|number| number <= 20), "byte {at} is {value}: {found:?}");
            }
        }
        let mut unknown = good;
        unknown[24 + 7] = 30;
        assert_eq!(functions(&unknown, ["bpf_one"]), [None]);
    }

    /// The numbers are the kernel's: it tells the types' names in the same file.
    #[test]
    fn the_running_kernels_types_are_walked_to_their_end() {
        let Some(bytes) = read() else { return };
        let [xdp, nothing] = functions(&bytes, ["bpf_prog_run_generic_xdp", "no_such_function_at_all"]);
        assert!(xdp.is_some_and(|number| number > 1_000) && nothing.is_none(), "{xdp:?} {nothing:?}");
    }
}
