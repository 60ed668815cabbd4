//! Executable memory: the crate's only `unsafe`.
//!
//! 1. A page is written first and made executable then; it is never both.
//! 2. What is mapped is a [`MachineCode`], which the emitters alone make, and keeps the promises of its kind.
//! 3. A mapping is not changed after it was made, and unmapped only when it is dropped, so calls from many threads at once are fine.

use super::{Alone, Checking, MachineCode};
use crate::insn::Insn;
use std::marker::PhantomData;
use std::ptr::NonNull;

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
        let (access, kind) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
        // SAFETY: new memory at an address of the kernel's choice.
        let start = unsafe { libc::mmap(std::ptr::null_mut(), bytes.len(), access, kind, -1, 0) };
        if start == libc::MAP_FAILED {
            return None;
        }
        let mapping = Mapping { start: NonNull::new(start.cast())?, len: bytes.len(), kind: PhantomData };
        // SAFETY: just mapped, writable, `bytes.len()` long, and nobody else's.
        unsafe { mapping.start.copy_from_nonoverlapping(NonNull::from(&bytes[..]).cast(), bytes.len()) };
        // SAFETY: our own pages; rule 1.
        let refused = unsafe { libc::mprotect(start, mapping.len, libc::PROT_READ | libc::PROT_EXEC) };
        if refused != 0 {
            return None;
        }
        mapping.publish();
        Some(mapping)
    }

    /// Bytes of memory that it takes, whole pages.
    pub(super) fn size(&self) -> usize {
        self.len.next_multiple_of(4096)
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
        // SAFETY: rule 3: mapped by `new`, unmapped here alone.
        unsafe { libc::munmap(self.start.as_ptr().cast(), self.len) };
    }
}
