//! One record into a C stream.
//!
//! `fwrite` twice costs more than everything else that a small frame needs (two calls, two locks, two walks through the
//! stream's table of functions): 30 ns of processor time for 60 bytes. A stream of glibc shows where it writes next and where its
//! buffer ends: `putc_unlocked` of old headers, compiled into programs, uses both, so they stay where they are. A record that has room
//! there is put there, as so many `putc_unlocked`s would; any other takes `fwrite`, which fills the buffer, writes it out, and
//! tells of errors. Either way the same bytes are written out at the same points as with libpcap: who is killed loses the same.
//!
//! While a program has a single thread nobody else can hold the stream; otherwise it is locked for the whole record, so that
//! records of several threads don't mix.
//!
//! A record's header is a number here: as bytes in memory it would be stored in parts and loaded whole, which waits for the stores.

use crate::cancel;
use libc::{FILE, c_int, c_void, size_t};

/// Bytes of a record's header.
const HEADER: usize = savefile::write::pcap::RECORD_HEADER;

const _: () = assert!(HEADER == size_of::<u128>());

unsafe extern "C" {
    fn flockfile(file: *mut FILE);
    fn funlockfile(file: *mut FILE);
    fn ferror_unlocked(file: *mut FILE) -> c_int;
    fn fwrite_unlocked(from: *const c_void, size: size_t, count: size_t, file: *mut FILE) -> size_t;
}

/// Writes a record's header (as bytes: in this machine's order) and its `caplen` bytes, unless the stream has failed before.
///
/// # Safety
/// `file` is open, and its program wrote a file header to it by `fwrite` before; `packet` has `caplen` readable bytes.
#[inline(always)]
pub(super) unsafe fn write(file: *mut FILE, header: u128, packet: *const u8, caplen: usize) {
    // SAFETY: by the caller's promise; `alone` says that no other thread can hold the stream.
    unsafe {
        let put = glibc::alone() && glibc::put(file, header, packet, caplen);
        if !put && write_locked(file, header, packet, caplen) {
            cancel::point();
        }
    }
}

/// Returns whether the stream may have written to its file.
///
/// # Safety
/// As [`write`].
#[inline(never)]
unsafe fn write_locked(file: *mut FILE, header: u128, packet: *const u8, caplen: usize) -> bool {
    // SAFETY: by the caller's promise; the lock is ours from here to there.
    unsafe {
        flockfile(file);
        let put = glibc::put(file, header, packet, caplen);
        if !put && ferror_unlocked(file) == 0 {
            // A thread that is cancelled while it writes would never give the lock back.
            let _held = cancel::hold();
            if fwrite_unlocked((&raw const header).cast(), HEADER, 1, file) == 1 {
                fwrite_unlocked(packet.cast(), caplen, 1, file);
            }
        }
        funlockfile(file);
        !put
    }
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
mod glibc {
    use super::HEADER;
    use libc::{FILE, c_char, c_int};
    use std::mem::offset_of;

    /// The beginning of glibc's `struct _IO_FILE` (bits/types/struct_FILE.h).
    #[repr(C)]
    struct Head {
        flags: c_int,
        read: [*mut c_char; 3],
        write_base: *mut c_char,
        write_ptr: *mut c_char,
        write_end: *mut c_char,
    }

    const _: () = assert!(offset_of!(Head, write_ptr) == 5 * size_of::<*mut c_char>());

    /// `_IO_ERR_SEEN`: what `ferror` asks.
    const FAILED: c_int = 0x20;

    unsafe extern "C" {
        static __libc_single_threaded: c_char;
    }

    /// Whether the process has a single thread.
    #[inline(always)]
    pub(super) fn alone() -> bool {
        // SAFETY: a byte of C's library that is changed by nobody but this thread while it is not 0.
        unsafe { (&raw const __libc_single_threaded).read_volatile() != 0 }
    }

    /// Puts the record into the stream's buffer; false: there is no room, or the stream has failed.
    ///
    /// # Safety
    /// As [`super::write`], and no other thread uses the stream meanwhile.
    #[inline(always)]
    pub(super) unsafe fn put(file: *mut FILE, header: u128, packet: *const u8, caplen: usize) -> bool {
        // SAFETY: an open stream begins with a Head, ours to change by the caller's promise. From write_ptr to write_end its
        // buffer is free; both are equal where the stream reads, is not buffered, or writes whole lines.
        unsafe {
            let head = file.cast::<Head>();
            let to = (*head).write_ptr;
            let room = ((*head).write_end as usize).saturating_sub(to as usize);
            if room < HEADER + caplen || (*head).flags & FAILED != 0 {
                return false;
            }
            to.cast::<u128>().write_unaligned(header);
            to.add(HEADER).cast::<u8>().copy_from_nonoverlapping(packet, caplen);
            (*head).write_ptr = to.add(HEADER + caplen);
            true
        }
    }
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
mod glibc {
    use libc::FILE;

    /// Streams of another C library are never looked into.
    pub(super) fn alone() -> bool {
        false
    }

    /// # Safety
    /// None.
    pub(super) unsafe fn put(_: *mut FILE, _: u128, _: *const u8, _: usize) -> bool {
        false
    }
}
