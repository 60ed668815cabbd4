//! The four rings of an AF_XDP socket: one party puts entries in, the other takes them out.
//!
//! ```text
//!        consumer                 producer
//!   --------|------------------------|--------      consumer..producer  filled, the taker's
//!           entries to be taken        free         the rest            the filler's
//! ```
//! A *position* counts entries from the ring's beginning and runs freely through 2^32; its low bits say where in the ring
//! an entry lies. It is no slot number of a netmap ring, and never becomes one.
//!
//! The rings are generic over where their words lie, so that tests, the bench and loom drive the code that drives the
//! kernel's memory.

use crate::sys::xdp::{MappedRing, NEED_WAKEUP};
use nm_core::sync::{AtomicU32, AtomicU64, Fences, Ordering};

/// A ring's words.
pub trait Cells {
    /// Written by who puts entries in.
    fn producer(&self) -> &AtomicU32;
    /// Written by who takes them out.
    fn consumer(&self) -> &AtomicU32;
    /// Written by the kernel.
    fn flags(&self) -> &AtomicU32;
    /// The entries: one word each for addresses, two for descriptors. As many as a power of two, times that.
    fn words(&self) -> &[AtomicU64];
}

impl Cells for MappedRing {
    #[inline(always)]
    fn producer(&self) -> &AtomicU32 {
        &self.producer
    }
    #[inline(always)]
    fn consumer(&self) -> &AtomicU32 {
        &self.consumer
    }
    #[inline(always)]
    fn flags(&self) -> &AtomicU32 {
        &self.flags
    }
    #[inline(always)]
    fn words(&self) -> &[AtomicU64] {
        &self.words
    }
}

/// Entries from a ring's beginning, modulo 2^32.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Position(u32);

impl Position {
    #[inline(always)]
    fn plus(self, entries: u32) -> Position {
        Position(self.0.wrapping_add(entries))
    }
    /// Entries from `earlier` up to this one.
    #[inline(always)]
    fn since(self, earlier: Position) -> u32 {
        self.0.wrapping_sub(earlier.0)
    }
}

/// One entry of a receive or transmit ring: `struct xdp_desc`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Descriptor {
    /// Where in the UMEM the bytes begin.
    pub address: u64,
    /// How many.
    pub len: u32,
    /// The frame goes on in the next entry.
    pub more: bool,
}

impl Descriptor {
    #[inline(always)]
    fn pack(self) -> [u64; 2] {
        let options = if self.more { libc::XDP_PKT_CONTD } else { 0 };
        let second = if cfg!(target_endian = "little") {
            u64::from(self.len) | u64::from(options) << 32
        } else {
            u64::from(self.len) << 32 | u64::from(options)
        };
        [self.address, second]
    }
    #[inline(always)]
    fn unpack([address, second]: [u64; 2]) -> Descriptor {
        let (low, high) = (second as u32, (second >> 32) as u32);
        let (len, options) = if cfg!(target_endian = "little") { (low, high) } else { (high, low) };
        Descriptor { address, len, more: options & libc::XDP_PKT_CONTD != 0 }
    }
}

/// A ring that we fill: `W` words an entry.
pub struct Filler<C, const W: usize> {
    cells: C,
    entries: u32,
    /// Where the next entry goes; what lies between it and the shared word is not published yet.
    next: Position,
    /// The taker's position as last seen.
    taken: Position,
}

/// A ring that we empty.
pub struct Taker<C, const W: usize> {
    cells: C,
    entries: u32,
    next: Position,
    /// The filler's position as last seen.
    filled: Position,
}

/// A ring of descriptors that others fill and empty, for who asks what waits there.
pub struct Waiting<C>(C);

impl<C: Cells> Waiting<C> {
    /// Frames that were put in and not taken, each of one entry, or in pieces.
    pub fn frames(&self, in_pieces: bool) -> u64 {
        let words = self.0.words();
        // ORDER: Acquire, both, as in `Taker` and `Filler`: the entries between them are written. Others go on meanwhile.
        let taken = Position(self.0.consumer().load(Ordering::Acquire));
        let filled = Position(self.0.producer().load(Ordering::Acquire));
        // Words that make no sense: no more than there can be.
        let entries = filled.since(taken).min((words.len() / 2) as u32);
        let ends = |entry: &u32| {
            let at = 2 * (taken.plus(*entry).0 as usize & (words.len() / 2 - 1));
            // ORDER: Relaxed; the producer's Acquire above.
            !Descriptor::unpack([0, words[at + 1].load(Ordering::Relaxed)]).more
        };
        if in_pieces { (0..entries).filter(ends).count() as u64 } else { entries.into() }
    }
}

