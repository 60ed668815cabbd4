//! Filters: `pcap_compile`, `pcap_setfilter` and running programs; all of it by the system's library.

use crate::abi::*;
use crate::error::text_at;
use crate::guard;
use crate::handle::{self, Active, ForeignHandle, Handle, Live, Source};
use crate::system::{self, System};
use libc::{c_char, c_int, c_uchar, c_uint};

/// A program of a handle: our own copy, checked.
pub(crate) struct Program {
    instructions: Box<[bpf_insn]>,
    run: unsafe extern "C" fn(*const bpf_insn, *const c_uchar, c_uint, c_uint) -> c_uint,
}

/// `ret #k`: what an empty filter compiles to.
const RET_K: u16 = 0x06;

impl Program {
    /// Copies `program` when `bpf_validate` finds nothing wrong with it.
    ///
    /// # Safety
    /// `program.bf_insns` is NULL or has `bf_len` instructions.
    unsafe fn copy(system: &System, program: &bpf_program) -> Option<Program> {
        let len = c_int::try_from(program.bf_len).ok()?;
        // SAFETY: by the caller's promise, for `len` instructions.
        if program.bf_insns.is_null() || unsafe { (system.bpf_validate)(program.bf_insns, len) } == 0 {
            return None;
        }
        // SAFETY: as above.
        let instructions = unsafe { std::slice::from_raw_parts(program.bf_insns, len as usize) }.into();
        Some(Program { instructions, run: system.bpf_filter })
    }

    /// Bytes of the frame to keep; 0: refused.
    ///
    /// # Safety
    /// `data` has `len` readable bytes.
    #[inline(always)]
    pub(crate) unsafe fn verdict(&self, data: *const u8, len: u32) -> u32 {
        if let [bpf_insn { code: RET_K, k, .. }, ..] = *self.instructions {
            return k;
        }
        // SAFETY: the program was validated, so it ends and stays inside `len` bytes, which the caller promises.
        unsafe { (self.run)(self.instructions.as_ptr(), data, len, len) }
    }
}

/// Frees a handle of the system's library at the end of its scope.
pub(crate) struct Dead {
    pub(crate) library: &'static System,
    pub(crate) p: *mut ForeignHandle,
}

impl Dead {
    /// A handle without a device that has the link type, snap length and precision of one of ours.
    ///
    /// # Errors
    /// Why there is none.
    pub(crate) fn like(active: &Active) -> Result<Dead, &'static str> {
        let library = system::get()?;
        // SAFETY: takes any numbers.
        let p = unsafe {
            (library.pcap_open_dead_with_tstamp_precision)(DLT_EN10MB, active.snaplen, active.precision as c_uint)
        };
        if p.is_null() { Err("Cannot allocate memory") } else { Ok(Dead { library, p }) }
    }

    /// The error text of the last call on it.
    pub(crate) fn error(&self) -> String {
        // SAFETY: an open handle, whose text is terminated.
        unsafe { text_at((self.library.pcap_geterr)(self.p)) }
    }
}

impl Drop for Dead {
    fn drop(&mut self) {
        // SAFETY: opened by `like`, closed here alone.
        unsafe { (self.library.pcap_close)(self.p) };
    }
}

/// Runs the system's `compile` and copies what it made into memory of the process's own `malloc`.
///
/// # Safety
/// `program` may be written; `compile` fills the program it is given when it returns 0.
unsafe fn compiled(
    system: &System,
    program: *mut bpf_program,
    compile: impl FnOnce(*mut bpf_program) -> c_int,
) -> c_int {
    let mut made = bpf_program { bf_len: 0, bf_insns: std::ptr::null_mut() };
    let result = compile(&mut made);
    if result < 0 {
        return result;
    }
    let bytes = made.bf_len as usize * size_of::<bpf_insn>();
    // SAFETY: malloc takes any size; the copy is of `bf_len` instructions into as much; `program` is the caller's
    // promise; `made` came from the system's library.
    unsafe {
        let copy = libc::malloc(bytes.max(1)).cast::<bpf_insn>();
        if copy.is_null() {
            (system.pcap_freecode)(&mut made);
            return PCAP_ERROR;
        }
        if bytes != 0 {
            copy.copy_from_nonoverlapping(made.bf_insns, made.bf_len as usize);
        }
        program.write(bpf_program { bf_len: made.bf_len, bf_insns: copy });
        (system.pcap_freecode)(&mut made);
    }
    result
}

fn compile_live(
    live: &Live,
    program: *mut bpf_program,
    text: *const c_char,
    optimize: c_int,
    netmask: c_uint,
) -> c_int {
    if live.is_created() {
        return live.fail(PCAP_ERROR, format_args!("not-yet-activated pcap_t passed to pcap_compile"));
    }
    let active = match live.active() {
        Ok(active) => active,
        Err(code) => return code,
    };
    let dead = match Dead::like(active) {
        Ok(dead) => dead,
        Err(why) => return live.fail(PCAP_ERROR, format_args!("{why}")),
    };
    // SAFETY: `program` and `text` by the promise of the exported function's caller.
    let result = unsafe {
        compiled(dead.library, program, |made| (dead.library.pcap_compile)(dead.p, made, text, optimize, netmask))
    };
    if result < 0 { live.fail(result, format_args!("{}", dead.error())) } else { result }
}

