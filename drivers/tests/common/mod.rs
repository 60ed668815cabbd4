//! A network namespace for one test, with a cable in it; it goes with the test.
#![allow(dead_code, reason = "each test file uses its part")]

use drivers::bpf::{Filtering, XdpProgram};
use nm_core::{Port, Woken};
use std::os::fd::{BorrowedFd, OwnedFd};
use std::process::Command;
use std::time::{Duration, Instant};

/// How long anything may take.
pub const LIMIT: Duration = Duration::from_secs(10);

/// Runs `test` in a namespace of its own, where `va` and `vb` are the ends of a cable, both up, and nobody sends anything by
/// itself. Says so where no namespace can be made.
pub fn with_cable(test: impl FnOnce() + Send) {
    std::thread::scope(|threads| {
        let run = threads.spawn(|| {
            if let Err(why) = nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET) {
                skipped(&format!("no network namespace can be made here: {why}"));
                return;
            }
            // Without IPv6 the kernel sends nothing of its own.
            sh("sysctl -q -w net.ipv6.conf.default.disable_ipv6=1; ip link set lo up; \
                ip link add va type veth peer name vb && ip link set va up && ip link set vb up");
            test();
        });
        if let Err(panic) = run.join() {
            std::panic::resume_unwind(panic);
        }
    });
}

/// Says, past the harness's capture, that a test can't be made here.
pub fn skipped(why: &str) {
    use std::io::Write;
    let mut out = std::io::stdout().lock();
    writeln!(out, "\nskipped: {why}").and_then(|()| out.flush()).ok();
}

/// Whether the kernel is older than what a test needs, which is said then.
pub fn kernel_is_before(major: u32, minor: u32, what: &str) -> bool {
    let before = nm_core::sys::kernel_is_before(major, minor);
    if before {
        skipped(&format!("{what}: Linux {major}.{minor}"));
    }
    before
}

/// The program that filters are written for into `map`; says so where the kernel does not take it.
pub fn late_program(map: BorrowedFd<'_>, sockets: BorrowedFd<'_>) -> Option<OwnedFd> {
    let program = XdpProgram { filter: Filtering::Written(map), ..XdpProgram::new(sockets) }.load();
    program.map_err(|error| skipped(&format!("a program for filters that come later: {error}"))).ok()
}

/// Runs a shell's line in the test's namespace.
#[track_caller]
pub fn sh(line: &str) {
    let run = Command::new("sh").args(["-c", line]).output().expect("sh");
    assert!(run.status.success(), "{line}: {}", String::from_utf8_lossy(&run.stderr));
}

/// A frame from and to nobody, numbered, of `len` bytes.
pub fn frame(number: u32, len: usize) -> Vec<u8> {
    let mut frame = vec![0u8; len];
    for (i, b) in frame.iter_mut().enumerate() {
        *b = (i as u32).wrapping_mul(31).wrapping_add(number) as u8;
    }
    frame[..14].copy_from_slice(&[2, 0, 0, 0, 0, 0xbb, 2, 0, 0, 0, 0, 0xaa, 0x88, 0xb5]);
    frame[14..18].copy_from_slice(&number.to_be_bytes());
    frame
}

/// Reads `count` frames, with their times; fewer when no more come in time.
pub fn read(port: &mut Port, count: usize) -> Vec<(Vec<u8>, u64)> {
    let mut frames = Vec::new();
    let mut bytes = vec![0; 70_000];
    let end = Instant::now() + LIMIT;
    while frames.len() < count && Instant::now() < end {
        let Some((len, time_ns)) = port.rx.ring().next_frame_into(&mut bytes) else {
            port.rx.ring().release();
            if port.rx.wait(1, Some(Duration::from_secs(2))).expect("wait") == Woken::TimedOut {
                break;
            }
            continue;
        };
        frames.push((bytes[..len as usize].to_vec(), time_ns));
    }
    port.rx.ring().release();
    frames
}

/// The frames alone.
pub fn bytes_of(frames: Vec<(Vec<u8>, u64)>) -> Vec<Vec<u8>> {
    frames.into_iter().map(|f| f.0).collect()
}

/// Opens what `name` says through `open`.
pub fn netmap_name(name: &str) -> nm_core::name::NetmapName {
    match nm_core::name::PortName::parse(name) {
        Ok(nm_core::name::PortName::Netmap(name)) => name,
        other => panic!("{name}: {other:?}"),
    }
}
