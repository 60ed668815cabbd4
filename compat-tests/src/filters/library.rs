//! A libpcap opened by its path, as far as filters go.

use super::corpus::Frame;
use filter::Insn;
use libc::{c_char, c_int, c_uint, c_void};
use std::ffi::{CStr, CString};
use std::path::{Path, PathBuf};

/// A `pcap_t` nobody looks into.
type Handle = *mut c_void;

#[repr(C)]
struct CProgram {
    len: c_uint,
    insns: *mut Insn,
}

/// `struct pcap_pkthdr`.
#[repr(C)]
struct Header {
    time: libc::timeval,
    caplen: u32,
    len: u32,
}

/// What a filter is compiled for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target {
    /// The `DLT_` number.
    pub dlt: c_int,
    /// Bytes.
    pub snaplen: c_int,
    /// In network order, as the interface has it.
    pub netmask: u32,
}

/// One of the two libraries.
pub struct Library {
    open_dead: unsafe extern "C" fn(c_int, c_int) -> Handle,
    open_offline: unsafe extern "C" fn(*const c_char, *mut c_char) -> Handle,
    next_ex: unsafe extern "C" fn(Handle, *mut *const Header, *mut *const u8) -> c_int,
    datalink: unsafe extern "C" fn(Handle) -> c_int,
    close: unsafe extern "C" fn(Handle),
    compile: unsafe extern "C" fn(Handle, *mut CProgram, *const c_char, c_int, u32) -> c_int,
    geterr: unsafe extern "C" fn(Handle) -> *const c_char,
    freecode: unsafe extern "C" fn(*mut CProgram),
    bpf_filter: unsafe extern "C" fn(*const Insn, *const u8, c_uint, c_uint) -> c_uint,
    offline_filter: unsafe extern "C" fn(*const CProgram, *const Header, *const u8) -> c_int,
    bpf_validate: unsafe extern "C" fn(*const Insn, c_int) -> c_int,
    bpf_image: unsafe extern "C" fn(*const Insn, c_int) -> *const c_char,
    lib_version: unsafe extern "C" fn() -> *const c_char,
    _library: libloading::os::unix::Library,
}

/// The system's libpcap.
///
/// # Panics
/// When there is none.
pub fn system() -> PathBuf {
    let folders = ["/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib64", "/usr/lib"];
    let names = ["libpcap.so.0.8", "libpcap.so.1"];
    folders
        .iter()
        .flat_map(|folder| names.iter().map(move |name| Path::new(folder).join(name)))
        .find(|path| path.exists())
        .expect("the system has no libpcap (Debian: libpcap0.8)")
}

