//! How many frames a second two ports carry, one `pcap_inject` a frame, and beside them libpcap on a veth pair:
//! two rows of the bench, in short rounds.

use crate::Failure;
use crate::packages::quiet;
use crate::running::Running;
use crate::terminal;
use crate::workspace::{cargo, dist, is_root, run as run_to_end, target_dir};
use std::process::Command;
use std::time::{Duration, Instant};

const ROWS: &str = "inject60,inject1514";
const A_WHILE: Duration = Duration::from_secs(120);
/// What makes a plain user root in a namespace, where the system allows it: such a root may make a veth pair.
const AS_ROOT: [&str; 3] = ["unshare", "--map-root-user", "--"];

/// Measures and prints.
///
/// # Errors
/// When the bench can't be built, fails, or says nothing of the rows asked for. Where no veth pair can be made, this
/// is said and no error.
pub fn run() -> Result<(), Failure> {
    run_to_end(cargo().args(["build", "--release", "--package", "bench"]))?;
    let bench = target_dir()?.join("release/bench");
    let may_be_root = !is_root() && quiet(Command::new(AS_ROOT[0]).args(&AS_ROOT[1..]).arg("true"));
    let mut command = if may_be_root { Command::new(AS_ROOT[0]) } else { Command::new(&bench) };
    if may_be_root {
        command.args(&AS_ROOT[1..]).arg(&bench);
    }
    command.args(["vale", "--quick", "--rounds", "7", "--rows", ROWS]).env("PCAP_NETMAP_DIST", dist());
    let begun = Instant::now();
    let (status, said) = Running::start(&mut command)?.finish(A_WHILE, || {
        terminal::progress(&format!("measuring: {:.0} s", begun.elapsed().as_secs_f64()));
    })?;
    terminal::clear();
    let rows: Vec<[&str; 5]> = said.lines().filter_map(row).collect();
    if !status.success() || rows.len() < ROWS.split(',').count() {
        return Err(format!("bench: {status}\n{said}").into());
    }
    println!("\nAt top speed, what arrives; median (least..most) of short rounds, ours and theirs in turn:");
    for [what, ours, theirs, ratio, verdict] in rows {
        println!("{what}\n    VALE: {ours}");
        if verdict.starts_with("skipped") {
            println!("    {verdict}");
        } else {
            println!("    {theirs}\n    ratio: {ratio}");
        }
    }
    println!("all rows, against more peers: cargo xtask bench vale");
    Ok(())
}

/// A row of the bench's table: `| what | ours | held against | ratio | target | verdict |`.
fn row(line: &str) -> Option<[&str; 5]> {
    let cells: Vec<&str> = line.strip_prefix("| ")?.strip_suffix('|')?.split(" | ").map(str::trim).collect();
    match cells[..] {
        ["what", ..] => None,
        [what, ours, theirs, ratio, _target, verdict] if !what.starts_with('-') => {
            Some([what, ours, theirs, ratio, verdict])
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::row;

    #[test]
    fn reads_the_rows_of_the_table_and_not_its_head() {
        let met = "| pcap_inject, 60 bytes | 32.0 M/s | libpcap over veth: 0.46 M/s | 69.9 of 1 | at least 40 | met |";
        let cells = ["pcap_inject, 60 bytes", "32.0 M/s", "libpcap over veth: 0.46 M/s", "69.9 of 1", "met"];
        assert_eq!(row(met), Some(cells));
        assert_eq!(row("| what | ours | held against | ratio | target |     |"), None);
        assert_eq!(row("| ---- | ---- | ------------ | ----- | ------ | --- |"), None);
        assert_eq!(row("1 met, 0 not met, 0 skipped"), None);
    }
}
