use super::*;
use crate::engine::interpret;
use crate::engine::lower::{Bounds, lower};
use crate::engine::programs::{self, Random, Rules};
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
        let MachineCode(code) = emit(&lower(&program, Bounds::Implied)).expect("short enough");
        let packets: Vec<Vec<u8>> = (0..8).map(|_| random.packet()).collect();
        input.extend((code.len() as u32).to_le_bytes());
        input.extend(code);
        input.extend((packets.len() as u32).to_le_bytes());
        for packet in packets {
            let wirelen = packet.len() as u32 + random.below(3);
            input.extend((packet.len() as u32).to_le_bytes());
            input.extend(wirelen.to_le_bytes());
            input.extend(&packet);
            let expected = interpret(&program[..], &packet, wirelen, None);
            runs.push((program.clone(), packet, wirelen, expected));
        }
    }

    let mut child = run.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("the harness");
    let mut stdin = child.stdin.take().expect("a pipe");
    let writer = std::thread::spawn(move || stdin.write_all(&input));
    let output = child.wait_with_output().expect("the harness");
    std::fs::remove_dir_all(&folder).expect("our folder");
    let results: Vec<u32> = output.stdout.as_chunks().0.iter().map(|&bytes| u32::from_le_bytes(bytes)).collect();
    for ((program, packet, wirelen, expected), &result) in runs.iter().zip(&results) {
        assert_eq!(*expected, result, "wirelen {wirelen}, {packet:?}: {program:?}");
    }
    assert!(output.status.success() && results.len() == runs.len(), "{}: {} results", output.status, results.len());
    writer.join().expect("a thread").expect("a pipe");
    let accepted = results.iter().filter(|&&result| result != 0).count();
    assert!(accepted > runs.len() / 4, "{accepted}: too few programs get anywhere");
}
