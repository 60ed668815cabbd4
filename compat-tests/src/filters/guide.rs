//! Leads frames down the branches of a program.
//!
//! Hardly any captured frame passes the first few tests of a random expression. So a program is run on a frame, and at a jump the
//! bytes that were tested are changed to make the jump go the other way, where it is known how they came
//! into the accumulator; a load beyond the end makes the frame longer. What decides is the verdict of the whole program
//! on the frame as it is in the end: a change that undoes an earlier one only spoils the walk.

use super::corpus::Frame;
use crate::random::Random;
use filter::Insn;
use filter::insn::op;

/// The farthest byte to which a frame is made longer.
const LONGEST: usize = 600;

/// Steps that a walk may take.
const STEPS: usize = 4000;

/// Whether `program` ends on the frame as it is. libpcap's `protochain` goes round for ever on some.
pub fn ends(program: &[Insn], frame: &Frame) -> bool {
    let backwards = |insn: &Insn| insn.code == op::JMP | op::JA && insn.k as i32 <= 0;
    !program.iter().any(backwards) || run(program, frame.clone(), None).ended
}

/// A frame at the end of a walk.
pub struct Walk {
    /// As the walk left it.
    pub frame: Frame,
    /// Where its loads ended: lengths at which a cut matters.
    pub ends: Vec<usize>,
    /// It came to an end.
    ended: bool,
}

/// A value, and how it came from the frame: bytes, and what was done to them since.
#[derive(Clone, Default)]
struct Traced {
    value: u32,
    from: Option<(usize, usize)>,
    steps: Vec<(u16, u32)>,
}

impl Traced {
    fn constant(value: u32) -> Traced {
        Traced { value, ..Traced::default() }
    }

    fn unknown(value: u32) -> Traced {
        Traced::constant(value)
    }

    fn then(mut self, operation: u16, k: u32) -> Traced {
        self.value = apply(operation, self.value, k);
        self.steps.push((operation, k));
        self
    }

    /// Changes `frame` so that this value becomes `wanted`; whether it could.
    fn make(&mut self, wanted: u32, frame: &mut [u8]) -> bool {
        let Some((at, size)) = self.from else { return false };
        let Some(bytes) = frame.get_mut(at..at + size) else { return false };
        let before = bytes.iter().fold(0, |sum, &byte| sum << 8 | u32::from(byte));
        let mut stages = vec![before];
        for &(operation, k) in &self.steps {
            stages.push(apply(operation, stages[stages.len() - 1], k));
        }
        let mut value = wanted;
        for (&(operation, k), &old) in self.steps.iter().zip(&stages).rev() {
            value = match operation {
                op::ADD => value.wrapping_sub(k),
                op::SUB => value.wrapping_add(k),
                op::XOR => value ^ k,
                op::AND => (old & !k) | (value & k),
                op::OR => value & !k | old & k,
                op::LSH => value.checked_shr(k).unwrap_or(0),
                op::RSH => value.checked_shl(k).unwrap_or(0) | (old & !u32::MAX.checked_shl(k).unwrap_or(0)),
                op::MUL if k != 0 => value / k,
                op::DIV => value.wrapping_mul(k),
                op::NEG => value.wrapping_neg(),
                _ => return false,
            };
        }
        for (place, byte) in value.to_be_bytes()[4 - size..].iter().enumerate() {
            bytes[place] = *byte;
        }
        let now = bytes.iter().fold(0, |sum, &byte| sum << 8 | u32::from(byte));
        self.value = self.steps.iter().fold(now, |value, &(operation, k)| apply(operation, value, k));
        true
    }
}

fn apply(operation: u16, a: u32, k: u32) -> u32 {
    match operation {
        op::ADD => a.wrapping_add(k),
        op::SUB => a.wrapping_sub(k),
        op::MUL => a.wrapping_mul(k),
        op::DIV => a.checked_div(k).unwrap_or(0),
        op::MOD => a.checked_rem(k).unwrap_or(0),
        op::AND => a & k,
        op::OR => a | k,
        op::XOR => a ^ k,
        op::LSH => a.checked_shl(k).unwrap_or(0),
        op::RSH => a.checked_shr(k).unwrap_or(0),
        _ => a.wrapping_neg(),
    }
}

