//! A compressed block: literals, and sequences that say where they go and what is repeated between them.

use super::bits::{Backward, Corrupt, Result};
use super::fse::{State, Table};
use super::huffman::Tree;

/// What a block may take from those before it in the frame.
pub(super) struct Memory {
    tree: Option<Tree>,
    literals: Option<Table>,
    offsets: Option<Table>,
    matches: Option<Table>,
    /// The last three offsets.
    recent: [usize; 3],
    /// The block's literals; kept for its room.
    bytes: Vec<u8>,
}

/// Base and further bits of a code for a length.
type Code = (u32, u8);

#[rustfmt::skip]
const LITERAL_LENGTHS: [Code; 36] = [
    (0, 0), (1, 0), (2, 0), (3, 0), (4, 0), (5, 0), (6, 0), (7, 0), (8, 0), (9, 0), (10, 0), (11, 0), (12, 0), (13, 0),
    (14, 0), (15, 0), (16, 1), (18, 1), (20, 1), (22, 1), (24, 2), (28, 2), (32, 3), (40, 3), (48, 4), (64, 6),
    (128, 7), (256, 8), (512, 9), (1024, 10), (2048, 11), (4096, 12), (8192, 13), (16384, 14), (32768, 15), (65536, 16),
];

#[rustfmt::skip]
const MATCH_LENGTHS: [Code; 53] = [
    (3, 0), (4, 0), (5, 0), (6, 0), (7, 0), (8, 0), (9, 0), (10, 0), (11, 0), (12, 0), (13, 0), (14, 0), (15, 0),
    (16, 0), (17, 0), (18, 0), (19, 0), (20, 0), (21, 0), (22, 0), (23, 0), (24, 0), (25, 0), (26, 0), (27, 0), (28, 0),
    (29, 0), (30, 0), (31, 0), (32, 0), (33, 0), (34, 0), (35, 1), (37, 1), (39, 1), (41, 1), (43, 2), (47, 2), (51, 3),
    (59, 3), (67, 4), (83, 4), (99, 5), (131, 7), (259, 8), (515, 9), (1027, 10), (2051, 11), (4099, 12), (8195, 13),
    (16387, 14), (32771, 15), (65539, 16),
];

/// How often the codes come when a block doesn't say.
#[rustfmt::skip]
const USUAL_LITERALS: [i16; 36] = [
    4, 3, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2, 2, 3, 2, 1, 1, 1, 1, 1, -1, -1, -1, -1,
];
#[rustfmt::skip]
const USUAL_OFFSETS: [i16; 29] = [
    1, 1, 1, 1, 1, 1, 2, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, -1, -1, -1, -1, -1,
];
#[rustfmt::skip]
const USUAL_MATCHES: [i16; 53] = [
    1, 4, 3, 2, 2, 2, 2, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
    1, 1, 1, 1, 1, 1, 1, 1, -1, -1, -1, -1, -1, -1, -1,
];

/// Offset codes: so many bits follow.
const LARGEST_OFFSET: u8 = 31;

impl Memory {
    pub(super) fn new() -> Memory {
        Memory { tree: None, literals: None, offsets: None, matches: None, recent: [1, 4, 8], bytes: Vec::new() }
    }

    /// Decodes a block behind what `history` holds of the frame: `most` bytes at most, repeating nothing from before its beginning.
    pub(super) fn decode(&mut self, block: &[u8], history: &mut Vec<u8>, most: usize) -> Result<()> {
        let rest = self.read_literals(block, most)?;
        let (count, rest) = sequence_count(rest)?;
        let end = history.len() + most;
        let mut literals = &self.bytes[..];
        if count > 0 {
            let (&modes, rest) = rest.split_first().ok_or(Corrupt)?;
            if modes & 3 != 0 {
                return Err(Corrupt);
            }
            let rest = table(&mut self.literals, modes >> 6, rest, &USUAL_LITERALS, 6, 9, 35)?;
            let rest = table(&mut self.offsets, modes >> 4 & 3, rest, &USUAL_OFFSETS, 5, 8, LARGEST_OFFSET)?;
            let rest = table(&mut self.matches, modes >> 2 & 3, rest, &USUAL_MATCHES, 6, 9, 52)?;
            let mut bits = Backward::new(rest)?;
            let mut literal = State::new(self.literals.as_ref().ok_or(Corrupt)?, &mut bits);
            let mut offset = State::new(self.offsets.as_ref().ok_or(Corrupt)?, &mut bits);
            let mut matched = State::new(self.matches.as_ref().ok_or(Corrupt)?, &mut bits);
            for left in (0..count).rev() {
                let code = offset.symbol().min(LARGEST_OFFSET);
                let value = (1usize << code) + bits.read(code.into()) as usize;
                let repeated = length(&MATCH_LENGTHS, matched.symbol(), &mut bits)?;
                let copied = length(&LITERAL_LENGTHS, literal.symbol(), &mut bits)?;
                if left > 0 {
                    literal.go_on(&mut bits);
                    matched.go_on(&mut bits);
                    offset.go_on(&mut bits);
                }
                if bits.is_overrun() {
                    return Err(Corrupt);
                }
                let (now, later) = literals.split_at_checked(copied).ok_or(Corrupt)?;
                literals = later;
                let offset = recall(&mut self.recent, value, copied == 0)?;
                if history.len() + copied + repeated > end {
                    return Err(Corrupt);
                }
                history.extend_from_slice(now);
                repeat(history, offset, repeated)?;
            }
            if !bits.is_used_up() {
                return Err(Corrupt);
            }
        } else if !rest.is_empty() {
            return Err(Corrupt);
        }
        if history.len() + literals.len() > end {
            return Err(Corrupt);
        }
        history.extend_from_slice(literals);
        Ok(())
    }

