//! Enough of an eBPF machine to run what `emit.rs` writes: memory is where the kernel's verifier would let it be, or the test fails.

use super::insn::{Helper, Insn, Reg};

const CONTEXT: u64 = 0x1_0000;
const PACKET: u64 = 0x2000_0000;
const TABLE: u64 = 0x4000_0000;
const STACK_END: u64 = 0x6000_0000;

/// The program's surroundings.
pub struct Machine<'a> {
    /// The whole frame, and how much of it lies in the first buffer.
    pub frame: &'a [u8],
    pub first: usize,
    pub table: &'a [u64],
    stack: [u8; 512],
    registers: [u64; 11],
}

impl<'a> Machine<'a> {
    /// Runs `program` with the context in R6; what it returns.
    pub fn run(program: &[Insn], frame: &'a [u8], first: usize, table: &'a [u64]) -> u64 {
        let mut machine = Machine { frame, first, table, stack: [0xaa; 512], registers: [0xdead_beef_dead_beef; 11] };
        machine.registers[6] = CONTEXT;
        machine.registers[10] = STACK_END;
        let mut at = 0;
        for _ in 0..1_000_000 {
            let insn = program[at];
            at += 1;
            match machine.step(&insn, program.get(at)) {
                Next::Go(skip) => at = at.checked_add_signed(skip).expect("inside"),
                Next::Exit => return machine.registers[0],
            }
        }
        panic!("no end");
    }

    fn step(&mut self, insn: &Insn, next: Option<&Insn>) -> Next {
        let (dst, src) = registers(insn);
        let wide = insn.code & 7 == 7 || insn.code & 7 == 5;
        let operand = if insn.code & 8 != 0 { self.registers[src] } else { insn.imm as i64 as u64 };
        match (insn.code & 7, insn.code & 0xf0) {
            _ if insn.code == 0x18 => {
                assert_eq!(src, Reg::R2 as usize, "a map's value");
                self.registers[dst] = TABLE + next.expect("a second half").imm as u64;
                return Next::Go(1);
            }
            _ if insn.code == 0x85 => self.call(insn.imm),
            _ if insn.code == 0x95 => return Next::Exit,
            _ if insn.code == 0xdc => {
                let value = self.registers[dst];
                self.registers[dst] = match insn.imm {
                    16 => u64::from(u16::from_be(value as u16)),
                    _ => u64::from(u32::from_be(value as u32)),
                };
            }
            (1, _) => self.registers[dst] = self.load(self.registers[src], insn.offset, width(insn)),
            (2, _) => self.store(self.registers[dst], insn.offset, width(insn), insn.imm as u64),
            (3, _) => self.store(self.registers[dst], insn.offset, width(insn), self.registers[src]),
            (4, op) => {
                let (a, b) = (self.registers[dst] as u32, operand as u32);
                self.registers[dst] = match op {
                    0x60 => a.wrapping_shl(b),
                    0x70 => a.wrapping_shr(b),
                    _ => alu(op, a.into(), b.into()) as u32,
                }
                .into();
            }
            (7, op) => {
                let a = self.registers[dst];
                self.registers[dst] = match op {
                    0x60 => a.wrapping_shl(operand as u32),
                    0x70 => a.wrapping_shr(operand as u32),
                    _ => alu(op, a, operand),
                };
            }
            (5, 0x00) => return Next::Go(insn.offset.into()),
            (6, 0x00) => return Next::Go(insn.imm as isize),
            (5 | 6, op) => {
                let mask = if wide { u64::MAX } else { u32::MAX.into() };
                let (a, b) = (self.registers[dst] & mask, operand & mask);
                let holds = match op {
                    0x10 => a == b,
                    0x20 => a > b,
                    0x30 => a >= b,
                    0x40 => a & b != 0,
                    0x50 => a != b,
                    0xa0 => a < b,
                    0xb0 => a <= b,
                    _ => panic!("{insn:?}"),
                };
                if holds {
                    return Next::Go(insn.offset.into());
                }
            }
            _ => panic!("{insn:?}"),
        }
        Next::Go(0)
    }

    fn load(&self, base: u64, offset: i16, bytes: usize) -> u64 {
        let at = base.wrapping_add_signed(offset.into());
        let word = |of: &[u8]| of.iter().rev().fold(0, |word, &byte| word << 8 | u64::from(byte));
        match at {
            _ if at == CONTEXT && bytes == 4 => PACKET,
            _ if at == CONTEXT + 4 && bytes == 4 => PACKET + self.first as u64,
            PACKET..TABLE => word(&self.frame[..self.first][(at - PACKET) as usize..][..bytes]),
            TABLE..0x5000_0000 => {
                assert_eq!(((at - TABLE) % 8, bytes), (0, 8));
                self.table[(at - TABLE) as usize / 8]
            }
            _ => word(&self.stack[self.on_stack(at)..][..bytes]),
        }
    }

    fn store(&mut self, base: u64, offset: i16, bytes: usize, value: u64) {
        let at = self.on_stack(base.wrapping_add_signed(offset.into()));
        self.stack[at..][..bytes].copy_from_slice(&value.to_le_bytes()[..bytes]);
    }

    fn on_stack(&self, at: u64) -> usize {
        assert!((STACK_END - 512..STACK_END).contains(&at), "{at:#x} is no memory");
        (at + 512 - STACK_END) as usize
    }

    fn call(&mut self, helper: i32) {
        let [_, r1, r2, r3, r4, ..] = self.registers;
        assert_eq!(r1, CONTEXT);
        let result = if helper == Helper::XdpGetBuffLen as i32 {
            self.frame.len() as u64
        } else {
            assert_eq!(helper, Helper::XdpLoadBytes as i32);
            let (from, len) = (r2 as u32 as usize, r4 as usize);
            let to = self.on_stack(r3);
            match self.frame.get(from..).and_then(|rest| rest.get(..len)) {
                Some(bytes) => {
                    self.stack[to..][..len].copy_from_slice(bytes);
                    0
                }
                None => -22_i64 as u64,
            }
        };
        self.registers[..6].fill(0xdead_beef_dead_beef);
        self.registers[0] = result;
    }
}

enum Next {
    Go(isize),
    Exit,
}

fn registers(insn: &Insn) -> (usize, usize) {
    let (low, high) = (usize::from(insn.registers & 0xf), usize::from(insn.registers >> 4));
    if cfg!(target_endian = "little") { (low, high) } else { (high, low) }
}

fn width(insn: &Insn) -> usize {
    match insn.code & 0x18 {
        0x10 => 1,
        0x08 => 2,
        0x00 => 4,
        _ => 8,
    }
}

/// What the two classes have in common.
fn alu(op: u8, a: u64, b: u64) -> u64 {
    match op {
        0x00 => a.wrapping_add(b),
        0x10 => a.wrapping_sub(b),
        0x20 => a.wrapping_mul(b),
        0x30 => a.checked_div(b).unwrap_or(0),
        0x40 => a | b,
        0x50 => a & b,
        0x80 => a.wrapping_neg(),
        0x90 => a.checked_rem(b).unwrap_or(a),
        0xa0 => a ^ b,
        0xb0 => b,
        _ => panic!("operation {op:#x}"),
    }
}
