//! Huffman-coded literals.

use super::bits::{Backward, Corrupt, Result};
use super::fse::{State, Table};

/// Bits of a code at most.
const LONGEST: u32 = 11;

/// By the next bits of a stream: a symbol, and how many of the bits are its code.
pub(super) struct Tree {
    rows: Vec<(u8, u8)>,
    bits: u32,
}

impl Tree {
    /// Reads a tree, and gives what follows it.
    pub(super) fn read(bytes: &[u8]) -> Result<(Tree, &[u8])> {
        let (&size, rest) = bytes.split_first().ok_or(Corrupt)?;
        let size = usize::from(size);
        if size < 128 {
            let (coded, rest) = rest.split_at_checked(size).ok_or(Corrupt)?;
            return Ok((Tree::new(coded_weights(coded)?)?, rest));
        }
        let count = size - 127;
        let (halves, rest) = rest.split_at_checked(count.div_ceil(2)).ok_or(Corrupt)?;
        let weights = halves.iter().flat_map(|byte| [byte >> 4, byte & 15]).take(count).collect();
        Ok((Tree::new(weights)?, rest))
    }

    /// A symbol of weight w has 2^(w-1) rows. The last symbol's weight is what is missing to a power of two.
    fn new(mut weights: Vec<u8>) -> Result<Tree> {
        let mut sum = 0u32;
        for &weight in &weights {
            if u32::from(weight) > LONGEST {
                return Err(Corrupt);
            }
            sum += (1 << weight) >> 1;
        }
        let bits = sum.checked_ilog2().ok_or(Corrupt)? + 1;
        let missing = (1 << bits) - sum;
        if bits > LONGEST || !missing.is_power_of_two() || weights.len() > 255 {
            return Err(Corrupt);
        }
        weights.push(missing.ilog2() as u8 + 1);
        let mut rows = Vec::with_capacity(1 << bits);
        for weight in 1..=bits as u8 {
            for (symbol, _) in weights.iter().enumerate().filter(|(_, own)| **own == weight) {
                let count = 1usize << (weight - 1);
                rows.extend(std::iter::repeat_n((symbol as u8, bits as u8 + 1 - weight), count));
            }
        }
        if rows.len() == 1 << bits { Ok(Tree { rows, bits }) } else { Err(Corrupt) }
    }

    /// Decodes `count` literals from one stream.
    pub(super) fn decode(&self, stream: &[u8], count: usize, to: &mut Vec<u8>) -> Result<()> {
        let mut bits = Backward::new(stream)?;
        for _ in 0..count {
            let &(symbol, used) = self.rows.get(bits.peek(self.bits) as usize).ok_or(Corrupt)?;
            to.push(symbol);
            bits.skip(used.into());
        }
        if bits.is_used_up() { Ok(()) } else { Err(Corrupt) }
    }

    /// Decodes `count` literals from four streams, a quarter each.
    pub(super) fn decode_four(&self, bytes: &[u8], count: usize, to: &mut Vec<u8>) -> Result<()> {
        let (sizes, mut rest) = bytes.split_first_chunk::<6>().ok_or(Corrupt)?;
        let quarter = count.div_ceil(4);
        let last = count.checked_sub(3 * quarter).ok_or(Corrupt)?;
        for size in sizes.chunks_exact(2) {
            let size = usize::from(size[0]) | usize::from(size[1]) << 8;
            let (stream, after) = rest.split_at_checked(size).ok_or(Corrupt)?;
            self.decode(stream, quarter, to)?;
            rest = after;
        }
        self.decode(rest, last, to)
    }
}

/// Weights that two states in turns give, until the bits are used up.
fn coded_weights(bytes: &[u8]) -> Result<Vec<u8>> {
    let (table, stream) = Table::read(bytes, 6, 256)?;
    let mut bits = Backward::new(stream)?;
    let mut now = State::new(&table, &mut bits);
    let mut then = State::new(&table, &mut bits);
    let mut weights = Vec::new();
    while weights.len() < 255 {
        weights.push(now.symbol());
        now.go_on(&mut bits);
        if bits.is_overrun() {
            weights.push(then.symbol());
            return Ok(weights);
        }
        std::mem::swap(&mut now, &mut then);
    }
    Err(Corrupt)
}
