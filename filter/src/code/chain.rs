//! The loop of `protochain`.

use crate::insn::{Insn, op};
use crate::ir::Chain;

/// A jump of `chain`'s code, to be given its offsets.
const fn jeq(k: u32, jt: u8, jf: u8) -> Insn {
    Insn::jump(op::JMP | op::JEQ | op::K, k, jt, jf)
}

/// Follows the headers; A holds the protocol at the end, to be compared with [`Chain::protocol`]. `next` is a word of the
/// scratch memory. A packet's headers may lead in a circle: who runs it counts the jumps backwards.
pub(super) fn emit(chain: Chain, next: u32, code: &mut Vec<Insn>) {
    let byte = |mode: u16, at: u32| Insn::new(op::LD | op::B | mode, chain.network.wrapping_add(at));
    let alu = |operation: u16, k: u32| Insn::new(op::ALU | operation | op::K, k);
    let (st, ld) = (Insn::new(op::ST, next), Insn::new(op::LD | op::MEM, next));
    let tax = Insn::new(op::MISC | op::TAX, 0);

    code.extend(match chain.ipv6 {
        false => [byte(op::ABS, 9), Insn::new(op::LDX | op::B | op::MSH, chain.network)],
        true => [byte(op::ABS, 6), Insn::new(op::LDX | op::IMM, 40)],
    });
    let top = code.len();
    // What an authentication header needs, and an extension header of IPv6; both leave the next header's place in X.
    let authentication = [byte(op::IND, 0), st, byte(op::IND, 1), alu(op::ADD, 2), alu(op::MUL, 4), tax];
    let add_x = Insn::new(op::ALU | op::ADD | op::X, 0);
    let extension = [byte(op::IND, 0), st, byte(op::IND, 1), alu(op::ADD, 1), alu(op::MUL, 8), add_x, tax];
    // ld M[next]; ja top
    const AGAIN: u8 = 2;
    let authenticated = authentication.len() as u8;
    let extended = extension.len() as u8 + 1;
    if chain.ipv6 {
        let skip = authenticated + extended + AGAIN;
        code.extend([
            jeq(chain.protocol, 6 + skip, 0),
            jeq(59, 5 + skip, 0),
            jeq(0, 4, 0),
            jeq(60, 3, 0),
            jeq(43, 2, 0),
            jeq(44, 1, 0),
            jeq(51, extended, skip),
        ]);
        code.extend(extension);
        code.push(Insn::new(op::JMP | op::JA, u32::from(authenticated)));
    } else {
        let skip = authenticated + AGAIN;
        code.extend([jeq(chain.protocol, 2 + skip, 0), jeq(59, 1 + skip, 0), jeq(51, 0, skip)]);
    }
    code.extend(authentication);
    code.push(ld);
    let back = (top as u32).wrapping_sub(code.len() as u32 + 1);
    code.push(Insn::new(op::JMP | op::JA, back));
}
