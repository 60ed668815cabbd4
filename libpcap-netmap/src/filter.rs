//! Filters, by the files of `filter/`: compiling, setting on a handle, running, printing.
//!
//! The crate `filter` compiles, translates and runs; here C's pointers become its types.

mod compile;
mod known;
mod print;
mod run;
mod set;

pub use compile::{pcap_compile, pcap_compile_nopcap, pcap_freecode};
pub use print::{bpf_dump, bpf_image};
pub use run::{bpf_filter, bpf_validate, pcap_offline_filter};
pub(crate) use set::Program;
pub use set::pcap_setfilter;

use crate::abi::bpf_insn;
use ::filter::Insn;

const _: () = assert!(size_of::<bpf_insn>() == size_of::<Insn>() && align_of::<bpf_insn>() == align_of::<Insn>());

/// The instructions at `first`; none for NULL.
///
/// # Safety
/// `first` is NULL or has `len` instructions, which stay for `'a`.
unsafe fn instructions<'a>(first: *const bpf_insn, len: usize) -> &'a [Insn] {
    if first.is_null() {
        return &[];
    }
    // SAFETY: by the caller's promise; both types are C's struct bpf_insn.
    unsafe { std::slice::from_raw_parts(first.cast(), len) }
}

/// The bytes of a packet; none for NULL.
///
/// # Safety
/// `first` is NULL or has `len` readable bytes, which stay for `'a`.
#[inline(always)]
unsafe fn bytes<'a>(first: *const u8, len: u32) -> &'a [u8] {
    if first.is_null() {
        return &[];
    }
    // SAFETY: by the caller's promise.
    unsafe { std::slice::from_raw_parts(first, len as usize) }
}
