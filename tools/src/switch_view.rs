//! vale-ctl's tables: switches and ports as two readings a moment apart show them.

use crate::cli::Error;
use crate::table::{Align, Table};
use crate::units::{per_second, short};
use nm_core::PortKind;
use std::time::{Duration, Instant};
use vale::{Flow, PortView, SwitchView};

/// All switches at one moment.
pub struct Reading {
    /// When.
    pub at: Instant,
    /// The switches, by name.
    pub switches: Vec<SwitchView>,
}

impl Reading {
    /// Reads all switches, or the one asked for.
    ///
    /// # Errors
    /// [`Error::Failed`] when they can't be read, or there is none of that name.
    pub fn take(only: Option<&str>) -> Result<Reading, Error> {
        let mut switches = vale::switches()?;
        let at = Instant::now();
        if let Some(name) = only {
            switches.retain(|switch| switch.name == name);
            if switches.is_empty() {
                return Err(nm_core::PortError::NotFound { name: name.into() }.into());
            }
        }
        Ok(Reading { at, switches })
    }

    fn port(&self, switch: &str, like: &PortView) -> Option<&PortView> {
        let switch = self.switches.iter().find(|s| s.name == switch)?;
        switch.ports.iter().find(|port| port.name == like.name && port.pid == like.pid)
    }
}

/// How numbers are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Numbers {
    /// `12.35M`
    Short,
    /// `12345678`
    Exact,
}

impl Numbers {
    fn count(self, count: u64) -> String {
        match self {
            Numbers::Short => short(count as f64),
            Numbers::Exact => count.to_string(),
        }
    }

    fn rate(self, rate: f64) -> String {
        match self {
            Numbers::Short => short(rate),
            Numbers::Exact => format!("{rate:.0}"),
        }
    }
}

/// One line a switch.
pub fn switches(reading: &Reading) -> Table {
    use Align::{Left, Right};
    let mut table = Table::new(&[
        ("SWITCH", Left),
        ("PORTS", Right),
        ("FLOW", Left),
        ("LEARNED", Right),
        ("STAYS", Left),
        ("FOLDER", Left),
    ]);
    for switch in &reading.switches {
        table.row([
            switch.name.clone(),
            switch.ports.len().to_string(),
            flow(switch.flow),
            switch.learned.to_string(),
            if switch.persistent { "yes" } else { "no" }.into(),
            switch.path.display().to_string(),
        ]);
    }
    table
}

/// One line a port: who has it.
pub fn owners(reading: &Reading) -> Table {
    use Align::{Left, Right};
    let mut table = Table::new(&[("PORT", Left), ("KIND", Left), ("PID", Right), ("PROGRAM", Left), ("STATE", Left)]);
    for port in reading.switches.iter().flat_map(|switch| &switch.ports) {
        let program = std::fs::read_to_string(format!("/proc/{}/comm", port.pid)).unwrap_or_default();
        table.row([
            port.name.clone(),
            kind(port.kind).into(),
            port.pid.to_string(),
            program.trim_end().into(),
            state(port).into(),
        ]);
    }
    table
}

/// One line a port: what it carried, and what it lost by which cause. With a reading from before, also how much
/// a second, else those columns are empty.
pub fn traffic(before: Option<&Reading>, now: &Reading, numbers: Numbers) -> Table {
    use Align::{Left, Right};
    let columns = [
        ("PORT", Left),
        ("KIND", Left),
        ("PID", Right),
        ("RECV", Right),
        ("BYTES", Right),
        ("RECV/s", Right),
        ("bit/s", Right),
        ("SENT", Right),
        ("BYTES", Right),
        ("SENT/s", Right),
        ("bit/s", Right),
        ("FULL", Right),
        ("STALL", Right),
        ("LONG", Right),
        ("FILTER", Right),
        ("BAD", Right),
        ("RING", Right),
        ("STATE", Left),
        ("MEM", Right),
        ("OTHER END", Left),
    ];
    let told = now.switches.iter().flat_map(|switch| &switch.ports).any(|port| !port.other_end.is_empty());
    let mut table = Table::new(if told { &columns } else { &columns[..columns.len() - 1] });
    for switch in &now.switches {
        for port in &switch.ports {
            let earlier = before.and_then(|before| Some((before.port(&switch.name, port)?, now.at - before.at)));
            let rate = |now: u64, then: fn(&PortView) -> u64, unit: u64| match earlier {
                None => "-".into(),
                Some((before, time)) => numbers.rate(rate(then(before), now, time) * unit as f64),
            };
            let stats = &port.stats;
            table.row([
                port.name.clone(),
                kind(port.kind).into(),
                port.pid.to_string(),
                numbers.count(stats.received),
                numbers.count(stats.received_bytes),
                rate(stats.received, |port| port.stats.received, 1),
                rate(stats.received_bytes, |port| port.stats.received_bytes, 8),
                numbers.count(stats.sent),
                numbers.count(stats.sent_bytes),
                rate(stats.sent, |port| port.stats.sent, 1),
                rate(stats.sent_bytes, |port| port.stats.sent_bytes, 8),
                numbers.count(stats.dropped_full),
                numbers.count(stats.dropped_stalled),
                numbers.count(stats.dropped_long),
                numbers.count(stats.rejected),
                numbers.count(stats.malformed),
                format!("{}/{}", port.rx_filled, port.rx_slots),
                state(port).into(),
                numbers.count(port.memory),
                port.other_end.clone(),
            ]);
        }
    }
    table
}

