//! Programs as machine code, for x86-64 and aarch64.
//!
//! ```text
//! program --../lower--> steps --x86_64 | aarch64--> bytes and tables --memory--> a function
//! ```
//!
//! The emitters know their processor and almost no BPF, and only fill vectors; what maps the bytes and calls them, and has the crate's
//! only `unsafe`, is `memory.rs`, beside `shadow.rs`, which passes on a caller's promise.
//!
//! The emitters are written out instead of built on dynasm-rs: fifty forms of instructions don't pay for a procedural macro (with syn) in
//! the build and four crates in everybody's process, and short and long jumps would be ours to choose all the same.

#[cfg(any(test, target_arch = "aarch64"))]
mod aarch64;
mod memory;
mod shadow;
#[cfg(any(test, target_arch = "x86_64"))]
mod x86_64;

use super::lower::{Bounds, Lowered, lower};
use super::validate::validate;
use crate::insn::Insn;
use memory::Mapping;
pub use shadow::Shadow;
use std::marker::PhantomData;

/// The bytes of a function of the C ABI, followed by its tables. It reads only what its kind allows and the tables, writes only below
/// the stack pointer, and returns. Made by the emitters alone.
struct MachineCode<K> {
    bytes: Vec<u8>,
    kind: PhantomData<K>,
}

/// `fn(packet: *const u8, len: usize, wirelen: u32) -> u32` reads the `len` bytes at `packet`.
#[derive(Debug)]
enum Alone {}

/// `fn(packet: *const u8, len: usize, wirelen: u32, program: *const Insn) -> u64` reads the `len` bytes at `packet` and instructions
/// of `program`: the first, and each that one before it, equal to the translated one, goes to or jumps over. A result of 2^32 says
/// that one was not equal.
#[derive(Debug)]
enum Checking {}

/// A program that was translated.
#[derive(Debug)]
pub struct Jit {
    mapping: Mapping<Alone>,
}

impl Jit {
    /// Translates `program`. `None`: it is not valid, the system gives no executable memory, or nobody wrote an emitter for this
    /// processor.
    pub fn compile(program: &[Insn]) -> Option<Jit> {
        if !validate(program) {
            return None;
        }
        Jit::compile_valid(program)
    }

    /// The same, of a program that [`validate`] likes.
    pub(super) fn compile_valid(program: &[Insn]) -> Option<Jit> {
        let bytes = emit(&lower(program, Bounds::Implied))?;
        Some(Jit { mapping: Mapping::new(&MachineCode { bytes, kind: PhantomData })? })
    }

    /// Runs it: what [`interpret`](super::interpret) returns without ancillary values.
    #[inline(always)]
    pub fn run(&self, packet: &[u8], wirelen: u32) -> u32 {
        self.mapping.call(packet, wirelen)
    }
}

#[cfg(all(target_arch = "x86_64", target_pointer_width = "64"))]
fn emit(lowered: &Lowered) -> Option<Vec<u8>> {
    x86_64::emit(lowered)
}

#[cfg(all(target_arch = "aarch64", target_endian = "little", target_pointer_width = "64"))]
fn emit(lowered: &Lowered) -> Option<Vec<u8>> {
    aarch64::emit(lowered)
}

#[cfg(not(any(
    all(target_arch = "x86_64", target_pointer_width = "64"),
    all(target_arch = "aarch64", target_endian = "little", target_pointer_width = "64")
)))]
fn emit(_: &Lowered) -> Option<Vec<u8>> {
    None
}

/// A conditional jump's condition after a comparison, unsigned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum If {
    Equal,
    NotEqual,
    Below,
    AtLeast,
    Above,
    AtMost,
}

impl If {
    /// The contrary.
    fn not(self) -> If {
        match self {
            If::Equal => If::NotEqual,
            If::NotEqual => If::Equal,
            If::Below => If::AtLeast,
            If::AtLeast => If::Below,
            If::Above => If::AtMost,
            If::AtMost => If::Above,
        }
    }
}

#[cfg(test)]
mod tests;
