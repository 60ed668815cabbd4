use super::*;
use crate::engine::interpret;
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
