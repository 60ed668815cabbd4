//! Two interfaces joined by a cable, in a network namespace of their own: where the system's libpcap is asked the same.

use crate::Program;
use std::path::Path;
use std::sync::OnceLock;
use std::time::Duration;

/// The two ends.
pub const ENDS: [&str; 2] = ["va", "vb"];

// Without IPv6 the kernel sends nothing of its own.
const PAIR: &str = "echo 1 > /proc/sys/net/ipv6/conf/default/disable_ipv6; ip link set lo up && \
     ip link add va type veth peer name vb && ip link set va up && ip link set vb up && exec \"$@\"";

// Cards whose other end nobody uses. The kernel takes `vale0:a` for an alias of card `vale0`, so that programs which ask
// the kernel about the interface that they capture on get an answer.
const CARDS: &str = "for card in $0; do \
     ip link add \"$card\" type veth peer name \"$card-end\" && ip link set \"$card\" up || exit 1; done; exec \"$@\"";

fn flags() -> &'static [&'static str] {
    if crate::user::is_root() { &["-n"] } else { &["-r", "-n"] }
}

/// `program` in a fresh namespace with the pair up. The namespace goes with the program.
pub fn in_namespace(program: &Path) -> Program {
    Program::new("unshare").args(flags()).args(["sh", "-c", PAIR, "sh"]).arg(program)
}

/// `program` in a fresh namespace that has cards of these names.
pub fn with_cards(program: Program, names: &[&str]) -> Program {
    let names = names.join(" ");
    let mut before: Vec<&str> = flags().to_vec();
    before.extend(["sh", "-c", CARDS, &names]);
    program.behind("unshare", &before)
}

/// Whether namespaces with interfaces can be made here; says so for each test that asks.
pub fn possible() -> bool {
    static POSSIBLE: OnceLock<Result<(), String>> = OnceLock::new();
    let tried = POSSIBLE.get_or_init(|| {
        let run = in_namespace(Path::new("true")).finish_within(Duration::from_secs(20));
        if run.success() { Ok(()) } else { Err(run.stderr.trim().to_string()) }
    });
    if let Err(why) = tried {
        crate::process::skipped(&format!("no network namespace with interfaces can be made here: {why}"));
    }
    tried.is_ok()
}
