//! Filters in the kernel's XDP hook against the interpreter: the same verdict on every frame, and which programs the verifier refuses.
//!
//! | variable | meaning |
//! |---|---|
//! | `EBPF_PROGRAMS` | random programs (3,000) |
//! | `EBPF_EXPRESSIONS` | generated expressions (3,000) |

#[path = "../common/mod.rs"]
mod common;
mod kernel;
#[path = "../../../filter/tests/programs/mod.rs"]
mod programs;

use compat_tests::filters::corpus::{self, Corpus, Frame};
use compat_tests::filters::library::{self, Library};
use compat_tests::filters::{grammar, guide, spoil};
use compat_tests::process::skipped;
use compat_tests::random::Random as Seeded;
use drivers::Error;
use filter::engine::ebpf::XdpFilter;
use filter::insn::op::*;
use filter::{Insn, Options, PacketSource, PortProtocol, Program, Resolve};
use kernel::{Kernel, Tally};
use programs::{Random, Rules};
use std::net::IpAddr;

fn variable(name: &str, otherwise: usize) -> usize {
    std::env::var(name).map_or(otherwise, |text| text.parse().unwrap_or_else(|e| panic!("{name}={text}: {e}")))
}

/// The names that everybody knows.
struct Names;

impl Resolve for Names {
    fn addresses(&self, name: &str) -> Vec<IpAddr> {
        if name == "localhost" { vec![[127, 0, 0, 1].into()] } else { Vec::new() }
    }

    fn network(&self, name: &str) -> Option<u32> {
        (name == "loopback").then_some(127)
    }

    fn port(&self, name: &str) -> Option<(u16, PortProtocol)> {
        [("http", 80), ("domain", 53), ("ssh", 22)]
            .into_iter()
            .find(|known| known.0 == name)
            .map(|known| (known.1, PortProtocol::Both))
    }

    fn protocol(&self, name: &str) -> Option<u16> {
        [("icmp", 1), ("tcp", 6), ("udp", 17), ("ipv6", 41), ("gre", 47), ("ah", 51)]
            .into_iter()
            .find(|known| known.0 == name)
            .map(|known| known.1)
    }

    fn ether(&self, _: &str) -> Option<[u8; 6]> {
        None
    }
}

fn compile(text: &str, optimize: bool) -> Result<Program, filter::Error> {
    let (linktype, snaplen, netmask) = (1, 262_144, 0x00ff_ffff);
    let options = Options { linktype, snaplen, optimize, netmask, source: PacketSource::Dead };
    filter::compile(text.as_bytes(), &options, &Names)
}

/// Frames of 14 to 1,500 bytes that random programs find something in.
fn frames(random: &mut Random) -> Vec<Vec<u8>> {
    let mut frames: Vec<Vec<u8>> = (0..8).map(|_| random.packet()).collect();
    for len in [14, 15, 61, 333, 1_499, 1_500] {
        frames.push((0..len).map(|_| random.word() as u8).collect());
    }
    frames.retain(|frame| frame.len() >= 14);
    frames
}

#[test]
fn random_programs() {
    let Some(kernel) = Kernel::new() else { return };
    let mut random = Random::new(12);
    let mut tally = Tally::default();
    let count = variable("EBPF_PROGRAMS", 3_000);
    for number in 0..count {
        // Any: scratch memory may be read before it is written.
        let rules = if number % 2 == 0 { Rules::Any } else { Rules::Forward };
        let program = programs::program(&mut random, rules);
        tally.compare(&kernel, &program, number % 3 == 0, &frames(&mut random));
    }
    tally.say("random programs");
    assert!(tally.taken > count / 2 && tally.accepted > tally.frames / 5, "too few programs get anywhere");
    assert!(tally.refused() * 200 <= tally.taken, "the verifier refuses more than one of 200");
}

