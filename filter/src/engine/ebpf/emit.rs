//! Steps as eBPF.
//!
//! | | R0 | R1 | R2 | R3 to R5 | R6 | R7 | R8 | R9 |
//! |---|---|---|---|---|---|---|---|---|
//! | from the first buffer | A | X | the byte at X | for a moment | context | the packet | its end | the frame's length |
//! | from any buffer | of a call | arguments | | | context | A | X | the frame's length |
//!
//! Scratch memory is the stack's last 64 bytes; the eight in front are where the kernel copies bytes to. A pass has labels of its own for
//! the steps. The first ends in `accept`, `reject` or in `short`, when the first buffer has not what a load wants.

use super::XdpFilter;
use super::asm::{Asm, Label};
use super::insn::{Helper, If, Insn, Op, Operand, Reg, Width};
use crate::engine::lower::{self, Source, Step, Words};
use crate::engine::search::{Decision, Search};
use crate::insn::MEMWORDS;
use crate::ir::{Alu, Size, Test};
use Operand::{Imm, Reg as R};
use Reg::{R0, R1, R2, R3, R4, R5, R6, R7, R8, R9, R10};

/// Where a filter is put.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// Where it jumps to with frames that it accepts; of the registers only R6 is kept.
    pub accept: Label,
    /// Where it jumps to with the others.
    pub reject: Label,
    /// The descriptor of the array map with its [`XdpFilter::table`]; not looked at without tables.
    pub table: i32,
    /// Frames may have several buffers.
    pub frags: bool,
}

/// The end of what a program can load, for the verifier (`MAX_PACKET_OFF`) and the kernel's function.
pub(super) const MAX_OFFSET: u64 = 0xffff;

/// `struct xdp_md`: where its fields are.
pub(super) const DATA: i16 = 0;
pub(super) const DATA_END: i16 = 4;

/// The stack's bytes where the kernel copies a load to.
const LOADED: i16 = -72;

impl XdpFilter {
    /// Writes the filter; the context (`struct xdp_md`) is in R6.
    pub fn emit(&self, asm: &mut Asm, place: &Place) {
        let short = asm.label();
        if place.frags {
            asm.push(Insn::alu64(Op::Mov, R1, R(R6)));
            asm.push(Insn::call(Helper::XdpGetBuffLen));
            asm.push(Insn::alu64(Op::Mov, R9, R(R0)));
        }
        asm.push(Insn::load(Width::W32, R8, R6, DATA_END));
        asm.push(Insn::load(Width::W32, R7, R6, DATA));
        if !place.frags && self.lowered.wire_length {
            asm.push(Insn::alu64(Op::Mov, R9, R(R8)));
            asm.push(Insn::alu64(Op::Sub, R9, R(R7)));
        }
        let near = Pass { filter: self, place, near: true, a: R0, x: R1, short };
        near.emit(asm);
        asm.place(short);
        if place.frags {
            // The first buffer was too short. Is there more?
            asm.push(Insn::alu64(Op::Sub, R8, R(R7)));
            asm.jump(If::Ge, R8, R(R9), place.reject);
            let far = Pass { filter: self, place, near: false, a: R7, x: R8, short: place.reject };
            far.emit(asm);
        } else {
            asm.goto(place.reject);
        }
    }
}

/// The filter once: on the first buffer, or on all of them.
struct Pass<'a> {
    filter: &'a XdpFilter,
    place: &'a Place,
    /// Loads from the first buffer.
    near: bool,
    a: Reg,
    x: Reg,
    /// Where frames go that are too short.
    short: Label,
}

/// A register of the pass, a program's label.
struct Labels(Vec<Label>);

impl Labels {
    fn of(&self, label: lower::Label) -> Label {
        self.0[label as usize]
    }
}

