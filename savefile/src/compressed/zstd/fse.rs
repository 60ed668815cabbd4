//! Finite state entropy: a state is a row of a table, which gives a symbol, and how many bits choose the next state.

use super::bits::{Backward, Corrupt, Forward, Result};

#[derive(Clone, Copy, Default)]
struct Row {
    symbol: u8,
    bits: u8,
    base: u16,
}

/// What the states mean.
#[derive(Clone)]
pub(super) struct Table {
    rows: Vec<Row>,
    /// Rows, as a power of two.
    log: u32,
}

impl Table {
    /// One symbol, again and again.
    pub(super) fn always(symbol: u8) -> Table {
        Table { rows: vec![Row { symbol, bits: 0, base: 0 }], log: 0 }
    }

    /// Reads the symbols' weights, and gives what follows them.
    pub(super) fn read(bytes: &[u8], largest_log: u32, symbols: usize) -> Result<(Table, &[u8])> {
        let mut bits = Forward::new(bytes);
        let log = bits.peek(4) + 5;
        bits.skip(4)?;
        if log > largest_log {
            return Err(Corrupt);
        }
        let mut weights: Vec<i16> = Vec::new();
        let mut left = 1i32 << log;
        while left > 0 {
            // Of the numbers up to left + 1, the small ones are written with a bit less.
            let count = (left as u32 + 1).ilog2() + 1;
            let value = bits.peek(count) as i32;
            let low = value & ((1 << (count - 1)) - 1);
            let short = (1 << count) - 1 - (left + 1);
            let (value, count) = match low < short {
                true => (low, count - 1),
                false if value >= 1 << (count - 1) => (value - short, count),
                false => (value, count),
            };
            bits.skip(count)?;
            let weight = value - 1;
            left -= weight.abs();
            weights.push(weight as i16);
            if weight == 0 {
                // Further zeros, three at a time.
                loop {
                    let zeros = bits.peek(2);
                    bits.skip(2)?;
                    weights.extend((0..zeros).map(|_| 0));
                    if zeros < 3 {
                        break;
                    }
                }
            }
            if weights.len() > symbols {
                return Err(Corrupt);
            }
        }
        if left < 0 {
            return Err(Corrupt);
        }
        Ok((Table::new(&weights, log)?, bits.rest()))
    }

    /// A table of 2^log rows. A weight is how many of them its symbol has; -1 is one row at the end, left by all its bits.
    pub(super) fn new(weights: &[i16], log: u32) -> Result<Table> {
        let size = 1usize << log;
        let mut rows = vec![Row::default(); size];
        let mut end = size;
        for (symbol, _) in weights.iter().enumerate().filter(|(_, weight)| **weight == -1) {
            end = end.checked_sub(1).ok_or(Corrupt)?;
            rows[end].symbol = symbol as u8;
        }
        let (step, mut at) = ((size >> 1) + (size >> 3) + 3, 0);
        for (symbol, &weight) in weights.iter().enumerate() {
            for _ in 0..weight.max(0) {
                if end == 0 {
                    return Err(Corrupt);
                }
                rows[at].symbol = symbol as u8;
                loop {
                    at = (at + step) & (size - 1);
                    if at < end {
                        break;
                    }
                }
            }
        }
        if at != 0 {
            return Err(Corrupt);
        }
        let mut next: Vec<u32> = weights.iter().map(|weight| weight.unsigned_abs().into()).collect();
        for row in &mut rows {
            let next = next.get_mut(usize::from(row.symbol)).filter(|next| **next != 0).ok_or(Corrupt)?;
            let bits = log.checked_sub(next.ilog2()).ok_or(Corrupt)?;
            row.bits = bits as u8;
            row.base = ((*next << bits) as usize).checked_sub(size).ok_or(Corrupt)? as u16;
            *next += 1;
        }
        Ok(Table { rows, log })
    }
}

/// A place in a table.
pub(super) struct State<'t> {
    table: &'t Table,
    row: Row,
}

impl<'t> State<'t> {
    pub(super) fn new(table: &'t Table, bits: &mut Backward<'_>) -> State<'t> {
        let row = table.rows[bits.read(table.log) as usize];
        State { table, row }
    }

    #[inline]
    pub(super) fn symbol(&self) -> u8 {
        self.row.symbol
    }

    #[inline]
    pub(super) fn go_on(&mut self, bits: &mut Backward<'_>) {
        let at = usize::from(self.row.base) + bits.read(self.row.bits.into()) as usize;
        // A table's rows lead into it only.
        self.row = self.table.rows.get(at).copied().unwrap_or_default();
    }
}
