//! What is done with a program: checked, run, translated to machine code, printed.
//!
//! | file | what |
//! |---|---|
//! | `validate.rs` | whether a program may be run at all |
//! | `interpret.rs` | the meaning of a program: the oracle of all that runs one |
//! | `lower.rs`, `search.rs`, `ways.rs` | a program as steps for an emitter, search trees as tables |
//! | `jit/` | steps as machine code |
//! | `ebpf/` | steps as eBPF, for the kernel's XDP hook |
//! | `kernel.rs` | whether Linux would take a program for a socket |
//! | `image.rs` | programs as text |
//! | `opcode.rs` | the instructions by name |
//!
//! Programs may be longer than the kernel takes, and jump backwards by `ja` (`protochain` does). One that would run for ever ends, without
//! accepting, after as many backward jumps as the packet has bytes and 64 more: every walk over headers moves by a byte at least.

pub mod ebpf;
mod image;
mod interpret;
mod jit;
mod kernel;
mod lower;
mod opcode;
#[cfg(test)]
#[path = "../../tests/programs/mod.rs"]
mod programs;
mod search;
mod validate;
mod ways;

pub use image::{Dump, Form, Image, dump, image};
pub use interpret::{Beside, Fetch, interpret};
pub use jit::{Jit, Shadow};
pub use kernel::{KernelRefusal, kernel_takes};
pub use validate::validate;

use crate::insn::{Insn, Program};

/// A valid program, ready to run in the fastest way that this process is allowed.
#[derive(Debug)]
pub struct Filter {
    program: Program,
    engine: Engine,
    /// Whether it asks for what is beside the packet.
    ancillary: bool,
}

#[derive(Debug)]
enum Engine {
    /// The program is one `ret #k`.
    Constant(u32),
    Jit(Jit),
    Interpreter,
}

impl Filter {
    /// Takes a program; `None` when it is not valid.
    pub fn new(program: Program) -> Option<Filter> {
        if !validate(&program) {
            return None;
        }
        let engine = match program[0] {
            Insn { code: opcode::RET_K, k, .. } => Engine::Constant(k),
            _ => Jit::compile(&program).map_or(Engine::Interpreter, Engine::Jit),
        };
        let ancillary = program.iter().any(opcode::is_ancillary);
        Some(Filter { program, engine, ancillary })
    }

    /// Bytes of the packet to keep; 0: refused. `wirelen` is its length before anything was cut off.
    #[inline(always)]
    pub fn verdict(&self, packet: &[u8], wirelen: u32) -> u32 {
        match &self.engine {
            Engine::Constant(k) => *k,
            Engine::Jit(jit) => jit.run(packet, wirelen),
            Engine::Interpreter => interpret(self.program(), packet, wirelen, None),
        }
    }

    /// The first of `packets` that is accepted; `parts` are its captured bytes and its length on the wire.
    ///
    /// Faster than to ask for each: which engine runs is looked at once.
    #[inline(always)]
    pub fn first<T>(&self, mut packets: impl Iterator<Item = T>, parts: impl Fn(&T) -> (&[u8], u32)) -> Option<T> {
        if let Engine::Jit(jit) = &self.engine {
            for packet in packets.by_ref() {
                let (bytes, wirelen) = parts(&packet);
                if jit.run(bytes, wirelen) != 0 {
                    return Some(packet);
                }
            }
            return None;
        }
        packets.find(|packet| {
            let (bytes, wirelen) = parts(packet);
            self.verdict(bytes, wirelen) != 0
        })
    }

    /// The same for a packet of which more is known than its bytes.
    pub fn verdict_beside(&self, packet: &[u8], wirelen: u32, beside: &Beside) -> u32 {
        if self.ancillary {
            interpret(self.program(), packet, wirelen, Some(beside))
        } else {
            self.verdict(packet, wirelen)
        }
    }

    /// What it runs.
    pub fn program(&self) -> &[Insn] {
        &self.program
    }
}
