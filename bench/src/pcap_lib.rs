//! A libpcap opened by path, ours or the system's: the few calls that the pcap roles make.

use libloading::os::unix::{Library, RTLD_LOCAL, RTLD_NOW, Symbol};
use std::ffi::{CStr, CString, c_char, c_int, c_uchar, c_uint, c_void};
use std::path::{Path, PathBuf};
use std::ptr;

/// `struct pcap_pkthdr` of libpcap on Linux.
#[repr(C)]
pub struct PacketHeader {
    /// When the frame was seen.
    pub ts: libc::timeval,
    /// Bytes at hand.
    pub caplen: c_uint,
    /// Bytes of the frame.
    pub len: c_uint,
}

/// `pcap_handler`.
pub type Handler = extern "C" fn(*mut c_uchar, *const PacketHeader, *const c_uchar);

type Handle = *mut c_void;

/// `struct bpf_program`.
#[repr(C)]
struct Program {
    len: c_uint,
    insns: *mut c_void,
}

/// The loaded library.
pub struct PcapLib {
    create: Symbol<unsafe extern "C" fn(*const c_char, *mut c_char) -> Handle>,
    set_snaplen: Symbol<unsafe extern "C" fn(Handle, c_int) -> c_int>,
    set_promisc: Symbol<unsafe extern "C" fn(Handle, c_int) -> c_int>,
    set_timeout: Symbol<unsafe extern "C" fn(Handle, c_int) -> c_int>,
    set_immediate_mode: Symbol<unsafe extern "C" fn(Handle, c_int) -> c_int>,
    activate: Symbol<unsafe extern "C" fn(Handle) -> c_int>,
    setnonblock: Symbol<unsafe extern "C" fn(Handle, c_int, *mut c_char) -> c_int>,
    setdirection: Symbol<unsafe extern "C" fn(Handle, c_int) -> c_int>,
    geterr: Symbol<unsafe extern "C" fn(Handle) -> *const c_char>,
    inject: Symbol<unsafe extern "C" fn(Handle, *const c_void, usize) -> c_int>,
    run_loop: Symbol<unsafe extern "C" fn(Handle, c_int, Handler, *mut c_uchar) -> c_int>,
    next_ex: Symbol<unsafe extern "C" fn(Handle, *mut *mut PacketHeader, *mut *const c_uchar) -> c_int>,
    compile: Symbol<unsafe extern "C" fn(Handle, *mut Program, *const c_char, c_int, c_uint) -> c_int>,
    setfilter: Symbol<unsafe extern "C" fn(Handle, *mut Program) -> c_int>,
    freecode: Symbol<unsafe extern "C" fn(*mut Program)>,
    breakloop: Symbol<unsafe extern "C" fn(Handle)>,
    close: Symbol<unsafe extern "C" fn(Handle)>,
    _library: Library,
}

/// How a handle is opened.
pub struct OpenOptions {
    /// Deliver each frame at once.
    pub immediate: bool,
    /// Never wait in a call.
    pub nonblocking: bool,
    /// The read timeout in milliseconds.
    pub timeout_ms: c_int,
}

/// An open handle.
pub struct Pcap<'a> {
    lib: &'a PcapLib,
    handle: Handle,
}

/// Ends the loop of a handle that is still open: it borrows it.
#[derive(Clone, Copy)]
pub struct Stopper<'a> {
    pcap: &'a Pcap<'a>,
}

// SAFETY: all that a stopper does is pcap_breakloop, which any thread may call while another reads.
unsafe impl Send for Stopper<'_> {}

impl Stopper<'_> {
    /// `pcap_breakloop`.
    pub fn stop(self) {
        // SAFETY: the handle is open as long as it is borrowed.
        unsafe { (self.pcap.lib.breakloop)(self.pcap.handle) }
    }
}

