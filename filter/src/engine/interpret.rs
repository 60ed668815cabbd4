//! The interpreter: what a program means. The other engines are held to it.
//!
//! | | |
//! |---|---|
//! | a load that ends behind the captured bytes, its address not wrapped to 32 bits | refuses the packet |
//! | a division or modulus by X = 0 | refuses the packet |
//! | a shift by 32 and more | gives 0 |
//! | A, X and scratch memory at the start | 0 |
//! | the length | that on the wire |
//! | an unknown instruction, a jump out of the program | refuses the packet |
//! | more backward jumps than captured bytes and 64 | refuses the packet |
//!
//! The last two lines are for programs that nobody checked. Instructions come from a [`Fetch`], so that C's `bpf_filter`, which is not
//! told how long its program is, runs on the same code.

#![forbid(unsafe_code)]

use super::opcode::*;
use crate::insn::op::*;
use crate::insn::{Insn, MEMWORDS};

/// Where instructions come from.
pub trait Fetch {
    /// The instruction with this number; `None`: there is none.
    fn insn(&self, at: usize) -> Option<&Insn>;
}

impl Fetch for [Insn] {
    #[inline(always)]
    fn insn(&self, at: usize) -> Option<&Insn> {
        self.get(at)
    }
}

/// What Linux knows of a packet beside its bytes; a program loads it from `SKF_AD_OFF` on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Beside {
    /// The VLAN tag (`tp_vlan_tci`) that was taken out of the packet, if there was one.
    pub vlan_tag: Option<u16>,
    /// `PACKET_HOST`, `PACKET_OUTGOING`, …
    pub packet_type: u32,
    /// The interface's number.
    pub ifindex: u32,
    /// The Ethernet type, in host order.
    pub protocol: u32,
}

impl Beside {
    pub(super) fn value(&self, k: u32) -> Option<u32> {
        Some(match k.checked_sub(AD_OFF)? {
            AD_PROTOCOL => self.protocol,
            AD_PKTTYPE => self.packet_type,
            AD_IFINDEX => self.ifindex,
            AD_VLAN_TAG => self.vlan_tag.unwrap_or(0).into(),
            AD_VLAN_TAG_PRESENT => self.vlan_tag.is_some().into(),
            _ => return None,
        })
    }
}

/// Runs `program` on the captured bytes `packet`, of `wirelen` on the wire: bytes to keep, 0 when the packet is refused. Loads from
/// `SKF_AD_OFF` on are out of bounds without `beside`.
#[inline]
pub fn interpret<P: Fetch + ?Sized>(program: &P, packet: &[u8], wirelen: u32, beside: Option<&Beside>) -> u32 {
    run(program, packet, wirelen, beside).unwrap_or(0)
}

/// `None`: refused on the way.
#[inline(always)]
fn run<P: Fetch + ?Sized>(program: &P, packet: &[u8], wirelen: u32, beside: Option<&Beside>) -> Option<u32> {
    let mut a = 0_u32;
    let mut x = 0_u32;
    let mut scratch = [0_u32; MEMWORDS];
    let mut backward_jumps = packet.len() + 64;
    let mut pc = 0_usize;
    loop {
        let insn = program.insn(pc)?;
        pc += 1;
        let k = insn.k;
        match insn.code {
            LD_W_ABS => a = load(packet, 0, k).map(u32::from_be_bytes).or_else(|| beside?.value(k))?,
            LD_H_ABS => a = load(packet, 0, k).map(half).or_else(|| beside?.value(k))?,
            LD_B_ABS => a = load(packet, 0, k).map(byte).or_else(|| beside?.value(k))?,
            LD_W_IND => a = load(packet, x, k).map(u32::from_be_bytes)?,
            LD_H_IND => a = load(packet, x, k).map(half)?,
            LD_B_IND => a = load(packet, x, k).map(byte)?,
            LDX_MSH => x = load(packet, 0, k).map(byte).map(|first| (first & 0xf) << 2)?,
            LD_LEN => a = wirelen,
            LDX_LEN => x = wirelen,
            LD_IMM => a = k,
            LDX_IMM => x = k,
            LD_MEM => a = *scratch.get(k as usize)?,
            LDX_MEM => x = *scratch.get(k as usize)?,
            ST => *scratch.get_mut(k as usize)? = a,
            STX => *scratch.get_mut(k as usize)? = x,
            MISC_TAX => x = a,
            MISC_TXA => a = x,

            JEQ_K => pc += skip(insn, a == k),
            JGT_K => pc += skip(insn, a > k),
            JGE_K => pc += skip(insn, a >= k),
            JSET_K => pc += skip(insn, a & k != 0),
            JEQ_X => pc += skip(insn, a == x),
            JGT_X => pc += skip(insn, a > x),
            JGE_X => pc += skip(insn, a >= x),
            JSET_X => pc += skip(insn, a & x != 0),
            JMP_JA => {
                let distance = k as i32;
                if distance < 0 {
                    backward_jumps = backward_jumps.checked_sub(1)?;
                }
                pc = pc.wrapping_add_signed(distance as isize);
            }

            ADD_K => a = a.wrapping_add(k),
            SUB_K => a = a.wrapping_sub(k),
            MUL_K => a = a.wrapping_mul(k),
            DIV_K => a = a.checked_div(k)?,
            MOD_K => a = a.checked_rem(k)?,
            AND_K => a &= k,
            OR_K => a |= k,
            XOR_K => a ^= k,
            LSH_K => a = a.checked_shl(k).unwrap_or(0),
            RSH_K => a = a.checked_shr(k).unwrap_or(0),
            ADD_X => a = a.wrapping_add(x),
            SUB_X => a = a.wrapping_sub(x),
            MUL_X => a = a.wrapping_mul(x),
            DIV_X => a = a.checked_div(x)?,
            MOD_X => a = a.checked_rem(x)?,
            AND_X => a &= x,
            OR_X => a |= x,
            XOR_X => a ^= x,
            LSH_X => a = a.checked_shl(x).unwrap_or(0),
            RSH_X => a = a.checked_shr(x).unwrap_or(0),
            ALU_NEG => a = a.wrapping_neg(),

            RET_K => return Some(k),
            RET_A => return Some(a),
            _ => return None,
        }
    }
}

/// How far a branch jumps. The cold call makes it stay a branch, which the processor guesses: a choice by a conditional move would make
/// every instruction wait for the packet's bytes, which takes twice as long. (A `black_box` on one side does so, too, and is slower.)
#[inline(always)]
fn skip(insn: &Insn, test: bool) -> usize {
    if test {
        stay_a_branch();
        insn.jt.into()
    } else {
        insn.jf.into()
    }
}

/// Nothing, and nothing is left of it.
#[cold]
#[inline(never)]
fn stay_a_branch() {}

/// `N` bytes at `x + k`; `None` when not all of them were captured.
#[inline(always)]
fn load<const N: usize>(packet: &[u8], x: u32, k: u32) -> Option<[u8; N]> {
    let at = (x as usize).checked_add(k as usize)?;
    packet.get(at..)?.first_chunk().copied()
}

#[inline(always)]
fn half(bytes: [u8; 2]) -> u32 {
    u16::from_be_bytes(bytes).into()
}

#[inline(always)]
fn byte([byte]: [u8; 1]) -> u32 {
    byte.into()
}
