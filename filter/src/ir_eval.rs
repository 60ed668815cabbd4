//! Evaluates conditions straight from their definition: what every program made from them is compared with.
//!
//! Slow and plain on purpose. No recursion: operands lie before their users in the arena, so a stack of what is still to be known
//! suffices.

use crate::ir::{Alu, C, Chain, Cond, Ir, Size, Test, V, Value};

/// A packet as a filter sees it.
#[derive(Clone, Copy)]
pub struct Packet<'a> {
    /// The captured bytes.
    pub bytes: &'a [u8],
    /// The length on the wire.
    pub wire_len: u32,
    /// The value at `SKF_AD_OFF` + its argument.
    pub ancillary: &'a dyn Fn(u32) -> u32,
}

/// The answer to a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It holds.
    True,
    /// It does not hold.
    False,
    /// A load was out of bounds, or a divisor 0: the packet is refused.
    Fault,
}

impl Outcome {
    /// Whether the packet is accepted.
    pub fn accepts(self) -> bool {
        self == Outcome::True
    }
}

struct Fault;

#[derive(Clone, Copy)]
enum Wanted {
    Value(V),
    Cond(C),
}

struct Eval<'a> {
    ir: &'a Ir,
    packet: &'a Packet<'a>,
    values: Vec<Option<u32>>,
    conds: Vec<Option<bool>>,
    wanted: Vec<Wanted>,
}

/// Evaluates `root` on `packet`.
pub fn evaluate(ir: &Ir, root: C, packet: &Packet<'_>) -> Outcome {
    let (values, conds) = (vec![None; ir.values()], vec![None; ir.conds()]);
    let mut eval = Eval { ir, packet, values, conds, wanted: vec![Wanted::Cond(root)] };
    while let Some(&wanted) = eval.wanted.last() {
        // Either something is found, or what it needs is put on top of it.
        let found = match wanted {
            Wanted::Value(v) => eval.value(v).map(|found| found.map(|x| eval.values[v.0 as usize] = Some(x))),
            Wanted::Cond(c) => eval.cond(c).map(|found| found.map(|x| eval.conds[c.0 as usize] = Some(x))),
        };
        match found {
            Err(Fault) => return Outcome::Fault,
            Ok(Some(())) => drop(eval.wanted.pop()),
            Ok(None) => {}
        }
    }
    match eval.conds[root.0 as usize] {
        Some(true) => Outcome::True,
        _ => Outcome::False,
    }
}

impl Eval<'_> {
    fn known(&mut self, v: V) -> Option<u32> {
        let known = self.values[v.0 as usize];
        if known.is_none() {
            self.wanted.push(Wanted::Value(v));
        }
        known
    }

    fn holds(&mut self, c: C) -> Option<bool> {
        let known = self.conds[c.0 as usize];
        if known.is_none() {
            self.wanted.push(Wanted::Cond(c));
        }
        known
    }

    fn value(&mut self, v: V) -> Result<Option<u32>, Fault> {
        Ok(match self.ir.get(v) {
            Value::Imm(k) => Some(k),
            Value::Len => Some(self.packet.wire_len),
            Value::Ancillary(what) => Some((self.packet.ancillary)(what)),
            Value::Load { size, base: None, offset } => Some(load(self.packet.bytes, size, 0, offset)?),
            Value::Load { size, base: Some(base), offset } => match self.known(base) {
                Some(base) => Some(load(self.packet.bytes, size, base, offset)?),
                None => None,
            },
            Value::Alu(op, a, b) => match (self.known(a), self.known(b)) {
                (Some(_), Some(0)) if matches!(op, Alu::Div | Alu::Mod) => return Err(Fault),
                (Some(a), Some(b)) => Some(op.apply(a, b)),
                _ => None,
            },
            Value::Neg(a) => self.known(a).map(u32::wrapping_neg),
            Value::If(c, a, b) => match self.holds(c) {
                Some(true) => self.known(a),
                Some(false) => self.known(b),
                None => None,
            },
        })
    }

    fn cond(&mut self, c: C) -> Result<Option<bool>, Fault> {
        Ok(match self.ir.get_cond(c) {
            Cond::Const(x) => Some(x),
            Cond::Test(test, a, b) => match (self.known(a), self.known(b)) {
                (Some(a), Some(b)) => Some(test.holds(a, b)),
                _ => None,
            },
            Cond::Eval(v) => self.known(v).map(|_| true),
            Cond::Not(c) => self.holds(c).map(|x| !x),
            Cond::And(a, b) => match self.holds(a) {
                Some(true) => self.holds(b),
                other => other,
            },
            Cond::Or(a, b) => match self.holds(a) {
                Some(false) => self.holds(b),
                other => other,
            },
            Cond::Chain(chain) => Some(follow(chain, self.packet.bytes)?),
        })
    }
}

impl Test {
    /// Carries it out.
    pub fn holds(self, a: u32, b: u32) -> bool {
        match self {
            Test::Eq => a == b,
            Test::Gt => a > b,
            Test::Ge => a >= b,
            Test::Set => a & b != 0,
        }
    }
}

fn load(bytes: &[u8], size: Size, base: u32, offset: u32) -> Result<u32, Fault> {
    let n = match size {
        Size::B => 1,
        Size::H => 2,
        Size::W => 4,
    };
    let at = base.checked_add(offset).ok_or(Fault)? as usize;
    let field = bytes.get(at..at + n).ok_or(Fault)?;
    Ok(field.iter().fold(0, |x, &byte| (x << 8) | u32::from(byte)))
}

/// libpcap's loop, with its quirk: behind an authentication header, what follows is sought at that header's length from the
/// network header, whatever came before it. So headers can lead in a circle; such packets are refused. (What comes next depends on the
/// place alone: a walk that ends sees no place twice.)
fn follow(chain: Chain, bytes: &[u8]) -> Result<bool, Fault> {
    let byte = |base: u32, offset: u32| load(bytes, Size::B, base, chain.network.wrapping_add(offset));
    let (mut next, mut at) = if chain.ipv6 { (byte(0, 6)?, 40) } else { (byte(0, 9)?, (byte(0, 0)? & 0xf) << 2) };
    for _ in 0..=bytes.len() {
        match next {
            _ if next == chain.protocol => return Ok(true),
            51 => {
                next = byte(at, 0)?;
                at = (byte(at.wrapping_add(1), 0)?.wrapping_add(2)).wrapping_mul(4);
            }
            0 | 43 | 44 | 60 if chain.ipv6 => {
                next = byte(at, 0)?;
                at = at.wrapping_add(byte(at, 1)?.wrapping_add(1).wrapping_mul(8));
            }
            _ => return Ok(false),
        }
    }
    Err(Fault)
}
