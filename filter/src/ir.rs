//! What a filter asks, before any order of instructions: values computed from a packet, and conditions on them.
//!
//! Both are nodes of an arena, named by number ([`V`], [`C`]), so that expressions of any depth need no recursion to
//! be built or dropped. Values are interned: the same computation has the same number.
//!
//! # Meaning
//! A value is a pure function of the packet, 32 bits, wrapping. It *faults* when a load lies beyond the captured bytes
//! (also when its address wraps), or a divisor is 0. Conditions are evaluated from left to right and no further than needed:
//! `And` and `Or` skip their second operand when the first decides, a test evaluates both its values, `If` the condition and then only
//! the chosen value. A fault anywhere in what is evaluated makes the whole filter refuse the packet. Every transformation keeps
//! exactly this: the same verdict on every packet, of any length.

use std::collections::HashMap;

use crate::hash::Seeded;

/// A value's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct V(pub u32);

/// A condition's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct C(pub u32);

/// Bytes of a load.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs, reason = "the names of <pcap/bpf.h>")]
pub enum Size {
    B,
    H,
    W,
}

/// Arithmetic; shifts by 32 and more give 0 (as bpf_filter(3) and the kernel do for BPF_X).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs, reason = "the names of <pcap/bpf.h>")]
pub enum Alu {
    Add,
    Sub,
    Mul,
    Div,
    Mod,
    And,
    Or,
    Xor,
    Lsh,
    Rsh,
}

/// A computation of 32 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Value {
    /// A constant.
    Imm(u32),
    /// The packet's length on the wire.
    Len,
    /// Bytes of the packet, big-endian, at `base + offset` (no base: at `offset`).
    Load {
        /// How many.
        size: Size,
        /// What is added to the offset when the program runs.
        base: Option<V>,
        /// In bytes.
        offset: u32,
    },
    /// What Linux knows beside the packet: `SKF_AD_OFF` + this. Never faults; known to live programs only.
    Ancillary(u32),
    /// Arithmetic on two values.
    Alu(Alu, V, V),
    /// Two's complement.
    Neg(V),
    /// The first value when the condition holds, else the second.
    If(C, V, V),
}

/// Comparisons, unsigned; `Set`: some bit is in both.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs, reason = "the names of <pcap/bpf.h>")]
pub enum Test {
    Eq,
    Gt,
    Ge,
    Set,
}

/// A question with the answer yes, no, or a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cond {
    /// Always this.
    Const(bool),
    /// `a test b`.
    Test(Test, V, V),
    /// True once the value is computed: only its fault counts.
    Eval(V),
    /// The contrary (a fault stays a fault).
    Not(C),
    /// Both, the left one first.
    And(C, C),
    /// One of them, the left one first.
    Or(C, C),
    /// A walk over a chain of headers, `protochain`.
    Chain(Chain),
}

/// `protochain`: follows IPv4's authentication header or IPv6's extension headers until the protocol is found. A loop: a program
/// with one is for the process, not for the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Chain {
    /// Whether the network header is IPv6's.
    pub ipv6: bool,
    /// Where the network header begins, from the packet's first byte (variable link-layer headers are refused).
    pub network: u32,
    /// The protocol looked for.
    pub protocol: u32,
}

/// The arena.
#[derive(Clone, Debug, Default)]
pub struct Ir {
    values: Vec<Value>,
    interned: HashMap<Value, V, Seeded>,
    conds: Vec<Cond>,
    /// libpcap leaves the program as it is, so it does not notice when no packet can be accepted (geneve, 802.11 payloads, …).
    pub unoptimized_by_libpcap: bool,
}

impl Ir {
    /// Nothing in it.
    pub fn new() -> Ir {
        let interned = HashMap::with_capacity_and_hasher(48, Seeded::default());
        Ir { values: Vec::with_capacity(48), interned, conds: Vec::with_capacity(48), unoptimized_by_libpcap: false }
    }

    /// The number of this computation. Operations on two constants are carried out, but for divisions by 0.
    pub fn value(&mut self, value: Value) -> V {
        let value = self.folded(value);
        *self.interned.entry(value).or_insert_with(|| {
            self.values.push(value);
            V(self.values.len() as u32 - 1)
        })
    }

    fn folded(&self, value: Value) -> Value {
        match value {
            Value::Alu(op, a, b) => match (op, self.get(a), self.get(b)) {
                (Alu::Div | Alu::Mod, _, Value::Imm(0)) => value,
                (_, Value::Imm(a), Value::Imm(b)) => Value::Imm(op.apply(a, b)),
                _ => value,
            },
            Value::Neg(a) => match self.get(a) {
                Value::Imm(a) => Value::Imm(a.wrapping_neg()),
                _ => value,
            },
            Value::Load { size, base: Some(base), offset } => match self.get(base) {
                Value::Imm(base) => match base.checked_add(offset) {
                    Some(offset) => Value::Load { size, base: None, offset },
                    None => value,
                },
                _ => value,
            },
            _ => value,
        }
    }

    /// A constant.
    pub fn imm(&mut self, k: u32) -> V {
        self.value(Value::Imm(k))
    }

    /// `a op b`.
    pub fn alu(&mut self, op: Alu, a: V, b: V) -> V {
        self.value(Value::Alu(op, a, b))
    }

    /// A new condition.
    pub fn cond(&mut self, cond: Cond) -> C {
        self.conds.push(cond);
        C(self.conds.len() as u32 - 1)
    }

    /// `a test k`.
    pub fn test(&mut self, test: Test, a: V, k: u32) -> C {
        let k = self.imm(k);
        self.cond(Cond::Test(test, a, k))
    }

    /// Both.
    pub fn and(&mut self, a: C, b: C) -> C {
        self.cond(Cond::And(a, b))
    }

    /// Either.
    pub fn or(&mut self, a: C, b: C) -> C {
        self.cond(Cond::Or(a, b))
    }

    /// The contrary.
    pub fn not(&mut self, a: C) -> C {
        self.cond(Cond::Not(a))
    }

    /// What a number stands for.
    pub fn get(&self, v: V) -> Value {
        self.values[v.0 as usize]
    }

    /// What a number stands for.
    pub fn get_cond(&self, c: C) -> Cond {
        self.conds[c.0 as usize]
    }

    /// How many values there are.
    pub fn values(&self) -> usize {
        self.values.len()
    }

    /// How many conditions there are.
    pub fn conds(&self) -> usize {
        self.conds.len()
    }
}

impl Alu {
    /// Carries it out; a division by 0 gives 0 (who must fault looks first).
    pub fn apply(self, a: u32, b: u32) -> u32 {
        match self {
            Alu::Add => a.wrapping_add(b),
            Alu::Sub => a.wrapping_sub(b),
            Alu::Mul => a.wrapping_mul(b),
            Alu::Div => a.checked_div(b).unwrap_or(0),
            Alu::Mod => a.checked_rem(b).unwrap_or(0),
            Alu::And => a & b,
            Alu::Or => a | b,
            Alu::Xor => a ^ b,
            Alu::Lsh => a.checked_shl(b).unwrap_or(0),
            Alu::Rsh => a.checked_shr(b).unwrap_or(0),
        }
    }
}
