//! The bare copy: frames through a shared ring with nothing around it. What a switch can't beat.
//!
//! One file, mapped by both: `head` and `tail` on lines of their own, 1,024 descriptors of 16 bytes, and as many
//! buffers at a stride of 2,112 bytes. The sender copies 256 frames and publishes them with one Release; the
//! receiver reads each descriptor and the frame's mark, and returns the batch with one Release. The frames that are
//! sent lie in buffers of their own, `sources` of them, at the same stride.

use crate::clock;
use crate::frame::{self, END, MARK_AT, OrderCheck};
use crate::role::{Args, Report, Round, serve};
use std::fs::OpenOptions;
use std::hint::spin_loop;
use std::io;
use std::os::fd::AsRawFd;
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicU64, Ordering};

const SLOTS: u64 = 1024;
const STRIDE: usize = 2112;
const BATCH: u64 = 256;
const LINE: usize = 64;
/// Frames up to this length are copied in whole lines.
const SHORT: usize = 256;
const HEAD: usize = 0;
const TAIL: usize = 128;
const DESCRIPTORS: usize = 4096;
const BUFFERS: usize = DESCRIPTORS + SLOTS as usize * size_of::<Descriptor>();
const SIZE: usize = BUFFERS + SLOTS as usize * STRIDE;

#[repr(C)]
struct Descriptor {
    buffer: u32,
    len: u16,
    flags: u16,
    time: u64,
}

/// The mapping. Both sides are this program: its words are what this program wrote.
struct Ring {
    base: NonNull<u8>,
}

impl Ring {
    fn open(args: &Args) -> Result<Ring, String> {
        let path = args.text("path")?;
        let io = |e: io::Error| format!("{path}: {e}");
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path).map_err(io)?;
        file.set_len(SIZE as u64).map_err(io)?;
        // SAFETY: a fresh shared mapping of a file that is SIZE bytes long; nothing else is mapped over.
        let base = unsafe {
            libc::mmap(
                ptr::null_mut(),
                SIZE,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED | libc::MAP_POPULATE,
                file.as_raw_fd(),
                0,
            )
        };
        if base == libc::MAP_FAILED {
            return Err(io(io::Error::last_os_error()));
        }
        NonNull::new(base.cast()).map(|base| Ring { base }).ok_or_else(|| "a mapping at 0".to_string())
    }

    fn word(&self, at: usize) -> &AtomicU64 {
        // SAFETY: HEAD and TAIL lie in the mapping, are aligned, and are accessed as atomics alone; the mapping
        // stays until the process ends.
        unsafe { self.base.add(at).cast::<AtomicU64>().as_ref() }
    }

    fn descriptor(&self, position: u64) -> *mut Descriptor {
        // SAFETY: position % SLOTS is one of the SLOTS descriptors in the mapping.
        unsafe { self.base.add(DESCRIPTORS).cast::<Descriptor>().add((position % SLOTS) as usize) }.as_ptr()
    }

    fn buffer(&self, index: u32) -> *mut u8 {
        // SAFETY: index % SLOTS is one of the SLOTS buffers in the mapping.
        unsafe { self.base.add(BUFFERS + (u64::from(index) % SLOTS) as usize * STRIDE) }.as_ptr()
    }

    /// Copies the first `len` bytes of a source; the caller publishes them. A short frame is copied in whole lines:
    /// a third faster than to the byte.
    #[inline]
    fn put(&self, position: u64, source: &[u8; STRIDE], len: usize) {
        let buffer = (position % SLOTS) as u32;
        let (from, to) = (source.as_ptr(), self.buffer(buffer));
        // SAFETY: the slot is free (`position` is below tail + SLOTS), so this side alone touches its descriptor
        // and its buffer. Source and buffer hold STRIDE bytes, a whole number of lines; `len` is not more.
        unsafe {
            if len <= SHORT {
                for at in (0..len).step_by(LINE) {
                    to.add(at).cast::<[u8; LINE]>().write(from.add(at).cast::<[u8; LINE]>().read());
                }
            } else {
                ptr::copy_nonoverlapping(from, to, len);
            }
            self.descriptor(position).write(Descriptor { buffer, len: len as u16, flags: 0, time: position });
        }
    }
}

