//! The rows: who takes part, and what is asked of us.

use crate::child::{Child, Role};
use crate::contest::{Contestant, Entry, Outcome, Party, play};
use crate::dpdk::Dpdk;
use crate::netns::VethPair;
use crate::options::Options;
use crate::table::{Bound, Comparison, Line, Quantity, Verdict, short};
use crate::testpmd::Memif;
use std::cell::{OnceCell, RefCell};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

/// The name of what is measured, where it has peers.
pub const OURS: &str = "ours";
const BARE: &str = "bare copy";
const BARE_HOT: &str = "bare copy of one frame";
const MEMIF: &str = "DPDK memif";
const DPDK_RING: &str = "DPDK ring with a copy";
const DPDK_RING_32: &str = "DPDK ring, bursts of 32";
const VETH: &str = "libpcap over veth";
/// Slots of a port's ring, and buffers that the bare copy sends from.
const SLOTS: u32 = 1024;
/// The end of a flood's numbers, for who numbers all frames.
const ALL: u64 = crate::frame::END;

/// What a row came to.
#[derive(Default)]
pub struct Finding {
    /// Its targets.
    pub lines: Vec<Line>,
    /// All figures.
    pub comparisons: Vec<Comparison>,
}

/// What the rows share.
pub struct Bench<'a> {
    options: &'a Options,
    folder: PathBuf,
    veth: OnceCell<Result<VethPair, String>>,
    dpdk: OnceCell<Result<Dpdk, String>>,
}

impl<'a> Bench<'a> {
    /// `folder` is empty, private, and in memory.
    pub fn new(options: &'a Options, folder: &Path) -> Bench<'a> {
        Bench { options, folder: folder.to_path_buf(), veth: OnceCell::new(), dpdk: OnceCell::new() }
    }

    fn veth(&self) -> Result<&VethPair, String> {
        self.veth.get_or_init(VethPair::make).as_ref().map_err(Clone::clone)
    }

    fn dpdk(&self) -> Result<&Dpdk, String> {
        self.dpdk.get_or_init(|| Dpdk::prepare(&self.folder)).as_ref().map_err(Clone::clone)
    }

    fn role(&self, name: &str) -> Role<'_> {
        Role::new(name).env("VALE_DIR", self.folder.join("vale").display())
    }

    fn compare(&self, what: &str, quantity: Quantity, contestants: Vec<Entry<'_>>) -> Comparison {
        let Options { rounds, ms, .. } = self.options;
        Comparison { what: what.to_string(), quantity, standings: play(contestants, *rounds, *ms) }
    }

    fn bare(&self, len: usize, sources: u32) -> Result<Party, String> {
        let path = self.folder.join(format!("bare{len}x{sources}"));
        let role = |name, cpu| {
            self.role(name)
                .with("path", path.display())
                .with("sources", sources)
                .with("cpu", cpu)
                .with("len", len)
                .start()
        };
        Ok(Party { receivers: vec![role("bare-recv", 1)?], senders: vec![role("bare-send", 0)?] })
    }

