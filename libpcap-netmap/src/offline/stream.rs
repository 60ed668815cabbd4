//! Where a savefile's bytes come from: a descriptor of ours, or a `FILE` that the program may use besides.

use libc::{FILE, c_int, c_void, size_t};
use savefile::Reader;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsRawFd, IntoRawFd};

unsafe extern "C" {
    /// C's standard input.
    static stdin: *mut FILE;
    fn fread_unlocked(to: *mut c_void, size: size_t, count: size_t, file: *mut FILE) -> size_t;
    fn ferror_unlocked(file: *mut FILE) -> c_int;
    fn flockfile(file: *mut FILE);
    fn funlockfile(file: *mut FILE);
}

/// A savefile's stream. It is closed by [`Stream::close`] alone: a `FILE` that turns out to be no savefile stays the
/// program's.
pub(crate) enum Stream {
    /// Read(2) by us alone.
    Descriptor(File),
    /// Read by C's functions, which the program may call, too.
    Stdio(Stdio),
    /// Closed.
    Closed,
}

/// An open `FILE`, and the error that came after its last bytes.
pub(crate) struct Stdio {
    file: *mut FILE,
    failed: Option<io::Error>,
}

/// C's standard input.
pub(super) fn standard_input() -> *mut FILE {
    // SAFETY: C's own variable, which programs read as they like.
    unsafe { stdin }
}

impl Stream {
    /// # Safety
    /// `file` is open and stays so until [`Stream::close`].
    pub(super) unsafe fn stdio(file: *mut FILE) -> Stream {
        Stream::Stdio(Stdio { file, failed: None })
    }

    /// Whether nothing may be read before it is needed.
    pub(super) fn is_shared(&self) -> bool {
        !matches!(self, Stream::Descriptor(_))
    }

    /// Calls `read` while no other thread can use the stream.
    #[inline]
    pub(super) fn lock(&mut self) -> Option<Lock> {
        match self {
            Stream::Stdio(Stdio { file, .. }) => {
                // SAFETY: an open stream, by `stdio`'s condition.
                unsafe { flockfile(*file) };
                Some(Lock(*file))
            }
            _ => None,
        }
    }

    pub(super) fn descriptor(&self) -> c_int {
        match self {
            Stream::Descriptor(file) => file.as_raw_fd(),
            // SAFETY: an open stream, by `stdio`'s condition.
            Stream::Stdio(stdio) => unsafe { libc::fileno(stdio.file) },
            Stream::Closed => -1,
        }
    }

    /// Closes the stream, unless it is the standard input.
    pub(super) fn close(&mut self) {
        if let Stream::Stdio(Stdio { file, .. }) = std::mem::replace(self, Stream::Closed) {
            if file != standard_input() {
                // SAFETY: an open stream that the handle owns; nobody uses it any more.
                unsafe { libc::fclose(file) };
            }
        }
    }
}

/// A lock of a `FILE`, as C's own functions take for the time of a call.
pub(super) struct Lock(*mut FILE);

impl Drop for Lock {
    fn drop(&mut self) {
        // SAFETY: locked by `Stream::lock`, which made this.
        unsafe { funlockfile(self.0) };
    }
}

impl Read for Stream {
    #[inline(always)]
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Stream::Stdio(stdio) => stdio.read(buffer),
            Stream::Descriptor(file) => file.read(buffer),
            Stream::Closed => Ok(0),
        }
    }
}

impl Read for Stdio {
    /// All of `buffer`, or as much as there is before the end or an error.
    #[inline(always)]
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        // SAFETY: an open stream that `lock` keeps other threads from.
        if unsafe { buffered::take(self.file, buffer) } {
            return Ok(buffer.len());
        }
        self.read_slowly(buffer)
    }
}

impl Stdio {
    #[inline(never)]
    fn read_slowly(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if let Some(error) = self.failed.take() {
            return Err(error);
        }
        // SAFETY: as many bytes as the buffer has, from an open stream that `lock` keeps other threads from.
        let read = unsafe { fread_unlocked(buffer.as_mut_ptr().cast(), 1, buffer.len(), self.file) };
        // SAFETY: as above.
        if read < buffer.len() && unsafe { ferror_unlocked(self.file) } != 0 {
            let error = io::Error::last_os_error();
            if read == 0 {
                return Err(error);
            }
            // First the bytes.
            self.failed = Some(error);
        }
        Ok(read)
    }
}

/// What lies in a stream's buffer, taken without a call: two calls of fread for each small frame cost more than all the rest.
///
/// glibc's headers show these fields to every program, and `getc_unlocked` is a macro that does the same: they stay where
/// they are as long as programs run that were compiled with it.
#[cfg(target_env = "gnu")]
mod buffered {
    use libc::{FILE, c_int};

    /// The beginning of glibc's `struct _IO_FILE`.
    #[repr(C)]
    struct Begin {
        flags: c_int,
        read_ptr: *mut u8,
        read_end: *mut u8,
    }

    /// Fills `buffer` if the stream's own has so many bytes.
    ///
    /// # Safety
    /// `file` is open, and no other thread uses it meanwhile.
    #[inline(always)]
    pub(super) unsafe fn take(file: *mut FILE, buffer: &mut [u8]) -> bool {
        let file = file.cast::<Begin>();
        // SAFETY: by the caller's promise; what lies between the two pointers is the stream's to give.
        unsafe {
            let from = (*file).read_ptr;
            let there = ((*file).read_end as usize).saturating_sub(from as usize);
            if there < buffer.len() {
                return false;
            }
            buffer.as_mut_ptr().copy_from_nonoverlapping(from, buffer.len());
            (*file).read_ptr = from.add(buffer.len());
        }
        true
    }
}

#[cfg(not(target_env = "gnu"))]
mod buffered {
    /// Other C libraries don't show.
    ///
    /// # Safety
    /// None.
    pub(super) unsafe fn take(_: *mut libc::FILE, _: &mut [u8]) -> bool {
        false
    }
}

/// Gives a reader's stream to the program, as a `FILE` that stands behind the last frame. NULL without memory.
pub(super) fn share(reader: &mut Reader<Stream>) -> *mut FILE {
    if let Stream::Stdio(stdio) = reader.stream_mut() {
        return stdio.file;
    }
    let ahead = reader.stop_reading_ahead();
    let over = reader.is_over() && ahead == Some(0);
    let Stream::Descriptor(file) = std::mem::replace(reader.stream_mut(), Stream::Closed) else {
        return std::ptr::null_mut();
    };
    let fd = file.as_raw_fd();
    if let Some(ahead @ 1..) = ahead {
        // SAFETY: a descriptor of ours. What can't be moved back, a pipe, is read from our memory first.
        if unsafe { libc::lseek(fd, -(ahead as libc::off_t), libc::SEEK_CUR) } != -1 {
            reader.forget_unread();
        }
    }
    // SAFETY: a descriptor of ours, which the stream owns from here on.
    let stdio = unsafe { libc::fdopen(fd, c"rb".as_ptr()) };
    if stdio.is_null() {
        *reader.stream_mut() = Stream::Descriptor(file);
        return std::ptr::null_mut();
    }
    let _ = file.into_raw_fd();
    if over {
        // SAFETY: an open stream. It learns of its end as libpcap's has; a byte that came meanwhile is put back.
        unsafe {
            let byte = libc::fgetc(stdio);
            if byte != libc::EOF {
                libc::ungetc(byte, stdio);
            }
        }
    }
    // SAFETY: open, and the handle's until it is closed.
    *reader.stream_mut() = unsafe { Stream::stdio(stdio) };
    stdio
}
