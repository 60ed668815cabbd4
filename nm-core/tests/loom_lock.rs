//! The biased lock under loom: who is inside is alone, sees what the last one did, and the dead are taken over from.
//!
//! What the lock guards is a word that is read and written with Relaxed: an addition gets lost when two are inside at
//! once, or when one does not see what the last one wrote.
#![cfg(loom)]

mod loom_model;

use loom::sync::Arc;
use loom::sync::atomic::{AtomicU32, Ordering};
use loom::thread;
use loom_model::model;
use nm_core::lock::{BiasedLock, Owners};
use nm_core::sync::Fences;
use nm_core::sys;
use std::mem::ManuallyDrop;
use std::time::Duration;

/// Tags whose owners died, one bit each. Asking the system about a process orders as Acquire and Release do.
#[derive(Default)]
struct Dead(AtomicU32);

impl Owners for Dead {
    fn alive(&self, tag: u32) -> bool {
        self.0.load(Ordering::Acquire) & 1 << tag == 0
    }
}

#[derive(Default)]
struct Guarded {
    lock: BiasedLock,
    dead: Dead,
    sum: AtomicU32,
    /// What a sender writes before it publishes: of no meaning until then.
    unpublished: AtomicU32,
    inherited: AtomicU32,
}

impl Guarded {
    fn add_one(&self, tag: u32, fences: Fences) {
        let held = self.lock.enter(tag, fences, &self.dead, Duration::ZERO);
        let sum = self.sum.load(Ordering::Relaxed);
        self.unpublished.store(tag, Ordering::Relaxed);
        assert_eq!(self.unpublished.load(Ordering::Relaxed), tag, "two are inside");
        self.sum.store(sum + 1, Ordering::Relaxed);
        drop(held.expect("under loom nobody runs out of patience"));
    }

    /// Takes over from a dead owner.
    fn inherit(&self, tag: u32, fences: Fences) {
        self.add_one(tag, fences);
        self.inherited.store(1, Ordering::Release);
    }

    /// No time passes under loom: the sleeping heir's milliseconds, in which it looks whether the owner lives.
    fn let_time_pass_until_inherited(&self) {
        while self.inherited.load(Ordering::Acquire) == 0 {
            sys::futex_wake(&self.inherited, i32::MAX);
            thread::yield_now();
        }
    }

    /// Enters, begins to write, and dies.
    fn die_inside(&self, tag: u32, fences: Fences) {
        let held = self.lock.enter(tag, fences, &self.dead, Duration::ZERO);
        let _never_left = ManuallyDrop::new(held);
        self.unpublished.store(tag, Ordering::Relaxed);
        self.dead.0.fetch_or(1 << tag, Ordering::Release);
    }
}

/// Each of `owners` enters so often, on threads of their own.
fn everybody_enters(owners: &'static [(u32, u32)], asymmetric: bool, preemptions: usize) {
    model(preemptions, move || {
        let guarded = Arc::new(Guarded::default());
        let fences = Fences::new(asymmetric);
        let enter = move |g: &Guarded, (tag, times): (u32, u32)| (0..times).for_each(|_| g.add_one(tag, fences));
        let threads: Vec<_> = owners[1..]
            .iter()
            .map(|owner| {
                let guarded = Arc::clone(&guarded);
                thread::spawn(move || enter(&guarded, *owner))
            })
            .collect();
        enter(&guarded, owners[0]);
        threads.into_iter().for_each(|t| t.join().unwrap());
        let all: u32 = owners.iter().map(|(_, times)| times).sum();
        assert_eq!(guarded.sum.load(Ordering::Relaxed), all);
    });
}

#[test]
fn two_owners_with_plain_fences_never_bias_the_lock() {
    everybody_enters(&[(1, 2), (2, 2)], false, 3);
}

#[test]
fn of_two_that_sleep_the_first_wakes_the_second() {
    everybody_enters(&[(1, 1), (2, 1), (3, 1)], false, 2);
}

#[test]
fn two_owners_take_the_bias_from_one_another() {
    // Under loom the first entry sets the bias: the second of each owner is a biased one, or a revocation.
    everybody_enters(&[(1, 2), (2, 2)], true, 3);
}

#[test]
fn three_owners_take_the_bias_from_one_another() {
    everybody_enters(&[(1, 2), (2, 1), (3, 1)], true, 2);
}

#[test]
fn a_biased_owner_that_paused_at_the_door_disturbs_nobody() {
    // Owner 1 is biased before the others begin, so that it can be caught between its first look and its second.
    model(3, || {
        let guarded = Arc::new(Guarded::default());
        let fences = Fences::new(true);
        guarded.add_one(1, fences);
        let other = {
            let guarded = Arc::clone(&guarded);
            thread::spawn(move || (0..2).for_each(|_| guarded.add_one(2, fences)))
        };
        guarded.add_one(1, fences);
        other.join().unwrap();
        assert_eq!(guarded.sum.load(Ordering::Relaxed), 4);
    });
}

#[test]
fn an_owner_that_dies_inside_is_taken_over_from() {
    for asymmetric in [false, true] {
        model(3, move || {
            let guarded = Arc::new(Guarded::default());
            let fences = Fences::new(asymmetric);
            let heir = {
                let guarded = Arc::clone(&guarded);
                thread::spawn(move || guarded.inherit(2, fences))
            };
            guarded.die_inside(1, fences);
            guarded.let_time_pass_until_inherited();
            heir.join().unwrap();
            assert_eq!(guarded.sum.load(Ordering::Relaxed), 1);
        });
    }
}

#[test]
fn a_biased_owner_that_dies_inside_is_taken_over_from() {
    model(3, || {
        let guarded = Arc::new(Guarded::default());
        let fences = Fences::new(true);
        guarded.add_one(1, fences);
        let heir = {
            let guarded = Arc::clone(&guarded);
            thread::spawn(move || guarded.inherit(2, fences))
        };
        guarded.die_inside(1, fences);
        guarded.let_time_pass_until_inherited();
        heir.join().unwrap();
        assert_eq!(guarded.sum.load(Ordering::Relaxed), 2);
    });
}

#[test]
fn of_two_heirs_one_takes_over() {
    for entries_before in [0, 1] {
        model(3, move || {
            let guarded = Arc::new(Guarded::default());
            let fences = Fences::new(true);
            // After one entry the dead owner was a biased one.
            (0..entries_before).for_each(|_| guarded.add_one(1, fences));
            guarded.die_inside(1, fences);
            let heir = {
                let guarded = Arc::clone(&guarded);
                thread::spawn(move || guarded.add_one(2, fences))
            };
            guarded.add_one(3, fences);
            heir.join().unwrap();
            assert_eq!(guarded.sum.load(Ordering::Relaxed), entries_before + 2);
        });
    }
}

#[test]
fn an_owner_that_finds_its_own_tag_enters() {
    // Its former life died inside, or somebody wrote garbage.
    model(3, || {
        let guarded = Guarded::default();
        guarded.die_inside(1, Fences::new(false));
        guarded.dead.0.store(0, Ordering::Relaxed);
        guarded.add_one(1, Fences::new(false));
    });
}
