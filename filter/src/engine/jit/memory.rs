//! Executable memory: the crate's only `unsafe`.
//!
//! 1. A page is written first and made executable then; it is never both.
//! 2. What is mapped is a [`MachineCode`], which the emitters alone make, and keeps that type's promises.
//! 3. A mapping is not changed after it was made, and unmapped only when it is dropped, so calls from many threads at once are fine.

use super::MachineCode;
use std::ptr::NonNull;

/// Machine code, ready to be called.
#[derive(Debug)]
pub(super) struct Mapping {
    start: NonNull<u8>,
    len: usize,
}

// SAFETY: rule 3: nothing in it changes, and no thread owns it.
unsafe impl Send for Mapping {}
// SAFETY: as above.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Maps `code`; `None` where the system refuses (SELinux's `execmem`, PaX, a seccomp filter, no memory).
    pub(super) fn new(code: &MachineCode) -> Option<Mapping> {
        let MachineCode(bytes) = code;
        let (access, kind) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
        // SAFETY: new memory at an address of the kernel's choice.
        let start = unsafe { libc::mmap(std::ptr::null_mut(), bytes.len(), access, kind, -1, 0) };
        if start == libc::MAP_FAILED {
            return None;
        }
        let mapping = Mapping { start: NonNull::new(start.cast())?, len: bytes.len() };
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

    /// Calls it.
    #[inline(always)]
    pub(super) fn call(&self, packet: &[u8], wirelen: u32) -> u32 {
        // SAFETY: rule 2: these bytes are a function of this type.
        let function: extern "C" fn(*const u8, usize, u32) -> u32 = unsafe { std::mem::transmute(self.start) };
        function(packet.as_ptr(), packet.len(), wirelen)
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

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: rule 3: mapped by `new`, unmapped here alone.
        unsafe { libc::munmap(self.start.as_ptr().cast(), self.len) };
    }
}
