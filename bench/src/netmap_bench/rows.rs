//! The rows: who takes part, what is asked of us, and what each is bound by.

use super::cpu::WholeMachine;
use super::own;
use super::pump::Pump;
use crate::child::Role;
use crate::contest::{Contestant, Entry, Outcome, Party, Standing, play};
use crate::netns::VethPair;
use crate::options::Options;
use crate::rows::{Finding, OURS};
use crate::table::{Bound, Comparison, Line, Quantity, Verdict, short};
use std::cell::OnceCell;
use std::fmt::Display;
use std::path::Path;

const LIBPCAP: &str = "libpcap";
const PACKET: &str = "ours, a packet socket";
const NOBODY: &str = "nobody captures";
/// Frames a second that are offered where capturing is to cost, not to lose.
const OFFERED: u64 = 300_000;
/// One of so many passes the filter.
const ONE_OF: u64 = 100;
/// The shortest round whose processor time is worth something, told in hundredths of a second.
const CPU_ROUND_MS: u64 = 1500;
/// Nanoseconds of our own code for one frame.
const OWN_NS: f64 = 15.0;

/// A row's findings, and what bounds each of its lines.
pub struct Row {
    /// The figures.
    pub finding: Finding,
    /// One for each line of them.
    pub bound_by: Vec<&'static str>,
}

/// What the rows share.
pub struct Bench<'a> {
    /// How long.
    pub options: &'a Options,
    /// Private, in memory.
    pub folder: &'a Path,
    veth: OnceCell<Result<VethPair, String>>,
}

/// Who captures or sends.
#[derive(Clone, Copy)]
struct Who {
    name: &'static str,
    lib: &'static str,
    /// Before the interface's name, and behind it.
    prefix: &'static str,
    flags: &'static str,
    driver: &'static str,
}

const XDP: Who = Who { name: OURS, lib: "ours", prefix: "netmap:", flags: "", driver: "xdp" };
const EXCLUSIVE: Who = Who { name: "ours, /x", flags: "/x", ..XDP };
const BY_PACKET: Who = Who { name: PACKET, lib: "ours", prefix: "netmap:", flags: "", driver: "packet" };
const SYSTEM: Who = Who { name: LIBPCAP, lib: "system", prefix: "", flags: "", driver: "" };
const ALL: [Who; 3] = [XDP, SYSTEM, BY_PACKET];

/// How frames get onto the wire, for the rows that receive.
#[derive(Clone, Copy)]
struct Load {
    how: &'static str,
    what: &'static str,
}

const LOADS: [Load; 2] = [
    Load { how: "frames", what: "frames in pages, as a card's driver has them" },
    Load { how: "socket", what: "frames of a packet socket at the other end" },
];

