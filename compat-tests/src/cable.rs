//! Two hosts with a cable between them: network namespaces of their own, each with one end of a veth pair.
//!
//! | host | card | address |
//! |---|---|---|
//! | near | `va` | 10.0.0.1 |
//! | far | `vb` | 10.0.0.2 |

use crate::{Program, Running};
use std::time::Duration;

/// A program that hangs is given up on.
const LIMIT: Duration = Duration::from_secs(60);

// Without IPv6 the kernels send nothing by themselves. Each shell lives until its input ends, and its namespace with it.
const FAR: &str = "echo 1 > /proc/sys/net/ipv6/conf/default/disable_ipv6; ip link set lo up; echo ready; exec cat";
const NEAR: &str = "echo 1 > /proc/sys/net/ipv6/conf/default/disable_ipv6; ip link set lo up && \
     ip link add va type veth peer name vb netns $0 && \
     ip address add 10.0.0.1/24 dev va && ip link set va up && \
     nsenter -t $0 -n sh -c 'ip address add 10.0.0.2/24 dev vb && ip link set vb up' && echo ready; exec cat";

/// The hosts. They and all that runs on them are gone with this.
pub struct Cable {
    near: Running,
    far: Running,
}

impl Cable {
    /// Lays it. `None`, said aloud, where that is not possible: only root has namespaces in which programs may be loaded into
    /// cards.
    ///
    /// # Panics
    /// When root can't.
    pub fn lay() -> Option<Cable> {
        if !crate::user::is_root() {
            crate::process::skipped("only root may load programs into cards");
            return None;
        }
        if !crate::veth::possible() {
            return None;
        }
        let mut far = Program::new("unshare").args(["-n", "sh", "-c", FAR]).start();
        far.wait_for("ready", LIMIT);
        let mut near = Program::new("unshare").args(["-n", "sh", "-c", NEAR, &far.pid().to_string()]).start();
        near.wait_for("ready", LIMIT);
        Some(Cable { near, far })
    }

    /// A program on the near host.
    pub fn near(&self, program: Program) -> Program {
        on(&self.near, program)
    }

    /// A program on the far host.
    pub fn far(&self, program: Program) -> Program {
        on(&self.far, program)
    }
}

fn on(host: &Running, program: Program) -> Program {
    program.behind("nsenter", &["-t", &host.pid().to_string(), "-n"])
}
