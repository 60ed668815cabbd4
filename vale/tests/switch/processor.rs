//! Readers and senders that wait for a processor: what they make others wait for, and what they lose.

use crate::{Place, control_words, frame, hold_as_port_2, open, receive};
use nm_core::{Port, Woken};
use std::time::{Duration, Instant};

/// Puts this thread on the first processor that it may use.
fn stay_on_one_processor() {
    let all = rustix::thread::sched_getaffinity(None).unwrap();
    let first = (0..rustix::thread::CpuSet::MAX_CPU).find(|cpu| all.is_set(*cpu)).unwrap();
    let mut one = rustix::thread::CpuSet::new();
    one.set(first);
    rustix::thread::sched_setaffinity(None, &one).unwrap();
}

/// How often this thread made way for others by itself.
fn sleeps() -> u64 {
    let status = std::fs::read_to_string("/proc/thread-self/status").unwrap();
    let line = status.lines().find_map(|l| l.strip_prefix("voluntary_ctxt_switches:")).unwrap();
    line.trim().parse().unwrap()
}

#[test]
fn a_sender_and_a_reader_on_one_processor_make_way_seldom() {
    const FRAMES: usize = 200_000;
    let _place = Place::new();
    let mut a = open("vale0:a");
    let mut b = open("vale0:b");
    b.tx.inject(&frame(0xff, 2, 60, 0), false).unwrap();
    let sender = std::thread::spawn(move || {
        stay_on_one_processor();
        let f = frame(2, 1, 60, 7);
        (0..FRAMES).for_each(|_| a.tx.inject(&f, false).unwrap());
        sleeps()
    });
    stay_on_one_processor();
    let mut received = 0;
    let deadline = Instant::now() + Duration::from_secs(60);
    while received < FRAMES && Instant::now() < deadline {
        b.rx.wait(1, Some(Duration::from_millis(100))).unwrap();
        while b.rx.ring().next_frame().is_some() {
            received += 1;
        }
        b.rx.ring().release();
    }
    assert_eq!(received, FRAMES);
    // A ring holds 1,023 frames; making way for a quarter of them each time would be four times as often.
    let (sender, reader) = (sender.join().unwrap(), sleeps());
    assert!(sender + reader < 1_200, "the sender slept {sender} times, the reader {reader}");
}

#[test]
fn a_reader_that_waits_for_its_processor_loses_nothing() {
    const FRAMES: usize = 100_000;
    let _place = Place::new();
    let mut a = open("vale0:a");
    let mut b = open("vale0:b");
    b.tx.inject(&frame(0xff, 2, 60, 0), false).unwrap();
    let (started, over) = (std::sync::Barrier::new(2), std::sync::atomic::AtomicBool::new(false));
    std::thread::scope(|threads| {
        threads.spawn(|| keep_the_processor_until(&over));
        let reader = threads.spawn(|| {
            stay_on_one_processor();
            // A tenth of the processor: its turn comes later than the 10 ms of flow control.
            rustix::process::setpriority_process(None, 10).unwrap();
            let early = b.rx.wait(1, Some(Duration::from_millis(1)));
            started.wait();
            assert_eq!(early.unwrap(), Woken::TimedOut);
            count_frames(&mut b, FRAMES)
        });
        started.wait();
        let f = frame(2, 1, 60, 7);
        let refused = (0..FRAMES).filter(|_| a.tx.inject(&f, false).is_err()).count();
        let received = reader.join();
        over.store(true, std::sync::atomic::Ordering::Relaxed);
        assert_eq!((received.unwrap(), refused), (FRAMES, 0));
    });
}

/// Stays on the tests' one processor, and at work.
fn keep_the_processor_until(over: &std::sync::atomic::AtomicBool) {
    stay_on_one_processor();
    // ORDER: Relaxed; nothing comes with it, and the scope waits for the thread.
    while !over.load(std::sync::atomic::Ordering::Relaxed) {
        std::hint::spin_loop();
    }
}

/// Reads until so many frames have come, or none comes for long: how many.
fn count_frames(port: &mut Port, frames: usize) -> usize {
    let mut received = 0;
    while received < frames && port.rx.wait(1, Some(Duration::from_secs(5))).unwrap() == Woken::Frames {
        received += std::iter::from_fn(|| port.rx.ring().next_frame()).count();
        port.rx.ring().release();
    }
    received
}