impl<'a> Bench<'a> {
    /// `folder` is empty, private, and in memory.
    pub fn new(options: &'a Options, folder: &'a Path) -> Bench<'a> {
        Bench { options, folder, veth: OnceCell::new() }
    }

    /// A pair whose ends take frames from a driver, which is what GRO is switched on for.
    fn veth(&self) -> Result<&VethPair, String> {
        let make = || VethPair::make_with(&["ethtool -K v1 gro on"]);
        self.veth.get_or_init(make).as_ref().map_err(Clone::clone)
    }

    fn play(&self, ms: u64, contestants: Vec<Entry<'_>>) -> Vec<Standing> {
        play(contestants, self.options.rounds, ms)
    }

    fn role(&self, who: Who, name: &str, interface: &str, cpu: impl Display) -> Result<Role<'_>, String> {
        let role = Role::new(name).within(Some(self.veth()?.fd())).env("NETMAP_DRIVER", who.driver);
        Ok(role.with("lib", who.lib).with("if", format!("{}{interface}{}", who.prefix, who.flags)).with("cpu", cpu))
    }

    fn sender(&self, how: &str) -> Result<Role<'_>, String> {
        Ok(Role::new("card-send").within(Some(self.veth()?.fd())).with("if", "v0").with("how", how).with("cpu", 0))
    }

    /// One frame a call onto a card, from a program that may use any CPU, as programs do.
    pub fn inject(&self) -> Row {
        let party = |who: Who| -> Result<Party, String> {
            let sender = self.role(who, "pcap-send", "v0", "any")?.with("len", 60).with("count_at", "v1").start()?;
            Ok(Party { receivers: Vec::new(), senders: vec![sender] })
        };
        let turn = |who: Who| -> Result<Turns<_>, String> {
            drop(party(who)?);
            Ok(Turns(move || party(who)))
        };
        let rings = || -> Result<Party, String> {
            let role = self.role(XDP, "raw-send", "v0", "any")?.with("port", "netmap:v0").with("mode", "batch");
            let sender = role.with("len", 60).with("tx_slots", 1024).with("count_at", "v1").start()?;
            Ok(Party { receivers: Vec::new(), senders: vec![sender] })
        };
        let mut contestants: Vec<Entry<'_>> =
            ALL.into_iter().map(|who| entry(who.name, turn(who).map(Alone))).collect();
        contestants.push(entry("ours, the rings, batches", Ok(Alone(Turns(rings)))));
        let standings = self.play(self.options.ms, contestants);
        let all = Comparison {
            what: "pcap_inject, one frame a call, 60 bytes, counted at the other end of the cable".to_string(),
            quantity: Quantity::MPPS,
            standings: standings.clone(),
        };
        let cost = Comparison {
            what: "the same for the sender's CPU time, all its threads'".to_string(),
            quantity: Quantity::PER_CPU,
            standings,
        };
        let lines = vec![all.judge(OURS, LIBPCAP, Bound::AtLeast(1.9)), told(&cost)];
        let bound_by = vec![SENDING, "as above; ours has a second thread, which looks whether the sender pauses"];
        Row { finding: Finding { lines, comparisons: vec![all, cost] }, bound_by }
    }

    /// What it costs the machine to refuse 99 of 100 frames.
    pub fn filter(&self) -> Row {
        let (mut found, mut bound_by) = (Finding::default(), Vec::new());
        for load in LOADS {
            let party = |who: Option<Who>| -> Result<WholeMachine<Party>, String> {
                let receivers = match who {
                    Some(who) => {
                        vec![self.role(who, "pcap-match", "v1", 1)?.with("filter", own::FILTER).start()?]
                    }
                    None => Vec::new(),
                };
                let sender = self.sender(load.how)?.with("rate", OFFERED).with("one_of", ONE_OF).start()?;
                Ok(WholeMachine(Party { receivers, senders: vec![sender] }))
            };
            // Who captures is there while its turn lasts and no longer: it would cost in the others' turns, too.
            let turn = |who: Option<Who>| -> Result<Alone<_>, String> {
                drop(party(who)?);
                Ok(Alone(Turns(move || party(who))))
            };
            let mut contestants = vec![entry(OURS, turn(Some(XDP))), entry(LIBPCAP, turn(Some(SYSTEM)))];
            contestants.push(entry(NOBODY, turn(None)));
            contestants.push(entry(EXCLUSIVE.name, turn(Some(EXCLUSIVE))));
            let standings = self.play(self.options.ms.max(CPU_ROUND_MS), contestants);
            let processes = Comparison {
                what: format!("the sender's and the reader's CPU time, 99 of 100 frames refused; {}", load.what),
                quantity: Quantity::CPU_PER_MILLION,
                standings: standings.clone(),
            };
            let all = Comparison {
                what: format!("the machine's CPU time, 99 of 100 frames refused; {}", load.what),
                quantity: Quantity::MACHINE_PER_MILLION,
                standings,
            };
            found.lines.push(all.judge(OURS, LIBPCAP, Bound::AtMost(0.7)));
            bound_by.push(match load.how {
                "frames" => REFUSING,
                _ => REFUSING_SOCKET,
            });
            let alone = all.judge(EXCLUSIVE.name, LIBPCAP, Bound::AtMost(0.7));
            found.lines.push(Line { what: format!("{}, and none goes to the host (/x)", all.what), ..alone });
            bound_by.push(match load.how {
                "frames" => EXCLUDING,
                _ => EXCLUDING_SOCKET,
            });
            found.lines.push(above_nobody(&all));
            bound_by.push("the same, less what the sender and the host take when nobody captures");
            found.lines.push(told(&processes));
            bound_by.push(
                "the same; softirqs count for the process that they interrupt, and other programs of the machine don't",
            );
            found.lines.push(above_nobody(&processes));
            bound_by.push("the same, less what they take when nobody captures");
            found.comparisons.extend([all, processes]);
        }
        Row { finding: found, bound_by }
    }

    /// As many frames as the other end can send.
    pub fn receive(&self) -> Row {
        let (mut found, mut bound_by) = (Finding::default(), Vec::new());
        for load in LOADS {
            let party = |who: Who| -> Result<Party, String> {
                let receiver = self.role(who, "pcap-recv", "v1", 1)?.start()?;
                Ok(Party { receivers: vec![receiver], senders: vec![self.sender(load.how)?.start()?] })
            };
            let turn = |who: Who| -> Result<Turns<_>, String> {
                drop(party(who)?);
                Ok(Turns(move || party(who)))
            };
            let contestants = ALL.into_iter().map(|who| entry(who.name, turn(who))).collect();
            let standings = self.play(self.options.ms, contestants);
            let rate = Comparison {
                what: format!("received at full load, 60 bytes; {}", load.what),
                quantity: Quantity::MPPS,
                standings: standings.clone(),
            };
            found.lines.push(rate.judge(OURS, LIBPCAP, Bound::AtLeast(1.0)));
            bound_by.push(match load.how {
                "frames" => RECEIVING,
                _ => RECEIVING_SOCKET,
            });
            let cost = Comparison {
                what: format!("frames received for the CPU time of both ends; {}", load.what),
                quantity: Quantity::PER_CPU,
                standings,
            };
            found.lines.push(told(&cost));
            bound_by.push("as above");
            found.comparisons.extend([rate, cost]);
        }
        Row { finding: found, bound_by }
    }

    /// Our own code, the kernel's rings being memory of ours; and our program in the kernel, which no target counts.
    pub fn own(&self) -> Row {
        let (mut found, mut bound_by) = (Finding::default(), Vec::new());
        for (what, most_ns, work) in [
            ("our own code for a received frame, 60 bytes, in batches of 64", Some(OWN_NS), own::receive(64)),
            ("our own code for a received frame, 60 bytes, in batches of 256", Some(OWN_NS), own::receive(256)),
            ("our own code for a frame sent, 60 bytes, one a call", Some(OWN_NS), own::inject()),
            ("our XDP program in the kernel, a frame accepted", None, own::program(true)),
            ("our XDP program in the kernel, a frame refused", None, own::program(false)),
        ] {
            let standings = self.play(self.options.ms, vec![entry(OURS, work)]);
            let all = Comparison { what: what.to_string(), quantity: Quantity::CALL, standings };
            let figure = all.quantity.spread(&all.standings[0]).map(|s| s.median);
            found.lines.push(Line {
                what: all.what.clone(),
                ours: all.quantity.text(&all.standings[0]),
                peer: "—".to_string(),
                ratio: "—".to_string(),
                target: most_ns.map_or("told".to_string(), |ns| format!("at most {ns} ns")),
                verdict: match (figure, most_ns) {
                    (Some(_), None) => Verdict::Told,
                    (Some(ns), Some(most)) if ns <= most => Verdict::Met,
                    (Some(_), Some(_)) => Verdict::NotMet,
                    (None, _) => Verdict::Skipped(all.standings[0].failed.clone().unwrap_or_default()),
                },
            });
            bound_by.push(if most_ns.is_some() { OWN } else { PROGRAM });
            found.comparisons.push(all);
        }
        Row { finding: found, bound_by }
    }

    /// Two switches and a program between them.
    pub fn pump(&self) -> Row {
        let vale = self.folder.join("vale");
        let contestants =
            vec![entry("through bridge", Pump::start(&vale, true)), entry("direct", Pump::start(&vale, false))];
        let all = Comparison {
            what: "VALE to VALE, batches, 60 bytes".to_string(),
            quantity: Quantity::MPPS,
            standings: self.play(self.options.ms, contestants),
        };
        let lines = vec![all.judge("through bridge", "direct", Bound::AtLeast(0.5))];
        Row { finding: Finding { lines, comparisons: vec![all] }, bound_by: vec![PUMPING] }
    }
}

