//! The control words of a port: the first page of its file.
//!
//! They are what a kernel keeps in its `netmap_kring`: the shared truth, while `netmap_ring` holds the owner's view.
//! Each party writes lines of its own, since a line that two cores write travels for every frame.

use super::mapping::Shared;
use crate::lock::BiasedLock;
use crate::ring::bytes::prefetch_for_write;
use crate::sync::{AtomicU32, AtomicU64, Ordering, fence};
use crate::sys;

/// Begins every port file: "nmport\0\0".
pub const PORT_MAGIC: u64 = u64::from_le_bytes(*b"nmport\0\0");
/// In [`SleepLine::armed`]: the reader watches its descriptor, so a FIFO is written instead of a futex woken. See
/// [`crate::bell`].
pub const ARMED_FD: u32 = 1 << 31;

/// What the port is. Written by its owner before the port is announced.
#[repr(C, align(128))]
#[derive(Default)]
pub struct Identity {
    /// [`PORT_MAGIC`].
    pub magic: AtomicU64,
    /// Layout version, see [`super::switch_page::VERSION`].
    pub version: AtomicU32,
    /// Slots of the receive ring.
    pub rx_slots: AtomicU32,
    /// Slots of the transmit ring.
    pub tx_slots: AtomicU32,
    /// The generation of the port's entry in the switch.
    pub generation: AtomicU32,
    /// 1 once the transmit ring's buffers are committed.
    pub tx_committed: AtomicU32,
    /// For people: what the owner's program passes frames on to, if it is one that does nothing else. UTF-8, filled up with zeroes.
    other_end: [AtomicU64; 10],
}
const _: () = assert!(cfg!(loom) || size_of::<Identity>() == 128);

impl Identity {
    /// Says what the port's frames are passed on to; what is longer than 80 bytes is cut.
    pub fn set_other_end(&self, text: &str) {
        let mut bytes = text.bytes();
        for word in &self.other_end {
            let mut eight = [0; 8];
            eight.iter_mut().zip(&mut bytes).for_each(|(to, from)| *to = from);
            // ORDER: Relaxed; for people who look.
            word.store(u64::from_ne_bytes(eight), Ordering::Relaxed);
        }
    }

    /// What the owner said; nothing: it said nothing. Without what a terminal could mistake for something else.
    pub fn other_end(&self) -> String {
        // ORDER: Relaxed, as above.
        let bytes: Vec<u8> = self.other_end.iter().flat_map(|w| w.load(Ordering::Relaxed).to_ne_bytes()).collect();
        let text = bytes.split(|byte| *byte == 0).next().unwrap_or_default();
        let clean = |c: char| if c.is_control() || c == char::REPLACEMENT_CHARACTER { '?' } else { c };
        String::from_utf8_lossy(text).chars().map(clean).collect()
    }
}

/// Which processor somebody ran on: 1 + its number, 0 for nobody. A hint: who shares a processor with the one it waits
/// for must not spin.
#[derive(Default)]
#[repr(transparent)]
pub struct Processor(AtomicU32);

impl Processor {
    /// Notes where the caller runs.
    #[inline(always)]
    pub fn note(&self) {
        let here = sys::processor().wrapping_add(1);
        // ORDER: Relaxed, both; a hint.
        if self.0.load(Ordering::Relaxed) != here {
            self.0.store(here, Ordering::Relaxed);
        }
    }

    /// Whether the caller runs where the other one did.
    pub fn is_here(&self) -> bool {
        // ORDER: Relaxed; a hint.
        self.0.load(Ordering::Relaxed) == sys::processor().wrapping_add(1)
    }
}

/// Written by whoever holds the lock: what was put into the receive ring. The reader looks at this line all the time, so who fills
/// only stores here, once for each publication, and reads what it needs in [`HolderLine`].
///
/// A reader who spins for single frames ([`GLANCING`]) finds the last frame beside its tail, if it fits the line: that one
/// line travels to it, and neither the slot nor the frame's own place. Between far processors that took a round trip of two programs
/// that spin from 0.86 to 0.70 us, and to 0.63 where the line is asked for ahead ([`FillLine::ask`]). The frame lies in its slot all the same: what is here is a copy for who comes at once.
#[repr(C, align(128))]
#[derive(Default)]
pub struct FillLine {
    /// The slot after the last filled one, and above [`TAIL_BITS`] how many bytes of the frame in the slot before it lie here, 0: none.
    word: AtomicU32,
    /// Its first four bytes, then the others.
    first: AtomicU32,
    others: [AtomicU64; OTHERS],
}

/// Bits of [`FillLine::word`] that name a slot.
const TAIL_BITS: u32 = 24;
const TAIL: u32 = (1 << TAIL_BITS) - 1;
const _: () = assert!(super::layout::MAX_SLOTS <= TAIL);
/// Words of a frame beside its tail: up to the end of a line of 64 bytes. (loom tries all orders of all of them.)
const OTHERS: usize = if cfg!(loom) { 1 } else { 7 };
/// The longest frame that lies beside its tail, in bytes.
pub const BESIDE: usize = 4 + 8 * OTHERS;

