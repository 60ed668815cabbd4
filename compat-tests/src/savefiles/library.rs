//! A libpcap opened by its path, as far as capture files go.

use libc::{FILE, c_char, c_int, c_uchar, c_uint, c_void};
use std::ffi::{CStr, CString};
use std::path::Path;
use std::ptr;

/// A `pcap_t` nobody looks into.
pub type Handle = *mut c_void;

/// `struct pcap_pkthdr`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Header {
    /// When; the fraction is of the handle's precision.
    pub time: libc::timeval,
    /// Bytes at hand.
    pub caplen: u32,
    /// Bytes on the wire.
    pub len: u32,
}

/// `pcap_handler`.
pub type Handler = unsafe extern "C" fn(*mut c_uchar, *const Header, *const c_uchar);

#[repr(C)]
struct CProgram {
    len: c_uint,
    insns: *mut c_void,
}

/// One of the two libraries.
pub struct Library {
    open_offline: unsafe extern "C" fn(*const c_char, c_uint, *mut c_char) -> Handle,
    fopen_offline: unsafe extern "C" fn(*mut FILE, c_uint, *mut c_char) -> Handle,
    pub(super) next: unsafe extern "C" fn(Handle, *mut Header) -> *const c_uchar,
    pub(super) next_ex: unsafe extern "C" fn(Handle, *mut *const Header, *mut *const c_uchar) -> c_int,
    pub(super) loop_: unsafe extern "C" fn(Handle, c_int, Handler, *mut c_uchar) -> c_int,
    pub(super) dispatch: unsafe extern "C" fn(Handle, c_int, Handler, *mut c_uchar) -> c_int,
    pub(super) breakloop: unsafe extern "C" fn(Handle),
    close: unsafe extern "C" fn(Handle),
    geterr: unsafe extern "C" fn(Handle) -> *const c_char,
    lib_version: unsafe extern "C" fn() -> *const c_char,
    /// Calls that take a handle and give a number, with their names.
    pub(super) numbers: Vec<(&'static str, unsafe extern "C" fn(Handle) -> c_int)>,
    /// Calls that take one number more.
    pub(super) settings: Vec<(&'static str, unsafe extern "C" fn(Handle, c_int) -> c_int)>,
    list_datalinks: unsafe extern "C" fn(Handle, *mut *mut c_int) -> c_int,
    free_datalinks: unsafe extern "C" fn(*mut c_int),
    stats: unsafe extern "C" fn(Handle, *mut [c_uint; 3]) -> c_int,
    inject: unsafe extern "C" fn(Handle, *const c_void, usize) -> c_int,
    getnonblock: unsafe extern "C" fn(Handle, *mut c_char) -> c_int,
    setnonblock: unsafe extern "C" fn(Handle, c_int, *mut c_char) -> c_int,
    file: unsafe extern "C" fn(Handle) -> *mut FILE,
    compile: unsafe extern "C" fn(Handle, *mut CProgram, *const c_char, c_int, u32) -> c_int,
    setfilter: unsafe extern "C" fn(Handle, *mut CProgram) -> c_int,
    freecode: unsafe extern "C" fn(*mut CProgram),
    _library: libloading::os::unix::Library,
}

impl Library {
    /// Opens the library, whose own calls go to itself whatever else is loaded.
    ///
    /// # Panics
    /// When it can't be loaded or lacks a call.
    pub fn open(path: &Path) -> Library {
        let flags = libc::RTLD_NOW | libc::RTLD_LOCAL | libc::RTLD_DEEPBIND;
        // SAFETY: the constructors of a libpcap do nothing that this program minds.
        let library = unsafe { libloading::os::unix::Library::open(Some(path), flags) };
        let library = library.unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        macro_rules! get {
            ($symbol:expr) => {
                // SAFETY: the field's type is that of the function in pcap/pcap.h.
                *unsafe { library.get(concat!("pcap_", $symbol, "\0").as_bytes()) }
                    .unwrap_or_else(|e| panic!("{}: {e}", path.display()))
            };
        }
        macro_rules! table {
            ($($symbol:literal),*) => { vec![$(($symbol, get!($symbol))),*] };
        }
        Library {
            open_offline: get!("open_offline_with_tstamp_precision"),
            fopen_offline: get!("fopen_offline_with_tstamp_precision"),
            next: get!("next"),
            next_ex: get!("next_ex"),
            loop_: get!("loop"),
            dispatch: get!("dispatch"),
            breakloop: get!("breakloop"),
            close: get!("close"),
            geterr: get!("geterr"),
            lib_version: get!("lib_version"),
            numbers: table!(
                "datalink",
                "datalink_ext",
                "snapshot",
                "is_swapped",
                "major_version",
                "minor_version",
                "get_tstamp_precision",
                "activate",
                "can_set_rfmon"
            ),
            settings: table!(
                "set_snaplen",
                "set_promisc",
                "set_rfmon",
                "set_timeout",
                "set_immediate_mode",
                "set_buffer_size",
                "set_tstamp_type",
                "set_tstamp_precision",
                "setdirection",
                "set_datalink"
            ),
            list_datalinks: get!("list_datalinks"),
            free_datalinks: get!("free_datalinks"),
            stats: get!("stats"),
            inject: get!("inject"),
            getnonblock: get!("getnonblock"),
            setnonblock: get!("setnonblock"),
            file: get!("file"),
            compile: get!("compile"),
            setfilter: get!("setfilter"),
            freecode: get!("freecode"),
            _library: library,
        }
    }

    /// `pcap_lib_version`.
    pub fn version(&self) -> String {
        // SAFETY: a terminated text that stays.
        unsafe { text((self.lib_version)()) }
    }

    /// `pcap_open_offline…`.
    ///
    /// # Errors
    /// The text of the error buffer.
    ///
    /// # Panics
    /// When the path has a NUL.
    pub fn open_path(&self, path: &Path, precision: u32) -> Result<Open<'_>, String> {
        let name = CString::new(path.as_os_str().as_encoded_bytes()).expect("a path without NUL");
        // SAFETY: a terminated name, and room for a text.
        self.opened(|error| unsafe { (self.open_offline)(name.as_ptr(), precision, error) })
    }

    /// `pcap_fopen_offline…` on a stream of the file, of which `skip` bytes were read before.
    ///
    /// # Errors
    /// The text of the error buffer.
    ///
    /// # Panics
    /// When the file can't be opened, or is shorter.
    pub fn open_stream(&self, path: &Path, skip: usize, precision: u32) -> Result<Open<'_>, String> {
        let name = CString::new(path.as_os_str().as_encoded_bytes()).expect("a path without NUL");
        // SAFETY: terminated texts; an open stream, which the handle owns afterwards.
        unsafe {
            let stream = libc::fopen(name.as_ptr(), c"rb".as_ptr());
            assert!(!stream.is_null(), "{}", path.display());
            for _ in 0..skip {
                assert_ne!(libc::fgetc(stream), libc::EOF, "{} is shorter", path.display());
            }
            self.opened(|error| (self.fopen_offline)(stream, precision, error)).inspect_err(|_| {
                // The caller's again.
                libc::fclose(stream);
            })
        }
    }

