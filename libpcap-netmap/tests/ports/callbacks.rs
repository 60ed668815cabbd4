//! What a callback may do: break, send, read itself, unwind, close.

use crate::handles::{Pcap, Seen, numbers};
use pcap::abi::*;
use pcap::*;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// A callback whose argument is a closure.
struct Calls<'a>(&'a mut dyn FnMut(Seen));

unsafe extern "C-unwind" fn call(user: *mut u8, header: *const pcap_pkthdr, data: *const u8) {
    // SAFETY: `each` passes the closure, pcap the rest.
    unsafe { ((*user.cast::<Calls<'_>>()).0)(Seen::new(&*header, data)) };
}

fn each(p: *mut pcap_t, count: i32, f: &mut dyn FnMut(Seen)) -> i32 {
    let mut calls = Calls(f);
    // SAFETY: an open handle; `call` gets what it expects.
    unsafe { pcap_loop(p, count, Some(call), (&raw mut calls).cast()) }
}

fn pair(switch: &str) -> (Pcap, Pcap) {
    (Pcap::open(&format!("{switch}:r"), 200), Pcap::open(&format!("{switch}:t"), 0))
}

#[test]
fn a_break_takes_effect_after_the_callback_that_made_it() {
    let (r, t) = pair("valec0");
    (0..10).for_each(|n| t.send(n, 60));
    let mut seen = Vec::new();
    let result = each(r.0, -1, &mut |s| {
        seen.push(s);
        if seen.len() == 3 {
            r.break_loop();
        }
    });
    assert_eq!(result, PCAP_ERROR_BREAK);
    assert_eq!(numbers(&seen), [0, 1, 2]);
    assert_eq!(each(r.0, 7, &mut |s| seen.push(s)), 0);
    assert_eq!(numbers(&seen), (0..10).collect::<Vec<_>>());
}

#[test]
fn a_callback_that_unwinds_loses_no_frame_and_holds_none() {
    let (r, t) = pair("valec1");
    let mut seen = Vec::new();
    // Many times what the ring holds.
    for round in 0..100 {
        (0..50).for_each(|n| t.send(round * 50 + n, 60));
        for _ in 0..50 {
            let thrown = catch_unwind(AssertUnwindSafe(|| {
                each(r.0, -1, &mut |s| {
                    seen.push(s);
                    std::panic::resume_unwind(Box::new(7));
                })
            }));
            assert!(thrown.is_err());
        }
    }
    assert_eq!(numbers(&seen), (0..5000).collect::<Vec<_>>());
    assert_eq!(r.stats().ps_drop, 0);
}

#[inline(never)]
fn deeper(levels: u32, f: &mut dyn FnMut()) {
    let padding = std::hint::black_box([levels; 256]);
    if levels == 0 {
        f()
    } else {
        deeper(levels - 1, f)
    }
    std::hint::black_box(padding);
}

#[test]
fn a_dead_call_further_up_the_stack_does_not_hold_the_ring_for_ever() {
    let (r, t) = pair("valec2");
    let mut seen = Vec::new();
    for round in 0..60 {
        (0..50).for_each(|n| t.send(round * 50 + n, 60));
        let thrown = catch_unwind(AssertUnwindSafe(|| {
            each(r.0, -1, &mut |s| {
                seen.push(s);
                std::panic::resume_unwind(Box::new(7));
            })
        }));
        assert!(thrown.is_err());
        deeper(4, &mut || (0..49).for_each(|_| seen.push(r.next().unwrap())));
    }
    assert_eq!(numbers(&seen), (0..3000).collect::<Vec<_>>());
    assert_eq!(r.stats().ps_drop, 0);
}

#[test]
fn reading_inside_a_callback_leaves_the_outer_frame_alone() {
    let (r, t) = pair("valec3");
    for len in [60, 5000] {
        (0..100).for_each(|n| t.send(n, len));
        let mut seen = Vec::new();
        while seen.len() < 100 {
            let mut outer: Option<(Seen, Seen)> = None;
            // SAFETY: an open handle; `nested` gets what it expects.
            let result = unsafe {
                unsafe extern "C-unwind" fn nested(user: *mut u8, header: *const pcap_pkthdr, data: *const u8) {
                    // SAFETY: as passed below; pcap's own for the rest.
                    unsafe {
                        let (r, seen, outer) = &mut *user.cast::<(&Pcap, &mut Vec<Seen>, &mut Option<(Seen, Seen)>)>();
                        let before = Seen::new(&*header, data);
                        seen.push(before.clone());
                        while seen.len() < 100 {
                            match r.next() {
                                Ok(frame) => seen.push(frame),
                                Err(code) => panic!("{code} {}", r.error()),
                            }
                        }
                        **outer = Some((before, Seen::new(&*header, data)));
                    }
                }
                let mut user = (&r, &mut seen, &mut outer);
                // SAFETY: an open handle; `nested` gets what it expects.
                pcap_dispatch(r.0, 1, Some(nested), (&raw mut user).cast())
            };
            assert_eq!(result, 1);
            let (before, after) = outer.unwrap();
            assert_eq!(before, after);
        }
        assert_eq!(numbers(&seen), (0..100).collect::<Vec<_>>());
    }
}

#[test]
fn a_callback_may_send_ask_and_set_the_filter() {
    let (r, t) = pair("valec4");
    (0..10).for_each(|n| t.send(n, 60));
    let mut seen = Vec::new();
    let result = each(r.0, 6, &mut |s| {
        if s.number == 3 {
            r.set_filter("ether[14] > 6");
        }
        r.send(s.number + 100, 60);
        assert!(r.stats().ps_recv >= 6);
        seen.push(s);
        if seen.len() == 4 {
            t.send(10, 60);
            t.send(11, 60);
        }
    });
    assert_eq!(result, 0);
    assert_eq!(numbers(&seen), [0, 1, 2, 3, 7, 8]);
    let mut answers = Vec::new();
    while answers.len() < 6 {
        assert!(t.dispatch(-1, &mut answers) > 0);
    }
    assert_eq!(numbers(&answers), [100, 101, 102, 103, 107, 108]);
}

#[test]
fn a_handle_closed_in_its_callback_ends_the_loop_and_frees_the_port() {
    let t = Pcap::open("valec5:t", 0);
    for _ in 0..3 {
        let mut r = Pcap::open("valec5:r", 200);
        (0..10).for_each(|n| t.send(n, 60));
        let p = std::mem::replace(&mut r.0, std::ptr::null_mut());
        let mut calls = 0;
        let result = each(p, -1, &mut |_| {
            calls += 1;
            // SAFETY: open, and used no more but by the loop that runs.
            unsafe { pcap_close(p) };
        });
        assert_eq!((result, calls), (PCAP_ERROR_BREAK, 1));
    }
}

#[test]
fn two_threads_send_on_one_handle() {
    const EACH: usize = 20_000;
    let (r, t) = pair("valec6");
    let mut got = Vec::new();
    std::thread::scope(|scope| {
        let senders = [0, 1].map(|thread| {
            let t = &t;
            // A frame that found no room has not been sent: it is sent again, and nothing may come twice.
            scope.spawn(move || (0..EACH as u32).for_each(|n| while !t.try_send(n * 2 + thread, 60) {}))
        });
        loop {
            let sending = senders.iter().any(|sender| !sender.is_finished());
            if r.dispatch(-1, &mut got) <= 0 && !sending {
                break;
            }
        }
    });
    let mut numbers = numbers(&got);
    for thread in 0..2 {
        assert!(numbers.iter().filter(|n| **n % 2 == thread).is_sorted());
    }
    numbers.sort_unstable();
    assert_eq!(numbers, (0..2 * EACH as u32).collect::<Vec<_>>());
}