/// How many jumps each instruction is away from an accepting return.
fn distances(program: &[Insn]) -> Vec<u32> {
    let mut far = vec![u32::MAX; program.len()];
    // Twice, for the loops of protochain.
    for at in (0..program.len()).rev().chain((0..program.len()).rev()) {
        let to = |n: usize| far.get(n).copied().unwrap_or(u32::MAX);
        let insn = program[at];
        far[at] = match insn.code & 7 {
            op::RET => {
                if insn.code & 0x18 == op::K && insn.k == 0 {
                    u32::MAX
                } else {
                    0
                }
            }
            op::JMP if insn.code & 0xf0 == op::JA => to((at as i64 + 1 + i64::from(insn.k as i32)) as usize),
            op::JMP => {
                let nearest = to(at + 1 + usize::from(insn.jt)).min(to(at + 1 + usize::from(insn.jf)));
                nearest.saturating_add(1)
            }
            _ => to(at + 1),
        };
    }
    far
}

/// Walks `frame` through `program`, changing it at jumps.
pub fn walk(program: &[Insn], frame: Frame, random: &mut Random) -> Walk {
    run(program, frame, Some(random))
}

/// Walks; without random numbers the frame stays as it is.
fn run(program: &[Insn], mut frame: Frame, mut random: Option<&mut Random>) -> Walk {
    let far = distances(program);
    // Towards acceptance mostly; how much so differs from walk to walk.
    let towards = random.as_mut().map_or(0, |random| *random.pick(&[60, 85, 100]));
    let mut ended = true;
    let mut ends = Vec::new();
    let (mut a, mut x) = (Traced::default(), Traced::default());
    let mut memory: [Traced; 16] = std::array::from_fn(|_| Traced::default());
    let mut at = 0;
    for step in 0.. {
        ended = step < STEPS;
        let Some(&insn) = program.get(at).filter(|_| ended) else { break };
        at += 1;
        let k = insn.k;
        match insn.code & 7 {
            class @ (op::LD | op::LDX) => {
                let value = match insn.code & 0xe0 {
                    op::IMM => Traced::constant(k),
                    op::LEN => Traced::unknown(frame.wirelen),
                    op::MEM => memory[k as usize % 16].clone(),
                    mode => {
                        let size = match insn.code & 0x18 {
                            op::W => 4,
                            op::H => 2,
                            _ => 1,
                        };
                        let base = if mode == op::IND { x.value as usize } else { 0 };
                        let Some(value) = load(&mut frame, base + k as usize, size, random.as_deref_mut(), &mut ends)
                        else {
                            break;
                        };
                        if mode == op::MSH { value.then(op::AND, 0xf).then(op::LSH, 2) } else { value }
                    }
                };
                *(if class == op::LD { &mut a } else { &mut x }) = value;
            }
            op::ST => memory[k as usize % 16] = a.clone(),
            op::STX => memory[k as usize % 16] = x.clone(),
            op::ALU => {
                let operation = insn.code & 0xf0;
                let by_x = insn.code & op::X != 0 && operation != op::NEG;
                a = a.then(operation, if by_x { x.value } else { k });
            }
            op::JMP if insn.code & 0xf0 == op::JA => at = at.wrapping_add_signed(k as i32 as isize),
            op::JMP => {
                let operand = if insn.code & op::X != 0 { x.value } else { k };
                let (yes, no) = (at + usize::from(insn.jt), at + usize::from(insn.jf));
                let distance = |to: usize| far.get(to).copied().unwrap_or(u32::MAX);
                let test = insn.code & 0xf0;
                if let Some(random) = random.as_deref_mut() {
                    let nearer = distance(yes) < distance(no) || distance(yes) == distance(no) && random.percent(50);
                    let wanted = if random.percent(towards) { nearer } else { random.percent(50) };
                    if holds(test, a.value, operand) != wanted {
                        if let Some(value) = value_for(test, a.value, operand, wanted, random) {
                            a.make(value, &mut frame.bytes);
                        }
                    }
                }
                at = if holds(test, a.value, operand) { yes } else { no };
            }
            op::RET => break,
            _ if insn.code & 0xf8 == op::TXA => a = x.clone(),
            _ => x = a.clone(),
        }
    }
    ends.sort_unstable();
    ends.dedup();
    Walk { frame, ends, ended }
}

