//! A program that lies in somebody else's memory, run as the machine code of a copy.
//!
//! Whoever has the program may change it, or put another in its place, without saying so. So the code compares what it executes, one
//! instruction after the other, with the copy, and gives up at the first difference. The verdict depends on nothing else; and as in an
//! interpreter the next instruction is there because the one before it, which was read, goes to it.

use super::memory::Mapping;
use super::{Checking, MachineCode, emit};
use crate::engine::lower::lower_checked;
use crate::engine::validate::validate;
use crate::insn::Insn;
use std::marker::PhantomData;

/// The copy of a program.
#[derive(Debug)]
pub struct Shadow {
    mapping: Mapping<Checking>,
}

impl Shadow {
    /// Translates `copy`. `None`: it is not valid, the system gives no executable memory, or nobody wrote an emitter for this
    /// processor.
    pub fn of(copy: &[Insn]) -> Option<Shadow> {
        if !validate(copy) {
            return None;
        }
        let bytes = emit(&lower_checked(copy))?;
        Some(Shadow { mapping: Mapping::new(&MachineCode { bytes, kind: PhantomData })? })
    }

    /// Bytes of memory that it takes, whole pages.
    pub fn size(&self) -> usize {
        self.mapping.size()
    }

    /// Runs `program`: what [`interpret`](crate::engine::interpret) returns without ancillary values; `None` when it is not the copied
    /// one, as far as it matters for this packet.
    ///
    /// # Safety
    /// `program` is valid: it contains whatever it jumps to.
    #[inline(always)]
    pub unsafe fn run(&self, program: *const Insn, packet: &[u8], wirelen: u32) -> Option<u32> {
        // SAFETY: by the caller's promise.
        unsafe { self.mapping.call(program, packet, wirelen) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::interpret;
    use crate::engine::programs::{self, Random, Rules};
    use crate::engine::ways::Form;

    fn run(shadow: &Shadow, program: &[Insn], packet: &[u8], wirelen: u32) -> Option<u32> {
        // SAFETY: the tests' programs are valid.
        unsafe { shadow.run(program.as_ptr(), packet, wirelen) }
    }

    #[test]
    fn agrees_with_the_interpreter_also_when_the_program_is_changed() {
        let mut random = Random::new(3);
        let (mut same, mut unnoticed, mut noticed, mut accepted) = (0, 0, 0, 0);
        for _ in 0..20_000 {
            let program = programs::program(&mut random, Rules::Any);
            let Some(shadow) = Shadow::of(&program) else { panic!("no machine code on this system") };
            let changed: Vec<_> = (0..4).filter_map(|_| programs::changed(&mut random, &program, validate)).collect();
            for _ in 0..4 {
                let packet = random.packet();
                let wirelen = packet.len() as u32 + random.below(3);
                let expected = interpret(&program[..], &packet, wirelen, None);
                assert_eq!(run(&shadow, &program, &packet, wirelen), Some(expected), "{packet:?}: {program:?}");
                same += 1;
                accepted += usize::from(expected != 0);
                for changed in &changed {
                    let expected = interpret(&changed[..], &packet, wirelen, None);
                    match run(&shadow, changed, &packet, wirelen) {
                        Some(verdict) => {
                            assert_eq!(expected, verdict, "{packet:?}: {changed:?} instead of {program:?}");
                            unnoticed += 1;
                        }
                        None => noticed += 1,
                    }
                }
            }
        }
        assert!(accepted > same / 4, "{accepted} of {same}: too few programs get anywhere");
        assert!(noticed > same / 8 && unnoticed > same / 8, "{noticed} noticed, {unnoticed} not");
    }

    /// Random programs have searches of both forms, so that the test above sees them.
    #[test]
    fn both_forms_of_lists_occur() {
        let mut random = Random::new(3);
        let (mut each, mut pairs) = (0, 0);
        for _ in 0..4_000 {
            let lowered = lower_checked(&programs::program(&mut random, Rules::Any));
            for ways in
                lowered.searches.iter().filter_map(|search| search.ways.as_ref()).filter(|ways| ways.numbers() > 0)
            {
                match ways.form {
                    Form::Each => each += 1,
                    Form::Pairs { .. } => pairs += 1,
                }
            }
        }
        assert!(each > 50 && pairs > 100, "{each} and {pairs}");
    }
}
