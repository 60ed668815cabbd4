//! One mapping of one file or device, and the only place where an offset becomes a pointer.

use crate::sync::{AtomicU32, AtomicU64};
use std::fs::File;
use std::io;
use std::num::NonZeroU16;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr::NonNull;
use std::sync::Arc;

/// A shared mapping; unmapped when dropped.
pub struct Mapping {
    base: NonNull<u8>,
    len: usize,
    /// The number that its kernel gave the memory, where it gave one.
    memory: Option<NonZeroU16>,
}

// SAFETY: the mapping is plain memory without ties to a thread; rules 1 and 2 make shared access sound.
unsafe impl Send for Mapping {}
// SAFETY: as above.
unsafe impl Sync for Mapping {}

/// A struct of atomics, for which any bytes are a valid value (rule 2).
///
/// # Safety
/// `#[repr(C)]`, and every field is an atomic, an array of atomics, or such a struct.
pub unsafe trait Shared {}

// SAFETY: an atomic itself. (Under loom it is no plain word, and never mapped.)
unsafe impl Shared for AtomicU32 {}
// SAFETY: as above.
unsafe impl Shared for AtomicU64 {}

impl Mapping {
    /// Maps the first `len` bytes of `file`, for reading and writing.
    ///
    /// # Errors
    /// What mmap(2) says; `UnexpectedEof` when the file is shorter.
    pub fn new(file: &File, len: usize) -> io::Result<Arc<Mapping>> {
        if file.metadata()?.len() < len as u64 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Mapping::map(file.as_raw_fd(), len, 0, libc::MAP_SHARED).map(Arc::new)
    }

    /// Maps `len` bytes of a device or socket from `offset` on, for reading and writing. Such a file tells no length:
    /// the kernel refuses more than there is.
    ///
    /// # Errors
    /// What mmap(2) says.
    pub fn of_device(fd: BorrowedFd<'_>, len: usize, offset: libc::off_t) -> io::Result<Arc<Mapping>> {
        Mapping::map(fd.as_raw_fd(), len, offset, libc::MAP_SHARED | libc::MAP_POPULATE).map(Arc::new)
    }

    /// As [`Mapping::of_device`], of the memory that the netmap module calls `memory` (`nr_mem_id`): all mappings of one
    /// number show the same bytes at the same offsets.
    ///
    /// # Errors
    /// What mmap(2) says.
    pub fn of_memory(fd: BorrowedFd<'_>, len: usize, memory: Option<NonZeroU16>) -> io::Result<Arc<Mapping>> {
        let mut mapping = Mapping::map(fd.as_raw_fd(), len, 0, libc::MAP_SHARED | libc::MAP_POPULATE)?;
        mapping.memory = memory;
        Ok(Arc::new(mapping))
    }

    /// Maps `len` bytes of fresh memory, all zero, which children made by fork share.
    ///
    /// # Errors
    /// What mmap(2) says.
    pub fn anonymous(len: usize) -> io::Result<Arc<Mapping>> {
        Mapping::map(-1, len, 0, libc::MAP_SHARED | libc::MAP_ANONYMOUS).map(Arc::new)
    }

    fn map(fd: libc::c_int, len: usize, offset: libc::off_t, flags: libc::c_int) -> io::Result<Mapping> {
        if len == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        // SAFETY: a new mapping at an address of the kernel's choice; the descriptor lives, or is none.
        let p = unsafe { libc::mmap(std::ptr::null_mut(), len, protection, flags, fd, offset) };
        if p == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the range was just mapped; keeping rings out of core dumps is advice only.
        unsafe { libc::madvise(p, len, libc::MADV_DONTDUMP) };
        let base = NonNull::new(p.cast()).ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(Mapping { base, len, memory: None })
    }

    /// Whether both show the same bytes at the same offsets, as far as that is known.
    pub fn is_same_memory(&self, other: &Mapping) -> bool {
        std::ptr::eq(self, other) || (self.memory.is_some() && self.memory == other.memory)
    }

