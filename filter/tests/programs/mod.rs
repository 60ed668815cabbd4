//! Random valid programs and packets, shared by the tests of the engines.

#![allow(dead_code, reason = "each user takes what it needs")]

use filter::Insn;
use filter::insn::op::*;
use std::io::Write;

/// Says, past the capture of the test harness, that a test can't be made here.
pub fn skipped(why: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "\nskipped: {why}").and_then(|()| out.flush()).ok();
}

/// Numbers without a pattern, the same in every run.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Random {
        Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn word(&mut self) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32) as u32
    }

    /// Less than `n`.
    pub fn below(&mut self, n: u32) -> u32 {
        ((u64::from(self.word()) * u64::from(n)) >> 32) as u32
    }

    /// One of a hundred, `percent` times.
    pub fn chance(&mut self, percent: u32) -> bool {
        self.below(100) < percent
    }

    pub fn of<T: Copy>(&mut self, some: &[T]) -> T {
        some[self.below(some.len() as u32) as usize]
    }

    /// A packet of up to 96 bytes, 0 among the lengths; small bytes are frequent.
    pub fn packet(&mut self) -> Vec<u8> {
        let len = self.below(97);
        let small = self.chance(50);
        (0..len).map(|_| if small { self.below(8) as u8 } else { self.word() as u8 }).collect()
    }
}

/// What a program may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rules {
    /// Anything that is valid.
    Any,
    /// Jumps forward only, and reads no scratch memory before it is written: what libpcap 1.10 gives a result for.
    Forward,
    /// What Linux takes, and runs as libpcap does.
    Kernel,
}

const ALU_OPS: [u16; 10] = [ADD, SUB, MUL, DIV, MOD, OR, AND, XOR, LSH, RSH];

/// A valid program.
pub fn program(random: &mut Random, rules: Rules) -> Vec<Insn> {
    let mut program = Vec::new();
    if rules != Rules::Any {
        program.extend((0..16).map(|word| Insn::new(ST, word)));
    }
    let len = program.len() + random.of(&[1, 4, 10, 20, 40, 40, 300]);
    while program.len() < len {
        match random.below(20) {
            0..3 => at_x(random, rules, &mut program),
            3 if random.chance(50) => tree(random, &mut program),
            3 => balanced(random, &mut program),
            _ => {
                let insn = single(random, rules);
                if rules == Rules::Kernel && wants_small_x(&insn) {
                    program.push(Insn::new(LDX | IMM, random.below(32)));
                }
                program.push(insn);
            }
        }
    }
    let end = program.len() + 1;
    program.push(Insn::new(RET | A, 0));
    if random.chance(30) {
        program.push(Insn::new(RET, random.of(&[0, 1, 96, 262_144, u32::MAX])));
    }
    for at in 0..program.len() {
        land(random, rules, &mut program, at, end);
    }
    if rules == Rules::Kernel {
        keep_x_small(&mut program);
    }
    program
}

/// `program` with another instruction in one place; `None` where that would not be valid. It ends there if the new one returns, and may
/// do so as well.
pub fn changed(random: &mut Random, program: &[Insn], valid: impl Fn(&[Insn]) -> bool) -> Option<Vec<Insn>> {
    let mut changed = program.to_vec();
    let at = random.below(program.len() as u32) as usize;
    let insn = &mut changed[at];
    match random.below(6) {
        0 => insn.k = insn.k.wrapping_add(random.of(&[1, u32::MAX, 2, 0x100])),
        1 => insn.k = random.word(),
        2 => insn.jt = random.below(20) as u8,
        3 => insn.jf = insn.jf.wrapping_sub(random.below(3) as u8),
        4 => *insn = single(random, Rules::Forward),
        _ => {
            *insn = Insn::new(RET, random.of(&[0, 7, 96]));
            let short = &changed[..=at];
            if random.chance(80) && valid(short) {
                return Some(short.to_vec());
            }
        }
    }
    (changed != program && valid(&changed)).then_some(changed)
}

/// Whether Linux does something else than libpcap when X is large: shifts, and addresses that wrap.
fn wants_small_x(insn: &Insn) -> bool {
    matches!(insn.code & !0x18, 0x40) || matches!(insn.code, 0x6c | 0x7c)
}

