//! Random conditions: every program accepts what `ir_eval` accepts, and nothing else.

use super::*;
use crate::PacketSource;
use crate::engine::{interpret, validate};
use crate::ir::{Alu, Chain, Cond, Size, Test, V, Value};
use crate::ir_eval::{Packet, evaluate};

/// A generator of numbers (xorshift).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, n: u64) -> u32 {
        (self.next() >> 11).wrapping_rem(n) as u32
    }

    fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len() as u64) as usize]
    }
}

const SIZES: [Size; 3] = [Size::B, Size::H, Size::W];
const ALUS: [Alu; 10] =
    [Alu::Add, Alu::Sub, Alu::Mul, Alu::Div, Alu::Mod, Alu::And, Alu::Or, Alu::Xor, Alu::Lsh, Alu::Rsh];

fn constant(random: &mut Random) -> u32 {
    match random.below(8) {
        0 => random.pick(&[0xf, 0xf0, 0xff, 0xff00, 0x8000_0000, u32::MAX, 32, 31, 40]),
        1 => random.pick(&[0x0101, 0x0102, 0x0201, 0x0101_0101, 0x0102_0000, 0x0100_0000]),
        _ => random.below(6),
    }
}

fn value(ir: &mut Ir, random: &mut Random, pool: &[V], conds: &[C]) -> V {
    let old = |random: &mut Random| random.pick(pool);
    match random.below(12) {
        0 => ir.imm(constant(random)),
        1 => ir.value(Value::Len),
        2 | 3 => {
            let (size, base) = (random.pick(&SIZES), Some(old(random)));
            let offset = if random.below(20) == 0 { u32::MAX - random.below(4) } else { random.below(6) };
            ir.value(Value::Load { size, base, offset })
        }
        4 | 5 => {
            let (op, a, b) = (random.pick(&ALUS), old(random), old(random));
            ir.alu(op, a, b)
        }
        6 => {
            let (op, a, k) = (random.pick(&ALUS), old(random), constant(random));
            let k = ir.imm(k);
            if random.below(4) == 0 { ir.alu(op, k, a) } else { ir.alu(op, a, k) }
        }
        7 if random.below(3) == 0 => {
            let a = old(random);
            ir.value(Value::Neg(a))
        }
        7 if !conds.is_empty() => {
            let (c, a, b) = (random.pick(conds), old(random), old(random));
            ir.value(Value::If(c, a, b))
        }
        8 => {
            let a = ir.value(Value::Load { size: Size::B, base: None, offset: random.below(6) });
            let (mask, two) = (ir.imm(0xf), ir.imm(2));
            let words = ir.alu(Alu::And, a, mask);
            ir.alu(Alu::Lsh, words, two)
        }
        _ => {
            let (size, offset) = (random.pick(&SIZES), random.below(12));
            ir.value(Value::Load { size, base: None, offset })
        }
    }
}

fn cond(ir: &mut Ir, random: &mut Random, values: &[V], conds: &[C]) -> C {
    const TESTS: [Test; 6] = [Test::Eq, Test::Eq, Test::Eq, Test::Gt, Test::Ge, Test::Set];
    match random.below(if conds.len() < 3 { 6 } else { 14 }) {
        0 if random.below(8) == 0 => {
            let (network, protocol) = (random.below(3), random.below(3));
            ir.cond(Cond::Chain(Chain { ipv6: random.below(2) == 0, network, protocol }))
        }
        0 => {
            let v = random.pick(values);
            ir.cond(Cond::Eval(v))
        }
        1 => {
            let (test, a, b) = (random.pick(&TESTS), random.pick(values), random.pick(values));
            ir.cond(Cond::Test(test, a, b))
        }
        2 => {
            let (mask, k) = (constant(random), constant(random));
            let (mask, v) = (ir.imm(mask), random.pick(values));
            let masked = ir.alu(Alu::And, v, mask);
            ir.test(random.pick(&TESTS), masked, k)
        }
        3..6 => {
            let (test, v, k) = (random.pick(&TESTS), random.pick(values), constant(random));
            ir.test(test, v, k)
        }
        6 => {
            let c = random.pick(conds);
            ir.not(c)
        }
        7 if random.below(6) == 0 => ir.cond(Cond::Const(random.below(2) == 0)),
        n => {
            let (a, b) = (random.pick(conds), random.pick(conds));
            if n % 2 == 0 { ir.and(a, b) } else { ir.or(a, b) }
        }
    }
}

