//! Waking the reader under loom: no frame lies in the ring while its reader sleeps, on the futex or on its FIFO.
//!
//! A lost wake-up shows as a deadlock: nobody's time passes under loom.
#![cfg(loom)]

mod loom_model;

use loom::sync::atomic::{AtomicU32, Ordering};
use loom::sync::{Arc, Condvar, Mutex};
use loom::thread;
use loom_model::model;
use nm_core::bell::{self, Fifo};
use nm_core::shm::port_page::PortPage;
use nm_core::sync::Fences;
use nm_core::sys;
use std::panic::AssertUnwindSafe;

/// A FIFO that holds bytes, and whose readers can be waited for.
#[derive(Default)]
struct Pipe {
    bytes: Mutex<u32>,
    filled: Condvar,
}

impl Pipe {
    /// select(2), for ever.
    fn wait_until_readable(&self) {
        let mut bytes = self.bytes.lock().unwrap();
        while *bytes == 0 {
            bytes = self.filled.wait(bytes).unwrap();
        }
    }
}

impl Fifo for Pipe {
    fn is_readable(&self) -> bool {
        *self.bytes.lock().unwrap() != 0
    }
    fn drain(&self) {
        *self.bytes.lock().unwrap() = 0;
    }
    fn ring(&self) {
        *self.bytes.lock().unwrap() += 1;
        self.filled.notify_all();
    }
}

#[derive(Default)]
struct Port {
    page: PortPage,
    pipe: Pipe,
    /// Which lock senders take is another model's matter.
    lock: Mutex<()>,
    woken: AtomicU32,
}

fn fences() -> Fences {
    Fences::new(true)
}

impl Port {
    /// Fills one slot of a ring that never wraps. Returns the new tail.
    fn fill(&self) -> u32 {
        let _held = self.lock.lock().unwrap();
        // As behind the biased lock: who holds it wrote the tail last.
        let tail = self.page.holder.tail() + 1;
        self.page.fill.publish(tail, &self.page.holder);
        tail
    }

    fn send(&self) {
        let tail = self.fill();
        fences().light();
        bell::ring_if_armed(&self.page, tail, || self.pipe.ring());
    }

    /// Fills a slot, finds the reader armed, perhaps, and dies before its byte is written.
    fn die_ringing(&self) {
        let tail = self.fill();
        fences().light();
        let killed = || std::panic::resume_unwind(Box::new("killed"));
        let _ = std::panic::catch_unwind(AssertUnwindSafe(|| bell::ring_if_armed(&self.page, tail, killed)));
    }

    fn wake(&self) {
        self.woken.store(1, Ordering::Release);
        bell::ring_anyway(&self.page);
    }

    /// Sleeps until `slots` slots are filled, or somebody wakes it. Returns the tail.
    fn sleep(&self, slots: u32) -> u32 {
        let mut armings = 0;
        loop {
            let seen = self.page.fill.look().tail();
            if seen >= slots || self.woken.load(Ordering::Acquire) != 0 {
                return seen;
            }
            armings += 1;
            let look = || self.page.fill.peek().tail() != seen || self.woken.load(Ordering::Relaxed) != 0;
            bell::sleep_unless(&self.page, bell::armed_word(slots, armings, false), Some(fences()), look, |bell| {
                sys::futex_wait(&self.page.sleep.bell, bell, None)
            });
        }
    }

    fn settle(&self, seen: u32, armings: &mut u32) {
        bell::settle(&self.page, armings, fences(), &self.pipe, || self.page.fill.look().tail() == seen);
    }

    /// Selects until `slots` slots were filled, one frame a look. Leaves the FIFO settled.
    fn select(&self, slots: u32) -> u32 {
        let (mut seen, mut armings) = (0, 0);
        self.settle(seen, &mut armings);
        while seen < slots {
            self.pipe.wait_until_readable();
            seen += u32::from(self.page.fill.look().tail() != seen);
            self.settle(seen, &mut armings);
        }
        armings
    }
}

fn with_sender(port: &Arc<Port>, send: impl FnOnce(&Port) + 'static) -> thread::JoinHandle<()> {
    let port = Arc::clone(port);
    thread::spawn(move || send(&port))
}

#[test]
fn a_sleeper_wakes_for_each_frame() {
    model(3, || {
        let port = Arc::new(Port::default());
        let sender = with_sender(&port, |p| (0..2).for_each(|_| p.send()));
        port.sleep(1);
        port.sleep(2);
        sender.join().unwrap();
    });
}

#[test]
fn a_sleeper_that_wants_two_frames_wakes_for_the_second() {
    model(2, || {
        let port = Arc::new(Port::default());
        let senders = [with_sender(&port, Port::send), with_sender(&port, Port::send)];
        assert_eq!(port.sleep(2), 2);
        senders.into_iter().for_each(|s| s.join().unwrap());
    });
}

#[test]
fn a_late_disarming_does_not_undo_the_next_arming() {
    model(2, || {
        let port = Arc::new(Port::default());
        let senders = [with_sender(&port, Port::send), with_sender(&port, Port::send)];
        port.sleep(1);
        port.sleep(2);
        senders.into_iter().for_each(|s| s.join().unwrap());
    });
}

#[test]
fn a_sender_that_died_before_it_rang_leaves_the_ringing_to_the_next() {
    model(3, || {
        let port = Arc::new(Port::default());
        let senders = with_sender(&port, |p| {
            p.fill();
            p.send();
        });
        assert_ne!(port.sleep(1), 0);
        port.sleep(2);
        senders.join().unwrap();
    });
}

#[test]
fn a_sender_that_died_while_it_rang_leaves_the_ringing_to_the_next() {
    model(3, || {
        let port = Arc::new(Port::default());
        let senders = with_sender(&port, |p| {
            p.die_ringing();
            p.send();
        });
        port.select(2);
        senders.join().unwrap();
    });
}

#[test]
fn a_wake_reaches_the_sleeper() {
    model(3, || {
        let port = Arc::new(Port::default());
        let waker = with_sender(&port, Port::wake);
        assert_eq!(port.sleep(1), 0);
        waker.join().unwrap();
    });
}

#[test]
fn a_descriptor_is_readable_while_frames_wait_and_not_after() {
    model(3, || {
        let port = Arc::new(Port::default());
        let sender = with_sender(&port, |p| (0..2).for_each(|_| p.send()));
        let mut armings = port.select(2);
        sender.join().unwrap();
        port.settle(2, &mut armings);
        assert!(!port.pipe.is_readable(), "readable without a frame");
    });
}

#[test]
fn a_descriptor_is_rung_by_either_of_two_senders() {
    model(2, || {
        let port = Arc::new(Port::default());
        let senders = [with_sender(&port, Port::send), with_sender(&port, Port::send)];
        port.select(2);
        senders.into_iter().for_each(|s| s.join().unwrap());
    });
}
