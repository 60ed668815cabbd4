//! Expressions to programs: `pcap_compile`.

use crate::abi::*;
use crate::dead::Dead;
use crate::error::{Errbuf, ErrorText};
use crate::guard;
use crate::handle::{self, Foreign, Handle, Live, Source};
use crate::offline::Offline;
use crate::resolve::SystemNames;
use ::filter::{Options, PacketSource};
use libc::{c_char, c_int, c_uint, socklen_t};
use nm_core::PortControl;
use std::ffi::CStr;
use std::fmt::Display;

const NOT_ACTIVATED: &str = "not-yet-activated pcap_t passed to pcap_compile";

/// What the text of a filter depends on beside the handle: the last arguments of `pcap_compile`.
#[derive(Clone, Copy)]
struct Asked {
    program: *mut bpf_program,
    text: *const c_char,
    optimize: c_int,
    netmask: c_uint,
}

impl Asked {
    /// Compiles for packets of a link type, and writes the program, whose instructions are from C's `malloc`.
    ///
    /// # Errors
    /// The text for the caller; the program is left as it is.
    ///
    /// # Safety
    /// `program` may be written, `text` is NULL or NUL-terminated.
    unsafe fn compile(self, linktype: c_int, snaplen: c_int, source: PacketSource) -> Result<(), String> {
        let text = match self.text.is_null() {
            true => b"",
            // SAFETY: not NULL, terminated by the caller's promise.
            false => unsafe { CStr::from_ptr(self.text) }.to_bytes(),
        };
        let options = Options {
            linktype,
            // A negative one is a large one, as in libpcap.
            snaplen: snaplen as u32,
            optimize: self.optimize != 0,
            netmask: self.netmask,
            source,
        };
        let made = ::filter::compile(text, &options, &SystemNames).map_err(|error| error.to_string())?;
        let len = c_uint::try_from(made.len()).map_err(|_| "the program is too large".to_string())?;
        // SAFETY: malloc takes any size; the copy is of as many instructions as there is place for; `program` is the
        // caller's promise.
        unsafe {
            let copy = libc::malloc(size_of_val(&*made).max(1)).cast::<bpf_insn>();
            if copy.is_null() {
                return Err("malloc: Cannot allocate memory".into());
            }
            copy.copy_from_nonoverlapping(made.as_ptr().cast(), made.len());
            self.program.write(bpf_program { bf_len: len, bf_insns: copy });
        }
        Ok(())
    }

    /// # Safety
    /// As [`Asked::compile`].
    unsafe fn live(self, live: &Live) -> c_int {
        if live.is_created() {
            return live.fail(PCAP_ERROR, format_args!("{NOT_ACTIVATED}"));
        }
        let active = match live.active() {
            Ok(active) => active,
            Err(code) => return code,
        };
        let _left = LeftToHost::new(&*active.control);
        let snaplen = active.snaplen;
        // Nothing lies beside a port's frames: no tag, no direction.
        let source = PacketSource::Live { vlan: false, basic: false };
        // SAFETY: by the caller's promise.
        told(unsafe { self.compile(DLT_EN10MB, snaplen, source) }, |why| live.error.set(format_args!("{why}")))
    }

    /// # Safety
    /// As [`Asked::compile`].
    unsafe fn dead(self, dead: &Dead) -> c_int {
        // SAFETY: by the caller's promise.
        let done = unsafe { self.compile(dead.linktype, dead.snaplen, PacketSource::Dead) };
        told(done, |why| dead.error.set(format_args!("{why}")))
    }

    /// # Safety
    /// As [`Asked::compile`].
    unsafe fn offline(self, offline: &Offline) -> c_int {
        let info = &offline.info;
        let source = PacketSource::Savefile { swapped: info.swapped };
        // SAFETY: by the caller's promise.
        let done = unsafe { self.compile(info.linktype, info.snaplen as c_int, source) };
        told(done, |why| offline.error.set(format_args!("{why}")))
    }

    /// # Safety
    /// As [`Asked::compile`]; the handle is open.
    unsafe fn system(self, s: &Foreign) -> c_int {
        // SAFETY: an open handle, and the caller's promise. Where a handle's text is, pcap_geterr says, and gives it to
        // be written: it is the handle's own buffer of PCAP_ERRBUF_SIZE.
        unsafe {
            let done = match (s.library.pcap_datalink)(s.p) {
                PCAP_ERROR_NOT_ACTIVATED => Err(NOT_ACTIVATED.into()),
                linktype => self.compile(linktype, (s.library.pcap_snapshot)(s.p), source_of(s)),
            };
            told(done, |why| Errbuf::write((s.library.pcap_geterr)(s.p), format_args!("{why}")))
        }
    }
}

