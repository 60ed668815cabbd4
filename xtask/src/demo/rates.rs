//! How many frames a second the two ports carry, and beside them libpcap on a veth pair.
//!
//! The same two programs measure both: `nmreplay` plays the capture at top speed, one frame a call, and `pkt-gen`
//! sends one frame over and over, in batches where the port has rings; `pkt-gen -f rx` counts what arrives.

use super::{CAPTURE, Stage};
use crate::Failure;
use crate::packages::find;
use crate::running::Running;
use crate::workspace::{self, dist, is_root, root};
use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

/// How long each sender sends.
const SPELL: Duration = Duration::from_secs(2);
const A_WHILE: Duration = Duration::from_secs(10);
/// The hidden task that measures on a veth pair, in a network namespace of its own.
pub const VETH_TASK: &str = "demo-on-veth";
const VETH: [&str; 2] = ["veth-a", "veth-b"];

/// Frames a second that arrived.
#[derive(Clone, Copy)]
struct Rates {
    replayed: f64,
    generated: f64,
}

/// Measures and prints.
///
/// # Errors
/// When a program fails or nothing arrives. Where no veth pair can be made, this is said and no error.
pub fn run(stage: &Stage) -> Result<(), Failure> {
    let ours = measure("vale0:a", "vale0:b", |program| stage.on_our_switches(Command::new(dist().join(program))))?;
    let veth = beside();
    println!("\nAt top speed, millions of frames that arrive a second:");
    println!("{:42}{:>18}{:>18}", "", "vale0:a, vale0:b", "libpcap, veth");
    for (what, rate) in [
        ("nmreplay, this capture, a call a frame", (|r| r.replayed) as fn(&Rates) -> f64),
        ("pkt-gen, 60 bytes, batches on rings", |r| r.generated),
    ] {
        let (millions, theirs) = (rate(&ours) / 1e6, veth.as_ref().ok().map(|v| rate(v) / 1e6));
        let beside = theirs.map(|t| format!("{t:>18.3}{:>8.0} times", millions / t)).unwrap_or_default();
        println!("{what:42}{millions:>18.3}{beside}");
    }
    if let Err(why) = veth {
        println!("skipped: libpcap on a veth pair: {why}");
    }
    Ok(())
}

/// The rates from port `from` to port `to`, with the tools that `tool` prepares.
fn measure(from: &str, to: &str, tool: impl Fn(&str) -> Command) -> Result<Rates, Failure> {
    let rate = |sender: &mut Command| -> Result<f64, Failure> {
        let mut receiver = Running::start(tool("pkt-gen").args(["-i", to, "-f", "rx", "-T", "100"]))?;
        // Its first report, ten times a second, says that the port is open.
        receiver.wait_for(" frames in ", A_WHILE)?;
        let mut sender = Running::start(sender)?;
        sleep(SPELL);
        sender.interrupt();
        let (status, said) = sender.finish(A_WHILE, || ())?;
        if !status.success() {
            return Err(format!("the sender on {from}: {status}\n{said}").into());
        }
        sleep(Duration::from_millis(200));
        receiver.interrupt();
        let (_, said) = receiver.finish(A_WHILE, || ())?;
        received(&said).ok_or_else(|| format!("nothing arrived at {to}: {said}").into())
    };
    Ok(Rates {
        replayed: rate(
            tool("nmreplay")
                .args(["-f", CAPTURE, "-i", from, "--top", "--preload", "--loops", "0"])
                .current_dir(root()),
        )?,
        generated: rate(tool("pkt-gen").args(["-i", from, "-f", "tx", "-l", "60"]))?,
    })
}

/// What pkt-gen's last line says: `received 1000 frames, 60000 bytes in 0.080 s: …`, frames a second.
fn received(said: &str) -> Option<f64> {
    let line = said.lines().find_map(|line| line.strip_prefix("received "))?;
    let words: Vec<&str> = line.split(' ').collect();
    let seconds = words.iter().position(|&word| word == "in").and_then(|at| words.get(at + 1)?.parse::<f64>().ok())?;
    let frames: f64 = words.first()?.parse().ok()?;
    (frames > 0.0 && seconds > 0.0).then_some(frames / seconds)
}

/// The same on a veth pair, measured by this program started again in a network namespace of its own: root may make
/// one, and so may others where the system lets them be root in a user namespace.
fn beside() -> Result<Rates, String> {
    if find("ip").is_none() {
        return Err("ip is missing (iproute2)".into());
    }
    let rights: &[&str] = if is_root() { &["--net"] } else { &["--map-root-user", "--net"] };
    let me = std::env::current_exe().map_err(|e| e.to_string())?;
    let mut command = Command::new("unshare");
    let inside = Running::start(command.args(rights).arg("--").arg(me).arg(VETH_TASK)).map_err(|e| e.to_string())?;
    let (status, said) = inside.finish(8 * A_WHILE, || ()).map_err(|e| e.to_string())?;
    let rates = said.lines().find_map(|line| line.strip_prefix("rates ")?.split_once(' '));
    match rates.map(|(replayed, generated)| (replayed.parse(), generated.parse())) {
        Some((Ok(replayed), Ok(generated))) if status.success() => Ok(Rates { replayed, generated }),
        _ => Err(said.trim().to_string()),
    }
}

/// [`VETH_TASK`]: makes the pair, measures, prints `rates REPLAYED GENERATED`.
///
/// # Errors
/// Without the right to make the pair, or veth in the kernel.
pub fn on_veth() -> Result<(), Failure> {
    // The kernel's own IPv6 chatter would be among the frames.
    let _ = std::fs::write("/proc/sys/net/ipv6/conf/default/disable_ipv6", "1");
    let ip = find("ip").ok_or("ip is missing")?;
    let [a, b] = VETH;
    for words in [
        vec!["link", "add", a, "type", "veth", "peer", "name", b],
        vec!["link", "set", a, "arp", "off", "up"],
        vec!["link", "set", b, "arp", "off", "up"],
    ] {
        workspace::run(Command::new(&ip).args(words))?;
    }
    let Rates { replayed, generated } = measure(a, b, |program| Command::new(dist().join(program)))?;
    println!("rates {replayed} {generated}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::received;

    #[test]
    fn reads_the_summary_of_pkt_gen() {
        let said = "0 pps  0 bit/s  (0 frames in 0.100 s, 0.00 a batch)\n\
                    received 3000 frames, 180000 bytes in 1.500 s: 2.000 kpps, 960.000 kbit/s (1.344 Mbit/s on a wire)\n";
        assert_eq!(received(said), Some(2000.0));
        assert_eq!(received("received 0 frames, 0 bytes in 0.000 s: 0 pps"), None);
        assert_eq!(received("no such port"), None);
    }
}