/// Where the libraries are: `system` or `ours`.
///
/// # Errors
/// When there is none.
pub fn find(which: &str) -> Result<PathBuf, String> {
    let folders: Vec<PathBuf> = match which {
        "system" => ["/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib64", "/usr/lib"]
            .iter()
            .map(PathBuf::from)
            .collect(),
        "ours" => vec![match std::env::var_os("PCAP_NETMAP_DIST") {
            Some(dist) => PathBuf::from(dist),
            None => PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../dist")),
        }],
        _ => return Err(format!("lib={which}: system or ours")),
    };
    let names = ["libpcap.so.0.8", "libpcap.so.1"];
    folders.iter().flat_map(|f| names.iter().map(move |n| f.join(n))).find(|p| p.exists()).ok_or_else(|| match which {
        "ours" => format!("no libpcap.so.0.8 in {} (cargo xtask build makes it)", folders[0].display()),
        _ => "the system has no libpcap (Debian: libpcap0.8)".to_string(),
    })
}

impl PcapLib {
    /// Loads it.
    ///
    /// # Errors
    /// When the file can't be loaded or lacks a call.
    pub fn load(path: &Path) -> Result<PcapLib, String> {
        let text = |e: libloading::Error| format!("{}: {e}", path.display());
        // SAFETY: a libpcap; its constructors do nothing that this program minds.
        let library = unsafe { Library::open(Some(path), RTLD_NOW | RTLD_LOCAL) }.map_err(text)?;
        macro_rules! get {
            ($name:literal) => {
                // SAFETY: the field's type is that of the function in pcap/pcap.h.
                unsafe { library.get($name) }.map_err(text)?
            };
        }
        Ok(PcapLib {
            create: get!(b"pcap_create\0"),
            set_snaplen: get!(b"pcap_set_snaplen\0"),
            set_promisc: get!(b"pcap_set_promisc\0"),
            set_timeout: get!(b"pcap_set_timeout\0"),
            set_immediate_mode: get!(b"pcap_set_immediate_mode\0"),
            activate: get!(b"pcap_activate\0"),
            setnonblock: get!(b"pcap_setnonblock\0"),
            setdirection: get!(b"pcap_setdirection\0"),
            geterr: get!(b"pcap_geterr\0"),
            inject: get!(b"pcap_inject\0"),
            run_loop: get!(b"pcap_loop\0"),
            next_ex: get!(b"pcap_next_ex\0"),
            compile: get!(b"pcap_compile\0"),
            setfilter: get!(b"pcap_setfilter\0"),
            freecode: get!(b"pcap_freecode\0"),
            breakloop: get!(b"pcap_breakloop\0"),
            close: get!(b"pcap_close\0"),
            _library: library,
        })
    }

    /// Opens a device for what comes in: snap length 65,535, promiscuous.
    ///
    /// # Errors
    /// libpcap's text.
    pub fn open(&self, device: &str, options: &OpenOptions) -> Result<Pcap<'_>, String> {
        const PCAP_D_IN: c_int = 1;
        let name = CString::new(device).map_err(|_| "a device name with a NUL".to_string())?;
        let mut errbuf = [0 as c_char; 256];
        // SAFETY: a C string and a buffer of PCAP_ERRBUF_SIZE bytes, both alive across the call.
        let handle = unsafe { (self.create)(name.as_ptr(), errbuf.as_mut_ptr()) };
        if handle.is_null() {
            // SAFETY: pcap_create left a NUL-terminated text there.
            return Err(format!("{device}: {}", unsafe { CStr::from_ptr(errbuf.as_ptr()) }.to_string_lossy()));
        }
        let pcap = Pcap { lib: self, handle };
        // SAFETY: the handle is created and not yet activated, as these calls ask.
        let status = unsafe {
            (self.set_snaplen)(handle, 65_535);
            (self.set_promisc)(handle, 1);
            (self.set_timeout)(handle, options.timeout_ms);
            (self.set_immediate_mode)(handle, options.immediate.into());
            (self.activate)(handle)
        };
        if status < 0 {
            return Err(format!("{device}: {}", pcap.error()));
        }
        // SAFETY: the handle is activated.
        if unsafe { (self.setdirection)(handle, PCAP_D_IN) } < 0 {
            return Err(format!("{device}: {}", pcap.error()));
        }
        // SAFETY: the handle is activated; `errbuf` as above.
        if unsafe { (self.setnonblock)(handle, options.nonblocking.into(), errbuf.as_mut_ptr()) } < 0 {
            return Err(format!("{device}: {}", pcap.error()));
        }
        Ok(pcap)
    }
}

