//! Moving frames between pairs of ports, both ways: `bridge`, and cards attached to a switch.
//!
//! Each way is a thread that sleeps when nothing moves. A receiver that is full is waited for by the rule of its switch; a frame
//! that is not taken then is counted and dropped.

use crate::cli::{self, Error, warn};
use crate::ports::{self, Mending, Purpose, Receiver, Sender, TwoWay};
use crate::stop::Stop;
use crate::table::{Align, Table};
use crate::terminal::ProgressLine;
use crate::units::{per_second, pps};
use nm_core::name::{NetmapRings, PortName};
use nm_core::sync::count;
use nm_core::{Forwarded, PortControl, PortInfo, Stats};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Frames moved at once, at most, where libpcap serves the port that they come from.
const BURST: usize = 256;
/// The smallest share of a ring that is moved at once.
const LEAST: u32 = 64;

/// How long a port that frames wait for is left alone.
const LOOK: Duration = Duration::from_micros(100);

/// What went one way.
#[derive(Default)]
struct Moved {
    frames: AtomicU64,
    bytes: AtomicU64,
    refused: AtomicU64,
    /// Came to the first port, which had no room for them.
    lost: AtomicU64,
}

/// One way: from a port to a port.
struct Way {
    names: [String; 2],
    moved: Moved,
}

/// The two ends of a way.
struct Ends {
    from: Receiver,
    /// What the port counts that frames come from.
    counts: Option<Arc<dyn PortControl>>,
    to: Sender,
}

/// Opened pairs, not yet moving anything.
pub struct Pump {
    tool: &'static str,
    ends: Vec<Ends>,
    ways: Vec<Way>,
    stop: Arc<Stop>,
}

impl Pump {
    /// Opens the ports of all pairs.
    ///
    /// # Errors
    /// [`Error::Failed`] when one can't be opened, or they make a circle.
    pub fn open(tool: &'static str, pairs: &[[String; 2]], stop: &Arc<Stop>) -> Result<Pump, Error> {
        Pump::open_with(tool, pairs, 0, stop)
    }

    /// As [`Pump::open`]; each port is asked for so many buffers, in which frames for it wait while it has no room for them. Says where
    /// there are fewer.
    ///
    /// # Errors
    /// As [`Pump::open`].
    pub fn open_with(
        tool: &'static str,
        pairs: &[[String; 2]],
        extra_bufs: u32,
        stop: &Arc<Stop>,
    ) -> Result<Pump, Error> {
        let mut opened = Vec::new();
        for pair in pairs {
            let open = |name: &str| {
                let port = ports::open_with(name, Purpose::SendingOn, extra_bufs, stop)?;
                let there = port.control.as_ref().map_or(0, |control| control.extra_bufs());
                if let Some(text) = too_few(name, there, extra_bufs) {
                    warn(tool, &text);
                }
                if port.control.as_ref().is_some_and(|control| control.loses_tags()) {
                    warn(tool, &loses_tags(name));
                }
                Ok::<TwoWay, Error>(port)
            };
            opened.push((pair.clone(), [open(&pair[0])?, open(&pair[1])?]));
        }
        Pump::of(tool, opened, stop)
    }

    /// Of pairs of ports with their names.
    ///
    /// # Errors
    /// [`Error::Failed`] when they make a circle.
    pub fn of(tool: &'static str, pairs: Vec<([String; 2], [TwoWay; 2])>, stop: &Arc<Stop>) -> Result<Pump, Error> {
        let (mut ends, mut ways, mut infos) = (Vec::new(), Vec::new(), Vec::new());
        for ([a, b], [there, back]) in pairs {
            for (one, name, other) in [(&there, &b, &back), (&back, &a, &there)] {
                if let Some(control) = &one.control {
                    control.passes_on_to(&other_end(name, other.control.as_deref()));
                }
            }
            infos.extend([&there, &back].into_iter().filter_map(|port| port.control.as_ref().map(|c| c.info())));
            ends.push(Ends { from: there.receiver, counts: there.control, to: back.sender });
            ends.push(Ends { from: back.receiver, counts: back.control, to: there.sender });
            for names in [[&a, &b], [&b, &a]] {
                ways.push(Way { names: names.map(String::clone), moved: Moved::default() });
            }
        }
        refuse_circles(&infos)?;
        Ok(Pump { tool, ends, ways, stop: Arc::clone(stop) })
    }