/// Conditions of about `size` operations.
fn arbitrary(random: &mut Random, size: u64) -> (Ir, C) {
    let mut ir = Ir::new();
    let mut values = vec![ir.value(Value::Load { size: Size::B, base: None, offset: 0 })];
    let mut conds = Vec::new();
    for _ in 0..1 + random.below(8) {
        let v = value(&mut ir, random, &values, &conds);
        values.push(v);
        let c = cond(&mut ir, random, &values, &conds);
        conds.push(c);
    }
    for _ in 0..random.below(size) {
        let c = cond(&mut ir, random, &values, &conds);
        // Recent ones are picked more often, so that the last is large.
        let from = conds.len().saturating_sub(6);
        conds.push(c);
        let recent = conds[from..].to_vec();
        let c = cond(&mut ir, random, &values, &recent);
        conds.push(c);
    }
    let root = conds[conds.len() - 1];
    (ir, root)
}

/// Alternatives of tests on the same few values, as lists of hosts and ports make them.
fn alternatives(random: &mut Random, size: u64) -> (Ir, C) {
    let mut ir = Ir::new();
    let count = 1 + random.below(4);
    let mut values = Vec::new();
    let first = ir.value(Value::Load { size: Size::B, base: None, offset: 0 });
    for _ in 0..count {
        let v = value(&mut ir, random, &[first], &[]);
        values.push(ir.value(Value::Load { size: random.pick(&SIZES), base: None, offset: random.below(12) }));
        if random.below(4) == 0 && v.0 > 0 {
            values.push(v);
        }
    }
    let (and, negated) = (random.below(3) == 0, random.below(4) == 0);
    let kind = ir.value(Value::Load { size: Size::B, base: None, offset: random.below(3) });
    let mut all = None;
    for _ in 0..2 + random.below(size) {
        let mut term = None;
        for _ in 0..1 + random.below(3) * random.below(2) {
            let v = random.pick(&values);
            let k = constant(random);
            let c = match random.below(5) {
                0 => {
                    let mask = ir.imm(random.pick(&[0xff00_0000, 0xfffe, 0xf0, 0xfffc]));
                    let masked = ir.alu(Alu::And, v, mask);
                    ir.test(Test::Eq, masked, k)
                }
                1 => {
                    let last = k.saturating_add(random.below(3));
                    let (low, high) = (ir.test(Test::Ge, v, k), ir.test(Test::Gt, v, last));
                    let high = ir.not(high);
                    ir.and(low, high)
                }
                _ => ir.test(Test::Eq, v, k),
            };
            term = Some(term.map_or(c, |term| ir.and(term, c)));
        }
        let Some(mut c) = term else { continue };
        if random.below(3) == 0 {
            let is = ir.test(Test::Eq, kind, random.pick(&[1, 2]));
            c = ir.and(is, c);
        }
        if negated {
            c = ir.not(c);
        }
        all = Some(match all {
            None => c,
            Some(all) if and => ir.and(all, c),
            Some(all) => ir.or(all, c),
        });
    }
    let root = all.unwrap_or(C(0));
    (ir, root)
}

fn options(optimize: bool) -> Options {
    Options { linktype: 1, snaplen: 96, optimize, netmask: u32::MAX, source: PacketSource::Dead }
}

/// Compiles and compares on packets of every length up to 40.
fn check(ir: &Ir, root: C, random: &mut Random, packets: usize) {
    let plain = program(ir, root, &options(false));
    let optimized = program(ir, root, &options(true));
    for code in [&plain, &optimized].into_iter().flatten() {
        assert!(validate(code), "not valid: {code:?} of {ir:?} {root:?}");
    }
    for n in 0..packets {
        let bytes: Vec<u8> = (0..n % 41)
            .map(|_| match random.below(12) {
                0 => random.next() as u8,
                1 => random.pick(&[51, 59, 60, 43, 44]),
                _ => random.below(4) as u8,
            })
            .collect();
        let wire_len = bytes.len() as u32 + random.below(2);
        let packet = Packet { bytes: &bytes, wire_len, ancillary: &|_| 0 };
        let wanted = if evaluate(ir, root, &packet).accepts() { 96 } else { 0 };
        for (what, code) in [("plain", &plain), ("optimized", &optimized)] {
            let got = match code {
                Ok(code) => interpret(code.as_slice(), &bytes, wire_len, None),
                Err(error) if error.to_string().contains("rejects all") => 0,
                Err(_) => continue,
            };
            assert_eq!(
                got,
                wanted,
                "{what} on {bytes:?} ({wire_len}): {ir:?} {root:?}\n{}",
                code.as_ref()
                    .map_or(String::new(), |code| crate::engine::dump(code, crate::engine::Form::Text).to_string())
            );
        }
    }
}

#[test]
fn programs_agree_with_the_evaluator() {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let rounds = std::env::var("FILTER_ROUNDS").ok().and_then(|n| n.parse().ok()).unwrap_or(3000);
    for round in 0..rounds {
        let (ir, root) = arbitrary(&mut random, 2 + round % 40);
        check(&ir, root, &mut random, 160);
        let (ir, root) = alternatives(&mut random, 2 + round % 30);
        check(&ir, root, &mut random, 160);
    }
}

