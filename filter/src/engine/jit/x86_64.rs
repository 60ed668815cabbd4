//! Steps as x86-64 code.
//!
//! | eax | ecx | rdi | rsi | r8d | r11 | r9, r10, edx |
//! |---|---|---|---|---|---|---|
//! | A, the result | X (shifts count by cl) | the packet | its captured length | its length on the wire | the program that is checked | for a moment |
//!
//! Scratch memory lies in the red zone, the 128 bytes below the stack pointer that nobody else touches while a function calls none, and
//! below it the number of backward jumps left. So there is nothing to set up and nothing to undo, and every exit is a `ret`.

#![forbid(unsafe_code)]

mod code;

use super::If;
use crate::engine::lower::{Label, Lowered, Reg, Source, Step, Words};
use crate::engine::search::{Decision, Search};
use crate::engine::ways::{Form, Ways, words};
use crate::insn::MEMWORDS;
use crate::ir::{Alu, Size, Test};
use code::Code;

/// The function of `lowered`; `None` when it is longer than a jump can be.
pub(super) fn emit(lowered: &Lowered) -> Option<Vec<u8>> {
    let mut emitter = Emitter { code: Code::new(lowered), lowered };
    emitter.begin();
    let nothing = Step::Return(0);
    let next = lowered.steps[1..].iter().chain([&nothing]);
    for (&step, &next) in lowered.steps.iter().zip(next) {
        emitter.step(step, next);
    }
    emitter.code.finish()
}

struct Emitter<'a> {
    code: Code<'a>,
    lowered: &'a Lowered,
}

const EAX: u8 = 0;
const ECX: u8 = 1;

fn number(register: Reg) -> u8 {
    match register {
        Reg::A => EAX,
        Reg::X => ECX,
    }
}