/// What a look at a [`FillLine`] found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Filled(u32);

impl Filled {
    /// The slot after the last filled one: what lies before it can be read.
    #[inline(always)]
    pub fn tail(self) -> u32 {
        self.0 & TAIL
    }

    /// How many bytes of the frame before it lie beside it; 0 for none, and for more than there can be.
    #[inline(always)]
    pub fn beside(self) -> usize {
        let len = (self.0 >> TAIL_BITS) as usize;
        if len <= BESIDE { len } else { 0 }
    }
}

/// A frame that lay beside its tail.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
pub struct Beside {
    bytes: [u8; 4 + BESIDE],
}

impl Default for Beside {
    fn default() -> Self {
        Beside { bytes: [0; 4 + BESIDE] }
    }
}

impl Beside {
    /// Its bytes, and what lay behind them.
    #[inline(always)]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes[4..]
    }
}

impl FillLine {
    /// Gives the slots before `tail` to the reader. The caller holds the lock and has filled them.
    #[inline(always)]
    pub fn publish(&self, tail: u32, holder: &HolderLine) {
        // Who takes over from a holder that died between the two publishes its frames with the next ones.
        // ORDER: Release pairs with the Acquire in `HolderLine::tail`: the slots were filled before.
        holder.tail.store(tail, Ordering::Release);
        // ORDER: Release pairs with the Acquire in `look`: slots and bytes are visible before the tail.
        self.word.store(tail, Ordering::Release);
    }

    /// As [`FillLine::publish`] of one frame of `len` bytes, at most [`BESIDE`], which was put into the slot `before` the tail and is
    /// shown beside it, too: `eight` are its bytes from a number on.
    #[inline(always)]
    pub fn publish_beside(
        &self,
        (before, tail): (u32, u32),
        holder: &HolderLine,
        len: usize,
        eight: impl Fn(usize) -> [u8; 8],
    ) {
        // Who reads the frame before this one here sees that it goes: a sequence lock whose number is the tail.
        // ORDER: Relaxed, and the fence after it: who sees one of the new bytes sees this, too.
        self.word.store(before, Ordering::Relaxed);
        fence(Ordering::Release);
        // ORDER: Relaxed, all of these; published by the word below.
        let [a, b, c, d, ..] = eight(0);
        self.first.store(u32::from_ne_bytes([a, b, c, d]), Ordering::Relaxed);
        for (i, word) in self.others.iter().enumerate() {
            word.store(u64::from_ne_bytes(eight(4 + 8 * i)), Ordering::Relaxed);
        }
        // ORDER: Release, both, as in `publish`.
        holder.tail.store(tail, Ordering::Release);
        self.word.store(tail | (len as u32) << TAIL_BITS, Ordering::Release);
    }

    /// Asks for the line, which a reader who spins has, so that it comes while the caller gets its frame ready.
    #[inline(always)]
    pub fn ask(&self) {
        let line: *const FillLine = self;
        prefetch_for_write(line.cast());
    }

    /// What was published last.
    #[inline(always)]
    pub fn look(&self) -> Filled {
        // ORDER: Acquire pairs with the Release in `publish`.
        Filled(self.word.load(Ordering::Acquire))
    }

    /// As [`FillLine::look`], for who only wants to know whether it changed, or about what it is.
    #[inline(always)]
    pub fn peek(&self) -> Filled {
        // ORDER: Relaxed; who reads slots looks again.
        Filled(self.word.load(Ordering::Relaxed))
    }

    /// Copies the frame beside the tail that a look found. False when it has gone meanwhile: it lies in its slot.
    #[inline(always)]
    pub fn copy_beside(&self, found: Filled, to: &mut Beside) -> bool {
        // ORDER: Relaxed, all of these, and the fence after them: if one of these bytes is of a later frame, what was found is gone.
        to.bytes[4..8].copy_from_slice(&self.first.load(Ordering::Relaxed).to_ne_bytes());
        for (to, word) in to.bytes[8..].chunks_exact_mut(8).zip(&self.others) {
            to.copy_from_slice(&word.load(Ordering::Relaxed).to_ne_bytes());
        }
        fence(Ordering::Acquire);
        self.peek() == found
    }
}

/// What those who hold the lock keep for each other, where no reader looks. To read it from the line that the reader has just fetched
/// took a far travel of that line: a round trip of two programs that spin was 1.30 us, and is 0.92 (near processors: 0.43 and 0.37).
#[repr(C, align(128))]
#[derive(Default)]
pub struct HolderLine {
    /// The slot after the last filled one.
    tail: AtomicU32,
    /// The reader's head as the last holder read it: with an older one, slots that others filled since would look free.
    pub head_seen: AtomicU32,
    /// Frames so far.
    pub received: AtomicU64,
    /// Bytes so far.
    pub received_bytes: AtomicU64,
    /// Where the last sender ran.
    pub processor: Processor,
}

impl HolderLine {
    /// The first slot to fill. The caller holds the lock.
    #[inline(always)]
    pub fn tail(&self) -> u32 {
        // ORDER: Acquire pairs with the Release in `publish`, of a holder that died before it left the lock.
        self.tail.load(Ordering::Acquire)
    }
}