    fn raw_send(&self, port: &str, sender: u32, mode: &str, len: usize) -> Role<'_> {
        let role = self.role("raw-send").with("port", port).with("sender", sender).with("mode", mode);
        role.with("len", len).with("tx_slots", SLOTS)
    }

    fn raw_recv(&self, port: &str, senders: u32, mode: &str) -> Role<'_> {
        let modulus = if mode == "inject" { ALL } else { u64::from(SLOTS) };
        self.role("raw-recv").with("port", port).with("senders", senders).with("modulus", modulus)
    }

    fn raw_pair(&self, switch: &str, mode: &str, len: usize) -> Result<Party, String> {
        let receiver = self.raw_recv(&format!("{switch}:b"), 1, mode).with("cpu", 1).start()?;
        let sender = self.raw_send(&format!("{switch}:a"), 0, mode, len).with("cpu", 0).start()?;
        Ok(Party { receivers: vec![receiver], senders: vec![sender] })
    }

    /// Raw rings against the bare copy and DPDK.
    pub fn raw(&self, len: usize) -> Finding {
        let contestants = vec![
            entry(OURS, self.raw_pair(&format!("valeraw{len}"), "batch", len)),
            entry(BARE, self.bare(len, SLOTS)),
            entry(BARE_HOT, self.bare(len, 1)),
            entry(MEMIF, self.dpdk().and_then(|d| Memif::start(d, len))),
            entry(DPDK_RING, self.dpdk().and_then(|d| d.ring_party(len, 256))),
            entry(DPDK_RING_32, self.dpdk().and_then(|d| d.ring_party(len, 32))),
        ];
        let quantity = if len > 1000 { Quantity::gbits(len) } else { Quantity::MPPS };
        let what = format!("raw rings, process to process, {len} bytes");
        let all = self.compare(&what, quantity, contestants);
        let targets: &[(&str, f64)] = if len > 1000 {
            &[(BARE, 0.8)]
        } else {
            &[(BARE, 0.6), (MEMIF, 2.0), (DPDK_RING, 1.2), (DPDK_RING_32, 1.2)]
        };
        let lines = targets.iter().map(|&(peer, least)| all.judge(OURS, peer, Bound::AtLeast(least))).collect();
        Finding { lines, comparisons: vec![all] }
    }

    fn pcap_party(&self, lib: &str, kind: (&str, &str), more: &[(&str, u64)]) -> Result<Party, String> {
        let (netns, ports) = match lib {
            "system" => (Some(self.veth()?.fd()), ["v0".to_string(), "v1".to_string()]),
            _ => (
                None,
                ["a", "b"]
                    .map(|p| format!("vale{}:{p}", more.iter().fold(kind.0.to_string(), |t, m| format!("{t}{}", m.1)))),
            ),
        };
        let role = |name: &str, port: &str, cpu: u32| {
            let role = self.role(name).with("lib", lib).with("if", port).with("cpu", cpu).within(netns);
            more.iter().fold(role, |r, (key, value)| r.with(key, value)).start()
        };
        Ok(Party { receivers: vec![role(kind.1, &ports[1], 1)?], senders: vec![role(kind.0, &ports[0], 0)?] })
    }

    fn pcap_pair(&self, what: &str, quantity: Quantity, kind: (&str, &str), more: &[(&str, u64)]) -> Comparison {
        let contestants =
            vec![entry(OURS, self.pcap_party("ours", kind, more)), entry(VETH, self.pcap_party("system", kind, more))];
        self.compare(what, quantity, contestants)
    }

    /// One frame a call, both ends through a libpcap.
    pub fn inject(&self, len: usize) -> Finding {
        let (quantity, least) = if len > 1000 { (Quantity::gbits(len), 10.0) } else { (Quantity::MPPS, 40.0) };
        let what = format!("pcap_inject, one frame a call, to pcap_loop, {len} bytes");
        let all = self.pcap_pair(&what, quantity, ("pcap-send", "pcap-recv"), &[("len", len as u64)]);
        Finding { lines: vec![all.judge(OURS, VETH, Bound::AtLeast(least))], comparisons: vec![all] }
    }

    /// Ping-pong of two that spin.
    pub fn ping_spin(&self) -> Finding {
        let more = [("spin", 1), ("pause_us", 0)];
        let what = "ping-pong of two pcap programs that spin, median round trip";
        let all = self.pcap_pair(what, Quantity::ROUND_TRIP, ("pcap-ping", "pcap-pong"), &more);
        Finding { lines: vec![all.judge(OURS, VETH, Bound::AtMost(0.1))], comparisons: vec![all] }
    }

    /// Ping-pong of two that sleep: at once, and after pauses that let the other fall asleep.
    pub fn ping_sleep(&self) -> Finding {
        let kind = ("pcap-ping", "pcap-pong");
        let mut found = Finding::default();
        for (pause_us, how) in [(0, "back to back"), (300, "each after a pause of 300 µs")] {
            let what = format!("ping-pong of two pcap programs that sleep, {how}, median round trip");
            let more = [("spin", 0), ("pause_us", pause_us)];
            let all = self.pcap_pair(&what, Quantity::ROUND_TRIP, kind, &more);
            found.lines.push(all.judge(OURS, VETH, Bound::AtMost(1.0)));
            found.comparisons.push(all);
        }
        found
    }

    /// One sender to many, and many to one: nobody is pinned, for there are more processes than CPUs.
    fn crowd(&self, switch: &str, mode: &str, senders: u32, receivers: &[&str]) -> Result<Party, String> {
        let receivers = receivers.iter().map(|r| self.raw_recv(&format!("{switch}:{r}"), senders, mode).start());
        let receivers = receivers.collect::<Result<_, _>>()?;
        let senders = (0..senders).map(|n| self.raw_send(&format!("{switch}:s{n}"), n, mode, 60).start());
        Ok(Party { senders: senders.collect::<Result<_, _>>()?, receivers })
    }

    /// Frames delivered per CPU second do not collapse with more listeners or senders.
    pub fn fan(&self) -> Finding {
        let mut found = Finding::default();
        for (mode, how) in [("batch", "in batches"), ("inject", "one frame a call")] {
            let contestants = vec![
                entry("one to one", self.crowd(&format!("vale11{mode}"), mode, 1, &["b"])),
                entry("one to 8 listeners", self.crowd(&format!("vale18{mode}"), mode, 1, &["*"; 8])),
                entry("2 senders to one", self.crowd(&format!("vale21{mode}"), mode, 2, &["b"])),
            ];
            let what = format!("frames delivered per CPU second, {how}");
            let all = self.compare(&what, Quantity::PER_CPU, contestants);
            for crowd in ["one to 8 listeners", "2 senders to one"] {
                found.lines.push(all.judge(crowd, "one to one", Bound::AtLeast(0.7)));
            }
            found.comparisons.push(all);
        }
        found
    }

    /// The cost of a larger switch.
    pub fn ports200(&self) -> Finding {
        let mut found = Finding::default();
        for (mode, how) in [("batch", "in batches"), ("inject", "one frame a call")] {
            let switch = format!("vale200{mode}");
            let pair = self.raw_pair(&switch, mode, 60).map(RefCell::new);
            let pair = pair.as_ref().map_err(String::clone);
            let crowd = self.role("raw-crowd").with("switch", &switch).with("count", 198).start();
            let contestants = vec![
                entry("with 200 ports", pair.clone().and_then(|pair| Ok(Crowded { pair, crowd: Some(crowd?) }))),
                entry("with 2 ports", pair.map(|pair| Crowded { pair, crowd: None })),
            ];
            let all = self.compare(&format!("one to one, 60 bytes, {how}"), Quantity::MPPS, contestants);
            found.lines.push(all.judge("with 200 ports", "with 2 ports", Bound::AtLeast(0.9)));
            found.comparisons.push(all);
        }
        found
    }

    /// Eight sleeping readers on a switch where nothing happens.
    pub fn idle(&self) -> Finding {
        let seconds = self.options.idle_seconds;
        let measured = (|| {
            let start = |n| self.role("pcap-sleep").with("lib", "ours").with("if", format!("valeidle:p{n}")).start();
            let mut sleepers = (0..8).map(start).collect::<Result<Vec<Child>, _>>()?;
            for sleeper in &mut sleepers {
                sleeper.go((seconds + 5) * 1000, 0)?;
                sleeper.wait_for("started")?;
            }
            sleep(Duration::from_millis(500));
            let used = || sleepers.iter().map(|s| cpu_time_ns(s.pid())).sum::<Result<u64, _>>();
            let before = used()?;
            sleep(Duration::from_secs(seconds));
            Ok::<u64, String>(used()? - before)
        })();
        let verdict = match &measured {
            Ok(0..=1_000_000) => Verdict::Met,
            Ok(_) => Verdict::NotMet,
            Err(why) => Verdict::Skipped(why.clone()),
        };
        let line = Line {
            what: format!("CPU time of 8 sleeping pcap readers in {seconds} s"),
            ours: measured.map_or("—".to_string(), |ns| format!("{} ms", short(ns as f64 / 1e6))),
            peer: "—".to_string(),
            ratio: "—".to_string(),
            target: "none (at most 1 ms)".to_string(),
            verdict,
        };
        Finding { lines: vec![line], comparisons: Vec::new() }
    }

    /// What a port takes: by its own account, and in blocks of its files.
    pub fn memory(&self) -> Finding {
        let measured = (|| {
            // A folder of switches that nobody else touches.
            let vale = self.folder.join("vale-memory");
            fs::create_dir(&vale).map_err(|e| format!("{}: {e}", vale.display()))?;
            let hold = |switch: &str, count: u64| {
                Role::new("raw-hold")
                    .env("VALE_DIR", vale.display())
                    .with("switch", switch)
                    .with("count", count)
                    .start()
            };
            let mut one_port = hold("vale1", 1)?;
            let one = blocks(&vale)?;
            let two_ports = hold("vale2", 2)?;
            let port = (blocks(&vale)? - one).saturating_sub(one);
            drop(two_ports);
            one_port.go(0, 0)?;
            let said = one_port.done()?;
            Ok::<_, String>((one - port, port, blocks(&vale)?.saturating_sub(one), said))
        })();
        let line = match measured {
            Ok((switch, port, tx, said)) => {
                let figure = |key: &str| said.get(key).copied().unwrap_or(0);
                let kib = |bytes: u64| format!("{} KiB", bytes / 1024);
                Line {
                    what: "memory of a port".to_string(),
                    ours: format!(
                        "{} in files; {} more when it has a transmit ring; {} for an empty switch",
                        kib(port),
                        kib(tx),
                        kib(switch)
                    ),
                    peer: format!(
                        "by its own account {}, {} with a transmit ring: {} + {} slots, buffers of {} bytes",
                        kib(figure("memory")),
                        kib(figure("memory_tx")),
                        figure("rx_slots"),
                        figure("tx_slots"),
                        figure("buf_size")
                    ),
                    ratio: "—".to_string(),
                    target: "own account within 5 % of the files".to_string(),
                    verdict: match (port + tx) as f64 / figure("memory_tx") as f64 {
                        0.95..=1.05 => Verdict::Met,
                        _ => Verdict::NotMet,
                    },
                }
            }
            Err(why) => Line {
                what: "memory of a port".to_string(),
                ours: "—".to_string(),
                peer: "—".to_string(),
                ratio: "—".to_string(),
                target: "stated".to_string(),
                verdict: Verdict::Skipped(why),
            },
        };
        Finding { lines: vec![line], comparisons: Vec::new() }
    }
}