    /// Moves frames until the user wants to end, or a port can't go on, at most `burst` at once. A terminal shows the rates.
    ///
    /// # Errors
    /// [`Error::Failed`] with what a port said.
    pub fn run(self, burst: Option<usize>) -> Result<Summary, Error> {
        let Pump { tool, ends, ways, stop } = self;
        let start = Instant::now();
        let results: Vec<Result<(), Error>> = std::thread::scope(|threads| {
            let carriers: Vec<_> = ends
                .into_iter()
                .zip(&ways)
                .map(|(ends, way)| threads.spawn(|| carry(tool, ends, burst, way, &stop)))
                .collect();
            let shown = show(&ways, &stop);
            stop.request();
            let carried = carriers.into_iter().map(|c| c.join().expect("no panic while carrying"));
            std::iter::once(shown).chain(carried).collect()
        });
        let summary = Summary { ways, time: start.elapsed() };
        let failed = results.into_iter().collect::<Result<(), Error>>();
        match failed {
            Ok(()) => Ok(summary),
            Err(error) => {
                cli::out(&summary.text())?;
                Err(error)
            }
        }
    }
}

/// What was moved.
pub struct Summary {
    ways: Vec<Way>,
    time: Duration,
}

impl Summary {
    /// As a table.
    pub fn text(&self) -> String {
        use Align::{Left, Right};
        let mut table = Table::new(&[
            ("FROM", Left),
            ("TO", Left),
            ("FRAMES", Right),
            ("BYTES", Right),
            ("REFUSED", Right),
            ("MEAN", Right),
            ("LOST", Right),
        ]);
        for Way { names: [from, to], moved } in &self.ways {
            // ORDER: Relaxed; the threads that counted have been joined.
            let numbers = [&moved.frames, &moved.bytes, &moved.refused, &moved.lost].map(|n| n.load(Ordering::Relaxed));
            let mean = pps(per_second(numbers[0], self.time));
            let [frames, bytes, refused, lost] = numbers.map(|n| n.to_string());
            table.row([from.clone(), to.clone(), frames, bytes, refused, mean, lost]);
        }
        table.text()
    }
}

/// What there is to say of a port that has not as many buffers beside its rings as it was asked for.
fn too_few(name: &str, there: u32, wanted: u32) -> Option<String> {
    match there {
        _ if there >= wanted => None,
        0 => Some(format!(
            "{name} has no buffers beside its rings: only ports of the netmap kernel module can have some"
        )),
        _ => Some(format!("{name} got {there} buffers beside its rings instead of {wanted}")),
    }
}

/// A port as who looks at the other one's switch is told of it: its name, its driver, and what to know of that.
fn other_end(name: &str, control: Option<&dyn PortControl>) -> String {
    let Some(control) = control else { return format!("{name}: libpcap") };
    let loss = if control.loses_tags() { "; no VLAN tags" } else { "" };
    format!("{name}: {}{loss}", control.info().driver)
}

/// Frames of all VLANs go on as those of none.
fn loses_tags(name: &str) -> String {
    format!(
        "{name} does not hear of VLAN tags that the card or the kernel takes out of its frames, which go on without them: \
         ethtool -K CARD rxvlan off makes a card leave them in; NETMAP_DRIVER=packet has them, as a copy beside the host"
    )
}

/// A card whose frames the host gets anyway, and the same card's host rings: what the one brings would go to the host a second
/// time, and come back from there as received, for ever.
fn refuse_circles(ports: &[PortInfo]) -> Result<(), Error> {
    let card = |info: &PortInfo| match PortName::parse(&info.name) {
        Ok(PortName::Netmap(name)) => Some((name.ifname, name.rings)),
        _ => None,
    };
    let copies = ports.iter().filter(|p| p.driver == "af_packet").filter_map(card);
    for (ifname, _) in copies {
        let host = |(name, rings): (String, NetmapRings)| name == ifname && rings == NetmapRings::Host;
        if ports.iter().filter_map(card).any(host) {
            return Err(Error::Failed(format!(
                "netmap:{ifname} is served by AF_PACKET here, which leaves the card's frames to the host: together with \
                 netmap:{ifname}^ the host would get each of them twice (AF_XDP or the netmap module take them away)"
            )));
        }
    }
    Ok(())
}