/// `role=bare-send path= len= sources= cpu=`
pub fn send(args: &Args) -> Result<(), String> {
    let ring = Ring::open(args)?;
    let len: usize = args.number("len")?;
    let sources: usize = args.number("sources")?;
    if len > STRIDE || sources == 0 {
        return Err(format!("len={len} sources={sources}: out of range"));
    }
    let mut memory = vec![[0u8; STRIDE]; sources];
    for source in &mut memory {
        source[..len].copy_from_slice(&frame::build(len, frame::station(2), frame::station(1)));
    }
    serve(|round| {
        for (n, source) in memory.iter_mut().enumerate() {
            frame::set_mark(source, frame::flood_mark(0, round.number, n as u64));
        }
        Ok(send_round(&ring, &memory, len, round))
    })
}

fn send_round(ring: &Ring, memory: &[[u8; STRIDE]], len: usize, round: &Round) -> Report {
    // ORDER: Relaxed, this side alone writes the head.
    let mut head = ring.word(HEAD).load(Ordering::Relaxed);
    let mut tail = 0;
    let mut sources = memory.iter().cycle();
    let (start, deadline) = (clock::now_ns(), round.deadline());
    let mut sent = 0;
    let mut end = start;
    while end < deadline {
        while head + BATCH > tail + SLOTS {
            // ORDER: Acquire pairs with the receiver's Release of the tail: it has read what it gives back.
            tail = ring.word(TAIL).load(Ordering::Acquire);
            spin_loop();
        }
        for source in sources.by_ref().take(BATCH as usize) {
            ring.put(head, source, len);
            head += 1;
        }
        // ORDER: Release publishes the batch's descriptors and buffers to the receiver's Acquire.
        ring.word(HEAD).store(head, Ordering::Release);
        sent += BATCH;
        end = clock::now_ns();
    }
    let mut last = memory[0];
    frame::set_mark(&mut last, frame::flood_mark(0, round.number, END));
    // ORDER: as above.
    while head + 1 > ring.word(TAIL).load(Ordering::Acquire) + SLOTS {
        spin_loop();
    }
    ring.put(head, &last, len);
    // ORDER: as above.
    ring.word(HEAD).store(head + 1, Ordering::Release);
    Report::default().with("sent", sent).with("start", start).with("end", end)
}

/// `role=bare-recv path= sources= cpu=`
pub fn receive(args: &Args) -> Result<(), String> {
    let ring = Ring::open(args)?;
    let sources: u64 = args.number("sources")?;
    serve(|round| {
        let mut check = OrderCheck::new(round.number, sources);
        // ORDER: Relaxed, this side alone writes the tail.
        let mut tail = ring.word(TAIL).load(Ordering::Relaxed);
        round.started();
        while check.ended == 0 {
            // ORDER: Acquire pairs with the sender's Release of the head: the batch's bytes are visible.
            let head = ring.word(HEAD).load(Ordering::Acquire);
            if head == tail {
                spin_loop();
                continue;
            }
            let batch_end = head.min(tail + BATCH);
            while tail != batch_end {
                // SAFETY: slots between tail and head are this side's; both pointers lie in the mapping, and
                // MARK_AT + 8 is within a buffer.
                let mark = unsafe {
                    let descriptor = ring.descriptor(tail).read();
                    ring.buffer(descriptor.buffer).add(MARK_AT).cast::<u64>().read_unaligned()
                };
                check.note(u64::from_le(mark));
                tail += 1;
            }
            // ORDER: Release gives the batch back to the sender's Acquire.
            ring.word(TAIL).store(tail, Ordering::Release);
        }
        Ok(Report::default().with("received", check.received).with("missing", check.missing))
    })
}