    /// Bytes mapped.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Never: a mapping has at least one byte.
    pub fn is_empty(&self) -> bool {
        false
    }

    /// The struct of atomics at `offset`; `None` when it does not lie inside or is not aligned.
    pub fn at<T: Shared>(&self, offset: usize) -> Option<&T> {
        let end = offset.checked_add(size_of::<T>())?;
        // SAFETY: only computes an address; it is used below after the check.
        let p = self.base.as_ptr().wrapping_add(offset).cast::<T>();
        if end > self.len || !p.is_aligned() {
            return None;
        }
        // SAFETY: inside the mapping and aligned (checked); `Shared` promises rule 2; lives as long as `self`.
        Some(unsafe { &*p })
    }

    /// The address of the mapping's first byte, for a system call that wants memory registered.
    pub fn address(&self) -> usize {
        self.base.addr().get()
    }

    /// The address of `len` bytes at `offset`, for [`crate::ring::slots`]; `None` when they do not lie inside.
    pub(crate) fn bytes(&self, offset: usize, len: usize) -> Option<NonNull<u8>> {
        if offset.checked_add(len)? > self.len {
            return None;
        }
        NonNull::new(self.base.as_ptr().wrapping_add(offset))
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the range that `map` mapped; rule 4: no view is left.
        unsafe { libc::munmap(self.base.as_ptr().cast(), self.len) };
    }
}

/// A struct of atomics in a mapping that it keeps alive (rule 4).
pub struct View<T: Shared> {
    at: NonNull<T>,
    keep: Arc<Mapping>,
}

impl<T: Shared> View<T> {
    /// The struct at the mapping's beginning; `None` when the mapping is shorter.
    pub fn new(mapping: &Arc<Mapping>) -> Option<View<T>> {
        View::at(mapping, 0)
    }

    /// The struct at `offset`; `None` when it does not lie inside or is not aligned.
    pub fn at(mapping: &Arc<Mapping>, offset: usize) -> Option<View<T>> {
        let at = NonNull::from(mapping.at::<T>(offset)?);
        Some(View { at, keep: Arc::clone(mapping) })
    }

    /// The mapping.
    pub fn mapping(&self) -> &Arc<Mapping> {
        &self.keep
    }
}

impl<T: Shared> Clone for View<T> {
    fn clone(&self) -> View<T> {
        View { at: self.at, keep: Arc::clone(&self.keep) }
    }
}

impl<T: Shared> std::ops::Deref for View<T> {
    type Target = T;
    #[inline(always)]
    fn deref(&self) -> &T {
        // SAFETY: made from a reference into the mapping, which `keep` holds; `Shared` promises rule 2.
        unsafe { self.at.as_ref() }
    }
}

// SAFETY: a struct of atomics (`Shared`) in memory without ties to a thread.
unsafe impl<T: Shared> Send for View<T> {}
// SAFETY: as above.
unsafe impl<T: Shared> Sync for View<T> {}

/// Words one after the other in a mapping that they keep alive (rule 4).
#[derive(Clone)]
pub struct Words {
    first: View<AtomicU64>,
    len: usize,
}

impl Words {
    /// `len` words at `offset`; `None` when they do not lie inside or are not aligned.
    pub fn new(mapping: &Arc<Mapping>, offset: usize, len: usize) -> Option<Words> {
        mapping.bytes(offset, len.checked_mul(size_of::<AtomicU64>())?)?;
        Some(Words { first: View::at(mapping, offset)?, len })
    }
}

impl std::ops::Deref for Words {
    type Target = [AtomicU64];
    #[inline(always)]
    fn deref(&self) -> &[AtomicU64] {
        // SAFETY: `len` words inside the mapping (checked in `new`), aligned as the first is; `first` keeps the mapping;
        // any value is valid (rule 2).
        unsafe { std::slice::from_raw_parts(self.first.at.as_ptr(), self.len) }
    }
}
