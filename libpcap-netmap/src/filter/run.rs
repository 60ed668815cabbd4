//! Programs that come with each packet: `bpf_filter`, `pcap_offline_filter`; and `bpf_validate`.

use super::{bytes, instructions, known};
use crate::abi::*;
use crate::guard;
use ::filter::engine::validate;
use libc::{c_int, c_uchar, c_uint};

/// Whether `program` accepts the packet: 0 when not, and when it has no instructions.
///
/// # Safety
/// `program` is NULL or whole and valid, `header` is NULL or belongs to `packet`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pcap_offline_filter(
    program: *const bpf_program,
    header: *const pcap_pkthdr,
    packet: *const c_uchar,
) -> c_int {
    // SAFETY: by the caller's promise, here and below.
    let (Some(program), Some(header)) = (unsafe { (program.as_ref(), header.as_ref()) }) else { return 0 };
    if program.bf_insns.is_null() {
        return 0;
    }
    // SAFETY: as above.
    unsafe { known::verdict(program.bf_insns.cast(), bytes(packet, header.caplen), header.len) as c_int }
}

/// Runs a program: bytes of the packet to keep. NULL keeps all.
///
/// # Safety
/// `program` is NULL or valid, `packet` has `buflen` readable bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bpf_filter(
    program: *const bpf_insn,
    packet: *const c_uchar,
    wirelen: c_uint,
    buflen: c_uint,
) -> c_uint {
    if program.is_null() {
        return c_uint::MAX;
    }
    // SAFETY: by the caller's promise.
    unsafe { known::verdict(program.cast(), bytes(packet, buflen), wirelen) }
}

/// Whether a program is valid: 0 when not.
///
/// # Safety
/// `program` is NULL or has `len` instructions.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bpf_validate(program: *const bpf_insn, len: c_int) -> c_int {
    let Ok(len) = usize::try_from(len) else { return 0 };
    // SAFETY: by the caller's promise; there is no buffer for a text.
    unsafe { guard::errbuf(std::ptr::null_mut(), 0, || validate(instructions(program, len)).into()) }
}
