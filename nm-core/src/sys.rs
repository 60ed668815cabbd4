//! The system calls that rings and switches need, each as a safe function.
//!
//! Conditions that every block below relies on: C strings come from [`CString`], descriptors from [`OwnedFd`] or
//! [`BorrowedFd`], and structs that the kernel fills are zeroed first.
//!
//! What is called between a frame's coming and going is called by its number: C's own functions would be cancellation points, at
//! which `pthread_cancel` unwinds a thread's stack, and nothing of ours can be unwound by it.

use std::ffi::CString;
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::OnceLock;
use std::time::Duration;

use crate::sync::AtomicU32;

fn check(r: libc::c_int) -> io::Result<libc::c_int> {
    if r < 0 { Err(io::Error::last_os_error()) } else { Ok(r) }
}

fn c_path(path: &Path) -> io::Result<CString> {
    CString::new(path.as_os_str().as_bytes()).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))
}

const MEMBARRIER_CMD_QUERY: libc::c_int = 0;
const MEMBARRIER_CMD_GLOBAL_EXPEDITED: libc::c_int = 1 << 1;
const MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED: libc::c_int = 1 << 2;

fn membarrier_cmd(cmd: libc::c_int) -> libc::c_long {
    // SAFETY: membarrier(2) takes three integers and touches no memory of ours.
    unsafe { libc::syscall(libc::SYS_membarrier, cmd, 0, 0) }
}

/// Registers this process for global expedited membarriers, once. False where the kernel has none.
/// A child made by fork inherits the registration.
pub fn membarrier_register() -> bool {
    static REGISTERED: OnceLock<bool> = OnceLock::new();
    *REGISTERED.get_or_init(|| {
        let known = membarrier_cmd(MEMBARRIER_CMD_QUERY);
        known > 0
            && known & libc::c_long::from(MEMBARRIER_CMD_GLOBAL_EXPEDITED) != 0
            && membarrier_cmd(MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED) == 0
            && membarrier_cmd(MEMBARRIER_CMD_GLOBAL_EXPEDITED) == 0
    })
}

/// A full barrier on every processor that runs a registered process.
pub fn membarrier() {
    membarrier_cmd(MEMBARRIER_CMD_GLOBAL_EXPEDITED);
}

/// Sleeps while `*word == expected`, at most `timeout`. Comes back early for no reason, too.
/// `Err` of kind `Interrupted` after a signal, `TimedOut` after the time.
#[cfg(not(loom))]
pub fn futex_wait(word: &AtomicU32, expected: u32, timeout: Option<Duration>) -> io::Result<()> {
    let ts = timeout.map(|t| libc::timespec {
        tv_sec: libc::time_t::try_from(t.as_secs()).unwrap_or(libc::time_t::MAX),
        tv_nsec: libc::c_long::from(t.subsec_nanos()),
    });
    let ts_ptr = ts.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
    // SAFETY: the word lives as long as the reference; the timespec outlives the call. Not FUTEX_PRIVATE: the word
    // is shared between processes.
    let r = unsafe { libc::syscall(libc::SYS_futex, word.as_ptr(), libc::FUTEX_WAIT, expected, ts_ptr) };
    if r == 0 {
        return Ok(());
    }
    let e = io::Error::last_os_error();
    match e.raw_os_error() {
        Some(libc::ETIMEDOUT) => Err(io::ErrorKind::TimedOut.into()),
        Some(libc::EINTR) => Err(io::ErrorKind::Interrupted.into()),
        _ => Ok(()),
    }
}

/// Wakes up to `sleepers` that wait on `word`. Async-signal-safe.
#[cfg(not(loom))]
pub fn futex_wake(word: &AtomicU32, sleepers: i32) {
    // SAFETY: the word lives as long as the reference; FUTEX_WAKE does not read it.
    unsafe { libc::syscall(libc::SYS_futex, word.as_ptr(), libc::FUTEX_WAKE, sleepers) };
}

// loom has no futex: one queue for all words, whose sleepers look again. No time passes there, so a sleeper that
// nobody wakes is a deadlock, which loom reports.
#[cfg(loom)]
loom::lazy_static! {
    static ref SLEEPERS: (loom::sync::Mutex<()>, loom::sync::Condvar) = Default::default();
}

