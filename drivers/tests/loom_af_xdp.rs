//! AF_XDP's ring protocol under loom: an entry and its bytes are read after they were written, and written anew after they were
//! read; and no entry lies in a ring whose taker sleeps.
//!
//! The entries are Relaxed words, the bytes that they name no atomics at all, so that loom reports an access that nothing but
//! the positions could have ordered.
#![cfg(loom)]

#[path = "../../nm-core/tests/loom_model/mod.rs"]
mod loom_model;

use drivers::af_xdp::kicker;
use drivers::af_xdp::ring::{Cells, Descriptor, Filler, Taker};
use drivers::sys::xdp::NEED_WAKEUP;
use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::sync::atomic::fence;
use loom::thread;
use loom_model::model;
use nm_core::sync::{AtomicU32, AtomicU64, Ordering};

const ENTRIES: u32 = 2;
/// So near its end that a position wraps.
const START: u32 = u32::MAX;

struct Ring {
    producer: AtomicU32,
    consumer: AtomicU32,
    flags: AtomicU32,
    words: Vec<AtomicU64>,
    /// The buffers, by their addresses.
    buffers: [UnsafeCell<u32>; ENTRIES as usize],
}

#[derive(Clone)]
struct Memory(Arc<Ring>);

impl Memory {
    fn new(words: u32) -> Memory {
        Memory(Arc::new(Ring {
            producer: AtomicU32::new(START),
            consumer: AtomicU32::new(START),
            flags: AtomicU32::new(0),
            words: (0..words * ENTRIES).map(|_| AtomicU64::new(0)).collect(),
            buffers: [UnsafeCell::new(0), UnsafeCell::new(0)],
        }))
    }

    fn fill_buffer(&self, address: u64) {
        self.0.buffers[address as usize].with_mut(|_| ());
    }

    fn read_buffer(&self, address: u64) {
        self.0.buffers[address as usize].with(|_| ());
    }
}

impl Cells for Memory {
    fn producer(&self) -> &AtomicU32 {
        &self.0.producer
    }
    fn consumer(&self) -> &AtomicU32 {
        &self.0.consumer
    }
    fn flags(&self) -> &AtomicU32 {
        &self.0.flags
    }
    fn words(&self) -> &[AtomicU64] {
        &self.0.words
    }
}

#[test]
fn descriptors_and_their_bytes_are_whole_and_written_anew_only_when_read() {
    model(3, || {
        let memory = Memory::new(2);
        let mut filler: Filler<Memory, 2> = Filler::new(memory.clone()).unwrap();
        let mut taker: Taker<Memory, 2> = Taker::new(memory.clone()).unwrap();
        let bytes = memory.clone();
        // Two at once, then one that takes the first one's place once that has been read.
        let sender = thread::spawn(move || {
            let mut sent = 0;
            for batch in [2, 1] {
                while filler.room(batch) < batch {
                    thread::yield_now();
                }
                for _ in 0..batch {
                    let address = u64::from(sent % ENTRIES);
                    bytes.fill_buffer(address);
                    assert!(filler.put(Descriptor { address, len: 60 + sent, more: sent == 0 }));
                    sent += 1;
                }
                filler.publish();
            }
        });
        let mut got = 0;
        while got < 3 {
            let ready = taker.ready();
            for n in 0..ready {
                let expected = Descriptor { address: u64::from(got % ENTRIES), len: 60 + got, more: got == 0 };
                assert_eq!(taker.descriptor(n), expected);
                memory.read_buffer(expected.address);
                got += 1;
            }
            if ready == 0 {
                thread::yield_now();
            } else {
                taker.release(ready);
            }
        }
        sender.join().unwrap();
        assert_eq!(taker.ready(), 0);
    });
}

#[test]
fn a_batch_that_was_not_published_is_not_seen() {
    model(3, || {
        let memory = Memory::new(1);
        let mut filler: Filler<Memory, 1> = Filler::new(memory.clone()).unwrap();
        let mut taker: Taker<Memory, 1> = Taker::new(memory.clone()).unwrap();
        let sender = thread::spawn(move || {
            assert!(filler.put(7));
            filler.forget();
            let mut addresses = [8, 9].into_iter();
            // Up to the end of the memory, and from its beginning.
            assert_eq!([2, 1].map(|most| filler.put_each(most, || addresses.next())), [1, 1]);
            filler.publish();
        });
        // Both or none.
        match taker.ready() {
            0 => {}
            ready => {
                assert_eq!((ready, taker.address(0), taker.address(1)), (2, 8, 9));
                taker.release(2);
            }
        }
        sender.join().unwrap();
    });
}

