//! Frames that stream, one a call, and the thread that sends what is left of them: `drivers::af_xdp::kicker`.
//!
//! A program of its own, whose tests come one after the other: threads are the process's.

mod common;

use common::{LIMIT, bytes_of, frame, netmap_name, read, sh, skipped, with_cable};
use drivers::af_xdp::{Mode, Options, kicker, open};
use drivers::sys::helper::allowed_cpus;
use nm_core::{Port, PortError};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

/// Frames that stream are not further apart.
const STREAMS: Duration = Duration::from_micros(8);
/// Frames after which a stream is one, whatever the machine does in between.
const STREAM: u32 = 4000;

/// Runs `test`, alone in this process, in each mode that a cable has, with a sender at one end and who reads at the other.
fn in_each_mode(test: impl Fn(Port, Port) + Sync) {
    static ONE: Mutex<()> = Mutex::new(());
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    if allowed_cpus() < 2 {
        skipped("one processor: nobody else could kick");
        return;
    }
    static PACE: OnceLock<Duration> = OnceLock::new();
    let pace = *PACE.get_or_init(pace);
    if pace > STREAMS {
        skipped(&format!("a frame takes {pace:?} here: none stream"));
        return;
    }
    for mode in [Mode::Native, Mode::Generic] {
        with_cable(|| {
            let other = drivers::af_packet::open(&netmap_name("netmap:vb"), &drivers::af_packet::Options::default());
            test(sender(mode), other.expect("a port"));
        });
    }
}

/// How soon frames follow one another here, at best.
fn pace() -> Duration {
    let best = Mutex::new(Duration::MAX);
    with_cable(|| {
        let mut port = sender(Mode::Native);
        for n in 0..20 {
            let start = Instant::now();
            stream(&mut port, n * 100, 100);
            let mut best = best.lock().unwrap_or_else(PoisonError::into_inner);
            *best = (*best).min(start.elapsed() / 100);
        }
    });
    best.into_inner().unwrap_or_else(PoisonError::into_inner)
}

fn sender(mode: Mode) -> Port {
    open(&netmap_name("netmap:va"), &Options { mode, ..Options::default() }).expect("a port")
}

/// Whether this process has such a thread.
fn has_kicker() -> bool {
    let tasks = std::fs::read_dir("/proc/self/task").expect("proc");
    let name = |task: std::io::Result<std::fs::DirEntry>| std::fs::read_to_string(task.ok()?.path().join("comm")).ok();
    tasks.filter_map(name).any(|name| name.trim() == "nm-kicker")
}

/// Sends frames, `first` and what follows it, one after the other.
fn stream(port: &mut Port, first: u32, count: u32) {
    for n in first..first + count {
        port.tx.inject(&frame(n, 60), false).expect("sent");
    }
}

/// Sends until there is a kicker: how many frames.
fn until_hired(port: &mut Port, other: &mut Port) -> u32 {
    let (start, mut sent) = (Instant::now(), 0);
    while !has_kicker() {
        assert!(start.elapsed() < LIMIT, "{sent} frames, and nobody was hired");
        stream(port, sent, 1000);
        assert!(bytes_of(read(other, 1000)).into_iter().eq((sent..sent + 1000).map(|n| frame(n, 60))));
        sent += 1000;
    }
    sent
}

#[test]
fn what_is_left_of_a_stream_leaves_soon_after_it_pauses() {
    in_each_mode(|mut port, mut other| {
        let mut sent = until_hired(&mut port, &mut other);
        let mut late: Vec<Duration> = Vec::new();
        for round in 0..100 {
            // Not a multiple of what the caller kicks by itself.
            let count = 700 + round;
            stream(&mut port, sent, count);
            let end = Duration::from_nanos(nm_core::sys::realtime_ns());
            let got = read(&mut other, count as usize);
            assert_eq!(got.len(), count as usize, "round {round}");
            assert!(got.iter().map(|f| &f.0).eq(&(sent..sent + count).map(|n| frame(n, 60)).collect::<Vec<_>>()));
            late.extend(got.last().map(|last| Duration::from_nanos(last.1).saturating_sub(end)));
            sent += count;
        }
        late.sort();
        // A machine with other work keeps threads from running for milliseconds, now and then.
        assert!(late[50] < Duration::from_micros(100), "{:?}", [late[50], late[90], late[99]]);
        assert_eq!(port.control.stats().sent, u64::from(sent));
    });
}

