use super::translated::extent;
use super::*;
use ::filter::insn::op;

fn ret(k: u32) -> Insn {
    Insn::new(op::RET | op::K, k)
}

/// Accepts packets of which the first byte is `byte`, by `keep` bytes.
fn first_byte(byte: u32, keep: u32) -> Vec<Insn> {
    vec![Insn::new(op::LD | op::B | op::ABS, 0), Insn::jump(op::JMP | op::JEQ | op::K, byte, 0, 1), ret(keep), ret(0)]
}

fn run(program: &[Insn], packet: &[u8]) -> u32 {
    // SAFETY: the tests' programs are valid.
    unsafe { verdict(program.as_ptr(), packet, packet.len() as u32) }
}

fn known() -> usize {
    let table = TABLE.get();
    // SAFETY: NULL, or this thread's own table, which nobody is at work on.
    unsafe { table.as_ref() }.map_or(0, |table| table.0.iter().filter(|place| place.translated.is_some()).count())
}

#[test]
fn a_program_that_comes_often_is_known() {
    let program = first_byte(7, 100);
    for n in 0..CALLS {
        assert_eq!(known(), 0, "call {n}");
        assert_eq!(run(&program, &[7, 8]), 100);
    }
    assert_eq!(known(), 1);
    assert_eq!((run(&program, &[7, 8]), run(&program, &[8]), run(&program, &[])), (100, 0, 0));
}

#[test]
fn new_bytes_at_the_address_of_a_known_program() {
    let mut program = first_byte(7, 100);
    (0..CALLS).for_each(|_| assert_eq!(run(&program, &[7]), 100));
    assert_eq!(known(), 1);
    for keep in 0..2000 {
        program[2].k = keep;
        assert_eq!(run(&program, &[7]), keep);
    }
    program[1].k = 9;
    assert_eq!(run(&program, &[7]), 0);
}

#[test]
fn more_programs_than_a_thread_knows() {
    let programs: Vec<_> = (1..=200).map(|n| first_byte(n, n)).collect();
    for _ in 0..2 * CALLS {
        for (program, byte) in programs.iter().zip(1u8..) {
            assert_eq!(run(program, &[byte]), byte.into());
            assert_eq!(run(program, &[byte + 1]), 0);
        }
    }
    assert!((1..=PLACES).contains(&known()));
}

/// A program before, or across, the end of memory that may be read.
struct AtTheEnd {
    map: *mut libc::c_void,
    program: *mut Insn,
    len: usize,
}

const PAGE: usize = 65_536;

impl AtTheEnd {
    /// Reading behind the program ends the process.
    fn new(program: &[Insn]) -> AtTheEnd {
        let place = AtTheEnd::across(program, program.len());
        place.close();
        place
    }

    /// `before` of its instructions lie before the line from which on [`AtTheEnd::close`] forbids to read.
    fn across(program: &[Insn], before: usize) -> AtTheEnd {
        let (access, kind) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
        // SAFETY: a fresh mapping of two parts; the program begins in the first and fits.
        unsafe {
            let map = libc::mmap(std::ptr::null_mut(), 2 * PAGE, access, kind, -1, 0);
            assert_ne!(map, libc::MAP_FAILED);
            let first = map.byte_add(PAGE - before * size_of::<Insn>()).cast::<Insn>();
            first.copy_from_nonoverlapping(program.as_ptr(), program.len());
            AtTheEnd { map, program: first, len: program.len() }
        }
    }

    fn close(&self) {
        // SAFETY: the second part of our own mapping.
        assert_eq!(unsafe { libc::mprotect(self.map.byte_add(PAGE), PAGE, libc::PROT_NONE) }, 0);
    }

    fn insns(&mut self) -> &mut [Insn] {
        // SAFETY: written by `across`, mapped until the drop; not used after `close` where that hides a part.
        unsafe { std::slice::from_raw_parts_mut(self.program, self.len) }
    }
}

