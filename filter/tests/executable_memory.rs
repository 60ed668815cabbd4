//! Machine code where the system allows it, and where it refuses. Alone in its process, which can't get the permission back.

#[path = "programs/mod.rs"]
mod programs;

use filter::engine::{Filter, Jit, interpret};
use programs::{Random, Rules};

/// `PR_SET_MDWE` with `PR_MDWE_REFUSE_EXEC_GAIN`: what was mapped writable never becomes executable. Linux 6.3.
fn refuse_executable_memory() -> bool {
    // SAFETY: numbers only; it binds this process, which is this test's.
    unsafe { libc::prctl(65, 1, 0, 0, 0) == 0 }
}

#[test]
fn pages_are_never_writable_and_executable_and_the_interpreter_serves_where_they_are_refused() {
    let mut random = Random::new(8);
    let programs: Vec<_> = (0..200).map(|_| programs::program(&mut random, Rules::Any)).collect();
    let check = |program: &Vec<filter::Insn>, random: &mut Random| {
        let filter = Filter::new(program.clone()).expect("valid");
        let packet = random.packet();
        let len = packet.len() as u32;
        assert_eq!(filter.verdict(&packet, len), interpret(&program[..], &packet, len, None), "{program:?}");
    };

    let translated: Vec<_> = programs.iter().map(|program| Jit::compile(program).expect("machine code")).collect();
    let maps = std::fs::read_to_string("/proc/self/maps").expect("procfs");
    let with = |access: &str| maps.lines().filter(|line| line.split(' ').nth(1) == Some(access)).count();
    assert!(with("r-xp") >= 1 && with("rwxp") == 0, "{maps}");
    drop(translated);

    if !refuse_executable_memory() {
        programs::skipped("this kernel can't refuse executable memory");
        return;
    }
    assert!(Jit::compile(&programs[0]).is_none());
    for program in &programs {
        check(program, &mut random);
    }
}