/// As the real one, but that the time is never over.
#[cfg(loom)]
pub fn futex_wait(word: &AtomicU32, expected: u32, _timeout: Option<Duration>) -> io::Result<()> {
    let (queue, bell) = &*SLEEPERS;
    let queue = queue.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    // ORDER: Relaxed; who changed the word before it woke us came through the same mutex.
    if word.load(crate::sync::Ordering::Relaxed) == expected {
        drop(bell.wait(queue));
    }
    Ok(())
}

/// Wakes one or all, on whichever word they sleep.
#[cfg(loom)]
pub fn futex_wake(_word: &AtomicU32, sleepers: i32) {
    let (queue, bell) = &*SLEEPERS;
    let queue = queue.lock();
    if sleepers == 1 {
        bell.notify_one()
    } else {
        bell.notify_all()
    }
    drop(queue);
}

/// open(2) of `name` in `dir`, close-on-exec.
///
/// # Errors
/// What openat(2) says.
pub fn openat(dir: BorrowedFd<'_>, name: &Path, flags: i32, mode: u32) -> io::Result<File> {
    let name = c_path(name)?;
    // SAFETY: a C string, a live descriptor.
    let fd = check(unsafe { libc::openat(dir.as_raw_fd(), name.as_ptr(), flags | libc::O_CLOEXEC, mode) })?;
    // SAFETY: the call returned it, nobody else owns it.
    Ok(File::from(unsafe { OwnedFd::from_raw_fd(fd) }))
}

/// unlink(2) of `name` in `dir`.
///
/// # Errors
/// What unlinkat(2) says.
pub fn unlinkat(dir: BorrowedFd<'_>, name: &Path) -> io::Result<()> {
    let name = c_path(name)?;
    // SAFETY: a C string, a live descriptor.
    check(unsafe { libc::unlinkat(dir.as_raw_fd(), name.as_ptr(), 0) }).map(drop)
}

/// mkfifo(3) of `name` in `dir`.
///
/// # Errors
/// What mkfifoat(3) says.
pub fn mkfifoat(dir: BorrowedFd<'_>, name: &Path, mode: u32) -> io::Result<()> {
    let name = c_path(name)?;
    // SAFETY: a C string, a live descriptor.
    check(unsafe { libc::mkfifoat(dir.as_raw_fd(), name.as_ptr(), mode) }).map(drop)
}

/// Commits the file's memory from `offset` on, so that touching it later never raises SIGBUS.
///
/// # Errors
/// `ENOSPC` on a full file system, and what else posix_fallocate(3) says.
pub fn allocate(file: &File, offset: u64, len: u64) -> io::Result<()> {
    let too_big = |_| io::Error::from_raw_os_error(libc::EFBIG);
    let (offset, len) = (i64::try_from(offset).map_err(too_big)?, i64::try_from(len).map_err(too_big)?);
    loop {
        // SAFETY: a live descriptor and two integers.
        match unsafe { libc::posix_fallocate(file.as_raw_fd(), offset, len) } {
            0 => return Ok(()),
            libc::EINTR => {}
            e => return Err(io::Error::from_raw_os_error(e)),
        }
    }
}

fn lock_range(kind: libc::c_int, start: i64) -> libc::flock {
    // SAFETY: all zeroes is a valid flock; open-file-description locks want l_pid 0.
    let mut l: libc::flock = unsafe { std::mem::zeroed() };
    l.l_type = kind as libc::c_short;
    l.l_whence = libc::SEEK_SET as libc::c_short;
    l.l_start = start;
    l.l_len = 1;
    l
}

