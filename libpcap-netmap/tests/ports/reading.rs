//! Reading from ports: counts, timeouts, modes, filters, time stamps.

use crate::handles::{Pcap, Seen, keep, numbers};
use pcap::abi::*;
use pcap::*;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

fn pair(switch: &str, timeout_ms: i32) -> (Pcap, Pcap) {
    (Pcap::open(&format!("{switch}:r"), timeout_ms), Pcap::open(&format!("{switch}:t"), 0))
}

#[test]
fn dispatch_gives_what_one_look_showed_and_no_more_than_asked() {
    let (r, t) = pair("vale0", 100);
    (0..200).for_each(|n| t.send(n, 60));
    let mut seen = Vec::new();
    assert_eq!(r.dispatch(3, &mut seen), 3);
    assert_eq!(r.dispatch(100, &mut seen), 100);
    while seen.len() < 200 {
        assert!(r.dispatch(-1, &mut seen) > 0);
    }
    assert_eq!(numbers(&seen), (0..200).collect::<Vec<_>>());
}

#[test]
fn an_idle_dispatch_ends_with_the_timeout() {
    let (r, _t) = pair("vale1", 50);
    let start = Instant::now();
    assert_eq!(r.dispatch(-1, &mut Vec::new()), 0);
    assert_eq!(r.next(), Err(0));
    assert!(start.elapsed() >= Duration::from_millis(100));
}

#[test]
fn frames_that_the_filter_refuses_end_no_wait_and_are_not_counted() {
    let (r, t) = pair("vale2", 80);
    r.set_filter("ether[14] = 7");
    (0..20).for_each(|n| t.send(n, 60));
    let mut seen = Vec::new();
    assert_eq!(r.dispatch(1, &mut seen), 1);
    assert_eq!(numbers(&seen), [7]);
    let start = Instant::now();
    assert_eq!(r.dispatch(1, &mut seen), 0);
    assert!(start.elapsed() >= Duration::from_millis(80));
    assert_eq!(r.stats().ps_recv, 1);
}

#[test]
fn frames_that_were_counted_while_they_waited_are_not_taken_back() {
    let (r, t) = pair("vale12", 50);
    (0..20).for_each(|n| t.send(n, 60));
    assert_eq!(r.stats().ps_recv, 20);
    r.set_filter("ether[14] = 7");
    let mut seen = Vec::new();
    assert_eq!(r.dispatch(-1, &mut seen), 1);
    assert_eq!(r.stats().ps_recv, 20);
}

#[test]
fn a_stream_of_refused_frames_ends_with_the_timeout_too() {
    let (r, t) = pair("vale11", 50);
    r.set_filter("ether[12:2] = 0x0800");
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                t.send(1, 60);
            }
        });
        let start = Instant::now();
        assert_eq!(r.dispatch(-1, &mut Vec::new()), 0);
        assert_eq!(r.next(), Err(0));
        r.set_nonblocking(true);
        assert_eq!(r.dispatch(-1, &mut Vec::new()), 0);
        assert!(start.elapsed() < Duration::from_secs(5));
        // The sender ends while there is room for its last frame.
        stop.store(true, Ordering::Relaxed);
        r.dispatch(-1, &mut Vec::new());
    });
}

#[test]
fn non_blocking_calls_return_at_once() {
    let (r, t) = pair("vale3", 0);
    r.set_nonblocking(true);
    assert_eq!(r.dispatch(-1, &mut Vec::new()), 0);
    assert_eq!(r.next(), Err(0));
    t.send(1, 60);
    assert_eq!(r.next().map(|s| s.number), Ok(1));
}

#[test]
fn without_immediate_mode_a_batch_waits_for_the_timeout() {
    let r = Pcap::create("vale4:r");
    // SAFETY: an open handle.
    unsafe { pcap_set_timeout(r.0, 150) };
    r.activate();
    let t = Pcap::open("vale4:t", 0);
    (0..3).for_each(|n| t.send(n, 60));
    let start = Instant::now();
    let mut seen = Vec::new();
    assert_eq!(r.dispatch(-1, &mut seen), 3);
    let waited = start.elapsed();
    assert!(waited >= Duration::from_millis(140) && waited < Duration::from_secs(5), "{waited:?}");
}

#[test]
fn without_immediate_mode_a_stream_is_not_held_back() {
    let r = Pcap::create("vale41:r");
    // Longer than the test's thread is kept from running on any machine.
    let timeout = Duration::from_secs(20);
    // SAFETY: an open handle.
    unsafe { pcap_set_timeout(r.0, timeout.as_millis() as i32) };
    r.activate();
    let t = Pcap::open("vale41:t", 0);
    (0..512).for_each(|n| t.send(n, 60));
    let start = Instant::now();
    assert!(r.dispatch(-1, &mut Vec::new()) > 200);
    assert!(start.elapsed() < timeout / 2);
}

