//! One program, one verdict: the interpreter, the machine code, the system's libpcap and the Linux kernel on the same packets.

mod kernel;
mod libpcap;
#[path = "../programs/mod.rs"]
mod programs;

use filter::engine::{Beside, Filter, Form, dump, image, interpret, kernel_takes, validate};
use filter::insn::op::*;
use filter::{Insn, Program};
use libpcap::Libpcap;
use programs::{Random, Rules};

/// The system's library, or a word that there is none.
fn system() -> Option<Libpcap> {
    let system = Libpcap::open();
    if system.is_none() {
        programs::skipped("the system has no libpcap.so.0.8");
    }
    system
}

#[test]
fn the_systems_interpreter_agrees_on_random_programs() {
    let Some(system) = system() else { return };
    let mut random = Random::new(2);
    let (mut accepted, mut runs) = (0, 0);
    for _ in 0..10_000 {
        let program = programs::program(&mut random, Rules::Forward);
        let filter = Filter::new(program.clone()).expect("valid");
        for _ in 0..8 {
            let packet = random.packet();
            let wirelen = packet.len() as u32 + random.below(3);
            let theirs = system.filter(&program, &packet, wirelen);
            assert_eq!(theirs, interpret(&program[..], &packet, wirelen, None), "{packet:?}: {program:?}");
            assert_eq!(theirs, filter.verdict(&packet, wirelen), "{packet:?}: {program:?}");
            accepted += usize::from(theirs != 0);
            runs += 1;
        }
    }
    assert!(accepted > runs / 4, "{accepted} of {runs}: too few programs get anywhere");
}

#[test]
fn the_kernel_agrees_on_random_programs() {
    let mut random = Random::new(3);
    let socket = kernel::Socket::new();
    let mut accepted = 0;
    let (programs, packets) = (4_000, 8);
    for _ in 0..programs {
        let program = programs::program(&mut random, Rules::Kernel);
        assert_eq!(kernel_takes(&program), Ok(()), "{program:?}");
        let filter = Filter::new(program.clone()).expect("valid");
        socket.attach(&program).unwrap_or_else(|error| panic!("{error}: {program:?}"));
        for _ in 0..packets {
            let packet = random.packet();
            let ours = filter.verdict(&packet, packet.len() as u32);
            accepted += usize::from(ours != 0);
            let kept = (ours != 0).then_some(packet.len().min(ours as usize));
            assert_eq!(socket.kept(&packet), kept, "{packet:?}: {program:?}");
        }
    }
    assert!(accepted > programs * packets / 4, "{accepted}: too few programs get anywhere");
}

#[test]
fn the_kernel_refuses_what_kernel_takes_refuses() {
    let mut random = Random::new(4);
    let socket = kernel::Socket::new();
    let (mut taken, mut refused) = (0, 0);
    for _ in 0..4_000 {
        let mut program = programs::program(&mut random, Rules::Kernel);
        // One instruction goes wrong, or not.
        let at = random.below(program.len() as u32) as usize;
        match random.below(4) {
            0 => {
                program[at].k = random.of(&[0, 16, 32, 0xffff_efff, 0xffff_f000, 0xffff_f03c, 0xffff_f040, 0xffff_f031])
            }
            1 => program[at].code = random.below(256) as u16,
            2 => program.truncate(at + 1),
            _ => program[at] = Insn::new(JMP | JA, random.below(40).wrapping_sub(20)),
        }
        let ours = kernel_takes(&program);
        let theirs = socket.attach(&program);
        assert_eq!(ours.is_ok(), theirs.is_ok(), "{ours:?} {theirs:?}: {program:?}");
        *(if ours.is_ok() { &mut taken } else { &mut refused }) += 1;
    }
    assert!(taken > 500 && refused > 500, "{taken} {refused}");
}

#[test]
fn a_walk_over_headers_ends_where_the_systems_does() {
    let Some(system) = system() else { return };
    let program = system.compile("ip6 protochain 17");
    assert!(program.iter().any(|insn| insn.code == JMP | JA && (insn.k as i32) < 0), "no loop: {program:?}");
    let filter = Filter::new(program.clone()).expect("valid");
    let mut random = Random::new(5);
    let mut accepted = 0;
    for _ in 0..10_000 {
        let mut packet = vec![0; 54];
        packet[12..14].copy_from_slice(&[0x86, 0xdd]);
        let mut next = 20;
        for _ in 0..random.of(&[1, 2, 5, 100, 1_000]) {
            packet[next] = random.of(&[0, 43, 44, 60]);
            next = packet.len();
            let len = random.below(3) as u8;
            packet.extend(vec![0; 8 * (usize::from(len) + 1)]);
            packet[next + 1] = len;
        }
        packet[next] = random.of(&[17, 17, 6, 59]);
        packet.truncate(packet.len() - random.of(&[0, 0, 1, 20]));
        let len = packet.len() as u32;
        let theirs = system.filter(&program, &packet, len);
        assert_eq!(theirs, interpret(&program[..], &packet, len, None), "{packet:?}");
        assert_eq!(theirs, filter.verdict(&packet, len), "{packet:?}");
        accepted += usize::from(theirs != 0);
    }
    assert!(accepted > 2_000, "{accepted}");
}

#[test]
fn a_packet_that_libpcap_walks_for_ever_is_refused() {
    let Some(system) = system() else { return };
    // libpcap 1.10 takes an authentication header's length for the next header's place: this one is behind itself.
    let program = system.compile("ip protochain 17");
    let mut packet = vec![0; 34 + 24];
    packet[12..15].copy_from_slice(&[8, 0, 0x45]);
    packet[23] = 51;
    packet[34..36].copy_from_slice(&[51, 3]);
    assert_eq!(interpret(&program[..], &packet, 58, None), 0);
    assert_eq!(Filter::new(program).expect("valid").verdict(&packet, 58), 0);
}

