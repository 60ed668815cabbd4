//! Steps as aarch64 code.
//!
//! | w3 | w4 | x0 | x1 | w2 | x5 | x10 | x6 to x9, v0 to v2 |
//! |---|---|---|---|---|---|---|---|
//! | A | X | the packet, then the result | its captured length | its length on the wire | backward jumps left | the program that is checked | for a moment |
//!
//! Writes to a w register clear the upper half of the x register, so X can be added to addresses as it is. There is no red zone: scratch
//! memory is taken from the stack and given back by every exit.

#![forbid(unsafe_code)]

use super::If;
use crate::engine::lower::{Label, Lowered, Reg, Source, Step, Words};
use crate::engine::search::{Decision, Search};
use crate::engine::ways::{Form, Ways, words};
use crate::insn::MEMWORDS;
use crate::ir::{Alu, Size, Test};

/// The function of `lowered`; `None` when it is longer than a conditional jump reaches.
pub(super) fn emit(lowered: &Lowered) -> Option<Vec<u8>> {
    let labels = vec![0; lowered.give_up as usize + 1];
    let scratch = lowered.steps.iter().any(|step| matches!(step, Step::Read(..) | Step::Write(..)));
    let mut emitter = Emitter { words: Vec::new(), labels, fixups: Vec::new(), scratch, lowered };
    emitter.begin();
    let nothing = Step::Return(0);
    let next = lowered.steps[1..].iter().chain([&nothing]);
    for (&step, &next) in lowered.steps.iter().zip(next) {
        emitter.step(step, next);
    }
    emitter.finish()
}

struct Emitter<'a> {
    words: Vec<u32>,
    /// Where each label is, in words.
    labels: Vec<usize>,
    /// The words whose distance to something is still missing.
    fixups: Vec<(usize, Fixup)>,
    /// Whether there is scratch memory.
    scratch: bool,
    lowered: &'a Lowered,
}

#[derive(Clone, Copy)]
enum Fixup {
    /// 26 bits.
    Jump(Label),
    /// 19 bits.
    JumpIf(Label),
    /// 21 bits, of bytes, to the table of a search.
    Table(usize),
}

/// A register's number, as w or as x.
type R = u32;

const PACKET: R = 0;
const RESULT: R = 0;
const LEN: R = 1;
const WIRE_LENGTH: R = 2;
const A: R = 3;
const X: R = 4;
const JUMPS_LEFT: R = 5;
const T6: R = 6;
const T7: R = 7;
const T8: R = 8;
const T9: R = 9;
const PROGRAM: R = 10;
const ZERO: R = 31;
const SP: R = 31;

/// Code and tables together: as far as a conditional jump and `adr` reach.
const LONGEST: usize = 1 << 20;

fn number(register: Reg) -> R {
    match register {
        Reg::A => A,
        Reg::X => X,
    }
}

