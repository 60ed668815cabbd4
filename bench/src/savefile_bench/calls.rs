//! A libpcap opened by path: the calls that read and write files.

use libc::{c_char, c_int, c_uchar, c_uint, c_void};
use libloading::os::unix::Library;
use std::ffi::{CStr, CString};
use std::path::Path;
use std::ptr;

type Handle = *mut c_void;

/// `struct pcap_pkthdr`.
#[repr(C)]
pub struct Header {
    time: libc::timeval,
    caplen: c_uint,
    len: c_uint,
}

type Handler = unsafe extern "C" fn(*mut c_uchar, *const Header, *const c_uchar);

#[repr(C)]
struct Program {
    len: c_uint,
    insns: *mut c_void,
}

/// The loaded library.
pub struct Calls {
    open_offline: unsafe extern "C" fn(*const c_char, *mut c_char) -> Handle,
    open_dead: unsafe extern "C" fn(c_int, c_int) -> Handle,
    run_loop: unsafe extern "C" fn(Handle, c_int, Handler, *mut c_uchar) -> c_int,
    next_ex: unsafe extern "C" fn(Handle, *mut *const Header, *mut *const c_uchar) -> c_int,
    compile: unsafe extern "C" fn(Handle, *mut Program, *const c_char, c_int, u32) -> c_int,
    setfilter: unsafe extern "C" fn(Handle, *mut Program) -> c_int,
    freecode: unsafe extern "C" fn(*mut Program),
    geterr: unsafe extern "C" fn(Handle) -> *const c_char,
    close: unsafe extern "C" fn(Handle),
    dump_open: unsafe extern "C" fn(Handle, *const c_char) -> *mut c_uchar,
    dump: unsafe extern "C" fn(*mut c_uchar, *const Header, *const c_uchar),
    dump_close: unsafe extern "C" fn(*mut c_uchar),
    _library: Library,
}

/// Counts frames, and looks at their lengths and first bytes as the cheapest program would.
unsafe extern "C" fn count(user: *mut c_uchar, header: *const Header, bytes: *const c_uchar) {
    // SAFETY: `user` is the two counters of `Reader::run`; header and a first byte are the library's, for a frame that has one.
    unsafe {
        let counters = &mut *user.cast::<[u64; 2]>();
        counters[0] += 1;
        let first = if (*header).caplen > 0 { u64::from(*bytes) } else { 0 };
        counters[1] = counters[1].wrapping_add(first + u64::from((*header).len));
    }
}

impl Calls {
    /// Loads it; its inner calls are its own.
    ///
    /// # Errors
    /// When the file can't be loaded or lacks a call.
    pub fn load(path: &Path) -> Result<Calls, String> {
        let text = |e: libloading::Error| format!("{}: {e}", path.display());
        let flags = libc::RTLD_NOW | libc::RTLD_LOCAL | libc::RTLD_DEEPBIND;
        // SAFETY: a libpcap; its constructors do nothing that this program minds.
        let library = unsafe { Library::open(Some(path), flags) }.map_err(text)?;
        macro_rules! get {
            ($name:literal) => {
                // SAFETY: the field's type is that of the function in pcap/pcap.h.
                *unsafe { library.get($name) }.map_err(text)?
            };
        }
        Ok(Calls {
            open_offline: get!(b"pcap_open_offline\0"),
            open_dead: get!(b"pcap_open_dead\0"),
            run_loop: get!(b"pcap_loop\0"),
            next_ex: get!(b"pcap_next_ex\0"),
            compile: get!(b"pcap_compile\0"),
            setfilter: get!(b"pcap_setfilter\0"),
            freecode: get!(b"pcap_freecode\0"),
            geterr: get!(b"pcap_geterr\0"),
            close: get!(b"pcap_close\0"),
            dump_open: get!(b"pcap_dump_open\0"),
            dump: get!(b"pcap_dump\0"),
            dump_close: get!(b"pcap_dump_close\0"),
            _library: library,
        })
    }

