//! Programs as text: `bpf_image`, `bpf_dump`.

use super::instructions;
use crate::abi::*;
use crate::error::keep_text;
use crate::guard;
use ::filter::engine::{Form, dump, image};
use libc::{FILE, c_char, c_int};
use std::cell::RefCell;
use std::ffi::CString;

unsafe extern "C" {
    /// C's stream: text of the program that is buffered there stays before ours.
    static stdout: *mut FILE;
}

/// An instruction as text, in memory of this thread until its next call; `number` is its place in the program.
///
/// # Safety
/// `instruction` is NULL or may be read.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bpf_image(instruction: *const bpf_insn, number: c_int) -> *mut c_char {
    thread_local!(static KEPT: RefCell<CString> = RefCell::default());
    // SAFETY: by the caller's promise; there is no buffer for a text.
    unsafe {
        guard::errbuf(std::ptr::null_mut(), std::ptr::null_mut(), || match instructions(instruction, 1) {
            [one] => keep_text(&KEPT, image(one, number).to_string()).cast_mut(),
            _ => std::ptr::null_mut(),
        })
    }
}

/// Prints a program to C's standard output: as text (`option` up to 1), as lines of a C array (2), or as decimal
/// numbers, their count first (more).
///
/// # Safety
/// `program` is NULL or whole.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bpf_dump(program: *const bpf_program, option: c_int) {
    let form = match option {
        ..2 => Form::Text,
        2 => Form::C,
        _ => Form::Decimal,
    };
    // SAFETY: by the caller's promise; there is no buffer for a text; fwrite gets as many bytes as there are.
    unsafe {
        guard::errbuf(std::ptr::null_mut(), (), || {
            let Some(program) = program.as_ref() else { return };
            let text = dump(instructions(program.bf_insns, program.bf_len as usize), form).to_string();
            libc::fwrite(text.as_ptr().cast(), 1, text.len(), stdout);
        });
    }
}