const SENDING: &str = "the kernel: veth carries each frame to the other end's stack inside the sender's system call, 32 in one of ours. Batches \
     through the rings, without a second thread and without a call for each frame, are no faster (below). Of a frame's time that other end's \
     softirq, one for each frame, is 45 in 100, our own code and the program's together 4 (perf); kicks of 16 to 256 frames are equally fast";
const REFUSING: &str = "the host's stack, which gets the refused frames in both cases, and the sender: when nobody captures it is already \
     0.85 to 0.91 of libpcap's. Of ours, the program is 1 in 20, the reader 1 in 10: it naps on the clock, and a nap costs a virtual machine some 30 us";
const REFUSING_SOCKET: &str = "veth, which copies each socket buffer into a page before an XDP program may see it, frees it and makes \
     another: 1.0 us a frame on the sender's CPU, with GRO and without, and a card does not. When nobody captures it is already 0.86 to 0.89 of \
     libpcap's. Of ours, the program is 1 in 80, the reader 1 in 15";
const EXCLUDING: &str =
    "the sender: what is refused ends in our program, and the host never makes a socket buffer of it";
const EXCLUDING_SOCKET: &str =
    "veth's copy of each socket buffer, as above; what the host takes for a refused frame is saved";
const RECEIVING: &str =
    "the kernel's part, on the sender's CPU: making the frames, and a copy of each (veth has no zero-copy)";
