//! `vale-ctl probe`: what could serve a card, and what would.

use crate::table::{Align, Table};
use drivers::af_xdp::Mode;
use drivers::probe::{Probe, program_on};
use drivers::{Missing, Offer, Stamping, Way};
use std::fmt::Write;

/// The page about a card.
pub fn page(ifname: &str, probe: &Probe) -> String {
    let mut text = String::new();
    let kernel_driver = probe.kernel_driver.as_deref().unwrap_or("does not say");
    let queues =
        if probe.queues == 1 { "1 receive queue".to_string() } else { format!("{} receive queues", probe.queues) };
    let state = if probe.up { "up" } else { "down (a port needs it up)" };
    let _ = writeln!(text, "{ifname}: driver {kernel_driver}, {queues}, MTU {}, {state}\n", probe.mtu);
    let mut table = Table::new(&[("WAY", Align::Left), ("OFFERED", Align::Left), ("A FRAME COSTS", Align::Left)]);
    for Offer { way, missing } in &probe.offers {
        let offered = match missing {
            Some(why) => format!("no: {}", reason(ifname, *why)),
            None if untold(probe, *way) => "not told before Linux 6.3: tried".to_string(),
            None => "yes".to_string(),
        };
        table.row([name(*way).to_string(), offered, cost(*way).to_string()]);
    }
    text.push_str(&table.text());
    let there = probe.offers.iter().filter(|offer| offer.missing.is_none()).map(|offer| offer.way);
    let kept: Vec<&str> = there.filter(|way| probe.has_tags(*way)).map(name).collect();
    let _ = writeln!(
        text,
        "\nVLAN tags that the card takes out of its frames are put back by: {}\n(the other ways lose them; \
         ethtool -K {ifname} rxvlan off makes a card leave them in)",
        kept.join("; ")
    );
    let clocks: Vec<&str> = probe.stampings.iter().copied().map(clock).collect();
    let clocks = if clocks.is_empty() { clock(Stamping::Host).to_string() } else { clocks.join(", ") };
    let _ = writeln!(text, "time stamp types (tcpdump -j): {clocks}");
    let pinned = probe.pinned.map(|driver| format!("NETMAP_DRIVER={}", driver.word()));
    let _ = match (probe.chosen, pinned) {
        (Some(way), _) if untold(probe, way) => {
            writeln!(text, "\nchosen: the first that is not refused when netmap:{ifname} is opened")
        }
        (Some(way), None) => writeln!(text, "\nchosen: {}, the first that is offered", name(way)),
        (Some(way), Some(pinned)) => writeln!(text, "\nchosen: {}, the first that {pinned} allows", name(way)),
        (None, None) => writeln!(text, "\nchosen: none; netmap:{ifname} can't be opened"),
        (None, Some(pinned)) => writeln!(text, "\nchosen: none; {pinned} allows no other"),
    };
    text
}

/// Whether opening finds out.
fn untold(probe: &Probe, way: Way) -> bool {
    !probe.modes_told && matches!(way, Way::Xdp(Mode::ZeroCopy | Mode::Native))
}

/// Why a way is not offered; whose program it is that has the card.
fn reason(ifname: &str, why: Missing) -> String {
    match program_on(ifname) {
        Some((id, name)) if why == Missing::Taken && name.is_empty() => format!("{why} (number {id})"),
        Some((id, name)) if why == Missing::Taken => format!("{why} ({name}, number {id})"),
        _ => why.to_string(),
    }
}

fn name(way: Way) -> &'static str {
    match way {
        Way::Module => "netmap module",
        Way::Xdp(Mode::ZeroCopy) => "AF_XDP, zero-copy",
        Way::Xdp(Mode::Native) => "AF_XDP, native",
        Way::Xdp(Mode::Generic) => "AF_XDP, generic",
        Way::Packet => "AF_PACKET",
    }
}

fn clock(stamping: Stamping) -> &'static str {
    match stamping {
        Stamping::Host => "host",
        Stamping::Card => "adapter",
        Stamping::CardUnsynced => "adapter_unsynced",
    }
}