    /// Reads the literals into `bytes`, and gives what follows them.
    fn read_literals<'b>(&mut self, block: &'b [u8], most: usize) -> Result<&'b [u8]> {
        let &first = block.first().ok_or(Corrupt)?;
        let (kind, format) = (first & 3, first >> 2 & 3);
        // Bytes of the header, and bits of each number in it.
        let (head, bits) = match (kind, format) {
            (0 | 1, 0 | 2) => (1, 5),
            (0 | 1, 1) => (2, 12),
            (0 | 1, _) => (3, 20),
            (_, 0 | 1) => (3, 10),
            (_, 2) => (4, 14),
            _ => (5, 18),
        };
        let (header, rest) = block.split_at_checked(head).ok_or(Corrupt)?;
        let number = header.iter().rev().fold(0u64, |number, &byte| number << 8 | u64::from(byte));
        let mask = (1 << bits) - 1;
        let shift = if bits == 5 { 3 } else { 4 };
        let size = (number >> shift & mask) as usize;
        if size > most {
            return Err(Corrupt);
        }
        self.bytes.clear();
        match kind {
            0 => {
                let (literals, rest) = rest.split_at_checked(size).ok_or(Corrupt)?;
                self.bytes.extend_from_slice(literals);
                return Ok(rest);
            }
            1 => {
                let (&literal, rest) = rest.split_first().ok_or(Corrupt)?;
                self.bytes.resize(size, literal);
                return Ok(rest);
            }
            _ => {}
        }
        let packed = (number >> (shift + bits) & mask) as usize;
        let (mut packed, rest) = rest.split_at_checked(packed).ok_or(Corrupt)?;
        if kind == 2 {
            let (tree, after) = Tree::read(packed)?;
            self.tree = Some(tree);
            packed = after;
        }
        let tree = self.tree.as_ref().ok_or(Corrupt)?;
        match format {
            0 => tree.decode(packed, size, &mut self.bytes)?,
            _ => tree.decode_four(packed, size, &mut self.bytes)?,
        }
        Ok(rest)
    }
}

fn sequence_count(bytes: &[u8]) -> Result<(usize, &[u8])> {
    match bytes {
        [count @ 0..=127, rest @ ..] => Ok((usize::from(*count), rest)),
        [high @ 128..=254, low, rest @ ..] => Ok(((usize::from(*high) - 128) << 8 | usize::from(*low), rest)),
        [255, low, high, rest @ ..] => Ok(((usize::from(*high) << 8 | usize::from(*low)) + 0x7f00, rest)),
        _ => Err(Corrupt),
    }
}

/// Takes the table that a block's mode says into `kept`, and gives what follows it.
fn table<'b>(
    kept: &mut Option<Table>,
    mode: u8,
    bytes: &'b [u8],
    usual: &[i16],
    usual_log: u32,
    largest_log: u32,
    largest: u8,
) -> Result<&'b [u8]> {
    match mode {
        0 => *kept = Some(Table::new(usual, usual_log)?),
        1 => {
            let (&symbol, rest) = bytes.split_first().ok_or(Corrupt)?;
            *kept = Some(Table::always(Some(symbol).filter(|symbol| *symbol <= largest).ok_or(Corrupt)?));
            return Ok(rest);
        }
        2 => {
            let (table, rest) = Table::read(bytes, largest_log, usize::from(largest) + 1)?;
            *kept = Some(table);
            return Ok(rest);
        }
        _ => {}
    }
    Ok(bytes)
}

fn length(codes: &[Code], symbol: u8, bits: &mut Backward<'_>) -> Result<usize> {
    let &(base, more) = codes.get(usize::from(symbol)).ok_or(Corrupt)?;
    Ok((base + bits.read(more.into())) as usize)
}

/// The offset that a sequence means: small values are the last three, moved by one where no literal comes before.
fn recall(recent: &mut [usize; 3], value: usize, no_literals: bool) -> Result<usize> {
    let offset = match value + usize::from(no_literals && value <= 3) {
        1 => return Ok(recent[0]),
        2 => {
            recent.swap(0, 1);
            return Ok(recent[0]);
        }
        3 => recent[2],
        4 if value == 3 => recent[0] - 1,
        _ => value - 3,
    };
    *recent = [offset, recent[0], recent[1]];
    if offset == 0 { Err(Corrupt) } else { Ok(offset) }
}

/// Repeats `count` bytes from `offset` before the end; they may overlap what they become.
fn repeat(history: &mut Vec<u8>, offset: usize, count: usize) -> Result<()> {
    let mut from = history.len().checked_sub(offset).ok_or(Corrupt)?;
    let mut left = count;
    while left > 0 {
        let step = left.min(history.len() - from);
        history.extend_from_within(from..from + step);
        from += step;
        left -= step;
    }
    Ok(())
}