impl Pass<'_> {
    fn emit(&self, asm: &mut Asm) {
        let lowered = &self.filter.lowered;
        let labels = Labels((0..=lowered.reject).map(|_| asm.label()).collect());
        for (words, register) in [(Words::A, self.a), (Words::X, self.x)] {
            if lowered.clear.has(words) {
                asm.push(Insn::alu32(Op::Mov, register, Imm(0)));
            }
        }
        for word in (0..MEMWORDS as u8).filter(|&word| lowered.clear.has(Words::scratch(word))) {
            asm.push(Insn::store_imm(Width::W32, R10, scratch(word), 0));
        }
        let next = lowered.steps[1..].iter().chain([&Step::Return(0)]);
        for (&step, &next) in lowered.steps.iter().zip(next) {
            self.step(asm, &labels, step, next);
        }
    }

    fn register(&self, register: lower::Reg) -> Reg {
        match register {
            lower::Reg::A => self.a,
            lower::Reg::X => self.x,
        }
    }

    fn source(&self, source: Source) -> Operand {
        match source {
            Source::K(k) => Imm(k as i32),
            Source::X => R(self.x),
        }
    }

    fn step(&self, asm: &mut Asm, labels: &Labels, step: Step, next: Step) {
        let (a, x) = (self.a, self.x);
        match step {
            Step::Label(label) => asm.place(labels.of(label)),
            Step::Need(bytes) => self.need(asm, bytes),
            Step::NeedX(bytes) => self.need_x(asm, bytes),
            Step::Load(size, k) => self.load(asm, a, size, None, k),
            Step::LoadX(size, k) => self.load(asm, a, size, Some(x), k),
            Step::HeaderLength(k) => {
                self.load(asm, x, Size::B, None, k);
                asm.push(Insn::alu32(Op::And, x, Imm(0xf)));
                asm.push(Insn::alu32(Op::Lsh, x, Imm(2)));
            }
            Step::WireLength(to) => asm.push(Insn::alu32(Op::Mov, self.register(to), R(R9))),
            Step::Set(to, k) => asm.push(Insn::alu32(Op::Mov, self.register(to), Imm(k as i32))),
            Step::Read(to, word) => asm.push(Insn::load(Width::W32, self.register(to), R10, scratch(word))),
            Step::Write(from, word) => asm.push(Insn::store(Width::W32, R10, scratch(word), self.register(from))),
            Step::Alu(alu, source) => self.alu(asm, alu, source),
            Step::Neg => asm.push(Insn::alu32(Op::Neg, a, Imm(0))),
            Step::Tax => asm.push(Insn::alu32(Op::Mov, x, R(a))),
            Step::Txa => asm.push(Insn::alu32(Op::Mov, a, R(x))),
            // Programs that jump backwards were refused.
            Step::Jump(to) | Step::CountedJump(to) => asm.goto(labels.of(to)),
            Step::Branch(test, source, yes, no) => {
                let test = match test {
                    Test::Eq => If::Eq,
                    Test::Gt => If::Gt,
                    Test::Ge => If::Ge,
                    Test::Set => If::Set,
                };
                self.branch(asm, labels, (test, a, self.source(source)), (yes, no), next);
            }
            Step::Search(number) => self.search(asm, labels, number, next),
            // What is attached is the kernel's own, and not checked.
            Step::Check(_) | Step::GiveUp => {}
            Step::Return(0) => asm.goto(self.place.reject),
            Step::Return(_) => asm.goto(self.place.accept),
            Step::ReturnA => {
                asm.jump32(If::Eq, a, Imm(0), self.place.reject);
                asm.goto(self.place.accept);
            }
        }
    }

    /// Goes to `yes` or to `no`, to the one that is next by falling into it.
    fn branch(
        &self,
        asm: &mut Asm,
        labels: &Labels,
        (test, dst, with): (If, Reg, Operand),
        (yes, no): (lower::Label, lower::Label),
        next: Step,
    ) {
        match test.not() {
            Some(not) if next == Step::Label(yes) => asm.jump32(not, dst, with, labels.of(no)),
            _ => {
                asm.jump32(test, dst, with, labels.of(yes));
                asm.goto(labels.of(no));
            }
        }
    }

    fn need(&self, asm: &mut Asm, bytes: u64) {
        if bytes > MAX_OFFSET {
            return asm.goto(self.short);
        }
        let bytes = Imm(bytes as i32);
        if self.near {
            asm.push(Insn::alu64(Op::Mov, R3, R(R7)));
            asm.push(Insn::alu64(Op::Add, R3, bytes));
            asm.jump(If::Gt, R3, R(R8), self.short);
        } else {
            asm.jump(If::Lt, R9, bytes, self.short);
        }
    }

    fn need_x(&self, asm: &mut Asm, bytes: u64) {
        let Some(most) = MAX_OFFSET.checked_sub(bytes) else { return asm.goto(self.short) };
        // What is added to a pointer must have a known limit.
        asm.jump(If::Gt, self.x, Imm(most as i32), self.short);
        if self.near {
            asm.push(Insn::alu64(Op::Mov, R2, R(R7)));
            asm.push(Insn::alu64(Op::Add, R2, R(self.x)));
            asm.push(Insn::alu64(Op::Mov, R3, R(R2)));
        } else {
            asm.push(Insn::alu64(Op::Mov, R3, R(self.x)));
        }
        asm.push(Insn::alu64(Op::Add, R3, Imm(bytes as i32)));
        asm.jump(If::Gt, R3, R(if self.near { R8 } else { R9 }), self.short);
    }

    /// Bytes at `k`, or at `x + k`, to `to`; they are there.
    fn load(&self, asm: &mut Asm, to: Reg, size: Size, x: Option<Reg>, k: u32) {
        let width = match size {
            Size::B => Width::W8,
            Size::H => Width::W16,
            Size::W => Width::W32,
        };
        if self.near {
            let base = if x.is_some() { R2 } else { R7 };
            match i16::try_from(k) {
                Ok(k) => asm.push(Insn::load(width, to, base, k)),
                Err(_) => {
                    asm.push(Insn::alu64(Op::Mov, R3, R(base)));
                    asm.push(Insn::alu64(Op::Add, R3, Imm(k as i32)));
                    asm.push(Insn::load(width, to, R3, 0));
                }
            }
        } else {
            asm.push(Insn::alu64(Op::Mov, R1, R(R6)));
            match x {
                Some(x) => {
                    asm.push(Insn::alu32(Op::Mov, R2, R(x)));
                    asm.push(Insn::alu32(Op::Add, R2, Imm(k as i32)));
                }
                None => asm.push(Insn::alu32(Op::Mov, R2, Imm(k as i32))),
            }
            asm.push(Insn::alu64(Op::Mov, R3, R(R10)));
            asm.push(Insn::alu64(Op::Add, R3, Imm(LOADED.into())));
            asm.push(Insn::alu32(Op::Mov, R4, Imm(width.bytes())));
            asm.push(Insn::call(Helper::XdpLoadBytes));
            // The bytes are there, so it does not fail; a test would be one more way to go through.
            asm.push(Insn::load(width, to, R10, LOADED));
        }
        if size != Size::B {
            asm.push(Insn::from_be(to, 8 * width.bytes()));
        }
    }

    fn alu(&self, asm: &mut Asm, alu: Alu, source: Source) {
        let (a, with) = (self.a, self.source(source));
        let op = match alu {
            Alu::Add => Op::Add,
            Alu::Sub => Op::Sub,
            Alu::Mul => Op::Mul,
            Alu::Div => Op::Div,
            Alu::Mod => Op::Mod,
            Alu::And => Op::And,
            Alu::Or => Op::Or,
            Alu::Xor => Op::Xor,
            Alu::Lsh => Op::Lsh,
            Alu::Rsh => Op::Rsh,
        };
        match (alu, source) {
            // eBPF's quotient is 0, and its remainder A.
            (Alu::Div | Alu::Mod, Source::X) => asm.jump32(If::Eq, self.x, Imm(0), self.place.reject),
            // eBPF counts modulo 32.
            (Alu::Lsh | Alu::Rsh, Source::X) => {
                let (small, done) = (asm.label(), asm.label());
                asm.jump32(If::Lt, self.x, Imm(32), small);
                asm.push(Insn::alu32(Op::Mov, a, Imm(0)));
                asm.goto(done);
                asm.place(small);
                asm.push(Insn::alu32(op, a, with));
                return asm.place(done);
            }
            _ => {}
        }
        asm.push(Insn::alu32(op, a, with));
    }

    /// Finds the last entry that is not above A, by halves: R4 is where the rest of the table begins, and moves by the half or by 0. Both are
    /// one way for the verifier, as long as no value is seen to be 0 or -1: newer kernels make two of that.
    fn search(&self, asm: &mut Asm, labels: &Labels, number: usize, next: Step) {
        let Search { ref table, by, yes, no, .. } = self.filter.lowered.searches[number];
        let start = 8 * self.filter.starts[number];
        asm.push_double(Insn::map_value(R4, self.place.table, start as i32));
        asm.push(Insn::alu64(Op::Mov, R5, R(self.a)));
        asm.push(Insn::alu64(Op::Add, R5, R(R5)));
        asm.push(Insn::alu64(Op::Add, R5, Imm(2)));
        // The last entries, a power of two of them, or the first ones: whatever entry is looked for is among one of both.
        let many = 1 << table.len().ilog2();
        let rest = table.len() - many;
        if rest > 0 {
            below(asm, rest);
            asm.push(Insn::alu64(Op::Rsh, R3, Imm(63)));
            asm.push(Insn::alu64(Op::Mul, R3, Imm(8 * rest as i32)));
            asm.push(Insn::alu64(Op::Add, R4, R(R3)));
        }
        let halves = std::iter::successors(Some(many / 2), |half| Some(half / 2)).take_while(|&half| half > 0);
        for half in halves {
            below(asm, half);
            // The sign moves to where the half has its one.
            asm.push(Insn::alu64(Op::Rsh, R3, Imm(63 - (8 * half).ilog2() as i32)));
            asm.push(Insn::alu64(Op::And, R3, Imm(8 * half as i32)));
            asm.push(Insn::alu64(Op::Add, R4, R(R3)));
        }
        asm.push(Insn::load(Width::W64, R3, R4, 0));
        match by {
            Decision::Parity => self.branch(asm, labels, (If::Set, R3, Imm(1)), (yes, no), next),
            Decision::Equality => {
                // Both have 33 bits.
                asm.push(Insn::alu64(Op::Rsh, R3, Imm(1)));
                self.branch(asm, labels, (If::Eq, R3, R(self.a)), (yes, no), next);
            }
        }
    }
}

/// R3: negative when the entry with this number, from R4 on, is below R5.
fn below(asm: &mut Asm, number: usize) {
    let bytes = 8 * number;
    match i16::try_from(bytes) {
        Ok(bytes) => asm.push(Insn::load(Width::W64, R3, R4, bytes)),
        Err(_) => {
            asm.push(Insn::alu64(Op::Mov, R3, R(R4)));
            asm.push(Insn::alu64(Op::Add, R3, Imm(bytes as i32)));
            asm.push(Insn::load(Width::W64, R3, R3, 0));
        }
    }
    asm.push(Insn::alu64(Op::Sub, R3, R(R5)));
}

/// Where a word of scratch memory lies on the stack.
pub(super) const fn scratch(word: u8) -> i16 {
    -4 * (word as i16 + 1)
}