const RECEIVING_SOCKET: &str = "the sender's CPU, on which all but the reading happens: 3.0 us a frame, 2.5 with libpcap's packet socket, of \
     them veth's copy into a page 14 in 100, freeing the socket buffer 7, the kernel's copy into our buffer 9, our program 3 (perf). The reader, \
     0.3 us, is on the other one";
const OWN: &str = "our code, and lines of the CPU's own caches (a card writes to memory, or to the last cache)";
const PROGRAM: &str = "the kernel's helpers: the time, the counters' map";
const PUMPING: &str = "three programs on the CPUs, and a second copy of each frame";

/// A contestant that is set up for each of its turns, and gone between them.
struct Turns<F>(F);

impl<C: Contestant, F: FnMut() -> Result<C, String>> Contestant for Turns<F> {
    fn round(&mut self, ms: u64, number: u64) -> Result<Outcome, String> {
        (self.0)()?.round(ms, number)
    }
}

/// A contestant that nobody reads from, or hardly: how far the CPUs are from each other says nothing about it.
struct Alone<C>(C);

impl<C: Contestant> Contestant for Alone<C> {
    fn round(&mut self, ms: u64, number: u64) -> Result<Outcome, String> {
        self.0.round(ms, number)
    }

    fn crosses_cpus(&self) -> bool {
        false
    }
}

/// The filter row without what there is without a capture, of the middle figures.
fn above_nobody(all: &Comparison) -> Line {
    let median = |n: usize| all.quantity.spread(&all.standings[n]).map(|s| s.median);
    let figures = [0, 1, 2].map(median);
    let [ours, theirs] = [0, 1].map(|n| Some(figures[n]? - figures[2]?));
    let text =
        |figure: Option<f64>| figure.map_or("—".to_string(), |f| format!("{} {}", short(f), all.quantity.unit));
    Line {
        what: format!("{}: more than when nobody captures", all.what),
        ours: text(ours),
        peer: format!("{LIBPCAP}: {}", text(theirs)),
        ratio: ours.zip(theirs).filter(|(_, t)| *t > 0.0).map_or("—".to_string(), |(o, t)| short(o / t)),
        target: "told".to_string(),
        verdict: Verdict::Told,
    }
}

/// A line without a target.
fn told(all: &Comparison) -> Line {
    Line { target: "told".to_string(), verdict: Verdict::Told, ..all.judge(OURS, LIBPCAP, Bound::AtLeast(0.0)) }
}

/// A contestant by its name, or why it is none.
pub fn entry<'a, C: Contestant + 'a>(name: &str, set_up: Result<C, String>) -> Entry<'a> {
    (name.to_string(), set_up.map(|c| Box::new(c) as Box<dyn Contestant + 'a>))
}