#[test]
fn generated_expressions() {
    let Some(kernel) = Kernel::new() else { return };
    let corpus = if corpus::folder().is_dir() {
        Corpus::read(&corpus::folder(), &Library::open(&library::system()))
    } else {
        skipped(&format!("{}: no captures to run filters on but generated frames", corpus::folder().display()));
        Corpus::default()
    };
    let mut random = Seeded::from_seed(21);
    let mut tally = Tally::default();
    let mut compiled = 0;
    let count = variable("EBPF_EXPRESSIONS", 3_000);
    while compiled < count {
        let words = grammar::expression(&mut random, 1);
        let text = grammar::joined(&mut random, &words);
        let Ok(program) = compile(&text, random.percent(80)) else { continue };
        compiled += 1;
        let mut frames: Vec<Frame> = (0..4).map(|_| corpus.one(&mut random, 1)).collect();
        for _ in 0..4 {
            let start = corpus.one(&mut random, 1);
            let walk = guide::walk(&program, start, &mut random);
            let cuts = spoil::cuts(&walk.frame, &walk.ends);
            frames.extend(cuts.into_iter().take(6));
            frames.push(spoil::flipped(&mut random, &walk.frame));
            frames.push(walk.frame);
        }
        let mut frames: Vec<Vec<u8>> = frames.into_iter().map(|frame| frame.bytes).collect();
        frames.retain(|frame| frame.len() <= 3_000);
        tally.compare(&kernel, &program, random.percent(30), &frames);
    }
    tally.say("generated expressions");
    assert!(tally.accepted > tally.frames / 10, "too few frames are accepted");
    assert!(tally.refused() * 200 <= tally.taken, "the verifier refuses more than one of 200");
}

/// What the interpreter says of the edges of every instruction.
#[test]
fn edges() {
    let Some(kernel) = Kernel::new() else { return };
    let mut tally = Tally::default();
    let edges = [0, 1, 2, 10, 14, 31, 32, 33, 63, 64, 127, 0x7fff_ffff, 0x8000_0000, u32::MAX];
    let frames: Vec<Vec<u8>> =
        [14, 15, 63, 64].into_iter().map(|len| (0..len).map(|at| (7 * at + 3) as u8).collect()).collect();
    let mut check = |body: &[Insn]| {
        let program = [body, &[Insn::new(RET | A, 0)]].concat();
        tally.compare(&kernel, &program, false, &frames);
        tally.compare(&kernel, &program, true, &frames);
    };
    for (a, x) in edges.into_iter().flat_map(|a| edges.map(|x| (a, x))) {
        // Once the right result is made 0, once 1.
        let set = [Insn::new(LD | IMM, a), Insn::new(LDX | IMM, x)];
        for op in [ADD, SUB, MUL, DIV, MOD, OR, AND, XOR, LSH, RSH] {
            let result = if (op == DIV || op == MOD) && x == 0 { 0 } else { apply(op, a, x) };
            check(&[&set[..], &[Insn::new(ALU | X | op, 0), Insn::new(ALU | XOR, result)]].concat());
            check(&[&set[..], &[Insn::new(ALU | X | op, 0), Insn::new(ALU | SUB, result.wrapping_sub(1))]].concat());
        }
    }
    for k in edges.into_iter().chain([0xffff, 0xfffe, 0x10000, 32_767, 32_768]).filter(|&k| k < AD_OFF) {
        for x in edges {
            for size in [W, H, B] {
                check(&[Insn::new(LDX | IMM, x), Insn::new(LD | IND | size, k), Insn::new(ALU | OR, 1)]);
                check(&[Insn::new(LD | LEN, 0), Insn::new(LD | ABS | size, k), Insn::new(ALU | OR, 1)]);
            }
        }
        check(&[Insn::new(LDX | B | MSH, k), Insn::new(MISC | TXA, 0)]);
    }
    check(&[Insn::new(LD | LEN, 0), Insn::new(ALU | SUB, 63)]);
    check(&[Insn::new(LDX | LEN, 0), Insn::new(LD | IND | B, 0)]);
    check(&[Insn::new(LD | MEM, 15)]);
    check(&[Insn::new(ALU | NEG, 0)]);
    tally.say("edges");
    assert_eq!(tally.refused(), 0, "{:?}", tally.refused);
}