/// Moves frames one way until the user wants to end; when it can't, everything ends.
fn carry(tool: &str, mut ends: Ends, burst: Option<usize>, way: &Way, stop: &Stop) -> Result<(), Error> {
    let result = carry_until_stop(&mut ends, burst, way, stop);
    stop.request();
    if let Some(counts) = &ends.counts {
        let Stats { dropped_full, dropped_stalled, dropped_interface, dropped_unfinished, .. } = counts.stats();
        // ORDER: Relaxed, both; counters that are only shown.
        way.moved.lost.store(dropped_full + dropped_stalled + dropped_interface, Ordering::Relaxed);
        way.moved.refused.fetch_add(dropped_unfinished, Ordering::Relaxed);
    }
    if let Some(why) = ends.to.refusal() {
        warn(tool, &format!("frames were refused, the last one because: {why}"));
    }
    result
}

fn carry_until_stop(
    Ends { from, counts, to }: &mut Ends,
    burst: Option<usize>,
    Way { names: [name, _], moved }: &Way,
    stop: &Stop,
) -> Result<(), Error> {
    let mut mending = Mending::of_port(name, counts.as_deref());
    let add = |Forwarded { frames, bytes, refused }| {
        count(&moved.frames, frames);
        count(&moved.bytes, bytes);
        count(&moved.refused, refused);
    };
    while !stop.requested() {
        let keeps = to.kept() > 0;
        from.wait(stop, keeps.then_some(LOOK))?;
        if keeps {
            add(to.send_kept(false)?);
        }
        let most = burst.unwrap_or_else(|| at_once(from));
        add(ports::forward(from, to, most, &mut mending)?);
    }
    add(to.send_kept(true)?);
    Ok(())
}

/// Frames moved at once, at most, where nobody said: a quarter of what fits the ring, so that its senders get slots back while the
/// rest is moved.
fn at_once(from: &mut Receiver) -> usize {
    match from {
        Receiver::Rings(rx) => (rx.ring().likely_room() / 4).max(LEAST) as usize,
        Receiver::Pcap(_) => BURST,
    }
}

/// Shows the rates on a terminal, until the user wants to end.
fn show(ways: &[Way], stop: &Stop) -> Result<(), Error> {
    let mut line = ProgressLine::on_stderr();
    let interval = line.is_visible().then_some(Duration::from_secs(1));
    // ORDER: Relaxed; counters that are only shown.
    let frames = || -> Vec<u64> { ways.iter().map(|way| way.moved.frames.load(Ordering::Relaxed)).collect() };
    let (mut before, mut at) = (frames(), Instant::now());
    while !stop.wait(interval)? {
        let (now, time) = (frames(), at.elapsed());
        let rates = ways.iter().zip(now.iter().zip(&before)).map(|(Way { names: [from, to], .. }, (now, before))| {
            format!("{from} -> {to} {}", pps(per_second(now - before, time)))
        });
        line.show(&rates.collect::<Vec<_>>().join("   "));
        (before, at) = (now, at + time);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use nm_core::PortKind;

    fn port(name: &str, driver: &'static str) -> PortInfo {
        let kind = PortKind::Port;
        PortInfo { name: name.into(), driver, kind, rx_slots: 0, tx_slots: 0, buf_size: 0, memory: 0 }
    }

    #[test]
    fn who_asks_for_buffers_hears_what_he_did_not_get() {
        assert_eq!(too_few("netmap:eth0", 100, 100), None);
        assert_eq!(too_few("vale0:a", 0, 0), None);
        assert!(too_few("netmap:eth0", 7, 100).unwrap().contains("got 7 buffers"));
        assert!(too_few("vale0:a", 0, 100).unwrap().contains("only ports of the netmap kernel module"));
    }

    #[test]
    fn a_copy_is_not_bridged_to_its_own_host() {
        let host = port("netmap:eth0^", "host ring");
        let refused = refuse_circles(&[port("netmap:eth0", "af_packet"), host.clone()]).unwrap_err().to_string();
        assert!(refused.contains("twice"), "{refused}");
        assert!(refuse_circles(&[port("netmap:eth0", "af_xdp"), host.clone()]).is_ok());
        assert!(refuse_circles(&[port("netmap:eth1", "af_packet"), host.clone()]).is_ok());
        assert!(refuse_circles(&[port("vale0:a", "vale"), host]).is_ok());
    }
}