/// How long this thread has run.
fn has_run() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// Runs for so long, in turns of the tests' one processor, which another thread keeps for most of the time.
fn be_at_work_for(time: Duration) {
    let begun = has_run();
    while has_run() - begun < time {
        std::hint::spin_loop();
    }
}

/// The port is opened by its reader, or by who sends.
fn reader_that_has_not_begun(open_here: bool) {
    const FRAMES: usize = 6_000;
    let _place = Place::new();
    let mut a = open("vale0:a");
    let mut opened_here = open_here.then(|| open("vale0:b"));
    let over = std::sync::atomic::AtomicBool::new(false);
    let (opened, is_open) = std::sync::mpsc::channel();
    std::thread::scope(|threads| {
        threads.spawn(|| keep_the_processor_until(&over));
        let reader = threads.spawn(|| {
            stay_on_one_processor();
            rustix::process::setpriority_process(None, 10).unwrap();
            let begun = Instant::now();
            while begun.elapsed() < has_run() + Duration::from_millis(10) {
                std::hint::spin_loop();
            }
            // It does not have the processor for itself any more.
            let mut b = opened_here.take().unwrap_or_else(|| open("vale0:b"));
            opened.send(()).unwrap();
            // As a program that has yet to make a filter: less than the 10 ms of flow control, in many turns.
            be_at_work_for(Duration::from_millis(7));
            let first = usize::from(receive(&mut b).is_some());
            b.rx.rxsync().unwrap();
            first + count_frames(&mut b, FRAMES - first)
        });
        is_open.recv().unwrap();
        let refused = (0..FRAMES).filter(|_| a.tx.inject(&frame(0xff, 1, 60, 7), false).is_err()).count();
        let received = reader.join();
        over.store(true, std::sync::atomic::Ordering::Relaxed);
        assert_eq!((received.unwrap(), refused), (FRAMES, 0));
    });
}

#[test]
fn a_reader_that_has_not_begun_and_waits_for_its_processor_loses_nothing() {
    reader_that_has_not_begun(false);
}

#[test]
fn a_reader_that_has_not_begun_and_did_not_open_its_port_loses_nothing() {
    reader_that_has_not_begun(true);
}

#[test]
fn who_gave_up_on_a_reader_waits_for_it_at_the_same_slot_a_turn_later() {
    let _place = Place::new();
    let (mut a, mut b) = (open("vale0:a"), open("vale0:b"));
    let f = frame(0xff, 1, 60, 0);
    let fill = |a: &mut Port| (0..4095).for_each(|_| a.tx.inject(&f, false).unwrap());
    fill(&mut a);
    assert!(a.tx.inject(&f, false).is_err());
    (0..4095).for_each(|_| assert!(receive(&mut b).is_some()));
    // The ring's last slot.
    b.rx.rxsync().unwrap();
    a.tx.inject(&f, false).unwrap();
    assert!(receive(&mut b).is_some());
    b.rx.rxsync().unwrap();
    fill(&mut a);
    let t = Instant::now();
    assert!(a.tx.inject(&f, false).is_err());
    assert!(t.elapsed() >= Duration::from_millis(10), "given up on at once");
}

#[test]
fn a_sender_that_loses_its_processor_inside_the_lock_costs_the_others_nothing() {
    let place = Place::new();
    let (mut a, mut b, _c) = (open("vale0:a"), open("vale0:b"), open("vale0:c"));
    let receiver = control_words(&place, 1);
    let held = hold_as_port_2(&place, &receiver);
    let sent = std::thread::scope(|threads| {
        let sender = threads.spawn(|| a.tx.inject(&frame(0xff, 1, 60, 7), false).is_ok());
        // As long as many programs keep the owner from running; it is not stopped.
        std::thread::sleep(Duration::from_millis(300));
        drop(held);
        sender.join().unwrap()
    });
    assert!(sent && receive(&mut b).is_some(), "{:?}", b.control.stats());
    assert_eq!(b.control.stats().dropped_stalled, 0);
}