impl Drop for AtTheEnd {
    fn drop(&mut self) {
        // SAFETY: mapped by `new`.
        unsafe { libc::munmap(self.map, 2 * PAGE) };
    }
}

#[test]
fn nothing_is_read_behind_a_program() {
    let mut program = AtTheEnd::new(&first_byte(7, 100));
    (0..2 * CALLS).for_each(|_| assert_eq!(run(program.insns(), &[7]), 100));
    assert_eq!(known(), 1);
}

/// What replaces a known program at its address begins like it.
#[test]
fn nothing_is_read_behind_a_program_that_became_shorter() {
    let known_program = first_byte(7, 100);
    let equal = Insn::jump(op::JMP | op::JEQ | op::K, 7, 0, 0);
    for shorter in [vec![known_program[0], ret(3)], vec![ret(4)], vec![known_program[0], equal, ret(5)]] {
        let mut place = AtTheEnd::across(&known_program, shorter.len());
        (0..2 * CALLS).for_each(|_| assert_eq!(run(place.insns(), &[7]), 100));
        assert!(known() > 0);
        place.insns()[..shorter.len()].copy_from_slice(&shorter);
        place.close();
        place.len = shorter.len();
        let keep = shorter.last().unwrap().k;
        (0..2 * CALLS).for_each(|_| assert_eq!(run(place.insns(), &[7]), keep));
    }
}

#[test]
fn a_long_program_is_compared_in_stretches() {
    // Each instruction jumps at most one further than the one before it has proved.
    let mut program = vec![Insn::new(op::LD | op::B | op::ABS, 0)];
    for byte in 0..200 {
        program.push(Insn::jump(op::JMP | op::JEQ | op::K, byte, 0, 1));
        program.push(ret(byte + 1));
    }
    program.push(ret(0));
    // SAFETY: a valid program.
    let (copy, ends) = unsafe { extent(program.as_ptr()) };
    assert_eq!(copy, program);
    assert_eq!(ends.last(), Some(&program.len()));
    assert!(ends.windows(2).all(|pair| pair[0] < pair[1]));
    let mut program = AtTheEnd::new(&program);
    (0..4 * CALLS).for_each(|n| assert_eq!(run(program.insns(), &[(n % 200) as u8]), n % 200 + 1));
}

#[test]
fn instructions_that_only_a_jump_back_reaches() {
    // ja +1; ret 5; ja -2
    let program = [Insn::new(op::JMP | op::JA, 1), ret(5), Insn::new(op::JMP | op::JA, -2i32 as u32)];
    // SAFETY: a valid program.
    let (copy, ends) = unsafe { extent(program.as_ptr()) };
    assert_eq!((copy.len(), ends), (3, vec![1, 3]));
    let mut program = AtTheEnd::new(&program);
    (0..2 * CALLS).for_each(|_| assert_eq!(run(program.insns(), &[]), 5));
}

#[test]
fn a_search_tree_stays_interpreted() {
    // One step into 4,000 instructions that no packet reaches.
    let mut program =
        vec![Insn::new(op::LD | op::B | op::ABS, 0), Insn::jump(op::JMP | op::JEQ | op::K, 7, 0, 1), ret(1)];
    program.extend(std::iter::repeat_n(Insn::new(op::LD | op::IMM, 1), 4000));
    program.push(ret(2));
    (0..2 * CALLS).for_each(|_| assert_eq!(run(&program, &[7]), 1));
    assert_eq!(known(), 0);
}

#[test]
fn a_call_from_a_signals_handler() {
    let program = first_byte(7, 100);
    (0..2 * CALLS).for_each(|_| assert_eq!(run(&program, &[7]), 100));
    let table = TABLE.replace(AT_WORK);
    (0..2 * CALLS).for_each(|_| assert_eq!((run(&program, &[7]), TABLE.get()), (100, AT_WORK)));
    TABLE.set(table);
}