/// A pair, with others on its switch or without. One pair plays both: where its rings happen to lie in memory makes two pairs on
/// equal switches differ by a quarter.
struct Crowded<'a> {
    pair: &'a RefCell<Party>,
    crowd: Option<Child>,
}

impl Contestant for Crowded<'_> {
    fn round(&mut self, ms: u64, number: u64) -> Result<Outcome, String> {
        let mut come_or_go = || match &mut self.crowd {
            Some(crowd) => crowd.go(ms, number).and_then(|()| crowd.done()).map(drop),
            None => Ok(()),
        };
        come_or_go()?;
        let outcome = self.pair.borrow_mut().round(ms, number);
        come_or_go()?;
        outcome
    }
}

fn entry<'a, C: Contestant + 'a>(name: &str, set_up: Result<C, String>) -> Entry<'a> {
    (name.to_string(), set_up.map(|c| Box::new(c) as Box<dyn Contestant + 'a>))
}

/// CPU time of all threads of a process, as the scheduler counts it.
fn cpu_time_ns(pid: u32) -> Result<u64, String> {
    let tasks = format!("/proc/{pid}/task");
    let io = |e: std::io::Error| format!("{tasks}: {e}");
    let mut sum = 0;
    for task in fs::read_dir(&tasks).map_err(io)? {
        let text = fs::read_to_string(task.map_err(io)?.path().join("schedstat")).map_err(io)?;
        sum += text.split(' ').next().and_then(|n| n.parse::<u64>().ok()).ok_or("schedstat: no number")?;
    }
    Ok(sum)
}

/// Bytes that the files below a folder take.
fn blocks(folder: &Path) -> Result<u64, String> {
    let io = |e: std::io::Error| format!("{}: {e}", folder.display());
    let mut sum = 0;
    for entry in fs::read_dir(folder).map_err(io)? {
        let entry = entry.map_err(io)?;
        let meta = entry.metadata().map_err(io)?;
        sum += if meta.is_dir() { blocks(&entry.path())? } else { meta.blocks() * 512 };
    }
    Ok(sum)
}