#[test]
fn the_snap_length_and_the_programs_answer_cut_frames() {
    let r = Pcap::create("vale5:r");
    // SAFETY: an open handle.
    unsafe {
        pcap_set_snaplen(r.0, 100);
        pcap_set_timeout(r.0, -1);
    }
    r.activate();
    let t = Pcap::open("vale5:t", 0);
    let mut keep_20 = [bpf_insn { code: 6, jt: 0, jf: 0, k: 20 }];
    let mut program = bpf_program { bf_len: 1, bf_insns: keep_20.as_mut_ptr() };
    t.send(1, 60);
    t.send(2, 1514);
    let seen = [r.next().unwrap(), r.next().unwrap()];
    assert_eq!(seen.map(|s| (s.len, s.caplen, s.intact)), [(60, 60, true), (1514, 100, true)]);
    // SAFETY: an open handle, a whole program.
    assert_eq!(unsafe { pcap_setfilter(r.0, &mut program) }, 0);
    t.send(3, 1514);
    assert_eq!(r.next().map(|s| (s.number, s.len, s.caplen)), Ok((3, 1514, 20)));
}

#[test]
fn long_frames_arrive_whole() {
    let (r, t) = pair("vale6", 1000);
    for round in 0..40 {
        let lengths = [60, 2112, 2113, 9000, 30_000, 65_535];
        for (i, len) in lengths.into_iter().enumerate() {
            t.send(round * 10 + i as u32, len);
        }
        for (i, len) in lengths.into_iter().enumerate() {
            let seen = r.next().unwrap();
            assert_eq!((seen.number, seen.len as usize, seen.intact), (round * 10 + i as u32, len, true));
        }
    }
}

#[test]
fn time_stamps_are_of_the_sending_and_have_the_precision_asked_for() {
    let r = Pcap::create("vale7:r");
    // SAFETY: an open handle.
    unsafe {
        pcap_set_timeout(r.0, -1);
        assert_eq!(pcap_set_tstamp_precision(r.0, PCAP_TSTAMP_PRECISION_NANO), 0);
    }
    r.activate();
    let t = Pcap::open("vale7:t", 0);
    let before = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let mut finer = false;
    for n in 0..20 {
        t.send(n, 60);
    }
    let after = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    std::thread::sleep(Duration::from_millis(20));
    for _ in 0..20 {
        let seen = r.next().unwrap();
        let stamp = Duration::new(seen.seconds as u64, seen.fraction as u32);
        let tolerance = Duration::from_millis(1);
        assert!(stamp + tolerance >= before && stamp <= after + tolerance, "{before:?} {stamp:?} {after:?}");
        finer |= seen.fraction % 1000 != 0;
    }
    assert!(finer);
}

#[test]
fn a_port_sees_nothing_in_the_other_direction() {
    let (r, t) = pair("vale8", -1);
    // SAFETY: an open handle.
    assert_eq!(unsafe { pcap_setdirection(r.0, PCAP_D_OUT) }, 0);
    t.send(1, 60);
    assert_eq!(r.next(), Err(0));
    // SAFETY: an open handle.
    assert_eq!(unsafe { pcap_setdirection(r.0, PCAP_D_IN) }, 0);
    t.send(2, 60);
    assert_eq!(r.next().map(|s| s.number), Ok(2));
    let listener = Pcap::open("vale8:*", -1);
    // SAFETY: an open handle.
    assert_eq!(unsafe { pcap_setdirection(listener.0, PCAP_D_IN) }, PCAP_ERROR);
    assert!(listener.error().starts_with("vale8:*: "), "{}", listener.error());
}

#[test]
fn the_descriptor_is_readable_exactly_while_frames_wait() {
    let (r, t) = pair("vale9", 100);
    // SAFETY: an open handle.
    let fd = unsafe { pcap_get_selectable_fd(r.0) };
    let readable = || {
        let mut poll = libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
        // SAFETY: one open descriptor.
        unsafe { libc::poll(&mut poll, 1, 0) == 1 }
    };
    assert!(!readable());
    (0..5).for_each(|n| t.send(n, 60));
    let mut seen = Vec::new();
    for left in (0..5).rev() {
        assert!(readable());
        assert_eq!(r.dispatch(1, &mut seen), 1);
        assert_eq!(readable(), left > 0);
    }
    assert_eq!(numbers(&seen), [0, 1, 2, 3, 4]);
}

#[test]
fn breaking_wakes_a_sleeper_and_comes_before_frames() {
    let (r, t) = pair("vale10", 0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            std::thread::sleep(Duration::from_millis(50));
            r.break_loop();
        });
        let mut none = Vec::<Seen>::new();
        // SAFETY: an open handle; `keep` gets its Vec.
        let result = unsafe { pcap_loop(r.0, -1, Some(keep), (&raw mut none).cast()) };
        assert_eq!((result, none.len()), (PCAP_ERROR_BREAK, 0));
    });
    t.send(1, 60);
    r.break_loop();
    assert_eq!(r.next(), Err(PCAP_ERROR_BREAK));
    assert_eq!(r.next().map(|s| s.number), Ok(1));
}