    fn opened(&self, open: impl FnOnce(*mut c_char) -> Handle) -> Result<Open<'_>, String> {
        let mut error = [0 as c_char; 256];
        let handle = open(error.as_mut_ptr());
        // SAFETY: the text is terminated.
        if handle.is_null() { Err(unsafe { text(error.as_ptr()) }) } else { Ok(Open { library: self, handle }) }
    }
}

/// An open file.
pub struct Open<'a> {
    pub(super) library: &'a Library,
    pub(super) handle: Handle,
}

impl Open<'_> {
    /// `pcap_geterr`.
    pub fn error(&self) -> String {
        // SAFETY: an open handle; its text is terminated and copied.
        unsafe { text((self.library.geterr)(self.handle)) }
    }

    /// `pcap_list_datalinks`.
    pub fn list_datalinks(&self) -> (c_int, Vec<c_int>) {
        let mut list = ptr::null_mut();
        // SAFETY: an open handle; so many numbers as it says, freed by the library that made them.
        unsafe {
            let count = (self.library.list_datalinks)(self.handle, &mut list);
            let all = if count > 0 { std::slice::from_raw_parts(list, count as usize).to_vec() } else { Vec::new() };
            if count > 0 {
                (self.library.free_datalinks)(list);
            }
            (count, all)
        }
    }

    /// `pcap_stats`, `pcap_inject`, `pcap_getnonblock`, `pcap_setnonblock`: what each returns, and the error's text.
    pub fn refused_calls(&self) -> Vec<(&'static str, c_int, String)> {
        let (library, handle) = (self.library, self.handle);
        let (mut counters, mut error) = ([0; 3], [0 as c_char; 256]);
        // SAFETY: an open handle, room for counters and for a text, two bytes to send.
        unsafe {
            let mut said = vec![("stats", (library.stats)(handle, &mut counters), self.error())];
            said.push(("inject", (library.inject)(handle, b"ab".as_ptr().cast(), 2), self.error()));
            let mut keep = |name, code, error: &[c_char; 256]| said.push((name, code, text(error.as_ptr())));
            let code = (library.getnonblock)(handle, error.as_mut_ptr());
            keep("getnonblock", code, &error);
            let code = (library.setnonblock)(handle, 1, error.as_mut_ptr());
            keep("setnonblock", code, &error);
            said
        }
    }

    /// Whether `pcap_file` gives a stream.
    pub fn has_stream(&self) -> bool {
        // SAFETY: an open handle.
        unsafe { !(self.library.file)(self.handle).is_null() }
    }

    /// Compiles a filter and sets it: the two codes, and the error's text.
    ///
    /// # Panics
    /// When the expression has a NUL.
    pub fn set_filter(&self, expression: &str) -> (c_int, c_int, String) {
        let expression = CString::new(expression).expect("an expression without NUL");
        let mut program = CProgram { len: 0, insns: ptr::null_mut() };
        // SAFETY: an open handle, a program to be filled, a terminated text; what was compiled is freed.
        unsafe {
            let compiled = (self.library.compile)(self.handle, &mut program, expression.as_ptr(), 1, 0);
            if compiled != 0 {
                return (compiled, -1, self.error());
            }
            let set = (self.library.setfilter)(self.handle, &mut program);
            (self.library.freecode)(&mut program);
            (compiled, set, if set == 0 { String::new() } else { self.error() })
        }
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        // SAFETY: opened by the library, closed here alone.
        unsafe { (self.library.close)(self.handle) };
    }
}

/// From now on fresh memory of `malloc` is filled with a byte, and the stack below has it once; 0: as ever.
pub fn fill_fresh_memory(byte: u8) {
    // SAFETY: a parameter of malloc's.
    unsafe { libc::mallopt(libc::M_PERTURB, c_int::from(byte)) };
    std::hint::black_box([byte; 64 * 1024]);
}

/// # Safety
/// `from` is NUL-terminated.
unsafe fn text(from: *const c_char) -> String {
    // SAFETY: by the caller's promise.
    unsafe { CStr::from_ptr(from) }.to_string_lossy().into_owned()
}
