//! A frame's bytes where they lie, and how they are copied and asked for ahead. Which bytes those are is known to who makes a
//! [`FrameRef`]: [`super::slots`], of a buffer whose number and length it has checked (rule 7), or a caller's slice.

use crate::shm::layout::CELL;
use std::marker::PhantomData;

/// The bytes of a frame that lie in one piece, borrowed from a caller or a region.
#[derive(Clone, Copy)]
pub struct FrameRef<'a> {
    pub(super) data: *const u8,
    pub(super) len: usize,
    pub(super) owner: PhantomData<&'a [u8]>,
}

impl<'a> From<&'a [u8]> for FrameRef<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        FrameRef { data: bytes.as_ptr(), len: bytes.len(), owner: PhantomData }
    }
}

impl<'a> FrameRef<'a> {
    /// What is left of it behind its first `bytes` bytes.
    pub(super) fn behind(self, bytes: usize) -> FrameRef<'a> {
        let bytes = bytes.min(self.len);
        FrameRef { data: self.data.wrapping_add(bytes), len: self.len - bytes, owner: PhantomData }
    }
}

impl FrameRef<'_> {
    /// Bytes of the frame.
    #[inline(always)]
    pub fn len(&self) -> usize {
        self.len
    }
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
    /// The first 12 bytes: both Ethernet addresses as they lie. `None` below 14 bytes.
    pub fn address_bytes(&self) -> Option<[u8; 12]> {
        if self.len < 14 {
            return None;
        }
        let mut out = [0; 12];
        self.copy_to(&mut out);
        Some(out)
    }
    /// Copies the bytes to the end of `out`.
    pub fn append_to(&self, out: &mut Vec<u8>) {
        out.reserve(self.len);
        // SAFETY: `len` bytes are readable (of a buffer: checked when this was made; rule 7) and were just reserved.
        unsafe {
            copy(self.data, out.as_mut_ptr().add(out.len()), self.len);
            out.set_len(out.len() + self.len);
        }
    }
    /// Copies the first bytes to `out`, as many as fit. Returns how many.
    pub fn copy_to(&self, out: &mut [u8]) -> usize {
        let n = self.len.min(out.len());
        // SAFETY: `n` bytes are readable (as in `append_to`), `out` has at least as many.
        unsafe { copy(self.data, out.as_mut_ptr(), n) };
        n
    }
    /// The eight bytes from number `at` on; what would lie behind the frame's end is 0.
    #[inline(always)]
    pub fn eight(&self, at: usize) -> [u8; 8] {
        let mut out = [0; 8];
        let there = self.len.saturating_sub(at);
        // SAFETY: `there` bytes are readable from `at` on (of a buffer: checked when this was made; rule 7).
        unsafe {
            if there >= 8 {
                out = self.data.add(at).cast::<[u8; 8]>().read_unaligned();
            } else if there > 0 {
                std::ptr::copy_nonoverlapping(self.data.add(at), out.as_mut_ptr(), there);
            }
        }
        out
    }
    /// First byte.
    #[inline(always)]
    pub(crate) fn as_ptr(&self) -> *const u8 {
        self.data
    }
    /// The Ethernet addresses (destination, source), first byte highest. `None` below 14 bytes.
    #[inline(always)]
    pub fn addresses(&self) -> Option<(u64, u64)> {
        if self.len < 14 {
            return None;
        }
        // SAFETY: 14 bytes are there: two unaligned reads of bytes 0..8 and 4..12 (rule 7 for regions).
        let (a, b) = unsafe {
            (self.data.cast::<[u8; 8]>().read_unaligned(), self.data.add(4).cast::<[u8; 8]>().read_unaligned())
        };
        Some((u64::from_be_bytes(a) >> 16, u64::from_be_bytes(b) & 0xffff_ffff_ffff))
    }
}

/// Copies `len` bytes. Short frames are the common case: up to 64 bytes in four moves that may overlap.
///
/// # Safety
/// `from` can be read and `to` written for `len` bytes, and they do not overlap.
#[inline(always)]
pub(super) unsafe fn copy(from: *const u8, to: *mut u8, len: usize) {
    if (32..=64).contains(&len) {
        // SAFETY: four moves of 16 bytes at 0, 16, len - 32 and len - 16, all inside `len` bytes.
        unsafe {
            let (a, b) = (load(from), load(from.add(16)));
            let (c, d) = (load(from.add(len - 32)), load(from.add(len - 16)));
            store(to, a);
            store(to.add(16), b);
            store(to.add(len - 32), c);
            store(to.add(len - 16), d);
        }
    } else {
        // SAFETY: as the caller promised.
        unsafe { std::ptr::copy_nonoverlapping(from, to, len) };
    }
}