fn cost(way: Way) -> &'static str {
    match way {
        Way::Module => "no copy; a system call for a batch",
        Way::Xdp(Mode::ZeroCopy) => "no copy: the card has our buffers",
        Way::Xdp(Mode::Native) => "the kernel's copy, no socket buffer",
        Way::Xdp(Mode::Generic) => "a socket buffer and the kernel's copy",
        Way::Packet => "a socket buffer and two copies; the host gets it, too",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn veth() -> Probe {
        let offer = |way, missing| Offer { way, missing };
        let [module, zero_copy, native, generic, packet] = Way::ALL;
        Probe {
            kernel_driver: Some("veth".into()),
            queues: 2,
            mtu: 1500,
            up: true,
            modes_told: true,
            tags_told: true,
            offers: vec![
                offer(module, Some(Missing::Module)),
                offer(zero_copy, Some(Missing::ZeroCopy)),
                offer(native, None),
                offer(generic, None),
                offer(packet, None),
            ],
            chosen: Some(native),
            pinned: None,
            stampings: Vec::new(),
        }
    }

    #[test]
    fn the_page_says_what_is_chosen_and_why_others_are_not() {
        let page = page("no such name", &veth());
        assert!(page.starts_with("no such name: driver veth, 2 receive queues, MTU 1500, up\n"), "{page}");
        let line = |start: &str| page.lines().find(|line| line.starts_with(start)).map(|l| l.contains(" yes "));
        assert_eq!(line("AF_XDP, zero-copy"), Some(false), "{page}");
        assert_eq!(line("AF_XDP, native"), Some(true), "{page}");
        assert!(page.ends_with("\nchosen: AF_XDP, native, the first that is offered\n"), "{page}");
        assert!(page.contains("\ntime stamp types (tcpdump -j): host\n"), "{page}");
        let stampings = vec![Stamping::Host, Stamping::Card, Stamping::CardUnsynced];
        let page = super::page("no such name", &Probe { stampings, ..veth() });
        assert!(page.contains("\ntime stamp types (tcpdump -j): host, adapter, adapter_unsynced\n"), "{page}");
    }

    #[test]
    fn a_pinned_driver_and_a_card_that_nobody_can_have() {
        let pinned =
            Probe { chosen: Some(Way::Packet), pinned: Some(drivers::Driver::Packet), queues: 1, up: false, ..veth() };
        let text = page("no such name", &pinned);
        assert!(text.contains("1 receive queue, MTU 1500, down"), "{text}");
        assert!(text.ends_with("chosen: AF_PACKET, the first that NETMAP_DRIVER=packet allows\n"), "{text}");
        let tags = |page: &str| page.lines().find(|line| line.starts_with("VLAN tags")).map(str::to_string);
        let told = "VLAN tags that the card takes out of its frames are put back by: ";
        let all = format!("{told}AF_XDP, native; AF_PACKET");
        assert_eq!(tags(&text), Some(all));
        let text = page("no such name", &Probe { tags_told: false, ..veth() });
        assert_eq!(tags(&text), Some(format!("{told}AF_PACKET")));
        let none = Probe { chosen: None, ..veth() };
        assert!(page("no such name", &none).ends_with("netmap:no such name can't be opened\n"));
    }

    #[test]
    fn a_kernel_that_does_not_tell_what_a_driver_has_is_not_answered_for() {
        let [_, zero_copy, ..] = Way::ALL;
        let mut probe = Probe { modes_told: false, tags_told: false, chosen: Some(zero_copy), ..veth() };
        probe.offers[1].missing = None;
        let page = page("no such name", &probe);
        let untold = page.lines().filter(|line| line.contains(" not told before Linux 6.3: tried ")).count();
        assert_eq!(untold, 2, "{page}");
        assert!(
            page.ends_with("\nchosen: the first that is not refused when netmap:no such name is opened\n"),
            "{page}"
        );
    }
}
