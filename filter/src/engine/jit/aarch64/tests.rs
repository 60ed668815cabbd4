use super::*;
use crate::engine::interpret;
use crate::engine::lower::{Bounds, lower, lower_checked};
use crate::engine::programs::{self, Random, Rules};
use crate::engine::validate::validate;
use crate::insn::Insn;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

/// The program that runs machine code, built; `None` where the tools are missing.
fn harness(folder: &Path) -> Option<Command> {
    let program = folder.join("harness");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/aarch64.c");
    let native = cfg!(target_arch = "aarch64");
    let compiler = if native { "cc" } else { "aarch64-linux-gnu-gcc" };
    let built = Command::new(compiler).args(["-O1", "-static", "-o"]).arg(&program).arg(source).status();
    if !built.is_ok_and(|status| status.success()) {
        return None;
    }
    if native {
        return Some(Command::new(&program));
    }
    let found = Command::new("qemu-aarch64").arg("--version").stdout(Stdio::null()).status();
    if !found.is_ok_and(|status| status.success()) {
        return None;
    }
    let mut run = Command::new("qemu-aarch64");
    run.arg(&program);
    Some(run)
}

#[test]
fn agrees_with_the_interpreter_on_random_programs() {
    let folder = std::env::temp_dir().join(format!("filter-aarch64-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let Some(mut run) = harness(&folder) else {
        programs::skipped("needs qemu-user, gcc-aarch64-linux-gnu and libc6-dev-arm64-cross");
        return;
    };

    let mut random = Random::new(7);
    let (mut input, mut runs) = (Vec::new(), Vec::new());
    for _ in 0..4_000 {
        let program = programs::program(&mut random, Rules::Any);
        let alone = emit(&lower(&program, Bounds::Implied)).expect("short enough");
        let checked = emit(&lower_checked(&program)).expect("short enough");
        let changed = programs::changed(&mut random, &program, validate);
        let packets: Vec<Vec<u8>> = (0..8).map(|_| random.packet()).collect();
        for (code, run, same) in
            [(&alone, Some(&program), true), (&checked, Some(&program), true), (&checked, changed.as_ref(), false)]
        {
            let Some(program) = run else { continue };
            input.extend((code.len() as u32).to_le_bytes());
            input.extend(code);
            input.extend((8 * program.len() as u32).to_le_bytes());
            input.extend(program.iter().flat_map(|&insn| words(insn)).flat_map(u32::to_le_bytes));
            input.extend((packets.len() as u32).to_le_bytes());
            for packet in &packets {
                let wirelen = packet.len() as u32 + random.below(3);
                input.extend((packet.len() as u32).to_le_bytes());
                input.extend(wirelen.to_le_bytes());
                input.extend(packet);
                let expected = interpret(&program[..], packet, wirelen, None);
                runs.push(Run { program: program.clone(), packet: packet.clone(), wirelen, expected, same });
            }
        }
    }

    let mut child = run.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("the harness");
    let mut stdin = child.stdin.take().expect("a pipe");
    let writer = std::thread::spawn(move || stdin.write_all(&input));
    let output = child.wait_with_output().expect("the harness");
    std::fs::remove_dir_all(&folder).expect("our folder");
    let results: Vec<u64> = output.stdout.as_chunks().0.iter().map(|&bytes| u64::from_le_bytes(bytes)).collect();
    let (mut accepted, mut gave_up) = (0, 0);
    for (run, &result) in runs.iter().zip(&results) {
        let Ok(verdict) = u32::try_from(result) else {
            assert!(result == 1 << 32 && !run.same, "{result:#x}: {run:?}");
            gave_up += 1;
            continue;
        };
        assert_eq!(run.expected, verdict, "{run:?}");
        accepted += usize::from(verdict != 0);
    }
    assert!(output.status.success() && results.len() == runs.len(), "{}: {} results", output.status, results.len());
    writer.join().expect("a thread").expect("a pipe");
    assert!(accepted > runs.len() / 4, "{accepted}: too few programs get anywhere");
    assert!(gave_up > 1000, "{gave_up}: too few changes are seen");
}

#[derive(Debug)]
#[allow(dead_code, reason = "shown")]
struct Run {
    program: Vec<Insn>,
    packet: Vec<u8>,
    wirelen: u32,
    expected: u32,
    /// Whether it is what was translated.
    same: bool,
}