/// Written by the reader: what it has given back.
#[repr(C, align(128))]
#[derive(Default)]
pub struct DrainLine {
    /// The first slot that the reader still owns (or the next one to be filled).
    pub head: AtomicU32,
    /// Where the reader ran when it last gave something back.
    pub processor: Processor,
}

impl DrainLine {
    /// Gives the slots before `head` back to the senders. The caller has read them.
    #[inline(always)]
    pub fn give_back(&self, head: u32) {
        // ORDER: Release pairs with the Acquire in `look`: the slots have been read before others write them.
        self.head.store(head, Ordering::Release);
    }

    /// The first slot that the reader still owns: what lies before it can be written.
    #[inline(always)]
    pub fn look(&self) -> u32 {
        // ORDER: Acquire pairs with the Release in `give_back`.
        self.head.load(Ordering::Acquire)
    }
}

/// In [`SleepLine::looking`]: all the time, so that frames need no time, it gives them its own.
pub const WATCHING: u32 = 1;
/// In [`SleepLine::looking`]: by calls that don't wait, and it finds one frame at a time, which is shown beside its tail.
pub const GLANCING: u32 = 2;

/// In [`SleepLine::thread`]: it opened the port, and nobody has waited for frames yet. Any thread of its process may be the reader.
pub const OPENER: u32 = 1 << 31;

/// How the reader sleeps.
#[repr(C, align(128))]
#[derive(Default)]
pub struct SleepLine {
    /// 0 = awake; else the number of filled slots that it wants to be woken for, with [`ARMED_FD`] perhaps.
    pub armed: AtomicU32,
    /// The futex word: counts rings.
    pub bell: AtomicU32,
    /// How the reader looks at the ring: 0, [`WATCHING`], [`GLANCING`].
    pub looking: AtomicU32,
    /// 1 while the reader naps on the clock: it comes by itself, soon.
    pub napping: AtomicU32,
    /// The number of the thread that waited last, or, with [`OPENER`], opened the port, as gettid(2) tells. A hint.
    pub thread: AtomicU32,
    /// 1 while the reader, who sends on what lies in its ring, waits for room in another one.
    pub held_up: AtomicU32,
}

/// How a sender sleeps that waits for room.
#[repr(C, align(128))]
#[derive(Default)]
pub struct SpaceLine {
    /// 0 = nobody waits; else the number of free slots that is waited for.
    pub want: AtomicU32,
    /// The futex word.
    pub bell: AtomicU32,
    /// 1 + the head at which the reader was found to make no progress; 0 = not stalled.
    pub stalled: AtomicU32,
}

/// Frames that did not get in. Written by anybody, rarely.
#[repr(C, align(128))]
#[derive(Default)]
pub struct DropLine {
    /// Receive ring full, and nobody was to wait.
    pub full: AtomicU64,
    /// No progress for the flow-control time.
    pub stalled: AtomicU64,
    /// Can't fit the ring.
    pub long: AtomicU64,
    /// Senseless words.
    pub malformed: AtomicU64,
}

/// Written by the owner alone.
#[repr(C, align(128))]
#[derive(Default)]
pub struct OwnerLine {
    /// Frames sent.
    pub sent: AtomicU64,
    /// Bytes sent.
    pub sent_bytes: AtomicU64,
    /// Frames that the reader's filter refused.
    pub rejected: AtomicU64,
}

/// The page.
#[repr(C)]
#[derive(Default)]
pub struct PortPage {
    /// What the port is.
    pub id: Identity,
    /// Senders' line.
    pub fill: FillLine,
    /// Its writers' notes.
    pub holder: HolderLine,
    /// Who may fill.
    pub lock: BiasedLock,
    /// Reader's line.
    pub drain: DrainLine,
    /// Reader's sleep.
    pub sleep: SleepLine,
    /// Senders' sleep.
    pub space: SpaceLine,
    /// Losses.
    pub drops: DropLine,
    /// Owner's counters.
    pub owner: OwnerLine,
}

const _: () = assert!(size_of::<PortPage>() <= 4096);

// SAFETY: repr(C), atomics only (BiasedLock, too).
#[cfg(not(loom))]
unsafe impl Shared for PortPage {}
#[cfg(loom)]
// SAFETY: never mapped under loom, whose atomics are not plain words.
unsafe impl Shared for PortPage {}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn the_other_end_is_told_and_is_text_whatever_lies_there() {
        let id = Identity::default();
        assert_eq!(id.other_end(), "");
        id.set_other_end("netmap:eth0: af_xdp, native");
        assert_eq!(id.other_end(), "netmap:eth0: af_xdp, native");
        id.set_other_end(&"é".repeat(41));
        assert_eq!(id.other_end(), "é".repeat(40));
        id.other_end[0].store(u64::from_ne_bytes(*b"a\x1b[2J\xff\nb"), Ordering::Relaxed);
        assert!(id.other_end().starts_with("a?[2J??bé"), "{}", id.other_end());
        id.set_other_end("");
        assert_eq!(id.other_end(), "");
    }
}
