//! How many frames a second the two ports carry, and beside them libpcap on a veth pair.
//!
//! The same programs measure both. `nmreplay` sends by `pcap_inject`, one frame a call; `pkt-gen` sends in batches
//! where the port has rings. `pkt-gen -f rx` counts what arrives.

use super::{CAPTURE, Stage};
use crate::Failure;
use crate::capture::{self, Frame};
use crate::packages::find;
use crate::running::Running;
use crate::terminal;
use crate::workspace::{self, dist, is_root, root};
use std::path::Path;
use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

/// How long each sender sends.
const SPELL: Duration = Duration::from_secs(2);
const A_WHILE: Duration = Duration::from_secs(10);
/// The hidden task that measures on a veth pair, in a network namespace of its own.
pub const VETH_TASK: &str = "demo-on-veth";
const VETH: [&str; 2] = ["veth-a", "veth-b"];

/// The senders: what they do, and how they are called with the name of a port at the end. `@` stands for a capture of
/// [`sixty_bytes`].
const SENDERS: [(&str, &[&str]); 3] = [
    ("this capture, a call a frame", &["nmreplay", "--top", "--preload", "--loops", "0", "-f", CAPTURE, "-i"]),
    ("60 bytes, a call a frame", &["nmreplay", "--top", "--preload", "--loops", "0", "-f", "@", "-i"]),
    ("60 bytes, in batches", &["pkt-gen", "-f", "tx", "-l", "60", "-i"]),
];

/// Frames a second that arrived, for each of [`SENDERS`].
type Rates = Vec<f64>;

/// Measures and prints.
///
/// # Errors
/// When a program fails or nothing arrives. Where no veth pair can be made, this is said and no error.
pub fn run(stage: &Stage) -> Result<(), Failure> {
    let capture = stage.0.join("sixty-bytes.pcap");
    capture::write(&capture, &sixty_bytes())?;
    let tool = |program: &str| stage.on_our_switches(Command::new(dist().join(program)));
    let ours = measure("vale0:a", "vale0:b", &capture, tool)?;
    terminal::progress("measuring: libpcap on a veth pair");
    let veth = beside(&capture);
    terminal::clear();
    println!("\nAt top speed, millions of frames that arrive a second:");
    println!("{:30}{:>18}{:>18}", "", "vale0:a, vale0:b", "libpcap, veth");
    for (i, (what, _)) in SENDERS.iter().enumerate() {
        let theirs = veth.as_ref().ok().and_then(|rates| rates.get(i));
        let beside = theirs.map(|t| format!("{:>18.3}{:>8.0} times", t / 1e6, ours[i] / t)).unwrap_or_default();
        println!("{what:30}{:>18.3}{beside}", ours[i] / 1e6);
    }
    if let Err(why) = veth {
        println!("skipped: libpcap on a veth pair: {why}");
    }
    Ok(())
}

/// Frames of 60 bytes to everybody, of the type for experiments, enough that beginning again costs nothing.
fn sixty_bytes() -> Vec<Frame> {
    let mut bytes = vec![0xff; 6];
    bytes.extend([0x02, 0, 0, 0, 0, 0x0a, 0x88, 0xb5]);
    bytes.resize(60, 0);
    vec![Frame { time: Duration::ZERO, wire_len: bytes.len(), bytes }; 1000]
}

/// The rates from port `from` to port `to`, with the tools that `tool` prepares.
fn measure(from: &str, to: &str, capture: &Path, tool: impl Fn(&str) -> Command) -> Result<Rates, Failure> {
    let rate = |words: &[&str]| -> Result<f64, Failure> {
        let mut receiver = Running::start(tool("pkt-gen").args(["-i", to, "-f", "rx", "-T", "100"]))?;
        // Its first report, ten times a second, says that the port is open.
        receiver.wait_for(" frames in ", A_WHILE)?;
        let arguments = words[1..].iter().map(|&word| if word == "@" { capture.as_os_str() } else { word.as_ref() });
        let mut sender = Running::start(tool(words[0]).args(arguments).arg(from).current_dir(root()))?;
        sleep(SPELL);
        sender.interrupt();
        let (status, said) = sender.finish(A_WHILE, || ())?;
        if !status.success() {
            return Err(format!("{} on {from}: {status}\n{said}", words[0]).into());
        }
        sleep(Duration::from_millis(200));
        receiver.interrupt();
        let (_, said) = receiver.finish(A_WHILE, || ())?;
        received(&said).ok_or_else(|| format!("nothing arrived at {to}: {said}").into())
    };
    let rates = SENDERS.iter().map(|(what, words)| {
        terminal::progress(&format!("measuring: {from} to {to}: {what}"));
        rate(words)
    });
    rates.collect()
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
fn beside(capture: &Path) -> Result<Rates, String> {
    if find("ip").is_none() {
        return Err("ip is missing (iproute2)".into());
    }
    let rights: &[&str] = if is_root() { &["--net"] } else { &["--map-root-user", "--net"] };
    let me = std::env::current_exe().map_err(|e| e.to_string())?;
    let mut command = Command::new("unshare");
    let inside = Running::start(command.args(rights).arg("--").arg(me).arg(VETH_TASK).arg(capture));
    let (status, said) = inside.and_then(|i| i.finish(10 * A_WHILE, || ())).map_err(|e| e.to_string())?;
    let rates: Rates = said
        .lines()
        .filter_map(|line| line.strip_prefix("rates "))
        .flat_map(|rates| rates.split(' ').filter_map(|rate| rate.parse().ok()))
        .collect();
    if status.success() && rates.len() == SENDERS.len() { Ok(rates) } else { Err(said.trim().to_string()) }
}

/// [`VETH_TASK`]: makes the pair, measures, prints `rates` and a rate for each of [`SENDERS`].
///
/// # Errors
/// Without the right to make the pair, or veth in the kernel.
pub fn on_veth(capture: &str) -> Result<(), Failure> {
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
    let rates = measure(a, b, Path::new(capture), |program| Command::new(dist().join(program)))?;
    println!("rates {}", rates.iter().map(f64::to_string).collect::<Vec<_>>().join(" "));
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