/// Names of hosts come from /etc/hosts alone: nothing is asked of a network.
pub fn without_dns() {
    unsafe extern "C" {
        fn __nss_configure_lookup(database: *const c_char, service: *const c_char) -> c_int;
    }
    // SAFETY: two C strings, and no other thread yet.
    let result = unsafe { __nss_configure_lookup(c"hosts".as_ptr(), c"files".as_ptr()) };
    assert_eq!(result, 0, "__nss_configure_lookup");
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
            ($symbol:literal) => {
                // SAFETY: the field's type is that of the function in pcap/pcap.h or pcap/bpf.h.
                *unsafe { library.get($symbol) }.unwrap_or_else(|e| panic!("{}: {e}", path.display()))
            };
        }
        Library {
            open_dead: get!(b"pcap_open_dead\0"),
            open_offline: get!(b"pcap_open_offline\0"),
            next_ex: get!(b"pcap_next_ex\0"),
            datalink: get!(b"pcap_datalink\0"),
            close: get!(b"pcap_close\0"),
            compile: get!(b"pcap_compile\0"),
            geterr: get!(b"pcap_geterr\0"),
            freecode: get!(b"pcap_freecode\0"),
            bpf_filter: get!(b"bpf_filter\0"),
            offline_filter: get!(b"pcap_offline_filter\0"),
            bpf_validate: get!(b"bpf_validate\0"),
            bpf_image: get!(b"bpf_image\0"),
            lib_version: get!(b"pcap_lib_version\0"),
            _library: library,
        }
    }

    /// `pcap_lib_version`.
    pub fn version(&self) -> String {
        // SAFETY: a terminated text that stays.
        unsafe { CStr::from_ptr((self.lib_version)()) }.to_string_lossy().into_owned()
    }

    /// `pcap_open_dead`.
    ///
    /// # Panics
    /// When it gives none.
    pub fn dead(&self, target: Target) -> Dead<'_> {
        // SAFETY: numbers.
        let handle = unsafe { (self.open_dead)(target.dlt, target.snaplen) };
        assert!(!handle.is_null(), "pcap_open_dead({}, {})", target.dlt, target.snaplen);
        Dead { library: self, handle, netmask: target.netmask }
    }

    /// `pcap_compile` on a handle without a device.
    ///
    /// # Errors
    /// The text of `pcap_geterr`.
    ///
    /// # Panics
    /// When `text` has a NUL, or the handle can't be had.
    pub fn compile(&self, target: Target, text: &[u8], optimize: bool) -> Result<Vec<Insn>, String> {
        let text = CString::new(text).expect("an expression without NUL");
        self.dead(target).compile(&text, optimize).map(|program| program.instructions().to_vec())
    }

    /// `bpf_filter`.
    ///
    /// # Panics
    /// On an empty program.
    pub fn verdict(&self, program: &[Insn], frame: &[u8], wirelen: u32) -> u32 {
        assert!(!program.is_empty());
        // SAFETY: a program of a library's compiler, which ends; a slice and its length.
        unsafe { (self.bpf_filter)(program.as_ptr(), frame.as_ptr(), wirelen, frame.len() as c_uint) }
    }

    /// `pcap_offline_filter`.
    pub fn offline_verdict(&self, program: &[Insn], frame: &[u8], wirelen: u32) -> u32 {
        let program = CProgram { len: program.len() as c_uint, insns: program.as_ptr().cast_mut() };
        let time = libc::timeval { tv_sec: 0, tv_usec: 0 };
        let header = Header { time, caplen: frame.len() as u32, len: wirelen };
        // SAFETY: as above; the call reads only.
        unsafe { (self.offline_filter)(&program, &header, frame.as_ptr()) as u32 }
    }

    /// `bpf_validate`.
    pub fn accepts(&self, program: &[Insn]) -> bool {
        // SAFETY: a slice and its length.
        unsafe { (self.bpf_validate)(program.as_ptr(), program.len() as c_int) != 0 }
    }

    /// The program as `tcpdump -d` prints it (`bpf_image`).
    pub fn listing(&self, program: &[Insn]) -> Vec<String> {
        let line = |(number, insn): (usize, &Insn)| {
            // SAFETY: an instruction; the text is terminated and copied before the next call.
            unsafe { CStr::from_ptr((self.bpf_image)(insn, number as c_int)) }.to_string_lossy().into_owned()
        };
        program.iter().enumerate().map(line).collect()
    }

    /// The frames of a capture file, and its `DLT_` number. A damaged file gives those before the damage;
    /// none when it can't be opened.
    pub fn frames(&self, path: &Path) -> Option<(c_int, Vec<Frame>)> {
        let name = CString::new(path.as_os_str().as_encoded_bytes()).ok()?;
        let mut text = [0 as c_char; 256];
        let mut frames = Vec::new();
        // SAFETY: a C string and a buffer of PCAP_ERRBUF_SIZE bytes; a header and its bytes are valid until the next
        // call, and copied before.
        unsafe {
            let handle = (self.open_offline)(name.as_ptr(), text.as_mut_ptr());
            if handle.is_null() {
                return None;
            }
            let (mut header, mut bytes) = (std::ptr::null(), std::ptr::null());
            while (self.next_ex)(handle, &mut header, &mut bytes) == 1 {
                let Header { caplen, len, .. } = *header;
                let bytes = std::slice::from_raw_parts(bytes, caplen as usize).to_vec();
                frames.push(Frame { bytes, wirelen: len });
            }
            let dlt = (self.datalink)(handle);
            (self.close)(handle);
            Some((dlt, frames))
        }
    }
}

/// A handle without a device.
pub struct Dead<'a> {
    library: &'a Library,
    handle: Handle,
    netmask: u32,
}

impl<'a> Dead<'a> {
    /// `pcap_compile`.
    ///
    /// # Errors
    /// The text of `pcap_geterr`.
    pub fn compile(&self, text: &CStr, optimize: bool) -> Result<Compiled<'a>, String> {
        let mut made = CProgram { len: 0, insns: std::ptr::null_mut() };
        // SAFETY: an open handle; the program and the text live across the call, the error's text until the next.
        unsafe {
            match (self.library.compile)(self.handle, &mut made, text.as_ptr(), optimize.into(), self.netmask) {
                0.. => Ok(Compiled { library: self.library, made }),
                _ => Err(CStr::from_ptr((self.library.geterr)(self.handle)).to_string_lossy().into_owned()),
            }
        }
    }
}

impl Drop for Dead<'_> {
    fn drop(&mut self) {
        // SAFETY: opened by `Library::dead`, closed here alone.
        unsafe { (self.library.close)(self.handle) };
    }
}

/// What `pcap_compile` made; `pcap_freecode` when it goes.
pub struct Compiled<'a> {
    library: &'a Library,
    made: CProgram,
}

impl Compiled<'_> {
    /// The program.
    pub fn instructions(&self) -> &[Insn] {
        // SAFETY: what was compiled has so many instructions until it is freed.
        unsafe { std::slice::from_raw_parts(self.made.insns, self.made.len as usize) }
    }
}

impl Drop for Compiled<'_> {
    fn drop(&mut self) {
        // SAFETY: made by the library's pcap_compile, freed here alone.
        unsafe { (self.library.freecode)(&mut self.made) };
    }
}