/// The fewest bytes that [`copy_short`] copies.
pub(super) const SHORTEST: usize = 32;

/// As [`copy`], for a frame that fits a slot's cell: without a call, around which a loop would have to put aside what it keeps in
/// registers.
///
/// # Safety
/// As [`copy`]; `len` is [`SHORTEST`] to 128.
#[inline(always)]
pub(super) unsafe fn copy_short(from: *const u8, to: *mut u8, len: usize) {
    debug_assert!((SHORTEST..=CELL as usize).contains(&len));
    // SAFETY: moves of 16 bytes at 0, 16, len - 32 and len - 16, and above 64 bytes at 32, 48, len - 64 and len - 48, too: all
    // inside `len` bytes.
    unsafe {
        let (a, b) = (load(from), load(from.add(16)));
        let (y, z) = (load(from.add(len - 32)), load(from.add(len - 16)));
        if len > 64 {
            let (c, d) = (load(from.add(32)), load(from.add(48)));
            let (w, x) = (load(from.add(len - 64)), load(from.add(len - 48)));
            store(to.add(32), c);
            store(to.add(48), d);
            store(to.add(len - 64), w);
            store(to.add(len - 48), x);
        }
        store(to, a);
        store(to.add(16), b);
        store(to.add(len - 32), y);
        store(to.add(len - 16), z);
    }
}
const _: () = assert!(CELL == 128);

#[cfg(target_arch = "x86_64")]
use core::arch::x86_64::__m128i as Chunk;
#[cfg(not(target_arch = "x86_64"))]
type Chunk = u128;

/// # Safety
/// 16 bytes at `p` can be read.
#[inline(always)]
unsafe fn load(p: *const u8) -> Chunk {
    // SAFETY: as the caller promised; no alignment is asked for.
    unsafe { p.cast::<Chunk>().read_unaligned() }
}

/// # Safety
/// 16 bytes at `p` can be written.
#[inline(always)]
unsafe fn store(p: *mut u8, c: Chunk) {
    // SAFETY: as the caller promised; no alignment is asked for.
    unsafe { p.cast::<Chunk>().write_unaligned(c) }
}

/// Asks for a line that will be read.
#[inline(always)]
pub(super) fn prefetch_for_read(p: *const u8) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a prefetch never faults.
    unsafe {
        core::arch::x86_64::_mm_prefetch::<{ core::arch::x86_64::_MM_HINT_T0 }>(p.cast());
    }
    #[cfg(target_arch = "aarch64")]
    // SAFETY: a prefetch never faults.
    unsafe {
        core::arch::asm!("prfm pldl1keep, [{}]", in(reg) p, options(nostack, preserves_flags, readonly));
    }
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    let _ = p;
}

/// Asks for a line that will be written: takes it from the core that has it.
#[inline(always)]
pub(crate) fn prefetch_for_write(p: *const u8) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a prefetch never faults. PREFETCHW is a no-op on the x86-64 processors that lack it.
    unsafe {
        core::arch::asm!("prefetchw byte ptr [{}]", in(reg) p, options(nostack, preserves_flags, readonly));
    }
    #[cfg(target_arch = "aarch64")]
    // SAFETY: a prefetch never faults.
    unsafe {
        core::arch::asm!("prfm pstl1keep, [{}]", in(reg) p, options(nostack, preserves_flags, readonly));
    }
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    let _ = p;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eight_bytes_end_with_the_frame() {
        let bytes: Vec<u8> = (1..=64).collect();
        for (len, at) in (0..=64).flat_map(|len| (0..72).map(move |at| (len, at))) {
            let mut expected = [0; 8];
            let there = bytes[..len].iter().skip(at).take(8);
            expected.iter_mut().zip(there).for_each(|(to, from)| *to = *from);
            assert_eq!(FrameRef::from(&bytes[..len]).eight(at), expected, "{len} bytes, from {at} on");
        }
    }
}