/// Entries of a ring with so many words; `None` when they are no power of two.
fn entries_of(words: usize, each: usize) -> Option<u32> {
    let entries = u32::try_from(words / each).ok()?;
    (entries.is_power_of_two() && words % each == 0).then_some(entries)
}

impl<C: Cells, const W: usize> Filler<C, W> {
    /// The filling end of a ring. `None` when its size is no power of two.
    pub fn new(cells: C) -> Option<Filler<C, W>> {
        let entries = entries_of(cells.words().len(), W)?;
        // ORDER: Relaxed, both; a ring that nobody has used yet.
        let next = Position(cells.producer().load(Ordering::Relaxed));
        let taken = Position(cells.consumer().load(Ordering::Relaxed));
        Some(Filler { cells, entries, next, taken })
    }

    /// How many entries can be put in; looks at the taker's word only when fewer than `wanted` are known.
    #[inline(always)]
    pub fn room(&mut self, wanted: u32) -> u32 {
        if self.known_room() < wanted {
            // ORDER: Acquire pairs with the taker's Release: it has read the entries that are written anew.
            self.taken = Position(self.cells.consumer().load(Ordering::Acquire));
        }
        self.known_room()
    }

    #[inline(always)]
    fn known_room(&self) -> u32 {
        // A taker's word that makes no sense: no room.
        self.entries.saturating_sub(self.next.since(self.taken))
    }

    #[inline(always)]
    fn write(&mut self, words: [u64; W]) {
        let at = (self.next.0 & (self.entries - 1)) as usize * W;
        for (cell, word) in self.cells.words()[at..at + W].iter().zip(words) {
            // ORDER: Relaxed; published by the producer's Release.
            cell.store(word, Ordering::Relaxed);
        }
        self.next = self.next.plus(1);
    }

    /// Gives what was put in to the taker.
    #[inline(always)]
    pub fn publish(&mut self) {
        // ORDER: Release pairs with the taker's Acquire: entries, and the bytes that they name, before the position.
        self.cells.producer().store(self.next.0, Ordering::Release);
    }

    /// Takes back what was put in and not published.
    pub fn forget(&mut self) {
        // ORDER: Relaxed; our own word.
        self.next = Position(self.cells.producer().load(Ordering::Relaxed));
    }

    /// Entries that were published and not yet taken.
    #[inline(always)]
    pub fn waiting(&mut self) -> u32 {
        // ORDER: Acquire, as in `room`.
        self.taken = Position(self.cells.consumer().load(Ordering::Acquire));
        self.next.since(self.taken)
    }

    /// Whether the taker waits for a system call.
    #[inline(always)]
    pub fn needs_wakeup(&self) -> bool {
        // ORDER: Relaxed; a hint. The kernel sets it before it looks at the ring a last time.
        self.cells.flags().load(Ordering::Relaxed) & NEED_WAKEUP != 0
    }

    /// As [`Filler::needs_wakeup`], after [`Filler::publish`], for who does not come back soon to ask again: either he sees that the taker
    /// sleeps, or the taker has seen what was published.
    #[inline(always)]
    pub fn published_to_sleeper(&self) -> bool {
        // ORDER: store-load, the position before the flag; the taker stores the flag before it loads the position.
        Fences::new(false).light();
        self.needs_wakeup()
    }
}

impl<C: Cells> Filler<C, 1> {
    /// Puts in what `next` gives, `most` addresses at most, and as many as there is room for up to the end of the ring's memory.
    /// Returns how many. Positions stay in registers meanwhile, which one by one they don't: what is written may lie anywhere, for all
    /// that the compiler knows.
    #[inline(always)]
    pub fn put_each(&mut self, most: u32, mut next: impl FnMut() -> Option<u64>) -> u32 {
        let most = self.room(most).min(most) as usize;
        let cells = &self.cells.words()[(self.next.0 & (self.entries - 1)) as usize..];
        let mut put = 0;
        for cell in &cells[..most.min(cells.len())] {
            let Some(address) = next() else { break };
            // ORDER: Relaxed; published by the producer's Release.
            cell.store(address, Ordering::Relaxed);
            put += 1;
        }
        self.next = self.next.plus(put);
        put
    }

    /// Puts an address in. False when there is no room.
    #[inline(always)]
    pub fn put(&mut self, address: u64) -> bool {
        let room = self.room(1) > 0;
        if room {
            self.write([address]);
        }
        room
    }
}