    /// `pcap_open_offline`, and a filter.
    ///
    /// # Errors
    /// libpcap's text.
    pub fn open(&self, path: &Path, filter: Option<&str>) -> Result<Reader<'_>, String> {
        let name = CString::new(path.as_os_str().as_encoded_bytes()).map_err(|e| e.to_string())?;
        let mut error = [0 as c_char; 256];
        // SAFETY: a terminated name and room for a text, which is terminated.
        let handle = unsafe { (self.open_offline)(name.as_ptr(), error.as_mut_ptr()) };
        if handle.is_null() {
            // SAFETY: as above.
            return Err(unsafe { CStr::from_ptr(error.as_ptr()) }.to_string_lossy().into_owned());
        }
        let reader = Reader { calls: self, handle };
        if let Some(filter) = filter {
            let filter = CString::new(filter).map_err(|e| e.to_string())?;
            let mut program = Program { len: 0, insns: ptr::null_mut() };
            // SAFETY: an open handle, a program to be filled and freed, a terminated text.
            let done = unsafe {
                let done = (self.compile)(handle, &mut program, filter.as_ptr(), 1, 0) == 0
                    && (self.setfilter)(handle, &mut program) == 0;
                (self.freecode)(&mut program);
                done
            };
            if !done {
                return Err(reader.error());
            }
        }
        Ok(reader)
    }

    /// Opens a file of Ethernet for writing, dumps `count` times the same frame, and closes it.
    ///
    /// # Errors
    /// libpcap's text.
    pub fn dump(&self, path: &Path, frame: &[u8], count: u64) -> Result<u64, String> {
        let name = CString::new(path.as_os_str().as_encoded_bytes()).map_err(|e| e.to_string())?;
        let length = frame.len() as c_uint;
        let mut header =
            Header { time: libc::timeval { tv_sec: 1_700_000_000, tv_usec: 0 }, caplen: length, len: length };
        // SAFETY: numbers; an open handle and a terminated name; a dumper with a header and its bytes.
        unsafe {
            let reader = Reader { calls: self, handle: (self.open_dead)(1, 262_144) };
            let dumper = (self.dump_open)(reader.handle, name.as_ptr());
            if dumper.is_null() {
                return Err(reader.error());
            }
            for number in 0..count {
                header.time.tv_usec = (number % 1_000_000) as libc::suseconds_t;
                (self.dump)(dumper, &header, frame.as_ptr());
            }
            (self.dump_close)(dumper);
        }
        Ok(count)
    }
}

/// An open handle.
pub struct Reader<'a> {
    calls: &'a Calls,
    handle: Handle,
}

impl Reader<'_> {
    fn error(&self) -> String {
        // SAFETY: an open handle, whose text is terminated.
        unsafe { CStr::from_ptr((self.calls.geterr)(self.handle)) }.to_string_lossy().into_owned()
    }

    /// `pcap_loop` to the end: how many frames it gave.
    ///
    /// # Errors
    /// libpcap's text.
    pub fn run(&mut self) -> Result<u64, String> {
        let mut counters = [0u64; 2];
        // SAFETY: an open handle; the callback gets its counters.
        match unsafe { (self.calls.run_loop)(self.handle, -1, count, (&raw mut counters).cast()) } {
            0 => Ok(std::hint::black_box(counters)[0]),
            _ => Err(self.error()),
        }
    }

    /// `pcap_next_ex` to the end: how many frames it gave.
    ///
    /// # Errors
    /// libpcap's text.
    pub fn step(&mut self) -> Result<u64, String> {
        let mut counters = [0u64; 2];
        let (mut header, mut bytes) = (ptr::null(), ptr::null());
        loop {
            // SAFETY: an open handle; header and bytes are looked at before the next call.
            unsafe {
                match (self.calls.next_ex)(self.handle, &mut header, &mut bytes) {
                    1 => count((&raw mut counters).cast(), header, bytes),
                    -2 => return Ok(std::hint::black_box(counters)[0]),
                    _ => return Err(self.error()),
                }
            }
        }
    }
}

impl Drop for Reader<'_> {
    fn drop(&mut self) {
        // SAFETY: opened by the library, closed here alone.
        unsafe { (self.calls.close)(self.handle) };
    }
}
