//! The system's libpcap, opened by path.

use filter::Insn;
use std::ffi::{CStr, CString, c_char, c_int, c_uchar, c_uint, c_void};

const PATHS: [&CStr; 2] = [c"/usr/lib/x86_64-linux-gnu/libpcap.so.0.8", c"/usr/lib/aarch64-linux-gnu/libpcap.so.0.8"];

/// `struct bpf_program`.
#[repr(C)]
struct Compiled {
    len: c_uint,
    insns: *mut Insn,
}

pub struct Libpcap {
    filter: unsafe extern "C" fn(*const Insn, *const c_uchar, c_uint, c_uint) -> c_uint,
    validate: unsafe extern "C" fn(*const Insn, c_int) -> c_int,
    image: unsafe extern "C" fn(*const Insn, c_int) -> *const c_char,
    open_dead: unsafe extern "C" fn(c_int, c_int) -> *mut c_void,
    compile: unsafe extern "C" fn(*mut c_void, *mut Compiled, *const c_char, c_int, c_uint) -> c_int,
}

impl Libpcap {
    pub fn open() -> Option<Libpcap> {
        // SAFETY: the library's constructors do nothing that a test would mind.
        let library = PATHS.iter().map(|path| unsafe { libc::dlopen(path.as_ptr(), libc::RTLD_NOW) });
        let library = library.into_iter().find(|library| !library.is_null())?;
        let symbol = |name: &CStr| {
            // SAFETY: an open library, never closed.
            let symbol = unsafe { libc::dlsym(library, name.as_ptr()) };
            assert!(!symbol.is_null(), "{name:?}");
            symbol
        };
        // SAFETY: the functions of these names have these types (pcap/bpf.h, pcap/pcap.h).
        unsafe {
            Some(Libpcap {
                filter: std::mem::transmute::<
                    *mut c_void,
                    unsafe extern "C" fn(*const Insn, *const c_uchar, c_uint, c_uint) -> c_uint,
                >(symbol(c"bpf_filter")),
                validate: std::mem::transmute::<*mut c_void, unsafe extern "C" fn(*const Insn, c_int) -> c_int>(
                    symbol(c"bpf_validate"),
                ),
                image: std::mem::transmute::<*mut c_void, unsafe extern "C" fn(*const Insn, c_int) -> *const c_char>(
                    symbol(c"bpf_image"),
                ),
                open_dead: std::mem::transmute::<*mut c_void, unsafe extern "C" fn(c_int, c_int) -> *mut c_void>(
                    symbol(c"pcap_open_dead"),
                ),
                compile: std::mem::transmute::<
                    *mut c_void,
                    unsafe extern "C" fn(*mut c_void, *mut Compiled, *const c_char, c_int, c_uint) -> c_int,
                >(symbol(c"pcap_compile")),
            })
        }
    }

    /// `bpf_filter`, of a program that is valid and ends.
    pub fn filter(&self, program: &[Insn], packet: &[u8], wirelen: u32) -> u32 {
        // SAFETY: a valid program, and the packet's own length.
        unsafe { (self.filter)(program.as_ptr(), packet.as_ptr(), wirelen, packet.len() as c_uint) }
    }

    pub fn validate(&self, program: &[Insn]) -> bool {
        // SAFETY: the program's own length.
        unsafe { (self.validate)(program.as_ptr(), program.len() as c_int) != 0 }
    }

    pub fn image(&self, insn: &Insn, number: i32) -> String {
        // SAFETY: one instruction; the text lies in a buffer of the library until the next call, and only one test makes calls.
        unsafe { CStr::from_ptr((self.image)(insn, number)) }.to_str().expect("ASCII").into()
    }

    /// What it compiles for Ethernet, optimized.
    pub fn compile(&self, expression: &str) -> Vec<Insn> {
        let expression = CString::new(expression).expect("no NUL");
        let mut compiled = Compiled { len: 0, insns: std::ptr::null_mut() };
        // SAFETY: a dead handle and a program to fill; both are left to the process.
        unsafe {
            let handle = (self.open_dead)(1, 262_144);
            assert_eq!((self.compile)(handle, &mut compiled, expression.as_ptr(), 1, 0), 0, "{expression:?}");
            std::slice::from_raw_parts(compiled.insns, compiled.len as usize).to_vec()
        }
    }
}
