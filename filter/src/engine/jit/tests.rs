use super::*;
use crate::engine::interpret;
use crate::engine::opcode::*;
use crate::engine::programs::{self, Random, Rules};

#[test]
fn agrees_with_the_interpreter_on_random_programs() {
    let mut random = Random::new(1);
    let (mut accepted, mut runs) = (0, 0);
    for _ in 0..20_000 {
        let program = programs::program(&mut random, Rules::Any);
        assert!(validate(&program), "{program:?}");
        let Some(jit) = Jit::compile(&program) else { panic!("no machine code on this system") };
        for _ in 0..8 {
            let packet = random.packet();
            let wirelen = packet.len() as u32 + random.below(3);
            let (theirs, ours) = (interpret(&program[..], &packet, wirelen, None), jit.run(&packet, wirelen));
            assert_eq!(theirs, ours, "wirelen {wirelen}, {packet:?}: {program:?}");
            accepted += usize::from(ours != 0);
            runs += 1;
        }
    }
    assert!(accepted > runs / 4, "{accepted} of {runs}: too few programs get anywhere");
}

#[test]
fn addresses_do_not_wrap() {
    let edges = [0, 1, 2, 3, 4, 5, 60, 127, 128, 0x7fff_fffc, 0x7fff_ffff, 0x8000_0000, u32::MAX - 3, u32::MAX];
    let packet = [7; 64];
    for (x, k) in edges.into_iter().flat_map(|x| edges.map(|k| (x, k))) {
        for code in [LD_W_IND, LD_H_IND, LD_B_IND, LD_W_ABS, LD_H_ABS, LD_B_ABS, LDX_MSH] {
            // Twice, so that one check serves two loads.
            let loads = [Insn::new(code, k), Insn::new(code, k.saturating_sub(2)), Insn::new(RET_K, 1)];
            let program = [&[Insn::new(LDX_IMM, x)], &loads[..]].concat();
            let jit = Jit::compile(&program).expect("machine code");
            assert_eq!(interpret(&program[..], &packet, 64, None), jit.run(&packet, 64), "{program:?}");
        }
    }
}

/// A dropped program's page is used again; those that live keep theirs, small or large.
#[test]
fn programs_keep_their_pages() {
    let returns = |value, insns: usize| {
        let longer = std::iter::repeat_n(Insn::new(LD_B_ABS, 0), insns);
        let program: Vec<_> = longer.chain([Insn::new(RET_K, value)]).collect();
        Jit::compile(&program).expect("machine code")
    };
    let mut alive: Vec<(u32, Jit)> = Vec::new();
    let mut random = Random::new(2);
    for value in 0..2_000 {
        if alive.len() == 8 {
            alive.swap_remove(random.below(8) as usize);
        }
        let insns = if random.below(4) == 0 { 3_000 } else { 3 };
        alive.push((value, returns(value, insns)));
        assert!(alive.iter().all(|(value, jit)| jit.run(&[0], 1) == *value));
    }
}
