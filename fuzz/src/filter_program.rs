//! Programs that somebody wrote, and packets for them.

use filter::Insn;
use filter::engine::ebpf::{Asm, Place, XdpFilter, wider};
use filter::engine::{Filter, Shadow, image, interpret, validate};
use filter::insn::op;

/// Bytes of an instruction in the input.
const SIZE: usize = 8;

/// Codes by number; a byte beyond stands for any code.
const CODES: [u16; 52] = [
    op::LD | op::W | op::ABS,
    op::LD | op::H | op::ABS,
    op::LD | op::B | op::ABS,
    op::LD | op::W | op::IND,
    op::LD | op::H | op::IND,
    op::LD | op::B | op::IND,
    op::LD | op::IMM,
    op::LD | op::LEN,
    op::LD | op::MEM,
    op::LDX | op::IMM,
    op::LDX | op::LEN,
    op::LDX | op::MEM,
    op::LDX | op::B | op::MSH,
    op::ST,
    op::STX,
    op::ALU | op::ADD,
    op::ALU | op::SUB,
    op::ALU | op::MUL,
    op::ALU | op::DIV,
    op::ALU | op::MOD,
    op::ALU | op::AND,
    op::ALU | op::OR,
    op::ALU | op::XOR,
    op::ALU | op::LSH,
    op::ALU | op::RSH,
    op::ALU | op::NEG,
    op::ALU | op::ADD | op::X,
    op::ALU | op::SUB | op::X,
    op::ALU | op::MUL | op::X,
    op::ALU | op::DIV | op::X,
    op::ALU | op::MOD | op::X,
    op::ALU | op::AND | op::X,
    op::ALU | op::OR | op::X,
    op::ALU | op::XOR | op::X,
    op::ALU | op::LSH | op::X,
    op::ALU | op::RSH | op::X,
    op::JMP | op::JA,
    op::JMP | op::JEQ,
    op::JMP | op::JGT,
    op::JMP | op::JGE,
    op::JMP | op::JSET,
    op::JMP | op::JEQ | op::X,
    op::JMP | op::JGT | op::X,
    op::JMP | op::JGE | op::X,
    op::JMP | op::JSET | op::X,
    op::MISC | op::TAX,
    op::MISC | op::TXA,
    op::RET | op::K,
    op::RET | op::A,
    op::LD | op::B | op::ABS,
    op::JMP | op::JEQ,
    op::JMP | op::JSET,
];

/// The number of instructions (one byte), the instructions, and a packet. Every program prints; a valid one says the same in the
/// interpreter and as machine code, and as the copy of which the code checks the original; so does one that was changed, unless the
/// code gives up. It can be written down as eBPF.
pub fn filter_program(data: &[u8]) {
    let Some((&count, rest)) = data.split_first() else { return };
    let (body, packet) = rest.split_at((usize::from(count) * SIZE).min(rest.len()));
    let body = body.as_chunks::<SIZE>().0;
    let mut program: Vec<Insn> = Vec::new();
    for (at, &[code, free, jt, jf, k0, k1, k2, k3]) in body.iter().enumerate() {
        let code = CODES.get(usize::from(code)).copied().unwrap_or(u16::from_le_bytes([code, free]));
        let left = body.len() - at;
        let k = u32::from_le_bytes([k0, k1, k2, k3]);
        let k = match code & 7 {
            op::ST | op::STX => k % 17,
            op::LD | op::LDX if code & 0xe0 == op::MEM => k % 17,
            // Backwards now and then, as far as there is anything.
            op::JMP if code & 0xf0 == op::JA && free < 240 => k % left as u32,
            op::JMP if code & 0xf0 == op::JA => (k as i32 % (at as i32 + 2)) as u32,
            _ => k,
        };
        let near = |skip: u8| if free < 250 { (usize::from(skip) % left) as u8 } else { skip };
        program.push(Insn { code, jt: near(jt), jf: near(jf), k });
    }
    if let Some(last) = program.last_mut().filter(|_| count % 8 != 0) {
        *last = Insn::new(op::RET | op::A, 0);
    }
    for (at, insn) in program.iter().enumerate() {
        assert!(!image(insn, at as i32).to_string().is_empty());
    }
    let wirelen = packet.len() as u32 + u32::from(count % 3);
    if validate(&program) {
        let verdict = interpret(&*program, packet, wirelen, None);
        let shadow = Shadow::of(&program).expect("machine code");
        assert_eq!(run(&shadow, &program, packet, wirelen), Some(verdict));
        let mut changed = program.clone();
        let (at, by) =
            packet.split_first().map_or((0, 0), |(&at, rest)| (at.into(), rest.first().copied().unwrap_or(1)));
        let len = changed.len();
        changed[at % len].k ^= u32::from(by);
        if validate(&changed) {
            let verdict = interpret(&*changed, packet, wirelen, None);
            assert_eq!(run(&shadow, &changed, packet, wirelen).unwrap_or(verdict), verdict);
        }
        for frags in [false, true] {
            let filter = XdpFilter::new(&wider(&program).expect("a valid program")).expect("a filter");
            let mut asm = Asm::new();
            let end = asm.label();
            filter.emit(&mut asm, &Place { accept: end, reject: end, table: 0, frags });
            asm.place(end);
            asm.push(filter::engine::ebpf::Insn::exit());
            asm.finish().expect("a short program");
        }
        let filter = Filter::new(program).expect("a valid program");
        assert_eq!(filter.verdict(packet, wirelen), verdict);
    } else {
        assert!(Filter::new(program).is_none());
    }
}

fn run(shadow: &Shadow, program: &[Insn], packet: &[u8], wirelen: u32) -> Option<u32> {
    // SAFETY: both callers have validated it.
    unsafe { shadow.run(program.as_ptr(), packet, wirelen) }
}