#[test]
fn who_publishes_wakes_a_taker_that_went_to_sleep() {
    model(3, || {
        let memory = Memory::new(2);
        let mut filler: Filler<Memory, 2> = Filler::new(memory.clone()).unwrap();
        let mut taker: Taker<Memory, 2> = Taker::new(memory.clone()).unwrap();
        // A card in zero-copy mode: says that it will sleep, looks a last time, sleeps.
        let card = thread::spawn(move || {
            memory.0.flags.store(NEED_WAKEUP, Ordering::Relaxed);
            fence(Ordering::SeqCst);
            taker.ready() > 0
        });
        assert!(filler.put(Descriptor { address: 0, len: 60, more: false }));
        filler.publish();
        let kicked = filler.published_to_sleeper();
        let seen = card.join().unwrap();
        assert!(seen || kicked, "the frame lies there until another one comes");
    });
}

/// A kicker's words.
#[derive(Clone)]
struct Page(Arc<Vec<AtomicU32>>);

impl std::ops::Deref for Page {
    type Target = [AtomicU32];
    fn deref(&self) -> &[AtomicU32] {
        &self.0
    }
}

/// A caller, a kicker, and a kernel that sends what is in the ring when it is kicked.
#[derive(Clone)]
struct Stream {
    page: Page,
    in_ring: Arc<AtomicU32>,
    sent: Arc<AtomicU32>,
}

impl Stream {
    fn new() -> Stream {
        let page = Page(Arc::new((0..kicker::WORDS).map(|_| AtomicU32::new(0)).collect()));
        Stream { page, in_ring: Arc::new(AtomicU32::new(0)), sent: Arc::new(AtomicU32::new(0)) }
    }

    fn shared(&self) -> kicker::Shared<Page> {
        kicker::Shared::new(self.page.clone(), true)
    }

    fn kick(&self) {
        self.sent.fetch_max(self.in_ring.load(Ordering::Acquire), Ordering::AcqRel);
    }

    fn inject(&self, shared: &kicker::Shared<Page>, number: u32) {
        self.in_ring.store(number, Ordering::Release);
        if !shared.published(number) {
            shared.claim(number);
            self.kick();
        }
    }

    /// A look of the kicker's, then it goes to sleep.
    fn look_and_sleep(&self, shared: &kicker::Shared<Page>) {
        for waiting in [shared.waiting(), shared.sleep()] {
            if let Some(published) = waiting {
                self.kick();
                shared.served(published);
            }
        }
    }
}

#[test]
fn a_frame_is_never_left_to_a_kicker_that_went_to_sleep() {
    model(3, || {
        let stream = Stream::new();
        let theirs = stream.clone();
        theirs.shared().wake();
        let kicker = thread::spawn(move || theirs.look_and_sleep(&theirs.shared()));
        let shared = stream.shared();
        (1..=2).for_each(|number| stream.inject(&shared, number));
        kicker.join().unwrap();
        assert_eq!(stream.sent.load(Ordering::Acquire), 2, "a frame lies there");
    });
}

#[test]
fn a_kicker_that_is_called_comes_and_leaves_nothing() {
    model(3, || {
        let stream = Stream::new();
        assert_eq!(stream.shared().sleep(), None);
        let theirs = stream.clone();
        let kicker = thread::spawn(move || {
            let shared = theirs.shared();
            assert!(shared.called());
            shared.wake();
            theirs.look_and_sleep(&shared);
        });
        let shared = stream.shared();
        stream.inject(&shared, 1);
        assert_eq!(stream.sent.load(Ordering::Acquire), 1, "nobody looks, so inject has sent it");
        assert!(shared.call());
        stream.inject(&shared, 2);
        kicker.join().unwrap();
        assert_eq!(stream.sent.load(Ordering::Acquire), 2, "a frame lies there");
    });
}