impl Emitter<'_> {
    fn begin(&mut self) {
        let Lowered { clear, wire_length, loops, ref checked, .. } = *self.lowered;
        if checked.is_some() {
            self.code.bytes(&[0x49, 0x89, 0xcb]); // mov r11, rcx
        }
        if wire_length {
            self.code.bytes(&[0x41, 0x89, 0xd0]); // mov r8d, edx
        }
        if loops {
            self.code.bytes(&[0x4c, 0x8d, 0x4e, 64]); // lea r9, [rsi + 64]
            self.code.bytes(&[0x4c, 0x89, 0x4c, 0x24, JUMPS_LEFT]); // mov [rsp + …], r9
        }
        for (words, register) in [(Words::A, EAX), (Words::X, ECX)] {
            if clear.has(words) {
                self.set(register, 0);
            }
        }
        for word in (0..MEMWORDS as u8).filter(|&word| clear.has(Words::scratch(word))) {
            self.code.bytes(&[0xc7, 0x44, 0x24, scratch(word)]); // mov dword [rsp + …], 0
            self.code.imm32(0);
        }
    }

    fn step(&mut self, step: Step, next: Step) {
        let reject = self.lowered.reject;
        match step {
            Step::Label(label) => self.code.label(label),
            Step::Need(len) => {
                match i8::try_from(len) {
                    Ok(short) => self.code.bytes(&[0x48, 0x83, 0xfe, short as u8]), // cmp rsi, len
                    Err(_) if len <= i32::MAX as u64 => {
                        self.code.bytes(&[0x48, 0x81, 0xfe]);
                        self.code.imm32(len as u32);
                    }
                    Err(_) => {
                        self.r9(len);
                        self.code.bytes(&[0x4c, 0x39, 0xce]); // cmp rsi, r9
                    }
                }
                self.code.jump_if(If::Below, reject);
            }
            Step::NeedX(len) => {
                if len <= i32::MAX as u64 {
                    self.code.bytes(&[0x4c, 0x8d]); // lea r9, [rcx + len]
                    self.code.displacement(0x09, len as i32);
                } else {
                    self.r9(len);
                    self.code.bytes(&[0x49, 0x01, 0xc9]); // add r9, rcx
                }
                self.code.bytes(&[0x49, 0x39, 0xf1]); // cmp r9, rsi
                self.code.jump_if(If::Above, reject);
            }
            Step::Load(size, k) => self.load(size, EAX, k, false),
            Step::LoadX(size, k) => self.load(size, EAX, k, true),
            Step::HeaderLength(k) => {
                self.load(Size::B, ECX, k, false);
                self.code.bytes(&[0x83, 0xe1, 0x0f, 0xc1, 0xe1, 0x02]); // and ecx, 15; shl ecx, 2
            }
            Step::WireLength(to) => self.code.bytes(&[0x44, 0x89, 0xc0 | number(to)]), // mov …, r8d
            Step::Set(to, k) => self.set(number(to), k),
            Step::Read(to, word) => self.code.bytes(&[0x8b, 0x44 | number(to) << 3, 0x24, scratch(word)]),
            Step::Write(from, word) => self.code.bytes(&[0x89, 0x44 | number(from) << 3, 0x24, scratch(word)]),
            Step::Alu(op, Source::K(k)) => self.alu_k(op, k),
            Step::Alu(op, Source::X) => self.alu_x(op),
            Step::Neg => self.code.bytes(&[0xf7, 0xd8]),
            Step::Tax => self.code.bytes(&[0x89, 0xc1]),
            Step::Txa => self.code.bytes(&[0x89, 0xc8]),
            Step::Jump(to) => {
                if next != Step::Label(to) {
                    self.code.jump(to);
                }
            }
            Step::CountedJump(to) => {
                self.code.bytes(&[0x48, 0x83, 0x6c, 0x24, JUMPS_LEFT, 1]); // sub qword [rsp + …], 1
                self.code.jump_if(If::Below, reject);
                self.code.jump(to);
            }
            Step::Branch(test, source, yes, no) => {
                let holds = self.compare(test, source);
                self.branch(holds, yes, no, next);
            }
            Step::Search(number) => {
                let search = &self.lowered.searches[number];
                let holds = self.search(number, search);
                self.branch(holds, search.yes, search.no, next);
            }
            Step::Return(k) => {
                self.set(EAX, k);
                self.code.bytes(&[0xc3]);
            }
            Step::ReturnA => self.code.bytes(&[0xc3]),
            Step::Check(label) => self.check(label),
            Step::GiveUp => {
                self.set(EAX, 1);
                self.code.bytes(&[0x48, 0xc1, 0xe0, 32, 0xc3]); // shl rax, 32; ret
            }
        }
    }

    /// Gives up when the instruction is not the one that was translated.
    fn check(&mut self, label: Label) {
        let Some(program) = &self.lowered.checked else { return };
        let insn = program[label as usize];
        self.code.bytes(&[0x49, 0xba]); // mov r10, insn
        words(insn).into_iter().for_each(|word| self.code.imm32(word));
        self.code.bytes(&[0x4d, 0x39]); // cmp [r11 + …], r10
        self.code.displacement(0x13, 8 * label as i32);
        self.code.jump_if(If::NotEqual, self.lowered.give_up);
    }

    /// The same for the instructions that the entry at r9 stands for.
    fn check_way(&mut self, entries: usize, ways: &Ways) {
        if ways.numbers() == 0 {
            return;
        }
        self.code.bytes(&[0x49, 0x63]); // movsxd rdx, [r9 + …]
        self.code.displacement(0x11, 4 * entries as i32);
        self.code.bytes(&[0x4c, 0x01, 0xca]); // add rdx, r9
        match ways.form {
            Form::Each => {
                for number in 0..ways.numbers() {
                    self.number(ways, number);
                    self.code.bytes(&[0x4f, 0x8b, 0x14, 0xd3]); // mov r10, [r11 + 8 * r10]
                    self.code.bytes(&[0x4c, 0x3b]); // cmp r10, [rdx + …]
                    self.code.displacement(0x12, 8 * number as i32);
                    self.code.jump_if(If::NotEqual, self.lowered.give_up);
                }
            }
            Form::Pairs { run } => {
                let mut compared = 0;
                for number in 0..ways.numbers() {
                    self.number(ways, number);
                    let pairs = if number + 1 == ways.numbers() { run } else { 1 };
                    for pair in 0..pairs {
                        let xmm = u8::from(compared > 0) << 3;
                        self.code.bytes(&[0xf3, 0x43, 0x0f, 0x6f]); // movdqu xmm, [r11 + 8 * r10 + …]
                        self.code.displacement_with(xmm | 4, 0xd3, 16 * pair);
                        self.code.bytes(&[0x66, 0x0f, 0x74]); // pcmpeqb xmm, [rdx + …]
                        self.code.displacement(xmm | 2, 16 * compared);
                        if compared > 0 {
                            self.code.bytes(&[0x66, 0x0f, 0xdb, 0xc1]); // pand xmm0, xmm1
                        }
                        compared += 1;
                    }
                }
                self.code.bytes(&[0x66, 0x44, 0x0f, 0xd7, 0xd0]); // pmovmskb r10d, xmm0
                self.code.bytes(&[0x41, 0x81, 0xfa]); // cmp r10d, 0xffff
                self.code.imm32(0xffff);
                self.code.jump_if(If::NotEqual, self.lowered.give_up);
            }
        }
    }

    /// `mov r10d, [rdx + …]`: a number of the list at rdx.
    fn number(&mut self, ways: &Ways, number: usize) {
        self.code.bytes(&[0x44, 0x8b]);
        self.code.displacement(0x12, (8 * ways.instructions() + 4 * number) as i32);
    }

    fn branch(&mut self, holds: If, yes: u32, no: u32, next: Step) {
        if next == Step::Label(yes) {
            self.code.jump_if(holds.not(), no);
        } else {
            self.code.jump_if(holds, yes);
            if next != Step::Label(no) {
                self.code.jump(no);
            }
        }
    }

    fn set(&mut self, register: u8, k: u32) {
        if k == 0 {
            self.code.bytes(&[0x31, 0xc0 | register << 3 | register]); // xor
        } else {
            self.code.bytes(&[0xb8 | register]);
            self.code.imm32(k);
        }
    }

    /// `mov r9, len`
    fn r9(&mut self, len: u64) {
        self.code.bytes(&[0x49, 0xb9]);
        self.code.bytes(&len.to_le_bytes());
    }

    /// Bytes at `k`, or at `rcx + k`, to `register` in the host's order.
    fn load(&mut self, size: Size, register: u8, k: u32, at_x: bool) {
        let opcode: &[u8] = match size {
            Size::B => &[0x0f, 0xb6],
            Size::H => &[0x0f, 0xb7],
            Size::W => &[0x8b],
        };
        match (i32::try_from(k), at_x) {
            (Ok(k), false) => {
                self.code.bytes(opcode);
                self.code.displacement(register << 3 | 7, k); // [rdi + k]
            }
            (Ok(k), true) => {
                self.code.bytes(opcode);
                self.code.displacement_with(register << 3 | 4, 0x0f, k); // [rdi + rcx + k]
            }
            (Err(_), _) => {
                self.code.bytes(&[0x41, 0xb9]); // mov r9d, k
                self.code.imm32(k);
                if at_x {
                    self.code.bytes(&[0x49, 0x01, 0xc9]); // add r9, rcx
                }
                self.code.bytes(&[0x42]);
                self.code.bytes(opcode);
                self.code.bytes(&[register << 3 | 4, 0x0f]); // [rdi + r9]
            }
        }
        match size {
            Size::B => {}
            Size::H => self.code.bytes(&[0x66, 0xc1, 0xc0 | register, 8]), // rol ax, 8
            Size::W => self.code.bytes(&[0x0f, 0xc8 | register]),          // bswap
        }
    }

    /// `op eax, k` of the eight operations that share their encoding.
    fn with_k(&mut self, extension: u8, k: u32) {
        match i8::try_from(k as i32) {
            Ok(short) => self.code.bytes(&[0x83, 0xc0 | extension << 3, short as u8]),
            Err(_) => {
                self.code.bytes(&[0x05 | extension << 3]);
                self.code.imm32(k);
            }
        }
    }

    fn alu_k(&mut self, op: Alu, k: u32) {
        match op {
            Alu::Add => self.with_k(0, k),
            Alu::Or => self.with_k(1, k),
            Alu::And => self.with_k(4, k),
            Alu::Sub => self.with_k(5, k),
            Alu::Xor => self.with_k(6, k),
            Alu::Mul => {
                self.code.bytes(&[0x69, 0xc0]); // imul eax, eax, k
                self.code.imm32(k);
            }
            Alu::Div | Alu::Mod => {
                self.code.bytes(&[0x41, 0xb9]); // mov r9d, k
                self.code.imm32(k);
                self.code.bytes(&[0x31, 0xd2, 0x41, 0xf7, 0xf1]); // xor edx, edx; div r9d
                self.remainder(op);
            }
            Alu::Lsh => self.code.bytes(&[0xc1, 0xe0, k as u8]),
            Alu::Rsh => self.code.bytes(&[0xc1, 0xe8, k as u8]),
        }
    }

    fn alu_x(&mut self, op: Alu) {
        match op {
            Alu::Add => self.code.bytes(&[0x01, 0xc8]),
            Alu::Or => self.code.bytes(&[0x09, 0xc8]),
            Alu::And => self.code.bytes(&[0x21, 0xc8]),
            Alu::Sub => self.code.bytes(&[0x29, 0xc8]),
            Alu::Xor => self.code.bytes(&[0x31, 0xc8]),
            Alu::Mul => self.code.bytes(&[0x0f, 0xaf, 0xc1]),
            Alu::Div | Alu::Mod => {
                self.code.bytes(&[0x85, 0xc9]); // test ecx, ecx
                self.code.jump_if(If::Equal, self.lowered.reject);
                self.code.bytes(&[0x31, 0xd2, 0xf7, 0xf1]); // xor edx, edx; div ecx
                self.remainder(op);
            }
            // The processor counts modulo 32: r9d becomes all ones when ecx is below 32, and masks the result.
            Alu::Lsh | Alu::Rsh => {
                self.code.bytes(&[0x83, 0xf9, 32, 0x45, 0x19, 0xc9]); // cmp ecx, 32; sbb r9d, r9d
                self.code.bytes(&[0xd3, if op == Alu::Lsh { 0xe0 } else { 0xe8 }]); // shl, shr eax, cl
                self.code.bytes(&[0x44, 0x21, 0xc8]); // and eax, r9d
            }
        }
    }

    fn remainder(&mut self, op: Alu) {
        if op == Alu::Mod {
            self.code.bytes(&[0x89, 0xd0]); // mov eax, edx
        }
    }

    /// Compares A; the condition that is the test's.
    fn compare(&mut self, test: Test, source: Source) -> If {
        match (test, source) {
            (Test::Set, Source::X) => self.code.bytes(&[0x85, 0xc8]), // test eax, ecx
            (Test::Set, Source::K(k)) => match u8::try_from(k) {
                Ok(short) => self.code.bytes(&[0xa8, short]),
                Err(_) => {
                    self.code.bytes(&[0xa9]);
                    self.code.imm32(k);
                }
            },
            (_, Source::X) => self.code.bytes(&[0x39, 0xc8]), // cmp eax, ecx
            (_, Source::K(0)) => self.code.bytes(&[0x85, 0xc0]), // test eax, eax
            (_, Source::K(k)) => self.with_k(7, k),
        }
        match test {
            Test::Eq => If::Equal,
            Test::Gt => If::Above,
            Test::Ge => If::AtLeast,
            Test::Set => If::NotEqual,
        }
    }

    /// Looks A up: r9 is the entry from which on the rest of the table is searched, which halves each time.
    fn search(&mut self, number: usize, search: &Search) -> If {
        self.code.bytes(&[0x4c, 0x8d, 0x0d]); // lea r9, [rip + …]
        self.code.table(number);
        let mut entries = search.table.len();
        while entries > 1 {
            let half = entries / 2;
            let displacement = 4 * half as i32;
            self.code.bytes(&[0x4d, 0x8d]); // lea r10, [r9 + …]
            self.code.displacement(0x11, displacement);
            self.code.bytes(&[0x41, 0x3b]); // cmp eax, [r9 + …]
            self.code.displacement(0x01, displacement);
            self.code.bytes(&[0x4d, 0x0f, 0x43, 0xca]); // cmovae r9, r10
            entries -= half;
        }
        if let Some(ways) = &search.ways {
            self.check_way(search.table.len(), ways);
        }
        match search.by {
            Decision::Equality => {
                self.code.bytes(&[0x41, 0x3b, 0x01]); // cmp eax, [r9]
                If::Equal
            }
            Decision::Parity => {
                self.code.bytes(&[0x41, 0xf6, 0xc1, 4]); // test r9b, 4
                If::NotEqual
            }
        }
    }
}

/// Where the number of backward jumps left lies, counted from the stack pointer.
const JUMPS_LEFT: u8 = (-72_i8) as u8;

/// Where a word of scratch memory lies, counted from the stack pointer.
fn scratch(word: u8) -> u8 {
    (4 * word).wrapping_sub(64)
}