/// Compiles the filter `text` (NULL: everything) into `*program`, which [`pcap_freecode`] frees.
///
/// # Safety
/// `p` is NULL or an open handle, `program` may be written, `text` is NULL or NUL-terminated.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pcap_compile(
    p: *mut Handle,
    program: *mut bpf_program,
    text: *const c_char,
    optimize: c_int,
    netmask: c_uint,
) -> c_int {
    if program.is_null() {
        return PCAP_ERROR;
    }
    // SAFETY: by the caller's promise.
    match unsafe { handle::source(p) } {
        None => PCAP_ERROR,
        // SAFETY: passed on.
        Some(Source::System(s)) => unsafe {
            compiled(s.library, program, |made| (s.library.pcap_compile)(s.p, made, text, optimize, netmask))
        },
        Some(Source::Live(live)) => {
            guard::live(live, PCAP_ERROR, || compile_live(live, program, text, optimize, netmask))
        }
    }
}

/// As [`pcap_compile`], without a handle: there is no place for an error's text.
///
/// # Safety
/// As [`pcap_compile`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pcap_compile_nopcap(
    snaplen: c_int,
    linktype: c_int,
    program: *mut bpf_program,
    text: *const c_char,
    optimize: c_int,
    netmask: c_uint,
) -> c_int {
    match system::get() {
        // SAFETY: passed on.
        Ok(system) if !program.is_null() => unsafe {
            compiled(system, program, |made| {
                (system.pcap_compile_nopcap)(snaplen, linktype, made, text, optimize, netmask)
            })
        },
        _ => PCAP_ERROR,
    }
}

/// Frees what [`pcap_compile`] made, and empties `*program`.
///
/// # Safety
/// `program` is NULL or was compiled; its instructions may also be the caller's own, from `malloc`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pcap_freecode(program: *mut bpf_program) {
    // SAFETY: by the caller's promise.
    if let Some(program) = unsafe { program.as_mut() } {
        program.bf_len = 0;
        // SAFETY: from malloc; free takes NULL.
        unsafe { libc::free(program.bf_insns.cast()) };
        program.bf_insns = std::ptr::null_mut();
    }
}

fn set_filter(live: &Live, program: *const bpf_program) -> c_int {
    let active = match live.active() {
        Ok(active) => active,
        Err(code) => return code,
    };
    // SAFETY: NULL or readable, by the promise of the exported function's caller.
    let Some(program) = (unsafe { program.as_ref() }) else {
        return live.fail(PCAP_ERROR, format_args!("setfilter: No filter specified"));
    };
    let system = match system::get() {
        Ok(system) => system,
        Err(why) => return live.fail(PCAP_ERROR, format_args!("{why}")),
    };
    // SAFETY: as above.
    let Some(copy) = (unsafe { Program::copy(system, program) }) else {
        return live.fail(PCAP_ERROR, format_args!("BPF program is not valid"));
    };
    // SAFETY: the reader's cell; pcap's rule is that no other thread reads meanwhile, and a callback of this thread
    // runs while nobody holds a reference into it.
    unsafe { (*active.rx.get()).program = Some(copy) };
    0
}

/// From now on only frames that `program` accepts are read; the handle keeps its own copy.
///
/// # Safety
/// `p` is NULL or an open handle that no other thread reads; `program` is NULL or whole.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pcap_setfilter(p: *mut Handle, program: *mut bpf_program) -> c_int {
    // SAFETY: by the caller's promise.
    match unsafe { handle::source(p) } {
        None => PCAP_ERROR,
        // SAFETY: passed on.
        Some(Source::System(s)) => unsafe { (s.library.pcap_setfilter)(s.p, program) },
        Some(Source::Live(live)) => guard::live(live, PCAP_ERROR, || set_filter(live, program)),
    }
}

/// Whether `program` accepts the packet: 0 when not.
///
/// # Safety
/// `program` is whole and valid, `header` and `packet` belong together.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pcap_offline_filter(
    program: *const bpf_program,
    header: *const pcap_pkthdr,
    packet: *const c_uchar,
) -> c_int {
    // SAFETY: passed on.
    system::get().map_or(0, |s| unsafe { (s.pcap_offline_filter)(program, header, packet) })
}

/// Runs a program: bytes of the packet to keep. Without the system's library every packet is refused.
///
/// # Safety
/// `program` is valid, `packet` has `buflen` readable bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bpf_filter(
    program: *const bpf_insn,
    packet: *const c_uchar,
    wirelen: c_uint,
    buflen: c_uint,
) -> c_uint {
    // SAFETY: passed on.
    system::get().map_or(0, |s| unsafe { (s.bpf_filter)(program, packet, wirelen, buflen) })
}

/// Whether a program is valid: 0 when not.
///
/// # Safety
/// `program` has `len` instructions.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bpf_validate(program: *const bpf_insn, len: c_int) -> c_int {
    // SAFETY: passed on.
    system::get().map_or(0, |s| unsafe { (s.bpf_validate)(program, len) })
}

/// An instruction as text, in a static buffer; `number` is its place in the program.
///
/// # Safety
/// `instruction` may be read.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bpf_image(instruction: *const bpf_insn, number: c_int) -> *mut c_char {
    // SAFETY: passed on.
    system::get().map_or(std::ptr::null_mut(), |s| unsafe { (s.bpf_image)(instruction, number) })
}

/// Prints a program to the standard output, in one of three ways.
///
/// # Safety
/// `program` is whole.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bpf_dump(program: *const bpf_program, option: c_int) {
    if let Ok(system) = system::get() {
        // SAFETY: passed on.
        unsafe { (system.bpf_dump)(program, option) };
    }
}