/// Takes the open-file-description lock on one byte of `file`; with `wait` sleeps until it is free.
/// False when somebody else holds it.
///
/// # Errors
/// What fcntl(2) says.
pub fn lock_byte(file: &File, byte: i64, wait: bool) -> io::Result<bool> {
    let l = lock_range(libc::F_WRLCK, byte);
    let cmd = if wait { libc::F_OFD_SETLKW } else { libc::F_OFD_SETLK };
    loop {
        // SAFETY: a live descriptor and a valid flock.
        match check(unsafe { libc::fcntl(file.as_raw_fd(), cmd, &l) }) {
            Ok(_) => return Ok(true),
            Err(e) => match e.raw_os_error() {
                Some(libc::EINTR) => {}
                Some(libc::EAGAIN | libc::EACCES) => return Ok(false),
                _ => return Err(e),
            },
        }
    }
}

/// Gives the lock on one byte back.
pub fn unlock_byte(file: &File, byte: i64) {
    let l = lock_range(libc::F_UNLCK, byte);
    // SAFETY: a live descriptor and a valid flock.
    unsafe { libc::fcntl(file.as_raw_fd(), libc::F_OFD_SETLK, &l) };
}

/// Whether another open file description holds the lock on one byte. An error counts as held.
pub fn byte_is_locked(file: &File, byte: i64) -> bool {
    let mut l = lock_range(libc::F_WRLCK, byte);
    // SAFETY: a live descriptor and a valid flock that the kernel fills.
    let r = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_OFD_GETLK, &mut l) };
    r < 0 || l.l_type != libc::F_UNLCK as libc::c_short
}

static FORKS: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);

extern "C" fn count_fork() {
    // ORDER: Relaxed; read by the forking thread's process at its leisure.
    FORKS.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
}

/// How often this process has called fork(2), from the first call of this function on. (Children that only start
/// another program are made by other means and don't count.)
pub fn forks() -> u32 {
    static WATCHED: OnceLock<()> = OnceLock::new();
    WATCHED.get_or_init(|| {
        // SAFETY: a function that may run in the parent after any fork: it adds to an atomic.
        unsafe { libc::pthread_atfork(None, Some(count_fork), None) };
    });
    // ORDER: Relaxed, as above.
    FORKS.load(std::sync::atomic::Ordering::Relaxed)
}

/// Whether the program got privileges from its file: environment variables are then ignored.
pub fn secure_execution() -> bool {
    // SAFETY: getauxval(3) reads a table made at start.
    unsafe { libc::getauxval(libc::AT_SECURE) != 0 }
}

/// The effective user.
pub fn effective_uid() -> u32 {
    // SAFETY: cannot fail, touches no memory.
    unsafe { libc::geteuid() }
}

/// Whether `path` lies on a tmpfs.
pub fn is_tmpfs(path: &Path) -> bool {
    const TMPFS_MAGIC: i64 = 0x0102_1994;
    let Ok(c) = c_path(path) else { return false };
    // SAFETY: all zeroes is a valid statfs.
    let mut s: libc::statfs = unsafe { std::mem::zeroed() };
    // SAFETY: a C string and a statfs that the kernel fills.
    unsafe { libc::statfs(c.as_ptr(), &mut s) == 0 && s.f_type as i64 == TMPFS_MAGIC }
}

/// chown(2) of the group only.
///
/// # Errors
/// What chown(2) says.
pub fn set_group(path: &Path, gid: u32) -> io::Result<()> {
    let c = c_path(path)?;
    // SAFETY: a C string; -1 leaves the owner.
    check(unsafe { libc::chown(c.as_ptr(), u32::MAX, gid) }).map(drop)
}

/// write(2) of one byte on a descriptor that never blocks. False when nobody reads it any more.
pub fn ring_fifo(fd: RawFd) -> bool {
    // SAFETY: one byte of static memory. A FIFO without readers raises SIGPIPE, so the descriptor is opened for
    // reading as well (see `Fifo`).
    let r = unsafe { libc::syscall(libc::SYS_write, fd, b"!".as_ptr(), 1usize) };
    r == 1 || io::Error::last_os_error().raw_os_error() == Some(libc::EAGAIN)
}

/// Reads a FIFO empty.
pub fn drain_fifo(fd: RawFd) {
    let mut junk = [0u8; 64];
    // SAFETY: reads into a local buffer of the length given; the descriptor never blocks.
    while unsafe { libc::syscall(libc::SYS_read, fd, junk.as_mut_ptr(), junk.len()) } == junk.len() as libc::c_long {}
}