/// Loads at an X that is small enough for them to succeed.
fn at_x(random: &mut Random, rules: Rules, program: &mut Vec<Insn>) {
    program.extend(match random.below(3) {
        0 => vec![Insn::new(LDX | B | MSH, random.below(40))],
        1 if rules != Rules::Kernel => vec![Insn::new(ALU | AND, 0x1f), Insn::new(MISC | TAX, 0)],
        _ => vec![Insn::new(LDX | IMM, random.below(50))],
    });
    for _ in 0..random.below(if rules == Rules::Kernel { 2 } else { 3 }) {
        program.push(Insn::new(LD | IND | random.of(&[W, H, B]), random.below(50)));
        program.push(Insn::jump(JMP | random.of(&[JEQ, JGT, JGE, JSET]), random.below(8), 0, 0));
    }
}

/// Comparisons of one A that lead to each other and to two ways out.
fn tree(random: &mut Random, program: &mut Vec<Insn>) {
    program.push(Insn::new(LD | ABS | random.of(&[W, H, B]), random.below(40)));
    let len = random.of(&[8, 12, 30, 100]);
    for left in (0..len).rev() {
        let mut skip = || match random.below(4) {
            0 => left as u8,
            1 => left as u8 + 1,
            2 => random.below(left + 1) as u8,
            _ => 0,
        };
        let (jt, jf) = (skip(), skip());
        let k = match random.below(3) {
            0 => random.below(20),
            1 => random.below(1 << 16),
            _ => random.word(),
        };
        program.push(Insn::jump(JMP | random.of(&[JEQ, JGT, JGE]), k, jt, jf));
    }
    ways_out(random, program);
}

/// Two places that tell themselves apart.
fn ways_out(random: &mut Random, program: &mut Vec<Insn>) {
    program.push(Insn::new(ALU | OR, 0x100));
    program.push(Insn::new(ALU | XOR, random.word()));
}

/// A search tree as compilers make them; sometimes the load before it is followed by a jump over all of it.
fn balanced(random: &mut Random, program: &mut Vec<Insn>) {
    program.push(Insn::new(LD | ABS | random.of(&[W, H, B]), random.below(40)));
    let small = random.chance(50);
    let mut values: Vec<u32> =
        (0..random.of(&[8, 20, 60, 120])).map(|_| if small { random.below(400) } else { random.word() }).collect();
    values.sort_unstable();
    values.dedup();
    let mut comparisons = Vec::new();
    if random.chance(50) {
        comparisons.push((JEQ, random.below(400), YES, 1));
    }
    let (leaf, singles) = (random.of(&[1, 3, 7, 16]), random.chance(60));
    part(random, &values, leaf, singles, &mut comparisons);
    let len = comparisons.len();
    for (at, (test, k, yes, no)) in comparisons.into_iter().enumerate() {
        let skip = |to: usize| (if to >= YES { len + (to - YES) } else { to } - at - 1) as u8;
        program.push(Insn::jump(JMP | test, k, skip(yes), skip(no)));
    }
    ways_out(random, program);
}

/// The places behind a tree.
const YES: usize = usize::MAX - 1;
const NO: usize = usize::MAX;

/// A part of a tree: tests, numbers, and where they lead.
fn part(random: &mut Random, values: &[u32], leaf: usize, singles: bool, out: &mut Vec<(u16, u32, usize, usize)>) {
    let at = out.len();
    if values.len() > leaf {
        let (left, right) = values.split_at(values.len() / 2);
        out.push((JGE, right[0], 0, 0));
        part(random, right, leaf, singles, out);
        (out[at].2, out[at].3) = (at + 1, out.len());
        part(random, left, leaf, singles, out);
        return;
    }
    for (number, &k) in values.iter().enumerate() {
        let next = if number + 1 == values.len() { NO } else { out.len() + 1 };
        let test = if singles { JEQ } else { random.of(&[JEQ, JGT, JGE]) };
        out.push((test, k, YES, next));
    }
}