/// `wait=10` or `drop`, as `vale-ctl set-flow` takes it.
pub fn flow(flow: Flow) -> String {
    match flow {
        Flow::WaitMs(ms) => format!("wait={ms}"),
        Flow::Drop => "drop".into(),
    }
}

/// The other way round; `wait` alone is the default time.
///
/// # Errors
/// A sentence.
pub fn parse_flow(text: &str) -> Result<Flow, String> {
    match text.split_once('=') {
        None if text == "drop" => Ok(Flow::Drop),
        None if text == "wait" => Ok(Flow::WaitMs(10)),
        Some(("wait", ms)) => ms.parse().map(Flow::WaitMs).map_err(|_| format!("{ms} is no number of milliseconds")),
        _ => Err("is none of wait, wait=MILLISECONDS, drop".into()),
    }
}

/// A port that was opened again under its old name and process counts from nothing.
fn rate(then: u64, now: u64, time: Duration) -> f64 {
    per_second(now.saturating_sub(then), time)
}

fn kind(kind: PortKind) -> &'static str {
    match kind {
        PortKind::Port => "port",
        PortKind::Listener => "listener",
        PortKind::MonitorTx => "monitor/t",
        PortKind::MonitorRx => "monitor/r",
    }
}

fn state(port: &PortView) -> &'static str {
    match (port.stalled, port.sleeping) {
        (true, _) => "stalled",
        (false, true) => "sleeping",
        (false, false) => "awake",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nm_core::Stats;

    fn reading(at: Instant, received: u64) -> Reading {
        let stats = Stats { received, received_bytes: received * 60, dropped_full: 3, ..Stats::default() };
        let port = PortView {
            name: "vale0:a".into(),
            kind: PortKind::Port,
            index: 0,
            pid: 77,
            stats,
            rx_slots: 1024,
            rx_filled: 5,
            sleeping: false,
            stalled: true,
            memory: 2_400_000,
            other_end: String::new(),
        };
        let switch = SwitchView {
            name: "vale0".into(),
            pipe: false,
            path: "/run/vale/vale0".into(),
            persistent: true,
            flow: Flow::WaitMs(10),
            learned: 1,
            ports: vec![port],
        };
        Reading { at, switches: vec![switch] }
    }

    fn cells(table: &Table) -> Vec<String> {
        table.lines()[1].split_whitespace().map(String::from).collect()
    }

    #[test]
    fn rates_come_from_two_readings() {
        let start = Instant::now();
        let (before, now) = (reading(start, 1_000), reading(start + Duration::from_secs(2), 5_000));
        let row = cells(&traffic(Some(&before), &now, Numbers::Exact));
        assert_eq!(row[..7], ["vale0:a", "port", "77", "5000", "300000", "2000", "960000"]);
        assert_eq!(row[11..], ["3", "0", "0", "0", "0", "5/1024", "stalled", "2400000"]);

        let row = cells(&traffic(None, &now, Numbers::Short));
        assert_eq!(row[3..7], ["5.000k", "300.0k", "-", "-"]);
        assert_eq!(cells(&switches(&now)), ["vale0", "1", "wait=10", "1", "yes", "/run/vale/vale0"]);
    }

    #[test]
    fn what_a_bridge_passes_frames_on_to_has_a_column_where_there_is_one() {
        let mut now = reading(Instant::now(), 1_000);
        assert!(!traffic(None, &now, Numbers::Exact).text().contains("OTHER END"));
        now.switches[0].ports[0].other_end = "netmap:eth0: af_xdp, native".into();
        let text = traffic(None, &now, Numbers::Exact).text();
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[0].ends_with("OTHER END") && lines[1].ends_with("  netmap:eth0: af_xdp, native"), "{text}");
    }

    #[test]
    fn a_port_of_another_process_has_no_rate_yet() {
        let start = Instant::now();
        let (mut before, now) = (reading(start, 1_000), reading(start + Duration::from_secs(1), 10));
        assert_eq!(cells(&traffic(Some(&before), &now, Numbers::Exact))[5], "0");
        before.switches[0].ports[0].pid = 78;
        assert_eq!(cells(&traffic(Some(&before), &now, Numbers::Exact))[5], "-");
    }

    #[test]
    fn flow_reads_back_what_it_writes() {
        for f in [Flow::Drop, Flow::WaitMs(0), Flow::WaitMs(250)] {
            assert_eq!(parse_flow(&flow(f)), Ok(f));
        }
        assert_eq!(parse_flow("wait"), Ok(Flow::WaitMs(10)));
        for bad in ["", "stop", "wait=", "wait=-1", "drop=1"] {
            assert!(parse_flow(bad).is_err(), "{bad}");
        }
    }
}