#[test]
fn a_program_without_end_ends() {
    // Two instructions that jump to each other.
    let program = vec![Insn::new(LD | IMM, 1), Insn::new(JMP | JA, -2_i32 as u32), Insn::new(RET, 1)];
    assert!(validate(&program));
    assert_eq!(interpret(&program[..], &[0; 1500], 1500, None), 0);
    assert_eq!(Filter::new(program).expect("valid").verdict(&[0; 1500], 1500), 0);
}

#[test]
fn validity_is_the_systems_but_for_what_its_main_branch_refuses() {
    let Some(system) = system() else { return };
    let check = |program: &[Insn]| {
        let (theirs, ours) = (system.validate(program), validate(program));
        assert!(theirs || !ours, "only we take {program:?}");
        theirs && !ours
    };
    let end = [Insn::new(RET, 0); 40];
    let with = |insn: Insn| [&[insn], &end[..]].concat();
    let mut refused = Vec::new();
    for code in 0..=u16::MAX {
        for k in [0, 1, 15, 16, 31, 32, 39, 40, u32::MAX] {
            if check(&with(Insn::jump(code, k, 3, 39))) {
                refused.push((code, k));
            }
        }
    }
    // A program of a known code that only we refuse: a constant shift by too much, a jump to itself.
    let known = |code: u16| (1..=16).any(|k| validate(&with(Insn::jump(code, k, 3, 39))));
    refused.retain(|&(code, _)| known(code));
    let shifts = [LSH, RSH].map(|op| [32, 39, 40, u32::MAX].map(|k| (ALU | op, k)));
    let expected: Vec<_> = [(JMP | JA, u32::MAX)].into_iter().chain(shifts.concat()).collect();
    refused.sort_unstable();
    let mut expected = expected;
    expected.sort_unstable();
    assert_eq!(refused, expected);

    let mut random = Random::new(6);
    for _ in 0..20_000 {
        let mut program = programs::program(&mut random, Rules::Any);
        let at = random.below(program.len() as u32) as usize;
        let insn = &mut program[at];
        match random.below(4) {
            0 => insn.k = random.word(),
            1 => (insn.jt, insn.jf) = (random.word() as u8, random.word() as u8),
            2 => program.truncate(at),
            _ => {}
        }
        let strict = check(&program);
        let reason = |insn: &Insn| {
            matches!(insn.code, 0x64 | 0x74) && insn.k >= 32 || *insn == Insn { k: u32::MAX, code: JMP | JA, ..*insn }
        };
        assert!(!strict || program.iter().any(reason), "{program:?}");
    }
}

#[test]
fn images_are_the_systems() {
    let Some(system) = system() else { return };
    let offsets = (0..18).map(|word| AD_OFF + 4 * word).chain([AD_OFF + 1, AD_OFF - 4]);
    let operands: Vec<u32> = offsets.chain([0, 5, 0x7fff_ffff, 0x8000_0000, u32::MAX]).collect();
    for code in (0..=255).chain([0x120, 0xffff]) {
        for &k in &operands {
            for (jt, jf, number) in [(0, 0, 0), (3, 255, 7), (255, 4, 1000), (1, 2, -5), (1, 2, i32::MAX)] {
                let insn = Insn { code, jt, jf, k };
                assert_eq!(image(&insn, number).to_string(), system.image(&insn, number), "{insn:?}");
            }
        }
    }
}

#[test]
fn dumps_are_tcpdumps() {
    let program: Program = vec![
        Insn::new(LD | H | ABS, 12),
        Insn::jump(JMP | JEQ, 0x800, 0, 1),
        Insn::new(RET, 262_144),
        Insn::new(RET, 0),
    ];
    let texts = [
        (
            Form::Text,
            "(000) ldh      [12]\n(001) jeq      #0x800           jt 2\tjf 3\n(002) ret      #262144\n(003) ret      #0\n",
        ),
        (
            Form::C,
            "{ 0x28, 0, 0, 0x0000000c },\n{ 0x15, 0, 1, 0x00000800 },\n{ 0x6, 0, 0, 0x00040000 },\n{ 0x6, 0, 0, 0x00000000 },\n",
        ),
        (Form::Decimal, "4\n40 0 0 12\n21 0 1 2048\n6 0 0 262144\n6 0 0 0\n"),
    ];
    for (form, text) in texts {
        assert_eq!(dump(&program, form).to_string(), text);
    }
}

#[test]
fn what_lies_beside_a_packet_is_out_of_bounds_unless_it_is_given() {
    let beside = Beside { vlan_tag: Some(0x2007), packet_type: 4, ifindex: 3, protocol: 0x86dd };
    let untagged = Beside { vlan_tag: None, ..beside };
    for (what, value, without_tag) in [
        (AD_PROTOCOL, 0x86dd, 0x86dd),
        (AD_PKTTYPE, 4, 4),
        (AD_IFINDEX, 3, 3),
        (AD_VLAN_TAG, 0x2007, 0),
        (AD_VLAN_TAG_PRESENT, 1, 0),
        (AD_PROTOCOL + 12, 0, 0), // SKF_AD_NLATTR: not among them
    ] {
        for size in [W, H, B] {
            let filter =
                Filter::new(vec![Insn::new(LD | ABS | size, AD_OFF + what), Insn::new(RET | A, 0)]).expect("valid");
            assert_eq!(filter.verdict(&[1; 60], 60), 0);
            assert_eq!(filter.verdict_beside(&[1; 60], 60, &beside), value, "{what}");
            assert_eq!(filter.verdict_beside(&[1; 60], 60, &untagged), without_tag, "{what}");
        }
    }
}