impl Emitter<'_> {
    fn word(&mut self, word: u32) {
        self.words.push(word);
    }

    /// An instruction with three registers.
    fn rrr(&mut self, opcode: u32, to: R, a: R, b: R) {
        self.word(opcode | b << 16 | a << 5 | to);
    }

    fn begin(&mut self) {
        let Lowered { clear, loops, ref checked, .. } = *self.lowered;
        if checked.is_some() {
            self.rrr(0xaa00_0000, PROGRAM, ZERO, 3); // mov x10, x3
        }
        if self.scratch {
            self.word(0xd100_0000 | 64 << 10 | SP << 5 | SP); // sub sp, sp, 64
        }
        if loops {
            self.word(0x9100_0000 | 64 << 10 | LEN << 5 | JUMPS_LEFT); // add x5, x1, 64
        }
        for (words, register) in [(Words::A, A), (Words::X, X)] {
            if clear.has(words) {
                self.set(register, 0);
            }
        }
        for word in (0..MEMWORDS as u8).filter(|&word| clear.has(Words::scratch(word))) {
            self.word(0xb900_0000 | u32::from(word) << 10 | SP << 5 | ZERO); // str wzr, [sp, …]
        }
    }

    fn step(&mut self, step: Step, next: Step) {
        let reject = self.lowered.reject;
        match step {
            Step::Label(label) => self.labels[label as usize] = self.words.len(),
            Step::Need(len) => {
                self.compare_len(LEN, len);
                self.jump_if(If::Below, reject);
            }
            Step::NeedX(len) => {
                self.set64(T6, len);
                self.rrr(0x8b00_0000, T6, T6, X); // add x6, x6, x4
                self.rrr(0xeb00_0000, ZERO, T6, LEN); // cmp x6, x1
                self.jump_if(If::Above, reject);
            }
            Step::Load(size, k) => self.load(size, A, k, false),
            Step::LoadX(size, k) => self.load(size, A, k, true),
            Step::HeaderLength(k) => {
                self.load(Size::B, X, k, false);
                self.word(0x5300_0000 | 30 << 16 | 3 << 10 | X << 5 | X); // ubfiz w4, w4, 2, 4
            }
            Step::WireLength(to) => self.mov(number(to), WIRE_LENGTH),
            Step::Set(to, k) => self.set(number(to), k),
            Step::Read(to, word) => self.word(0xb940_0000 | u32::from(word) << 10 | SP << 5 | number(to)),
            Step::Write(from, word) => self.word(0xb900_0000 | u32::from(word) << 10 | SP << 5 | number(from)),
            Step::Alu(op @ (Alu::Lsh | Alu::Rsh), Source::K(k)) => {
                // lsl and lsr of a constant below 32, as ubfm
                let fields = if op == Alu::Lsh { ((32 - k) % 32) << 16 | (31 - k) << 10 } else { k << 16 | 31 << 10 };
                self.word(0x5300_0000 | fields | A << 5 | A);
            }
            Step::Alu(op @ (Alu::Add | Alu::Sub), Source::K(k)) if k < 4096 => {
                let opcode = if op == Alu::Add { 0x1100_0000 } else { 0x5100_0000 };
                self.word(opcode | k << 10 | A << 5 | A);
            }
            Step::Alu(op, Source::K(k)) => {
                self.set(T7, k);
                self.alu(op, T7);
            }
            Step::Alu(op, Source::X) => {
                if matches!(op, Alu::Div | Alu::Mod) {
                    self.compare(X, 0);
                    self.jump_if(If::Equal, reject);
                }
                self.alu(op, X);
            }
            Step::Neg => self.rrr(0x4b00_0000, A, ZERO, A), // sub w3, wzr, w3
            Step::Tax => self.mov(X, A),
            Step::Txa => self.mov(A, X),
            Step::Jump(to) => {
                if next != Step::Label(to) {
                    self.jump(to);
                }
            }
            Step::CountedJump(to) => {
                self.word(0xf100_0000 | 1 << 10 | JUMPS_LEFT << 5 | JUMPS_LEFT); // subs x5, x5, 1
                self.jump_if(If::Below, reject);
                self.jump(to);
            }
            Step::Branch(test, source, yes, no) => {
                let holds = self.test(test, source);
                self.branch(holds, yes, no, next);
            }
            Step::Search(number) => {
                let search = &self.lowered.searches[number];
                let holds = self.search(number, search);
                self.branch(holds, search.yes, search.no, next);
            }
            Step::Return(k) => {
                self.set(RESULT, k);
                self.leave();
            }
            Step::ReturnA => {
                self.mov(RESULT, A);
                self.leave();
            }
            Step::Check(label) => self.check(label),
            Step::GiveUp => {
                self.word(0xd2c0_0000 | 1 << 5 | RESULT); // movz x0, 1, lsl 32
                self.leave();
            }
        }
    }

    /// Gives up when the instruction is not the one that was translated.
    fn check(&mut self, label: Label) {
        let Some(program) = &self.lowered.checked else { return };
        let [low, high] = words(program[label as usize]);
        self.set(T6, low);
        self.word(0xf2c0_0000 | (high & 0xffff) << 5 | T6); // movk, lsl 32
        self.word(0xf2e0_0000 | (high >> 16) << 5 | T6); // movk, lsl 48
        if label < 4096 {
            self.word(0xf940_0000 | label << 10 | PROGRAM << 5 | T7); // ldr x7, [x10, …]
        } else {
            self.set(T7, label);
            self.rrr(0xf860_7800, T7, PROGRAM, T7); // ldr x7, [x10, x7, lsl 3]
        }
        self.rrr(0xeb00_0000, ZERO, T7, T6); // cmp x7, x6
        self.jump_if(If::NotEqual, self.lowered.give_up);
    }

    /// The same for the instructions that the entry at x6 stands for.
    fn check_way(&mut self, entries: u32, ways: &Ways) {
        if ways.numbers() == 0 {
            return;
        }
        if entries < 4096 {
            self.word(0xb980_0000 | entries << 10 | T6 << 5 | T8); // ldrsw x8, [x6, …]
        } else {
            self.set(T8, 4 * entries);
            self.rrr(0xb8a0_6800, T8, T6, T8); // ldrsw x8, [x6, x8]
        }
        self.rrr(0x8b00_0000, T8, T8, T6); // add x8, x8, x6
        let mut compared = 0;
        for number in 0..ways.numbers() {
            let at = (2 * ways.instructions() + number) as u32;
            self.word(0xb940_0000 | at << 10 | T8 << 5 | T7); // ldr w7, [x8, …]
            match ways.form {
                Form::Each => {
                    self.rrr(0xf860_7800, T7, PROGRAM, T7); // ldr x7, [x10, x7, lsl 3]
                    self.word(0xf940_0000 | (number as u32) << 10 | T8 << 5 | T9); // ldr x9, [x8, …]
                    self.rrr(0xeb00_0000, ZERO, T7, T9); // cmp x7, x9
                    self.jump_if(If::NotEqual, self.lowered.give_up);
                }
                Form::Pairs { run } => {
                    self.rrr(0x8b00_0000 | 3 << 10, T7, PROGRAM, T7); // add x7, x10, x7, lsl 3
                    let pairs = if number + 1 == ways.numbers() { run as u32 } else { 1 };
                    for pair in 0..pairs {
                        self.word(0x3dc0_0000 | pair << 10 | T7 << 5); // ldr q0, [x7, …]
                        self.word(0x3dc0_0000 | compared << 10 | T8 << 5 | 1); // ldr q1, [x8, …]
                        if compared == 0 {
                            self.rrr(0x6e20_1c00, 2, 0, 1); // eor v2, v0, v1
                        } else {
                            self.rrr(0x6e20_1c00, 0, 0, 1); // eor v0, v0, v1
                            self.rrr(0x4ea0_1c00, 2, 2, 0); // orr v2, v2, v0
                        }
                        compared += 1;
                    }
                }
            }
        }
        if compared > 0 {
            self.word(0x4e08_3c00 | 2 << 5 | T7); // mov x7, v2.d[0]
            self.word(0x4e18_3c00 | 2 << 5 | T9); // mov x9, v2.d[1]
            self.rrr(0xaa00_0000, T7, T7, T9); // orr x7, x7, x9
            self.compare_len(T7, 0);
            self.jump_if(If::NotEqual, self.lowered.give_up);
        }
    }

    fn leave(&mut self) {
        if self.scratch {
            self.word(0x9100_0000 | 64 << 10 | SP << 5 | SP); // add sp, sp, 64
        }
        self.word(0xd65f_03c0); // ret
    }

    fn branch(&mut self, holds: If, yes: Label, no: Label, next: Step) {
        if next == Step::Label(yes) {
            self.jump_if(holds.not(), no);
        } else {
            self.jump_if(holds, yes);
            if next != Step::Label(no) {
                self.jump(no);
            }
        }
    }

    fn jump(&mut self, to: Label) {
        self.fixups.push((self.words.len(), Fixup::Jump(to)));
        self.word(0x1400_0000); // b
    }

    fn jump_if(&mut self, condition: If, to: Label) {
        let number = match condition {
            If::Equal => 0,
            If::NotEqual => 1,
            If::AtLeast => 2,
            If::Below => 3,
            If::Above => 8,
            If::AtMost => 9,
        };
        self.fixups.push((self.words.len(), Fixup::JumpIf(to)));
        self.word(0x5400_0000 | number); // b.…
    }

    fn mov(&mut self, to: R, from: R) {
        self.rrr(0x2a00_0000, to, ZERO, from); // orr
    }

    fn set(&mut self, register: R, k: u32) {
        if k & 0xffff == 0 && k != 0 {
            self.word(0x52a0_0000 | (k >> 16) << 5 | register); // movz, lsl 16
            return;
        }
        self.word(0x5280_0000 | (k & 0xffff) << 5 | register); // movz
        if k >> 16 != 0 {
            self.word(0x72a0_0000 | (k >> 16) << 5 | register); // movk, lsl 16
        }
    }

    /// The same of a length, which may exceed 32 bits by a little.
    fn set64(&mut self, register: R, k: u64) {
        self.set(register, k as u32);
        let high = (k >> 32) as u32;
        if high != 0 {
            self.word(0xf2c0_0000 | high << 5 | register); // movk, lsl 32
        }
    }

    /// Compares a w register.
    fn compare(&mut self, register: R, k: u32) {
        if k < 4096 {
            self.word(0x7100_0000 | k << 10 | register << 5 | ZERO);
        } else {
            self.set(T7, k);
            self.rrr(0x6b00_0000, ZERO, register, T7);
        }
    }

    /// Compares an x register.
    fn compare_len(&mut self, register: R, len: u64) {
        if len < 4096 {
            self.word(0xf100_0000 | (len as u32) << 10 | register << 5 | ZERO);
        } else {
            self.set64(T6, len);
            self.rrr(0xeb00_0000, ZERO, register, T6);
        }
    }

    /// Bytes at `k`, or at `x4 + k`, to `register` in the host's order.
    fn load(&mut self, size: Size, register: R, k: u32, at_x: bool) {
        // With an offset in units of the size, and with one in a register.
        let (near, far, shift) = match size {
            Size::B => (0x3940_0000, 0x3860_6800, 0),
            Size::H => (0x7940_0000, 0x7860_6800, 1),
            Size::W => (0xb940_0000, 0xb860_6800, 2),
        };
        let scaled = (k >> shift) << shift == k && k >> shift < 4096;
        let mut base = PACKET;
        if at_x && scaled {
            self.rrr(0x8b00_0000, T6, PACKET, X); // add x6, x0, x4
            base = T6;
        }
        if scaled {
            self.word(near | (k >> shift) << 10 | base << 5 | register);
        } else {
            self.set(T6, k);
            if at_x {
                self.rrr(0x8b00_0000, T6, T6, X); // add x6, x6, x4
            }
            self.rrr(far, register, PACKET, T6);
        }
        match size {
            Size::B => {}
            Size::H => self.word(0x5ac0_0400 | register << 5 | register), // rev16
            Size::W => self.word(0x5ac0_0800 | register << 5 | register), // rev
        }
    }

    /// `w3 = w3 op with`; a divisor is not 0.
    fn alu(&mut self, op: Alu, with: R) {
        match op {
            Alu::Add => self.rrr(0x0b00_0000, A, A, with),
            Alu::Sub => self.rrr(0x4b00_0000, A, A, with),
            Alu::And => self.rrr(0x0a00_0000, A, A, with),
            Alu::Or => self.rrr(0x2a00_0000, A, A, with),
            Alu::Xor => self.rrr(0x4a00_0000, A, A, with),
            Alu::Mul => self.rrr(0x1b00_7c00, A, A, with),
            Alu::Div => self.rrr(0x1ac0_0800, A, A, with),
            Alu::Mod => {
                self.rrr(0x1ac0_0800, T8, A, with); // udiv w8, w3, with
                self.rrr(0x1b00_8000 | A << 10, A, T8, with); // msub w3, w8, with, w3
            }
            // The processor counts modulo 32.
            Alu::Lsh | Alu::Rsh => {
                self.compare(with, 32);
                self.rrr(if op == Alu::Lsh { 0x1ac0_2000 } else { 0x1ac0_2400 }, A, A, with);
                self.rrr(0x1a80_0000 | 3 << 12, A, A, ZERO); // csel w3, w3, wzr, lo
            }
        }
    }

    /// Compares A; the condition that is the test's.
    fn test(&mut self, test: Test, source: Source) -> If {
        match (test, source) {
            (Test::Set, Source::X) => self.rrr(0x6a00_0000, ZERO, A, X), // tst
            (Test::Set, Source::K(k)) => {
                self.set(T7, k);
                self.rrr(0x6a00_0000, ZERO, A, T7);
            }
            (_, Source::X) => self.rrr(0x6b00_0000, ZERO, A, X),
            (_, Source::K(k)) => self.compare(A, k),
        }
        match test {
            Test::Eq => If::Equal,
            Test::Gt => If::Above,
            Test::Ge => If::AtLeast,
            Test::Set => If::NotEqual,
        }
    }

    /// Looks A up: x6 is the entry from which on the rest of the table is searched, which halves each time.
    fn search(&mut self, number: usize, search: &Search) -> If {
        self.fixups.push((self.words.len(), Fixup::Table(number)));
        self.word(0x1000_0000 | T6); // adr x6, …
        let mut entries = search.table.len();
        while entries > 1 {
            let half = entries / 2;
            let distance = 4 * half as u32;
            if distance < 4096 {
                self.word(0x9100_0000 | distance << 10 | T6 << 5 | T8); // add x8, x6, …
            } else {
                self.set(T8, distance);
                self.rrr(0x8b00_0000, T8, T8, T6);
            }
            self.word(0xb940_0000 | T8 << 5 | T7); // ldr w7, [x8]
            self.rrr(0x6b00_0000, ZERO, A, T7); // cmp w3, w7
            self.rrr(0x9a80_0000 | 2 << 12, T6, T8, T6); // csel x6, x8, x6, hs
            entries -= half;
        }
        if let Some(ways) = &search.ways {
            self.check_way(search.table.len() as u32, ways);
        }
        match search.by {
            Decision::Equality => {
                self.word(0xb940_0000 | T6 << 5 | T7); // ldr w7, [x6]
                self.rrr(0x6b00_0000, ZERO, A, T7);
                If::Equal
            }
            Decision::Parity => {
                self.word(0x721e_0000 | T6 << 5 | ZERO); // tst w6, 4
                If::NotEqual
            }
        }
    }

    fn finish(mut self) -> Option<Vec<u8>> {
        let tables: Vec<_> = (0..self.lowered.searches.len()).map(|number| self.lowered.table(number)).collect();
        let len: usize = tables.iter().map(|table| table.len() + 1).sum();
        if 4 * (self.words.len() + len) > LONGEST {
            return None;
        }
        let mut starts = Vec::with_capacity(tables.len());
        for table in &tables {
            if self.words.len() % 2 == 1 {
                self.word(0); // the parity of an entry's number shows in its address
            }
            starts.push(self.words.len());
            self.words.extend(&table[..]);
        }
        for (at, fixup) in self.fixups {
            let distance = |to: usize| (to as u32).wrapping_sub(at as u32);
            self.words[at] |= match fixup {
                Fixup::Jump(to) => distance(self.labels[to as usize]) & 0x03ff_ffff,
                Fixup::JumpIf(to) => (distance(self.labels[to as usize]) & 0x7_ffff) << 5,
                // In words, so the two low bits of the distance in bytes, which stand apart, are 0.
                Fixup::Table(number) => (distance(starts[number]) & 0x7_ffff) << 5,
            };
        }
        Some(self.words.iter().flat_map(|word| word.to_le_bytes()).collect())
    }
}

#[cfg(test)]
mod tests;