fn apply(op: u16, a: u32, x: u32) -> u32 {
    match op {
        ADD => a.wrapping_add(x),
        SUB => a.wrapping_sub(x),
        MUL => a.wrapping_mul(x),
        DIV => a / x,
        MOD => a % x,
        OR => a | x,
        AND => a & x,
        XOR => a ^ x,
        LSH => a.checked_shl(x).unwrap_or(0),
        _ => a.checked_shr(x).unwrap_or(0),
    }
}

/// A UDP packet from and to these.
fn udp(from: u32, to: u32, ports: [u16; 2]) -> Vec<u8> {
    let mut frame = vec![2; 12];
    frame.extend([8, 0, 0x45, 0, 0, 46, 0, 0, 0, 0, 64, 17, 0, 0]);
    frame.extend([from, to].map(u32::to_be_bytes).concat());
    frame.extend(ports.map(u16::to_be_bytes).concat());
    frame.resize(60, 0);
    frame
}

/// Lists of hosts, ports and networks: the verifier takes them however long they are.
#[test]
fn search_trees() {
    let Some(kernel) = Kernel::new() else { return };
    let mut random = Random::new(31);
    let mut tally = Tally::default();
    for (count, kind) in [(10, "host"), (1_000, "host"), (10_000, "host"), (300, "net"), (500, "port"), (10_000, "net")]
    {
        let values: Vec<u32> = (0..count).map(|_| random.word() & if kind == "net" { !0xff } else { !0 }).collect();
        let words: Vec<String> = values
            .iter()
            .map(|value| match kind {
                "host" => format!("host {}", IpAddr::from(value.to_be_bytes())),
                "net" => format!("net {}/24", IpAddr::from(value.to_be_bytes())),
                _ => format!("port {}", value >> 16),
            })
            .collect();
        let program = compile(&words.join(" or "), true).expect("an expression");
        let mut frames: Vec<Vec<u8>> = Vec::new();
        for near in [0, 1, u32::MAX, 255, 256] {
            let value = random.of(&values).wrapping_add(near);
            frames.push(udp(value, 1, [(value >> 16) as u16, 1]));
            frames.push(udp(1, value, [1, (value >> 16) as u16]));
            frames.push(udp(random.word(), random.word(), [2, 3]));
        }
        tally.compare(&kernel, &program, count % 3 == 0, &frames);
    }
    tally.say("search trees");
    assert_eq!(tally.refused(), 0, "{:?}", tally.refused);
    assert!(tally.accepted > 20 && tally.frames - tally.accepted > 20);
}

/// The longest programs that a socket takes, and longer ones, with nothing in them that could be merged: jumps are far, ways are many.
#[test]
fn long_programs() {
    let Some(kernel) = Kernel::new() else { return };
    let mut random = Random::new(41);
    let mut tally = Tally::default();
    for (len, at_x) in [(4_096, false), (4_096, true), (7_000, false)] {
        let mut program = vec![Insn::new(LDX | IMM, 3)];
        while program.len() < len - 10 {
            let k = random.below(40);
            program.push(Insn::new(LD | random.of(&[W, H, B]) | if at_x { IND } else { ABS }, k));
            if at_x {
                program.extend([Insn::new(ALU | AND, 31), Insn::new(MISC | TAX, 0)]);
            }
            // Forward, most by a step or two.
            let left = (len - 2 - program.len()).min(255) as u8;
            let skip = random.of(&[0, 1, 2, 7, left, left - 1, left - 1]).min(left);
            program.push(Insn::jump(JMP | random.of(&[JEQ, JGT, JSET]), random.below(256), skip, 0));
        }
        program.resize(len - 1, Insn::new(RET, 1));
        program.push(Insn::new(RET, 0));
        // One frame goes to the end; where others are cut decides.
        let frames: Vec<Vec<u8>> =
            (0..20).map(|n| (0..100 - n % 10 * 8).map(|_| random.word() as u8).collect()).collect();
        if len > 10_000 {
            let filter = XdpFilter::new(&program).expect("a filter");
            assert!(kernel.insns(&filter, true).iter().any(|insn| insn.code == 0x06), "no jump is far");
        }
        tally.compare(&kernel, &program, true, &frames);
        tally.compare(&kernel, &program, false, &frames);
    }
    tally.say("long programs");
    assert_eq!(tally.refused(), 0, "{:?}", tally.refused);
    assert!(tally.accepted > 10 && tally.accepted < tally.frames);
}

