//! The two ends of a receive ring under loom: a slot is read after it was filled, and filled again after it was read.
//!
//! Slots are as in memory: words that are read and written with Relaxed, so that a reader may well see an old one
//! unless the tail that it looked at was published with Release, and a sender may write too early unless the head was.
#![cfg(loom)]

mod loom_model;

use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::sync::atomic::{AtomicU32, Ordering};
use loom::thread;
use loom_model::model;
use nm_core::lock::{BiasedLock, Owners};
use nm_core::shm::port_page::{BESIDE, Beside, DrainLine, FillLine, HolderLine};
use nm_core::sync::Fences;
use std::time::Duration;

/// Slots; one less can be filled.
const SLOTS: u32 = 3;

#[derive(Default)]
struct Ring {
    fill: FillLine,
    holder: HolderLine,
    drain: DrainLine,
    lock: BiasedLock,
    slots: [AtomicU32; SLOTS as usize],
    /// The buffers, which are copied from and to without atomics: loom reports an access that another one races with.
    buffers: [UnsafeCell<()>; SLOTS as usize],
}

struct Alive;

impl Owners for Alive {
    fn alive(&self, _tag: u32) -> bool {
        true
    }
}

fn filled(head: u32, tail: u32) -> u32 {
    (tail + SLOTS - head) % SLOTS
}

impl Ring {
    /// Puts as many of these frames as there is room for, and publishes them together. The caller is the only sender,
    /// or holds the lock.
    fn send(&self, frames: &[u32]) -> usize {
        let head = self.drain.look();
        let mut tail = self.holder.tail();
        let room = (SLOTS - 1 - filled(head, tail)) as usize;
        for frame in frames.iter().take(room) {
            self.slots[tail as usize].store(*frame, Ordering::Relaxed);
            self.buffers[tail as usize].with_mut(|_| ());
            tail = (tail + 1) % SLOTS;
        }
        self.fill.publish(tail, &self.holder);
        room.min(frames.len())
    }

    /// Takes what is there, and gives the slots back.
    fn receive(&self, head: &mut u32, out: &mut Vec<u32>) {
        let tail = self.fill.look().tail();
        while *head != tail {
            out.push(self.slots[*head as usize].load(Ordering::Relaxed));
            self.buffers[*head as usize].with(|_| ());
            *head = (*head + 1) % SLOTS;
        }
        self.drain.give_back(*head);
    }
}

#[test]
fn frames_arrive_whole_in_order_and_once() {
    model(3, || {
        let ring = Arc::new(Ring::default());
        // Full from the beginning, so that a sender that comes in soon fills a slot that the reader is reading.
        assert_eq!(ring.send(&[10, 11]), 2);
        let sender = {
            let ring = Arc::clone(&ring);
            thread::spawn(move || (0..2).fold(12, |next, _| next + ring.send(&[next, next + 1]) as u32))
        };
        let (mut head, mut out) = (0, Vec::new());
        (0..2).for_each(|_| ring.receive(&mut head, &mut out));
        let end = sender.join().unwrap();
        ring.receive(&mut head, &mut out);
        assert_eq!(out, (10..end).collect::<Vec<_>>());
    });
}

#[test]
fn of_two_senders_each_fills_a_slot_of_its_own() {
    model(3, || {
        let ring = Arc::new(Ring::default());
        let send = |ring: &Ring, tag: u32| {
            let held = ring.lock.enter(tag, Fences::new(true), &Alive, Duration::ZERO);
            let sent = ring.send(&[tag]);
            drop(held.expect("under loom nobody runs out of patience"));
            sent
        };
        let other = {
            let ring = Arc::clone(&ring);
            thread::spawn(move || send(&ring, 2))
        };
        let sent = [send(&ring, 1), other.join().unwrap()];
        assert_eq!(sent, [1, 1]);
        let mut out = Vec::new();
        ring.receive(&mut 0, &mut out);
        out.sort_unstable();
        assert_eq!(out, [1, 2]);
    });
}

#[test]
fn a_frame_beside_its_tail_is_whole_or_gone() {
    model(3, || {
        let ring = Arc::new(Ring::default());
        let sender = {
            let ring = Arc::clone(&ring);
            thread::spawn(move || {
                for n in 0..2 {
                    ring.fill.publish_beside((n, n + 1), &ring.holder, BESIDE, |_| [n as u8 + 1; 8]);
                }
            })
        };
        let mut beside = Beside::default();
        for _ in 0..2 {
            let found = ring.fill.look();
            if found.beside() != 0 && ring.fill.copy_beside(found, &mut beside) {
                assert_eq!((found.beside(), beside.bytes()), (BESIDE, &[found.tail() as u8; BESIDE][..]));
            }
        }
        sender.join().unwrap();
    });
}
