//! Executable memory: the crate's only `unsafe`.
//!
//! 1. A page is written first and made executable then; it is never both.
//! 2. What is mapped is a [`MachineCode`], which the emitters alone make, and keeps the promises of its kind.
//! 3. A mapping is not changed after it was made, and unmapped only when it is dropped, so calls from many threads at once are fine.
//! 4. One page of a dropped mapping is kept for the next small one: a program that changes its filter over and over pays two changes of
//!    access (6 us) instead of a new page, its first fault and its removal (13 us). Rule 1 holds for it as well.

use super::{Alone, Checking, MachineCode};
use crate::insn::Insn;
use std::marker::PhantomData;
use std::ptr::{NonNull, null_mut};
use std::sync::atomic::{AtomicPtr, Ordering};

/// Bytes that every system's page has.
const PAGE: usize = 4096;

/// The page of rule 4, owned by this word; null when there is none.
static SPARE: AtomicPtr<u8> = AtomicPtr::new(null_mut());

/// Machine code, ready to be called.
#[derive(Debug)]
pub(super) struct Mapping<K> {
    start: NonNull<u8>,
    len: usize,
    kind: PhantomData<K>,
}

// SAFETY: rule 3: nothing in it changes, and no thread owns it.
unsafe impl<K> Send for Mapping<K> {}
// SAFETY: as above.
unsafe impl<K> Sync for Mapping<K> {}

impl<K> Mapping<K> {
    /// Maps `code`; `None` where the system refuses (SELinux's `execmem`, PaX, a seccomp filter, no memory).
    pub(super) fn new(code: &MachineCode<K>) -> Option<Mapping<K>> {
        let bytes = &code.bytes;
        let mapping = Mapping { start: writable(bytes.len())?, len: bytes.len(), kind: PhantomData };
        // SAFETY: writable, at least `bytes.len()` long, and nobody else's.
        unsafe { mapping.start.copy_from_nonoverlapping(NonNull::from(&bytes[..]).cast(), bytes.len()) };
        if !allow(mapping.start, mapping.len, libc::PROT_READ | libc::PROT_EXEC) {
            return None;
        }
        mapping.publish();
        Some(mapping)
    }

    /// Bytes of memory that it takes, whole pages.
    pub(super) fn size(&self) -> usize {
        self.len.next_multiple_of(PAGE)
    }

    /// Lets the processor's instruction side see what its data side wrote.
    #[cfg(not(target_arch = "aarch64"))]
    fn publish(&self) {}

    /// Lets the processor's instruction side see what its data side wrote.
    #[cfg(target_arch = "aarch64")]
    fn publish(&self) {
        let ctr: usize;
        // SAFETY: reads a register of constants, which Linux lets programs read.
        unsafe { std::arch::asm!("mrs {}, ctr_el0", out(reg) ctr, options(nomem, nostack, preserves_flags)) };
        // The shortest lines of both caches, as powers of two of 4-byte words.
        let line = 4 << (ctr & 0xf).min(ctr >> 16 & 0xf);
        let start = self.start.as_ptr() as usize;
        let addresses = || (start & !(line - 1)..start + self.len).step_by(line);
        for address in addresses() {
            // SAFETY: cleans our own line; changes no register.
            unsafe { std::arch::asm!("dc cvau, {}", in(reg) address, options(nostack, preserves_flags)) };
        }
        // SAFETY: a barrier.
        unsafe { std::arch::asm!("dsb ish", options(nostack, preserves_flags)) };
        for address in addresses() {
            // SAFETY: as above.
            unsafe { std::arch::asm!("ic ivau, {}", in(reg) address, options(nostack, preserves_flags)) };
        }
        // SAFETY: barriers.
        unsafe { std::arch::asm!("dsb ish", "isb", options(nostack, preserves_flags)) };
    }
}

impl Mapping<Alone> {
    /// Calls it.
    #[inline(always)]
    pub(super) fn call(&self, packet: &[u8], wirelen: u32) -> u32 {
        // SAFETY: rule 2: these bytes are a function of this type.
        let function: extern "C" fn(*const u8, usize, u32) -> u32 = unsafe { std::mem::transmute(self.start) };
        function(packet.as_ptr(), packet.len(), wirelen)
    }
}

impl Mapping<Checking> {
    /// Calls it: the verdict of `program`; `None` when that is another program than the translated one.
    ///
    /// # Safety
    /// `program` is valid.
    #[inline(always)]
    pub(super) unsafe fn call(&self, program: *const Insn, packet: &[u8], wirelen: u32) -> Option<u32> {
        type Function = unsafe extern "C" fn(*const u8, usize, u32, *const Insn) -> u64;
        // SAFETY: rule 2: these bytes are a function of this type.
        let function: Function = unsafe { std::mem::transmute(self.start) };
        // SAFETY: by the caller's promise.
        let result = unsafe { function(packet.as_ptr(), packet.len(), wirelen, program) };
        u32::try_from(result).ok()
    }
}

impl<K> Drop for Mapping<K> {
    fn drop(&mut self) {
        let (mut start, mut len) = (self.start.as_ptr(), self.len);
        if len <= PAGE {
            (start, len) = (SPARE.swap(start, Ordering::AcqRel), PAGE);
        }
        if !start.is_null() {
            // SAFETY: rule 3: made by `new`, and nobody else's: this mapping's own, or the spare page that its own replaced.
            unsafe { libc::munmap(start.cast(), len) };
        }
    }
}

/// Memory of `len` bytes, writable and not executable: the spare page, or new.
fn writable(len: usize) -> Option<NonNull<u8>> {
    let access = libc::PROT_READ | libc::PROT_WRITE;
    if let Some(page) = (len <= PAGE).then(|| SPARE.swap(null_mut(), Ordering::AcqRel)).and_then(NonNull::new) {
        // A page whose access can't be changed is left alone: nothing else could be done with it.
        return allow(page, len, access).then_some(page);
    }
    // SAFETY: new memory at an address of the kernel's choice.
    let start = unsafe { libc::mmap(null_mut(), len, access, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS, -1, 0) };
    if start == libc::MAP_FAILED { None } else { NonNull::new(start.cast()) }
}

/// Sets the access to our own pages; whether the system lets us.
fn allow(start: NonNull<u8>, len: usize, access: libc::c_int) -> bool {
    // SAFETY: pages of a mapping that is ours and that nobody calls yet.
    unsafe { libc::mprotect(start.as_ptr().cast(), len, access) == 0 }
}