fn holds(test: u16, a: u32, k: u32) -> bool {
    match test {
        op::JEQ => a == k,
        op::JGT => a > k,
        op::JGE => a >= k,
        _ => a & k != 0,
    }
}

fn value_for(test: u16, a: u32, k: u32, wanted: bool, random: &mut Random) -> Option<u32> {
    match (test, wanted) {
        (op::JEQ, true) => Some(k),
        (op::JEQ, false) => Some(a ^ 1 << random.below(8)),
        (op::JGT, true) => k.checked_add(1 + random.below(3) as u32).or(k.checked_add(1)),
        (op::JGT, false) => Some(k - (random.below(2) as u32).min(k)),
        (op::JGE, true) => Some(k),
        (op::JGE, false) => k.checked_sub(1),
        (_, true) => {
            let bits: Vec<u32> = (0..32).filter(|bit| k >> bit & 1 == 1).collect();
            if bits.is_empty() { None } else { Some(a | 1 << random.pick(&bits)) }
        }
        (_, false) => Some(a & !k),
    }
}

fn load(
    frame: &mut Frame,
    at: usize,
    size: usize,
    random: Option<&mut Random>,
    ends: &mut Vec<usize>,
) -> Option<Traced> {
    let end = at + size;
    ends.push(end);
    if end > frame.bytes.len() {
        let random = random?;
        if end > LONGEST || random.percent(5) {
            return None;
        }
        let more = end + random.below(20) as usize;
        while frame.bytes.len() < more {
            frame.bytes.push(if random.percent(60) { 0 } else { random.any() as u8 });
        }
        frame.wirelen = frame.wirelen.max(more as u32);
    }
    let value = frame.bytes[at..end].iter().fold(0, |sum, &byte| sum << 8 | u32::from(byte));
    Some(Traced { value, from: Some((at, size)), steps: Vec::new() })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Half-word 12 is 0x806, and the byte at 20, masked and shifted, is 5.
    const PROGRAM: [Insn; 7] = [
        Insn::new(op::LD | op::H | op::ABS, 12),
        Insn::jump(op::JMP | op::JEQ | op::K, 0x806, 0, 4),
        Insn::new(op::LD | op::B | op::ABS, 20),
        Insn::new(op::ALU | op::AND | op::K, 0xf0),
        Insn::new(op::ALU | op::RSH | op::K, 4),
        Insn::jump(op::JMP | op::JEQ | op::K, 5, 1, 0),
        Insn::new(op::RET | op::K, 0),
    ];

    #[test]
    fn walks_lead_to_acceptance() {
        let program: Vec<Insn> = PROGRAM.into_iter().chain([Insn::new(op::RET | op::K, 9)]).collect();
        let mut random = Random::from_seed(1);
        let accepted =
            |frame: &Frame| frame.bytes.len() > 20 && frame.bytes[12..14] == [8, 6] && frame.bytes[20] >> 4 == 5;
        let walks: Vec<Walk> = (0..100).map(|_| walk(&program, Frame::whole(vec![0xff; 3]), &mut random)).collect();
        assert!(walks.iter().filter(|w| accepted(&w.frame)).count() > 30);
        assert!(walks.iter().any(|w| w.ends == [14, 21]));
    }
}
