//! `cargo xtask kernels`: the tests of cards on other kernels of the distribution, in a virtual machine, and those of programs on cards
//! once more on cards of three drivers. `xtask/kernels/` has what runs there.
//!
//! The machine is emulated, some twenty times slower than this one: tests whose limits are of time may fail for that alone.

use crate::packages::{find, need, provide};
use crate::test::{Count, NEEDS, count_line};
use crate::workspace::{cargo, root};
use crate::{Failure, build, terminal};
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::time::Instant;

/// Debian 12's own kernel, and its newer one.
const VERSIONS: [&str; 2] = ["6.1", "6.12"];
/// Packages whose tests are about cards, and which of their test programs are not.
const PACKAGES: [(&str, &[&str]); 3] = [
    ("drivers", &["loom_af_xdp"]),
    ("tools", &["nm_run", "nmreplay", "pkt_gen", "bridge_module"]),
    ("compat-tests", &[]),
];
/// Of the programs on our ports, those on cards.
const OF_COMPAT_TESTS: [&str; 2] = ["cards", "card_programs"];

/// Runs them on the kernels of these versions, or [`VERSIONS`].
///
/// # Errors
/// When something is missing or does not build, and when a test failed.
pub fn run(versions: &[&str]) -> Result<(), Failure> {
    provide(&NEEDS)?;
    let lacking = provide(&[
        need("qemu-system-x86_64", "qemu-system-x86"),
        need("busybox", "busybox-static"),
        need("cpio", "cpio"),
        need("xz", "xz-utils"),
        need("depmod", "kmod"),
    ])?;
    if !lacking.is_empty() || find("apt-cache").is_none() {
        return Err("the kernels come from Debian's archive and run in qemu: see what is missing above".into());
    }
    build::all()?;
    let tests = root().join("target/kernels/tests");
    fs::create_dir_all(root().join("target/kernels"))?;
    fs::write(&tests, programs()?)?;
    let mut rows = Vec::new();
    for version in if versions.is_empty() { &VERSIONS[..] } else { versions } {
        rows.extend(on(version, &tests.display().to_string())?);
    }
    println!();
    let mut failed = 0;
    for Row { kernel, what, seconds, count: Count { passed, failed: bad, skipped } } in &rows {
        println!("{kernel:<28} {what:<58} {seconds:6.1} s   {passed} passed, {bad} failed, {skipped} skipped");
        failed += bad;
    }
    if failed == 0 {
        Ok(())
    } else {
        Err(format!("{failed} tests failed; target/kernels/*/said has all that they said").into())
    }
}

/// A line for each test program: its package and its file.
fn programs() -> Result<String, Failure> {
    let mut lines = String::new();
    for (package, others) in PACKAGES {
        let out = cargo().args(["test", "--no-run", "--package", package]).output()?;
        let said = String::from_utf8_lossy(&out.stderr);
        if !out.status.success() {
            return Err(format!("cargo test --no-run --package {package}:\n{said}").into());
        }
        // "  Executable tests/card/main.rs (target/debug/deps/card-0123456789abcdef)"
        for line in said.lines().filter(|line| line.trim_start().starts_with("Executable")) {
            let Some((_, file)) = line.trim_end_matches(')').rsplit_once('(') else { continue };
            let name = file.rsplit('/').next().and_then(|file| file.rsplit_once('-')).map_or("", |parts| parts.0);
            let of_tests = line.contains(" tests/") || package == "drivers";
            let wanted =
                if package == "compat-tests" { OF_COMPAT_TESTS.contains(&name) } else { !others.contains(&name) };
            if wanted && of_tests {
                lines += &format!("{package} {}\n", root().join(file).display());
            }
        }
    }
    Ok(lines)
}

struct Row {
    kernel: String,
    what: String,
    seconds: f64,
    count: Count,
}

/// One kernel's.
fn on(version: &str, tests: &str) -> Result<Vec<Row>, Failure> {
    println!("== {version}");
    let script = root().join("xtask/kernels/boot");
    let mut child = Command::new(script).args([version, tests]).stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
    let (mut kernel, mut driver) = (version.to_string(), String::new());
    let folder = root().join("target/kernels").join(version);
    fs::create_dir_all(&folder)?;
    let mut all = fs::File::create(folder.join("said"))?;
    let (mut rows, mut ended) = (Vec::<Row>::new(), false);
    let mut begun = Instant::now();
    for line in child.stdout.take().map(BufReader::new).into_iter().flat_map(|out| out.split(b'\n')) {
        let line = String::from_utf8_lossy(&line?).trim_end_matches('\r').to_string();
        writeln!(all, "{line}")?;
        if let Some(what) = line.strip_prefix("== ") {
            begun = Instant::now();
            let name = what.split(' ').take(2).map(|word| {
                word.rsplit_once('-').map_or(word, |(name, hash)| if hash.len() == 16 { name } else { word })
            });
            let what = name.collect::<Vec<_>>().join(" ") + &driver;
            terminal::progress(&format!("{kernel}: {what}"));
            rows.push(Row { kernel: kernel.clone(), what, seconds: 0.0, count: Count::default() });
        } else if let Some(name) = line.strip_prefix("driver ") {
            driver = format!(", cards by {name}");
        } else if line.starts_with("Linux ") {
            kernel.clone_from(&line);
        } else if line.ends_with(" FAILED") || line.starts_with("skipped: the distribution") {
            println!("{line}");
        }
        ended |= line == "ended";
        if let Some(row) = rows.last_mut() {
            count_line(&line, &mut row.count);
            row.seconds = begun.elapsed().as_secs_f64();
        }
    }
    terminal::clear();
    let status = child.wait()?;
    match status.code() {
        Some(77) => {}
        _ if !ended => {
            let folder = folder.display();
            return Err(format!(
                "{version}: the virtual machine ended early ({status}): {folder}/said, {folder}/console"
            )
            .into());
        }
        _ => {}
    }
    Ok(rows)
}