/// A port that leaves its frames to the host, until this is dropped: a name server's answers may be among them.
struct LeftToHost<'a>(&'a dyn PortControl);

impl LeftToHost<'_> {
    fn new(control: &dyn PortControl) -> LeftToHost<'_> {
        control.leave_to_host(true);
        LeftToHost(control)
    }
}

impl Drop for LeftToHost<'_> {
    fn drop(&mut self) {
        self.0.leave_to_host(false);
    }
}

/// C's result; an error's text goes to `tell`.
fn told<E: Display>(done: Result<(), E>, tell: impl FnOnce(E)) -> c_int {
    match done {
        Ok(()) => 0,
        Err(why) => {
            tell(why);
            PCAP_ERROR
        }
    }
}

/// What the packets of a handle of the system's library bring along, as that library finds it out for itself.
///
/// # Safety
/// The handle is open.
unsafe fn source_of(s: &Foreign) -> PacketSource {
    // SAFETY: an open handle.
    let (file, swapped, fd) =
        unsafe { ((s.library.pcap_file)(s.p), (s.library.pcap_is_swapped)(s.p), (s.library.pcap_fileno)(s.p)) };
    if !file.is_null() {
        return PacketSource::Savefile { swapped: swapped > 0 };
    }
    // Handles of other modules than that for packet sockets run filters in the process, and nothing lies beside.
    let basic = socket_option(fd, libc::SO_DOMAIN) == Some(libc::AF_PACKET);
    let vlan = basic && socket_option(fd, libc::SO_BPF_EXTENSIONS).is_some_and(|last| last >= VLAN_TAG_PRESENT);
    PacketSource::Live { vlan, basic }
}

/// `SKF_AD_VLAN_TAG_PRESENT` of <linux/filter.h>.
const VLAN_TAG_PRESENT: c_int = 48;

fn socket_option(fd: c_int, option: c_int) -> Option<c_int> {
    let (mut value, mut len) = (0 as c_int, size_of::<c_int>() as socklen_t);
    // SAFETY: a number of the size that is told; getsockopt takes any descriptor.
    let status = unsafe { libc::getsockopt(fd, libc::SOL_SOCKET, option, (&raw mut value).cast(), &mut len) };
    if status == 0 { Some(value) } else { None }
}

/// Compiles the filter `text` (NULL: everything) into `*program`, which [`pcap_freecode`] frees.
///
/// # Safety
/// `p` is NULL or an open handle, `program` is NULL or may be written, `text` is NULL or NUL-terminated.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pcap_compile(
    p: *mut Handle,
    program: *mut bpf_program,
    text: *const c_char,
    optimize: c_int,
    netmask: c_uint,
) -> c_int {
    let asked = Asked { program, text, optimize, netmask };
    // SAFETY: by the caller's promise, here and below.
    unsafe {
        match handle::source(p) {
            _ if program.is_null() => PCAP_ERROR,
            None => PCAP_ERROR,
            Some(Source::Live(live)) => guard::live(live, PCAP_ERROR, || asked.live(live)),
            Some(Source::Offline(offline)) => guard::offline(offline, PCAP_ERROR, || asked.offline(offline)),
            Some(Source::Dead(dead)) => guard::errbuf(dead.error.as_ptr(), PCAP_ERROR, || asked.dead(dead)),
            Some(Source::System(s)) => guard::errbuf((s.library.pcap_geterr)(s.p), PCAP_ERROR, || asked.system(s)),
        }
    }
}

/// As [`pcap_compile`], for packets of a link type without a handle: there is no place for an error's text.
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
    if program.is_null() {
        return PCAP_ERROR;
    }
    guard::silence();
    let asked = Asked { program, text, optimize, netmask };
    let dead = Dead { linktype, snaplen, precision: PCAP_TSTAMP_PRECISION_MICRO, error: ErrorText::new() };
    // SAFETY: by the caller's promise; there is no buffer for a text.
    unsafe { guard::errbuf(std::ptr::null_mut(), PCAP_ERROR, || asked.dead(&dead)) }
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