impl Pcap<'_> {
    /// The handle's error text.
    pub fn error(&self) -> String {
        // SAFETY: the handle is open; the text is NUL-terminated and copied at once.
        unsafe { CStr::from_ptr((self.lib.geterr)(self.handle)) }.to_string_lossy().into_owned()
    }

    /// From now on only frames that `text` accepts.
    ///
    /// # Errors
    /// libpcap's text.
    pub fn filter(&self, text: &str) -> Result<(), String> {
        let text = CString::new(text).map_err(|_| "a filter with a NUL".to_string())?;
        let mut program = Program { len: 0, insns: ptr::null_mut() };
        // SAFETY: the handle is open; a C string and a program to be filled, both alive across the call.
        if unsafe { (self.lib.compile)(self.handle, &mut program, text.as_ptr(), 1, 0) } != 0 {
            return Err(self.error());
        }
        // SAFETY: a compiled program, freed once, after its use.
        let status = unsafe {
            let status = (self.lib.setfilter)(self.handle, &mut program);
            (self.lib.freecode)(&mut program);
            status
        };
        if status == 0 { Ok(()) } else { Err(self.error()) }
    }

    /// `pcap_inject`: whether the frame was taken. The error text stays in the handle.
    #[inline]
    pub fn inject(&self, frame: &[u8]) -> bool {
        // SAFETY: the handle is open, the pointer and length are those of a slice.
        unsafe { (self.lib.inject)(self.handle, frame.as_ptr().cast(), frame.len()) == frame.len() as c_int }
    }

    /// `pcap_loop` without an end: the handler calls `stop` with what it gets.
    ///
    /// # Errors
    /// libpcap's text.
    ///
    /// # Safety
    /// `handler` may be called with `user`.
    pub unsafe fn run_loop(&self, handler: Handler, user: *mut c_uchar) -> Result<(), String> {
        const PCAP_ERROR_BREAK: c_int = -2;
        // SAFETY: the handle is open; the caller answers for handler and user.
        match unsafe { (self.lib.run_loop)(self.handle, -1, handler, user) } {
            PCAP_ERROR_BREAK => Ok(()),
            _ => Err(self.error()),
        }
    }

    /// What ends `run_loop` from the handler, or from another thread.
    pub fn stopper(&self) -> Stopper<'_> {
        Stopper { pcap: self }
    }

    /// `pcap_next_ex`: the next frame in place, or `None` when none came in time.
    ///
    /// # Errors
    /// libpcap's text.
    #[inline]
    pub fn next(&mut self) -> Result<Option<&[u8]>, String> {
        let mut header: *mut PacketHeader = ptr::null_mut();
        let mut data: *const c_uchar = ptr::null();
        // SAFETY: the handle is open, both pointers are ours to write.
        match unsafe { (self.lib.next_ex)(self.handle, &mut header, &mut data) } {
            // SAFETY: 1 means that both are valid until the next call on the handle, which the borrow delays.
            1 => Ok(Some(unsafe { std::slice::from_raw_parts(data, (*header).caplen as usize) })),
            0 => Ok(None),
            _ => Err(self.error()),
        }
    }
}

impl Drop for Pcap<'_> {
    fn drop(&mut self) {
        // SAFETY: the handle came from pcap_create and is closed here alone.
        unsafe { (self.lib.close)(self.handle) }
    }
}
