//! A reader's filter as the kernel runs it: refuses no frame that the reader would accept.
//!
//! The program was made for a frame's bytes as the reader has them. The kernel runs it earlier, and three things differ:
//! - A VLAN tag is beside the frame then, not in it: a frame that has one passes, the reader decides.
//! - What the program returns would cut the frame, and its length with it: any number but 0 becomes "all of it".
//!   A program that returns what it has computed is left to the reader alone.
//! - The kernel knows loads from negative offsets as questions of its own; such programs are left to the reader, too.

use libc::sock_filter;

const fn insn(code: u32, jt: u8, jf: u8, k: u32) -> sock_filter {
    sock_filter { code: code as u16, jt, jf, k }
}

/// The kernel's place for what it knows beside a frame's bytes, and in it: whether there is a VLAN tag.
const VLAN_TAG_PRESENT: u32 = (libc::SKF_AD_OFF + libc::SKF_AD_VLAN_TAG_PRESENT) as u32;
/// All of the frame.
const WHOLE: u32 = u32::MAX;

/// `program` for the kernel; `None` when only the reader can run it.
pub fn for_kernel(program: &[sock_filter]) -> Option<Vec<sock_filter>> {
    const LD_ABS: u32 = libc::BPF_LD | libc::BPF_W | libc::BPF_ABS;
    const JEQ: u32 = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
    const RET: u32 = libc::BPF_RET | libc::BPF_K;
    // The accumulator is 0 behind these, as at a program's beginning.
    let mut out = vec![insn(LD_ABS, 0, 0, VLAN_TAG_PRESENT), insn(JEQ, 1, 0, 0), insn(RET, 0, 0, WHOLE)];
    for i in program {
        let code = u32::from(i.code);
        let mut i = *i;
        match code & 0x07 {
            libc::BPF_RET if code != RET => return None,
            libc::BPF_RET if i.k != 0 => i.k = WHOLE,
            libc::BPF_LD | libc::BPF_LDX if (i.k as i32) < 0 && code & 0xe0 != libc::BPF_IMM => return None,
            _ => {}
        }
        out.push(i);
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_never_cut_and_one_with_a_tag_beside_it_passes() {
        let ret = |k| insn(libc::BPF_RET | libc::BPF_K, 0, 0, k);
        let program = [insn(libc::BPF_LD | libc::BPF_H | libc::BPF_ABS, 0, 0, 12), ret(96), ret(0)];
        let made = for_kernel(&program).expect("can run in the kernel");
        assert_eq!(made.len(), 6);
        assert_eq!(made[0].k, 0xffff_f000 + 48);
        assert_eq!((made[2].k, made[4].k, made[5].k), (WHOLE, WHOLE, 0));
    }

    #[test]
    fn what_means_something_else_in_the_kernel_stays_with_the_reader() {
        let accumulator = insn(libc::BPF_RET | 0x10, 0, 0, 0);
        let ancillary = insn(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, 0xffff_f000);
        let constant = insn(libc::BPF_LD | libc::BPF_IMM, 0, 0, 0xffff_f000);
        assert!(for_kernel(&[accumulator]).is_none());
        assert!(for_kernel(&[ancillary, insn(libc::BPF_RET | libc::BPF_K, 0, 0, 1)]).is_none());
        assert!(for_kernel(&[constant]).is_some());
    }
}
