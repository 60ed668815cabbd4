//! Emitted programs on a machine of our own, which needs no privilege; `drivers/tests/ebpf` does the same with the kernel.

use super::machine::Machine;
use super::*;
use crate::engine::interpret;
use crate::engine::opcode::*;
use crate::engine::programs::{self, Random, Rules};
use crate::insn::op::*;

/// The filter alone, returning 1 or 0.
fn emitted(filter: &XdpFilter, frags: bool) -> Vec<Insn> {
    let mut asm = Asm::new();
    let (accept, reject) = (asm.label(), asm.label());
    filter.emit(&mut asm, &Place { accept, reject, table: 3, frags });
    for (label, verdict) in [(accept, 1), (reject, 0)] {
        asm.place(label);
        asm.push(Insn::alu32(Op::Mov, Reg::R0, Operand::Imm(verdict)));
        asm.push(Insn::exit());
    }
    asm.finish().expect("a program")
}

#[test]
fn agrees_with_the_interpreter_on_random_programs() {
    let mut random = Random::new(61);
    let (mut accepted, mut runs) = (0, 0);
    for number in 0..6_000 {
        let rules = if number % 2 == 0 { Rules::Any } else { Rules::Forward };
        let program = programs::program(&mut random, rules);
        let Ok(filter) = XdpFilter::new(&program) else { continue };
        let (whole, parts) = (emitted(&filter, false), emitted(&filter, true));
        for _ in 0..6 {
            let frame = random.packet();
            let verdict = u64::from(interpret(&program[..], &frame, frame.len() as u32, None) != 0);
            let run = |insns: &[Insn], first: usize| Machine::run(insns, &frame, first, filter.table());
            assert_eq!(run(&whole, frame.len()), verdict, "{frame:?}: {program:?}");
            // The first buffer ends anywhere.
            for first in [frame.len(), random.below(frame.len() as u32 + 1) as usize, frame.len() / 2] {
                assert_eq!(run(&parts, first), verdict, "{first} bytes of {frame:?}: {program:?}");
            }
            accepted += verdict;
            runs += 1;
        }
    }
    assert!(accepted > runs / 4, "{accepted} of {runs}: too few programs get anywhere");
}

#[test]
fn tables_of_every_length_are_searched() {
    let mut random = Random::new(71);
    for len in (8..70).chain([127, 128, 129, 250]) {
        for ranges in [false, true] {
            // A chain of comparisons, values or the starts of ranges that lead to either way out.
            let mut values: Vec<u32> =
                (0..len).map(|_| if random.chance(50) { random.below(300) } else { random.word() }).collect();
            values.sort_unstable();
            let mut program = vec![Classic::new(LD_W_ABS, 0)];
            for (at, &value) in values.iter().rev().enumerate() {
                let left = (len as usize - 1 - at) as u8;
                let (code, to) = if ranges { (JGE_K, left + (at % 2) as u8) } else { (JEQ_K, left + 1) };
                program.push(Classic::jump(code, value, to, 0));
            }
            program.extend([Classic::new(RET_K, 0), Classic::new(RET_K, 1)]);
            let filter = XdpFilter::new(&program).expect("a filter");
            assert_eq!(filter.lowered.searches.len(), 1, "{program:?}");
            let insns = emitted(&filter, false);
            for a in values.iter().flat_map(|&v| [v.wrapping_sub(1), v, v.wrapping_add(1)]).chain([0, u32::MAX]) {
                let frame = a.to_be_bytes();
                let verdict = u64::from(interpret(&program[..], &frame, 4, None) != 0);
                assert_eq!(Machine::run(&insns, &frame, 4, filter.table()), verdict, "{a} in {values:?}");
            }
        }
    }
}

#[test]
fn what_has_no_meaning_is_refused_by_name() {
    let refusal = |program: &[Classic]| XdpFilter::new(program).err();
    let end = Classic::new(RET_K, 1);
    assert_eq!(refusal(&[]), Some(XdpRefusal::Invalid));
    assert_eq!(
        refusal(&[Classic::new(LD_IMM, 1), Classic::new(JMP_JA, -2_i32 as u32), end]),
        Some(XdpRefusal::Loop(1))
    );
    for what in [AD_PROTOCOL, AD_PKTTYPE, AD_IFINDEX, AD_VLAN_TAG, AD_VLAN_TAG_PRESENT] {
        let refused = refusal(&[Classic::new(LD_H_ABS, 12), Classic::new(LD_W_ABS, AD_OFF + what), end]);
        assert_eq!(refused, Some(XdpRefusal::Ancillary(1)));
    }
    // Nobody has that: a load out of bounds.
    let filter = XdpFilter::new(&[Classic::new(LD_W_ABS, u32::MAX), end]).expect("a filter");
    assert_eq!(Machine::run(&emitted(&filter, true), &[0; 60], 60, &[]), 0);
}

#[test]
fn a_wider_filter_refuses_only_what_the_program_refuses() {
    let mut random = Random::new(81);
    let (mut wider, mut both) = (0, 0);
    for _ in 0..6_000 {
        let program = programs::program(&mut random, Rules::Any);
        if XdpFilter::new(&program).is_ok() {
            continue;
        }
        let filter = XdpFilter::new(&super::wider(&program).expect("a program")).expect("a filter");
        let insns = emitted(&filter, false);
        for _ in 0..6 {
            let frame = random.packet();
            // With and without what a source may know beside it.
            let known = [None, Some(&Beside { vlan_tag: Some(7), packet_type: 4, ifindex: 2, protocol: 0x800 })];
            let accepts = known.map(|beside| interpret(&program[..], &frame, frame.len() as u32, beside) != 0);
            let ours = Machine::run(&insns, &frame, frame.len(), filter.table()) != 0;
            assert!(ours || accepts == [false; 2], "{frame:?}: {program:?}");
            wider += usize::from(ours && accepts == [false; 2]);
            both += usize::from(!ours);
        }
    }
    assert!(wider > 100 && both > 100, "{wider} {both}");
    assert_eq!(super::wider(&[]).err(), Some(XdpRefusal::Invalid));
}

#[test]
fn a_constant_filter_is_two_instructions_and_the_packets_ends() {
    let always = XdpFilter::new(&[Classic::new(RET_K, 9)]).expect("a filter");
    let insns = emitted(&always, false);
    assert_eq!(insns.len(), 4, "{insns:?}");
    assert_eq!(Machine::run(&insns, &[0; 60], 60, &[]), 1);
}
