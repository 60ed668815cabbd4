//! `cargo xtask bench`: builds `dist/` and runs the bench, whose options these are.

use crate::packages::{need, provide};
use crate::workspace;
use crate::{Failure, build};

/// Runs the bench with `args`.
///
/// # Errors
/// When something does not build, or the bench fails.
pub fn run(args: &[&str]) -> Result<(), Failure> {
    build::all()?;
    if args.first() == Some(&"filter") {
        provide(&[need("/usr/include/pcap/pcap.h", "libpcap-dev")])?;
    } else if args.first() == Some(&"netmap") {
        provide(&[need("ip", "iproute2"), need("ethtool", "ethtool")])?;
    } else if args.first() == Some(&"savefile") {
        // Without tcpdump its row is skipped, and the bench says so.
        provide(&[need("/usr/include/pcap/pcap.h", "libpcap-dev"), need("tcpdump", "tcpdump")])?;
    } else {
        // Without DPDK its rows are skipped, and the bench says so.
        provide(&[need("dpdk-testpmd", "dpdk-dev"), need("ip", "iproute2")])?;
    }
    workspace::run(workspace::cargo().args(["run", "--release", "--package", "bench", "--"]).args(args))
}