/// Sleeps. A signal may end it early.
pub fn nap(time: Duration) {
    let ts = libc::timespec {
        tv_sec: libc::time_t::try_from(time.as_secs()).unwrap_or(libc::time_t::MAX),
        tv_nsec: libc::c_long::from(time.subsec_nanos()),
    };
    let rest: *mut libc::timespec = std::ptr::null_mut();
    // SAFETY: a timespec that outlives the call, and no place for what is left of it.
    unsafe { libc::syscall(libc::SYS_clock_nanosleep, libc::CLOCK_MONOTONIC, 0, &raw const ts, rest) };
}

/// Whether a FIFO holds something.
pub fn fifo_is_readable(fd: RawFd) -> bool {
    let mut p = libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
    // SAFETY: one pollfd that the kernel fills; does not wait.
    unsafe { libc::poll(&mut p, 1, 0) > 0 && p.revents & libc::POLLIN != 0 }
}

/// The processor that this thread runs on, or ran on a moment ago; 0 when the system does not say.
#[inline]
pub fn processor() -> u32 {
    // SAFETY: sched_getcpu has no conditions.
    u32::try_from(unsafe { libc::sched_getcpu() }).unwrap_or(0)
}

/// The number of this thread, as the whole system knows it (in this namespace).
pub fn thread_id() -> u32 {
    // SAFETY: gettid has no conditions.
    unsafe { libc::gettid() }.unsigned_abs()
}

/// CLOCK_REALTIME in nanoseconds.
pub fn realtime_ns() -> u64 {
    let mut ts = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: a timespec that the kernel fills; this clock always exists.
    unsafe { libc::clock_gettime(libc::CLOCK_REALTIME, &mut ts) };
    ts.tv_sec as u64 * 1_000_000_000 + ts.tv_nsec as u64
}

/// A number that differs between running threads of this process: the thread pointer. Never 0.
#[inline(always)]
pub fn thread_mark() -> usize {
    #[cfg(target_arch = "x86_64")]
    {
        let tp: usize;
        // SAFETY: the x86-64 ABI keeps the thread control block's own address in its first word, at fs:0.
        unsafe { std::arch::asm!("mov {}, fs:0", out(reg) tp, options(nostack, readonly, preserves_flags)) };
        tp
    }
    #[cfg(target_arch = "aarch64")]
    {
        let tp: usize;
        // SAFETY: reading the user thread pointer has no effect.
        unsafe { std::arch::asm!("mrs {}, tpidr_el0", out(reg) tp, options(nostack, nomem, preserves_flags)) };
        tp
    }
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    {
        // SAFETY: pthread_self(3) cannot fail.
        unsafe { libc::pthread_self() as usize }
    }
}

/// Whether the kernel's version is below `major.minor`; false when it does not tell.
pub fn kernel_is_before(major: u32, minor: u32) -> bool {
    let text = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    version(&text).is_some_and(|version| version < (major, minor))
}

/// The first two numbers of `6.18.44-something`.
fn version(text: &str) -> Option<(u32, u32)> {
    let mut numbers = text.split(|c: char| !c.is_ascii_digit()).map(|number| number.parse().ok());
    Some((numbers.next()??, numbers.next()??))
}

/// open(2) flags of a doorbell: for reading as well, so that it never raises SIGPIPE nor refuses to open.
pub const FIFO_FLAGS: i32 = libc::O_RDWR | libc::O_NONBLOCK;
/// open(2) flags of shared memory.
pub const READ_WRITE: i32 = libc::O_RDWR;
/// open(2) flags that make a file and refuse an old one.
pub const CREATE_NEW: i32 = libc::O_CREAT | libc::O_EXCL;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernels_have_versions() {
        assert_eq!(version("6.18.44-fc\n"), Some((6, 18)));
        assert_eq!(version("5.9-rc1"), Some((5, 9)));
        assert_eq!(version("5"), None);
        assert_eq!(version(""), None);
        assert!(!kernel_is_before(2, 6) && kernel_is_before(1000, 0));
    }
}