impl<C: Cells> Filler<C, 2> {
    /// The bytes of the frame that the taker took last. It shows its position only sometimes: `unseen` entries behind the one that it
    /// showed are taken, too, as the calls before this one have found. Before Linux 6.17 it hides also those that it sent before this
    /// one, so that the bytes may be another frame's.
    #[cold]
    pub fn last_taken(&mut self, unseen: &mut u32) -> u64 {
        let before = self.taken;
        self.waiting();
        let end = if self.taken == before {
            let mut end = self.taken.plus(*unseen);
            while self.entry(end).more && self.next.since(end) > 1 {
                end = end.plus(1);
            }
            end.plus(1)
        } else {
            self.taken
        };
        *unseen = end.since(self.taken);
        let mut last = end.plus(u32::MAX);
        let mut bytes = u64::from(self.entry(last).len);
        while self.entry(last.plus(u32::MAX)).more && end.since(last) < self.entries {
            last = last.plus(u32::MAX);
            bytes += u64::from(self.entry(last).len);
        }
        bytes
    }

    fn entry(&self, position: Position) -> Descriptor {
        let at = (position.0 & (self.entries - 1)) as usize * 2;
        // ORDER: Relaxed, both; we wrote them ourselves.
        Descriptor::unpack([0, 1].map(|word| self.cells.words()[at + word].load(Ordering::Relaxed)))
    }

    /// Puts a descriptor in. False when there is no room.
    #[inline(always)]
    pub fn put(&mut self, descriptor: Descriptor) -> bool {
        let room = self.room(1) > 0;
        if room {
            self.write(descriptor.pack());
        }
        room
    }
}

impl<C: Cells, const W: usize> Taker<C, W> {
    /// The emptying end of a ring. `None` when its size is no power of two.
    pub fn new(cells: C) -> Option<Taker<C, W>> {
        let entries = entries_of(cells.words().len(), W)?;
        // ORDER: Relaxed; a ring that nobody has used yet.
        let next = Position(cells.consumer().load(Ordering::Relaxed));
        Some(Taker { cells, entries, next, filled: next })
    }

    /// How many entries can be taken; looks at the filler's word only when none are known.
    #[inline(always)]
    pub fn ready(&mut self) -> u32 {
        if self.next == self.filled {
            // ORDER: Acquire pairs with the filler's Release: entries and bytes before it are whole.
            self.filled = Position(self.cells.producer().load(Ordering::Acquire));
        }
        let ready = self.filled.since(self.next);
        // A filler's word that makes no sense: nothing.
        if ready > self.entries { 0 } else { ready }
    }

    /// The next [`Taker::ready`] looks at the filler's word.
    pub fn look_again(&mut self) {
        self.filled = self.next;
    }

    /// The entry `ahead` of those that [`Taker::ready`] told.
    #[inline(always)]
    fn read(&self, ahead: u32) -> [u64; W] {
        let at = (self.next.plus(ahead).0 & (self.entries - 1)) as usize * W;
        let mut words = [0; W];
        for (word, cell) in words.iter_mut().zip(&self.cells.words()[at..at + W]) {
            // ORDER: Relaxed; published by the position that `ready` acquired.
            *word = cell.load(Ordering::Relaxed);
        }
        words
    }

    /// Gives the first `entries` back to the filler.
    #[inline(always)]
    pub fn release(&mut self, entries: u32) {
        self.next = self.next.plus(entries);
        // ORDER: Release pairs with the filler's Acquire: the entries have been read.
        self.cells.consumer().store(self.next.0, Ordering::Release);
    }
}

impl<C: Cells> Taker<C, 1> {
    /// The address in the entry `ahead`.
    #[inline(always)]
    pub fn address(&self, ahead: u32) -> u64 {
        self.read(ahead)[0]
    }
}

impl<C: Cells + Clone> Taker<C, 2> {
    /// This ring, for who asks what waits there.
    pub fn waiting(&self) -> Waiting<C> {
        Waiting(self.cells.clone())
    }
}

impl<C: Cells> Taker<C, 2> {
    /// Shows `each` the entries from the one `ahead` on, at most `most`, all of which [`Taker::ready`] told, up to the end of the ring's
    /// memory or until it returns false; how many times it returned true. Also see [`Filler::put_each`].
    #[inline(always)]
    pub fn each(&self, ahead: u32, most: u32, mut each: impl FnMut(Descriptor) -> bool) -> u32 {
        let cells = &self.cells.words()[(self.next.plus(ahead).0 & (self.entries - 1)) as usize * 2..];
        let mut done = 0;
        for pair in cells[..(most as usize * 2).min(cells.len())].chunks_exact(2) {
            // ORDER: Relaxed, both; published by the position that `ready` acquired.
            let words = [pair[0].load(Ordering::Relaxed), pair[1].load(Ordering::Relaxed)];
            if !each(Descriptor::unpack(words)) {
                break;
            }
            done += 1;
        }
        done
    }

    /// The descriptor in the entry `ahead`.
    #[inline(always)]
    pub fn descriptor(&self, ahead: u32) -> Descriptor {
        Descriptor::unpack(self.read(ahead))
    }
}