/// Loads on both sides of where one buffer ends and the next begins, and at the end of the frame.
#[test]
fn frames_of_several_buffers() {
    let Some(kernel) = Kernel::new() else { return };
    let mut random = Random::new(51);
    let mut tally = Tally::default();
    for len in [3_000, 5_000, 9_000, 30_001, 60_000] {
        let frame: Vec<u8> = (0..len).map(|_| random.word() as u8).collect();
        for _ in 0..60 {
            let at = match random.below(3) {
                0 => random.below(len + 10),
                1 => (len + 2).saturating_sub(random.below(8)),
                // The test's first buffer ends somewhere here, the others are pages.
                _ => random.of(&[3_520, 3_776, 4_096, 7_616, 7_872]).min(len) + random.below(8) - 4,
            };
            let size = random.of(&[W, H, B]);
            let x = random.below(at + 1);
            let value = random.below(len);
            let load = match random.below(3) {
                0 => vec![Insn::new(LD | ABS | size, at)],
                1 => vec![Insn::new(LDX | IMM, x), Insn::new(LD | IND | size, at - x)],
                _ => vec![Insn::new(LDX | B | MSH, at), Insn::new(MISC | TXA, 0)],
            };
            // The value decides, and the length.
            let before = [Insn::new(LD | ABS | B, 20), Insn::new(ST, 3)];
            let after = [
                Insn::new(ALU | AND, 0xff),
                Insn::new(LDX | MEM, 3),
                Insn::jump(JMP | JGT | X, 0, 1, 0),
                Insn::new(RET, 0),
                Insn::new(LD | LEN, 0),
                Insn::jump(JMP | JGT, value, 1, 0),
                Insn::new(RET, 0),
                Insn::new(RET, 1),
            ];
            let program = [&before[..], &load, &after].concat();
            tally.compare(&kernel, &program, true, &[frame.clone(), frame[..60].to_vec()]);
        }
    }
    tally.say("frames of several buffers");
    assert_eq!(tally.refused(), 0, "{:?}", tally.refused);
    assert!(tally.accepted > tally.frames / 10, "too few frames are accepted");
}

/// The verifier says why not, in the error.
#[test]
fn a_refusal_has_the_verifiers_words() {
    let Some(kernel) = Kernel::new() else { return };
    // Every value of A is worth knowing, since it ends in an address: the ways double with each test.
    let mut program = vec![Insn::new(LD | B | ABS, 0), Insn::new(MISC | TAX, 0)];
    for k in 0..200 {
        program.push(Insn::new(LD | B | ABS, k % 14));
        program.push(Insn::jump(JMP | JSET, 1 << (k % 8), 0, 3));
        program.push(Insn::new(MISC | TXA, 0));
        program.push(Insn::new(ALU | ADD, 1 << (k % 8)));
        program.push(Insn::new(MISC | TAX, 0));
    }
    program.extend([Insn::new(LD | B | IND, 0), Insn::new(RET | A, 0)]);
    let filter = XdpFilter::new(&program).expect("a filter");
    match kernel.load(&filter, false) {
        Err(Error::Verifier { line, .. }) => {
            assert!(line.contains("too large") || line.contains("too complex"), "{line}")
        }
        Err(error) => panic!("{error}"),
        Ok(_) => panic!("taken"),
    }
}