#[test]
fn who_sends_now_and_then_has_no_kicker_and_its_frames_have_left() {
    in_each_mode(|mut port, mut other| {
        for n in 0..STREAM / 4 {
            let end = Instant::now() + Duration::from_micros(30);
            while Instant::now() < end {
                std::hint::spin_loop();
            }
            port.tx.inject(&frame(n, 60), false).expect("sent");
            let left = nm_core::sys::realtime_ns();
            let got = read(&mut other, 1);
            assert_eq!(got[0].0, frame(n, 60));
            assert!(got[0].1 <= left, "it left {} ns after the call", got[0].1 - left);
        }
        assert!(!has_kicker());
    });
}

#[test]
fn a_port_that_closes_has_sent_everything_and_its_kicker_is_gone() {
    in_each_mode(|mut port, mut other| {
        let sent = until_hired(&mut port, &mut other);
        stream(&mut port, sent, 715);
        drop(port);
        assert!(!has_kicker());
        assert_eq!(read(&mut other, 715).len(), 715);
    });
}

#[test]
fn a_process_that_ends_has_sent_everything() {
    in_each_mode(|mut port, mut other| {
        let sent = until_hired(&mut port, &mut other);
        for round in 0..50 {
            stream(&mut port, sent + round * 717, 717);
            kicker::flush_all();
            let left = nm_core::sys::realtime_ns();
            let got = read(&mut other, 717);
            assert_eq!(got.len(), 717);
            assert!(got[716].1 <= left);
        }
    });
}

#[test]
fn a_kicker_that_nobody_needs_goes_and_comes_back() {
    in_each_mode(|mut port, mut other| {
        let sent = until_hired(&mut port, &mut other);
        let start = Instant::now();
        while has_kicker() {
            assert!(start.elapsed() < LIMIT);
            std::thread::sleep(Duration::from_millis(100));
        }
        port.tx.inject(&frame(sent, 60), false).expect("sent");
        assert_eq!(bytes_of(read(&mut other, 1)), [frame(sent, 60)]);
        until_hired(&mut port, &mut other);
    });
}

#[test]
fn an_error_of_a_kick_is_told_to_a_later_call() {
    in_each_mode(|mut port, mut other| {
        until_hired(&mut port, &mut other);
        let error = std::thread::scope(|threads| {
            threads.spawn(|| sh("sleep 0.05; ip link set va down"));
            let start = Instant::now();
            loop {
                assert!(start.elapsed() < LIMIT, "no error");
                match port.tx.inject(&frame(0, 60), false) {
                    // What a full cable or card says.
                    Ok(()) | Err(PortError::NoRoom) => {}
                    Err(error) => break error.to_string(),
                }
            }
        });
        assert!(error.contains("Network is down"), "{error}");
        // Frames that found it down wait in the ring, and the port works again.
        sh("ip link set va up; sleep 0.1");
        let start = Instant::now();
        while port.tx.inject(&frame(9, 60), false).is_err() {
            assert!(start.elapsed() < LIMIT);
        }
    });
}

#[test]
fn a_process_on_one_processor_has_no_kicker() {
    in_each_mode(|mut port, mut other| {
        let mut one = nix::sched::CpuSet::new();
        let me = nix::unistd::Pid::from_raw(0);
        let allowed = nix::sched::sched_getaffinity(me).expect("a set");
        let first = (0..nix::sched::CpuSet::count()).find(|&cpu| allowed.is_set(cpu).unwrap_or(false)).expect("a CPU");
        one.set(first).expect("set");
        nix::sched::sched_setaffinity(me, &one).expect("pinned");
        for n in 0..STREAM / 500 {
            stream(&mut port, n * 500, 500);
            assert_eq!(read(&mut other, 500).len(), 500);
        }
        assert!(!has_kicker());
    });
}

#[test]
fn a_child_of_a_streaming_process_sends_its_frames_itself() {
    in_each_mode(|mut port, mut other| {
        let sent = until_hired(&mut port, &mut other);
        // The kicker is awake when the child is made, and not there in the child.
        stream(&mut port, sent, 600);
        // SAFETY: the child sends, and ends without anything that another thread may have held.
        let child = unsafe { nix::unistd::fork() }.expect("fork");
        if child.is_child() {
            let all = (0..20).all(|n| port.tx.inject(&frame(sent + 600 + n, 60), false).is_ok());
            // SAFETY: ends this process, and nothing else.
            unsafe { nix::libc::_exit(i32::from(!all)) };
        }
        let got = bytes_of(read(&mut other, 620));
        assert!(got.into_iter().eq((sent..sent + 620).map(|n| frame(n, 60))));
        assert_eq!(
            nix::sys::wait::wait(),
            Ok(nix::sys::wait::WaitStatus::Exited(
                match child {
                    nix::unistd::ForkResult::Parent { child } => child,
                    nix::unistd::ForkResult::Child => unreachable!(),
                },
                0
            ))
        );
    });
}