/// Lets jumps to what wants a small X go to the instruction before, which makes it small.
fn keep_x_small(program: &mut [Insn]) {
    let wants: Vec<bool> = program.iter().map(wants_small_x).collect();
    for (at, insn) in program.iter_mut().enumerate() {
        if insn.code == JMP | JA {
            insn.k -= u32::from(wants[at + 1 + insn.k as usize]);
        } else if insn.code & 7 == JMP {
            insn.jt -= u8::from(wants[at + 1 + usize::from(insn.jt)]);
            insn.jf -= u8::from(wants[at + 1 + usize::from(insn.jf)]);
        }
    }
}

fn single(random: &mut Random, rules: Rules) -> Insn {
    let far = [0x7fff_fffc, 0x7fff_ffff, 0x8000_0000, 0xffff_effc, 0xffff_f02c, 0xffff_f030, u32::MAX];
    let k = random.word();
    match random.below(20) {
        0..4 => {
            let k = match random.below(100) {
                0..3 if rules != Rules::Kernel => random.of(&far),
                0..6 => random.below(70_000),
                6..12 => random.below(120),
                _ => random.below(24),
            };
            let size = random.of(&[W, H, B]);
            match random.below(5) {
                0 => Insn::new(LDX | B | MSH, k),
                1 if random.chance(30) => Insn::new(LD | IND | size, k),
                _ => Insn::new(LD | ABS | size, k),
            }
        }
        4 => random.of(&[Insn::new(LD | LEN, 0), Insn::new(LDX | LEN, 0)]),
        5 => Insn::new(random.of(&[LD, LDX]) | IMM, random.of(&[0, 1, 8, 31, 32, 33, 60, k])),
        6 => Insn::new(random.of(&[LD, LDX]) | MEM, random.below(16)),
        7 => Insn::new(random.of(&[ST, STX]), random.below(16)),
        8 => Insn::new(MISC | random.of(&[TAX, TXA]), 0),
        9 => Insn::new(ALU | NEG, 0),
        10..14 => {
            let op = random.of(&ALU_OPS);
            let k = match op {
                LSH | RSH => k & 31,
                DIV | MOD => (k & random.of(&[7, 255, u32::MAX])).max(1),
                _ => random.of(&[k, k & 0xff, k & 0xffff, 0, 127, 128, 0xffff_ff80, 4095, 4096]),
            };
            Insn::new(ALU | op, k)
        }
        14..16 => Insn::new(ALU | X | random.of(&ALU_OPS), k),
        16..19 => {
            let source = random.of(&[K, K, K, X]);
            let k = random.of(&[k, k & 0xff, k & 0xffff, k & 7, 0, 0x8000_0000, u32::MAX]);
            Insn::jump(JMP | source | random.of(&[JEQ, JGT, JGE, JSET]), k, 0, 0)
        }
        _ if random.chance(20) => Insn::new(RET | random.of(&[K, A]), random.of(&[0, 0, k])),
        _ => Insn::new(JMP | JA, random.below(5)),
    }
}

/// Gives a jump targets inside the program, `end` being its last instruction or the one before; trees keep theirs.
fn land(random: &mut Random, rules: Rules, program: &mut [Insn], at: usize, end: usize) {
    let last = program.len() as u32 - 1;
    let room = last - (at as u32).min(last);
    let insn = &mut program[at];
    if insn.code == JMP | JA {
        insn.k = insn.k.min(room.saturating_sub(1));
        if rules == Rules::Any && at > 1 && random.chance(40) {
            insn.k = (random.below(at as u32) + 2).min(at as u32 + 1).wrapping_neg();
        }
    } else if insn.code & 7 == JMP {
        let mut skip = |now: u8| {
            let far = (end - 1 - at.min(end - 1)).saturating_sub(1) as u32;
            let new = match random.below(6) {
                0 => far,
                1 => random.below(8),
                2 => random.below(256),
                _ => now.into(),
            };
            let skip = if now == 0 { new } else { now.into() };
            skip.min(room.saturating_sub(1)).min(255) as u8
        };
        (insn.jt, insn.jf) = (skip(insn.jt), skip(insn.jf));
    }
}
