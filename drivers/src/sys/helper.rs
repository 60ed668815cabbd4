//! What a thread of ours needs that a program knows nothing of: no signals, and words that a child of fork finds empty.

use nm_core::sync::AtomicU32;
use std::io;
use std::ptr::NonNull;
use std::thread::{Builder, JoinHandle};

/// Bytes of a helper's stack: it calls little.
const STACK: usize = 64 << 10;

/// Starts a thread that gets none of the process's signals.
///
/// # Errors
/// What pthread_create(3) says.
pub fn start(name: &str, work: impl FnOnce() + Send + 'static) -> io::Result<JoinHandle<()>> {
    // SAFETY: all zeroes is a valid set; the calls write and read the two, and the thread's own mask.
    unsafe {
        let (mut all, mut before): (libc::sigset_t, libc::sigset_t) = (std::mem::zeroed(), std::mem::zeroed());
        libc::sigfillset(&mut all);
        // A thread begins with the mask of the one that made it.
        libc::pthread_sigmask(libc::SIG_SETMASK, &all, &mut before);
        let started = Builder::new().name(name.to_string()).stack_size(STACK).spawn(work);
        libc::pthread_sigmask(libc::SIG_SETMASK, &before, std::ptr::null_mut());
        started
    }
}

/// The processors that this thread may run on.
pub fn allowed_cpus() -> usize {
    // SAFETY: all zeroes is a valid set; the call fills it, whose size it is told.
    unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        match libc::sched_getaffinity(0, size_of::<libc::cpu_set_t>(), &mut set) {
            0 => libc::CPU_COUNT(&set) as usize,
            _ => 1,
        }
    }
}

/// A page of words, all 0, which are 0 again in a child made by fork: what they told of threads is not true there.
pub struct Forgotten(NonNull<[AtomicU32; Forgotten::WORDS]>);

// SAFETY: atomics in memory without ties to a thread.
unsafe impl Send for Forgotten {}
// SAFETY: as above.
unsafe impl Sync for Forgotten {}

impl Forgotten {
    const WORDS: usize = 1024;
    const BYTES: usize = 4096;

    /// A new page.
    ///
    /// # Errors
    /// What mmap(2) says, and madvise(2): `EINVAL` before Linux 4.14.
    pub fn new() -> io::Result<Forgotten> {
        let (protection, flags) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
        // SAFETY: a new mapping at an address of the kernel's choice.
        let p = unsafe { libc::mmap(std::ptr::null_mut(), Forgotten::BYTES, protection, flags, -1, 0) };
        if p == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let page = Forgotten(NonNull::new(p.cast()).ok_or(io::ErrorKind::OutOfMemory)?);
        // SAFETY: the range that was just mapped, and is this page's.
        super::check(unsafe { libc::madvise(p, Forgotten::BYTES, libc::MADV_WIPEONFORK) }.into())?;
        Ok(page)
    }
}

impl std::ops::Deref for Forgotten {
    type Target = [AtomicU32];
    #[inline(always)]
    fn deref(&self) -> &[AtomicU32] {
        // SAFETY: mapped in `new` until `drop`, aligned as a page is; any bytes are valid atomics, and a page holds so
        // many (asserted below; loom's are larger, and never mapped).
        unsafe { self.0.as_ref() }
    }
}
const _: () = assert!(cfg!(loom) || size_of::<AtomicU32>() * Forgotten::WORDS == Forgotten::BYTES);

impl Drop for Forgotten {
    fn drop(&mut self) {
        // SAFETY: the range that `new` mapped; nobody borrows it any more.
        unsafe { libc::munmap(self.0.as_ptr().cast(), Forgotten::BYTES) };
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::sync::atomic::Ordering::Relaxed;

    #[test]
    fn a_child_finds_the_words_empty() {
        let words = Forgotten::new().unwrap();
        words[5].store(7, Relaxed);
        // SAFETY: the child looks at a word and ends, without anything that another thread may have held.
        let child = unsafe { libc::fork() };
        if child == 0 {
            // SAFETY: as above.
            unsafe { libc::_exit(words[5].load(Relaxed) as i32) };
        }
        let mut status = -1;
        // SAFETY: our child, and an int of ours.
        assert_eq!(unsafe { libc::waitpid(child, &mut status, 0) }, child);
        assert_eq!((status, words[5].load(Relaxed)), (0, 7));
    }

    #[test]
    fn a_helper_gets_no_signals_and_its_maker_keeps_its_own() {
        let blocked = || {
            // SAFETY: all zeroes is a valid set, which the call fills.
            unsafe {
                let mut set: libc::sigset_t = std::mem::zeroed();
                libc::pthread_sigmask(libc::SIG_BLOCK, std::ptr::null(), &mut set);
                libc::sigismember(&set, libc::SIGTERM) == 1
            }
        };
        let (tell, told) = std::sync::mpsc::channel();
        start("helper", move || tell.send(blocked()).unwrap()).unwrap().join().unwrap();
        assert!(told.recv().unwrap() && !blocked());
        assert!(allowed_cpus() >= 1);
    }
}