/// `host … or host … or …`: of kind 1 at two places, of kinds 2 and 3 at two others.
fn hosts(list: &[u32], negated: bool) -> (Ir, C) {
    let mut ir = Ir::new();
    let load = |ir: &mut Ir, size, offset| ir.value(Value::Load { size, base: None, offset });
    let kind = load(&mut ir, Size::B, 0);
    let mut all = None;
    for &host in list {
        let at = |ir: &mut Ir, kinds: [u32; 2], places: [u32; 2]| {
            let is = kinds.map(|k| ir.test(Test::Eq, kind, k));
            let is = ir.or(is[0], is[1]);
            let found = places.map(|at| {
                let v = load(ir, Size::W, at);
                ir.test(Test::Eq, v, host)
            });
            let found = ir.or(found[0], found[1]);
            ir.and(is, found)
        };
        let (ip, arp) = (at(&mut ir, [1, 1], [2, 6]), at(&mut ir, [2, 3], [3, 10]));
        let mut term = ir.or(ip, arp);
        if negated {
            term = ir.not(term);
        }
        all = Some(match all {
            None => term,
            Some(all) if negated => ir.and(all, term),
            Some(all) => ir.or(all, term),
        });
    }
    let root = all.unwrap_or(C(0));
    (ir, root)
}

#[test]
fn long_lists_are_searched_in_trees_with_the_same_verdicts() {
    let mut random = Random(77);
    for (count, negated) in [(30, false), (300, true), (1500, false)] {
        let list: Vec<u32> = (0..count).map(|_| random.next() as u32).collect();
        let (ir, root) = hosts(&list, negated);
        let code = program(&ir, root, &options(true)).unwrap();
        assert!(validate(&code) && code.len() < count * 3 + 30, "{} instructions", code.len());
        let plain = program(&ir, root, &options(false)).unwrap();
        for n in 0..2000 {
            let mut bytes: Vec<u8> = (0..14).map(|_| random.next() as u8).collect();
            bytes[0] = random.below(5) as u8;
            let at = random.pick(&[2, 6, 3, 10]);
            let host = random.pick(&list).wrapping_add(random.below(3)).wrapping_sub(1);
            bytes[at..at + 4].copy_from_slice(&host.to_be_bytes());
            bytes.truncate(n % 16);
            let packet = Packet { bytes: &bytes, wire_len: 14, ancillary: &|_| 0 };
            let wanted = if evaluate(&ir, root, &packet).accepts() { 96 } else { 0 };
            assert_eq!(interpret(code.as_slice(), &bytes, 14, None), wanted, "of {count}, on {bytes:?}");
            assert_eq!(interpret(plain.as_slice(), &bytes, 14, None), wanted, "plain, of {count}, on {bytes:?}");
        }
    }
}

#[test]
fn the_kernel_takes_programs_with_scratch_memory_and_long_jumps() {
    let mut random = Random(5);
    let list: Vec<u32> = (0..1000).map(|_| random.next() as u32).collect();
    let (ir, root) = hosts(&list, false);
    let code = program(&ir, root, &options(true)).unwrap();
    if let Err(refusal) = crate::engine::kernel_takes(&code) {
        panic!("{refusal:?}");
    }
    for round in 0..300 {
        let (ir, root) = arbitrary(&mut random, 2 + round % 40);
        let loops = (0..ir.conds()).any(|c| matches!(ir.get_cond(C(c as u32)), Cond::Chain(_)));
        for code in [false, true].map(|optimize| program(&ir, root, &options(optimize))).into_iter().flatten() {
            let refusal = crate::engine::kernel_takes(&code).err().filter(|_| !loops && code.len() <= 4096);
            assert!(refusal.is_none(), "{refusal:?}: {code:?}");
        }
    }
}

#[test]
fn stations_of_one_vendor_were_split_by_it_and_became_a_long_program() {
    let mut ir = Ir::new();
    let mut random = Random(11);
    let mut all = None;
    for _ in 0..400 {
        let (low, mut term) = (random.next() as u32, None);
        for places in [(8, 6), (2, 0)] {
            let word = ir.value(Value::Load { size: Size::W, base: None, offset: places.0 });
            let half = ir.value(Value::Load { size: Size::H, base: None, offset: places.1 });
            let (word, half) = (ir.test(Test::Eq, word, low), ir.test(Test::Eq, half, 0x0200));
            let both = ir.and(word, half);
            term = Some(term.map_or(both, |term| ir.or(term, both)));
        }
        let term = term.unwrap();
        all = Some(all.map_or(term, |all| ir.or(all, term)));
    }
    let root = all.unwrap();
    let code = program(&ir, root, &options(true)).unwrap();
    assert!(code.len() < 1300, "{} instructions", code.len());
    check(&ir, root, &mut random, 160);
}
