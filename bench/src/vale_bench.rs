//! `bench vale`: all rows, printed, and written down.

use crate::contest::INTERRUPTED;
use crate::options::Options;
use crate::priority::First;
use crate::rows::{Bench, Finding};
use crate::run::{self, tell};
use crate::table::{Line, markdown};
use crate::{machine, picture, record};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

/// A folder of this run's own, in memory; it goes when dropped.
pub struct Folder(PathBuf);

impl Folder {
    /// Makes it, with a folder `vale` in it.
    ///
    /// # Errors
    /// When it can't be made.
    pub fn make() -> Result<Folder, String> {
        let base = if Path::new("/dev/shm").is_dir() { PathBuf::from("/dev/shm") } else { std::env::temp_dir() };
        let path = base.join(format!("pcap-netmap-bench-{}", std::process::id()));
        fs::create_dir(&path).map_err(|e| format!("{}: {e}", path.display()))?;
        fs::create_dir(path.join("vale")).map_err(|e| format!("{}: {e}", path.display()))?;
        Ok(Folder(path))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Err(e) = fs::remove_dir_all(&self.0) {
            eprintln!("bench: {} stays: {e}", self.0.display());
        }
    }
}

extern "C" fn interrupted(_: libc::c_int) {
    // ORDER: Relaxed, a flag that guards nothing.
    INTERRUPTED.store(true, Ordering::Relaxed);
}

/// SIGINT, SIGTERM and SIGHUP end the run after the present round.
///
/// # Errors
/// When they can't be caught.
pub fn catch_signals() -> Result<(), String> {
    for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGHUP] {
        // SAFETY: the handler stores to an atomic, which is async-signal-safe.
        if unsafe { libc::signal(signal, interrupted as *const () as libc::sighandler_t) } == libc::SIG_ERR {
            return Err(format!("catching signals: {}", io::Error::last_os_error()));
        }
    }
    Ok(())
}

/// Runs the rows that `options` asks for.
///
/// # Errors
/// When nothing could be run, or the record can't be written. A target that is not met is no error.
pub fn run(options: &Options) -> Result<(), String> {
    let rows: [run::Row<Bench, Finding>; 10] = [
        ("raw60", |b| b.raw(60)),
        ("raw1514", |b| b.raw(1514)),
        ("inject60", |b| b.inject(60)),
        ("inject1514", |b| b.inject(1514)),
        ("ping-spin", |b| b.ping_spin()),
        ("ping-sleep", |b| b.ping_sleep()),
        ("fan", |b| b.fan()),
        ("idle", |b| b.idle()),
        ("ports200", |b| b.ports200()),
        ("memory", |b| b.memory()),
    ];
    run::known(options, &rows)?;
    catch_signals()?;
    let _first = First::take();
    let folder = Folder::make()?;
    let bench = Bench::new(options, &folder.0);
    tell!("{} ({} rounds of {} ms)", machine::describe(), options.rounds, options.ms);
    let load = machine::load();
    tell!("load average before: {load}");
    let findings = run::all(options, &rows, &bench, |finding| {
        for comparison in &finding.comparisons {
            tell!("  {}", comparison.what);
            for [who, figure, near, far, lost, _] in comparison.details() {
                tell!("    {who:<24} {figure:<32} near: {near:<12} far: {far:<12} lost: {lost}");
            }
        }
        for line in &finding.lines {
            tell!("  -> ratio {}, {}: {}", line.ratio, line.target, line.verdict);
        }
    })?;
    let lines: Vec<&Line> = findings.iter().flat_map(|f| &f.lines).collect();
    tell!("\n{}", table(&lines));
    run::sum(&lines);
    match &options.record {
        Some(folder) => {
            record::put(folder, "vale", &record::write(options, &load, &findings), &picture::draw(&findings))
        }
        None => Ok(()),
    }
}

/// The table of targets.
pub fn table(lines: &[&Line]) -> String {
    let rows: Vec<Vec<String>> = lines
        .iter()
        .map(|l| {
            let Line { what, ours, peer, ratio, target, verdict } = l;
            vec![what.clone(), ours.clone(), peer.clone(), ratio.clone(), target.clone(), verdict.to_string()]
        })
        .collect();
    markdown(&["what", "ours", "held against", "ratio", "target", ""], &rows)
}
