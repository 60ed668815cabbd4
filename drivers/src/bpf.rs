//! Programs that the kernel runs on an interface's frames, made here instruction by instruction: no compiler, no libbpf.
//!
//! ```text
//!   card ──> driver, receive queue q
//!              │
//!      ┌───────▼────────┐
//!      │ VLAN tag       │ one that the card has taken out is put back, where its driver tells it
//!      └───────┬────────┘ (and out again before the host gets the frame)
//!      ┌───────▼────────┐ refuses
//!      │ the filter     ├──────────────────────────────> the host, untouched
//!      └───────┬────────┘  (an exclusive port, of queues with a socket:  ▲
//!      ┌───────▼────────┐   the frame ends here)                         │
//!      │ metadata       │ time, generation: 16 bytes in front of it      │
//!      └───────┬────────┘ (a driver without room for them: nothing)      │
//!      ┌───────▼────────┐ no socket                                      │
//!      │ socket of q?   ├────────────────────────────────────────────────┘
//!      └───────┬────────┘
//!              └───> the AF_XDP socket
//! ```
//!
//! | file | what |
//! |---|---|
//! | `program.rs` | that program, loaded: [`XdpProgram`] |
//! | `metadata.rs` | what lies in front of a frame, for who reads it: [`Metadata`] |
//! | `tags.rs` | VLAN tags that a card takes out, put back |
//! | `card_time.rs` | a frame's time by the card's clock |
//! | `btf.rs` | the numbers of the kernel's own functions |
//! | `redirect.rs` | the programs of host rings: a frame goes to another interface |
//! | `attach.rs` | programs on interfaces, and off again: [`Link`] |
//!
//! # A filter that changes
//! [`Link::replace`] puts a new program in the old one's place. Each frame meets one of them whole, but frames of the old one are on their
//! way: in other processors that are about to finish, and in the sockets' rings. So the reader runs its own filter on all that it gets. Each
//! frame carries the generation of the program that accepted it, by which tests tell them apart.
//!
//! # A filter that can't run here
//! [`XdpFilter::new`](filter::engine::ebpf::XdpFilter::new) refuses loops and what lies beside a packet; there
//! [`wider`](filter::engine::ebpf::wider) gives a filter that accepts more, and the port's owner runs the whole one on what it gets. The same
//! when the verifier refuses ([`Error::Verifier`]), with a program that accepts all. It takes some 4,000 tests in a row (twice as many where frames
//! have one buffer), and search trees of any length.
//!
//! # What is counted
//! Nothing, here: who reads counts, and what waits lies in the socket's ring. What a filter refused the host or, behind `/x`, the card's driver
//! counts (`ethtool -S`). A counter of its own would cost each frame a call and an addition.
//!
//! # A filter that comes without privileges
//! A program is loaded with privileges, and many give theirs up before they set a filter. So one that interprets a filter is loaded in
//! time ([`Filtering::Written`]), and put on the interface when there is no other way: the filter is written into its map, and the next one
//! in its place. (Linux 6.9, frames of one buffer, 1,024 instructions.)
//!
//! # Time
//! `bpf_ktime_get_ns`: CLOCK_MONOTONIC, taken when the filter has accepted the frame; so each frame of a batch has its own. Where the
//! card's own was asked for, that of its reception, as far as the driver tells one.

mod attach;
pub mod btf;
mod card_time;
pub(crate) mod metadata;
mod program;
mod redirect;
mod tags;

pub use attach::{Link, attach_tcx, attach_xdp};
pub use card_time::CardTime;
pub use metadata::{METADATA_LEN, Metadata};
pub use program::{Filtering, XdpProgram};
pub use redirect::{Redirect, load_redirect};
pub use tags::Tags;

use crate::Error;
use crate::sys::bpf::{LoadError, ProgramKind, program_load};
use filter::engine::ebpf::Insn;
use std::os::fd::OwnedFd;

/// Loads a program.
fn load(kind: ProgramKind, name: &str, insns: &[Insn]) -> Result<OwnedFd, Error> {
    match program_load(kind, name, insns) {
        Ok((program, _)) => Ok(program),
        Err(LoadError { source, log }) => match reason(&log) {
            Some(line) => Err(Error::Verifier { line: line.to_string(), source }),
            None => Err(Error::system("load a program into the kernel", source)),
        },
    }
}

/// The verifier's last line but for its counts; the other ones tell what led there.
fn reason(log: &str) -> Option<&str> {
    let counts = ["processed ", "verification time ", "stack depth ", "insns processed"];
    log.lines().map(str::trim).rfind(|line| !line.is_empty() && !counts.iter().any(|count| line.starts_with(count)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_verifiers_reason_is_its_last_line_without_counts() {
        let log = "func#0 @0\nBPF program is too large. Processed 1000001 insn\nverification time 5 usec\nstack depth 4\n\
                   processed 1000001 insns (limit 1000000) max_states_per_insn 4\n\n";
        assert_eq!(reason(log), Some("BPF program is too large. Processed 1000001 insn"));
        assert_eq!(reason("processed 3 insns (limit 1000000)\n"), None);
        assert_eq!(reason(""), None);
    }
}
