//! bittwist plays a recorded capture into `vale0:a`; tcpdump writes what comes out of `vale0:b`.

use super::{CAPTURE, Stage};
use crate::Failure;
use crate::capture::{self, Frame};
use crate::packages::find;
use crate::running::Running;
use crate::terminal;
use crate::workspace::{library, root};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

const A_WHILE: Duration = Duration::from_secs(10);

/// Plays, catches, shows what tcpdump decoded, and compares byte for byte.
///
/// # Errors
/// When a program fails, or a frame is missing, too many or changed.
pub fn run(stage: &Stage) -> Result<(), Failure> {
    let sent = capture::frames(&root().join(CAPTURE))?;
    let caught = stage.0.join("caught.pcap");
    let tcpdump = unconfined("tcpdump", stage)?;
    let bittwist = find("bittwist").ok_or("bittwist is gone")?;

    let preload = format!("LD_PRELOAD={}", library().strip_prefix(root())?.display());
    println!("\n$ {preload} tcpdump -i vale0:b -w caught.pcap &");
    println!("$ {preload} bittwist -i vale0:a {CAPTURE}");
    let mut receiver = Running::start(stage.preloaded(&tcpdump).args(["-i", "vale0:b", "-U", "-w"]).arg(&caught))?;
    receiver.wait_for("listening on vale0:b", A_WHILE)?;
    let sender = Running::start(stage.preloaded(&bittwist).args(["-i", "vale0:a", CAPTURE]))?;
    let begun = Instant::now();
    let length = span(&sent);
    let (status, said) = sender.finish(length * 2 + A_WHILE, || {
        let now = begun.elapsed().min(length).as_secs_f64();
        let (end, all) = (length.as_secs_f64(), sent.len());
        terminal::progress(&format!("playing: {now:.1} of {end:.1} s, {} of {all} frames caught", count(&caught)));
    })?;
    if !status.success() {
        return Err(format!("bittwist: {status}\n{said}").into());
    }
    let deadline = Instant::now() + A_WHILE;
    while count(&caught) < sent.len() && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(10));
    }
    terminal::clear();
    receiver.interrupt();
    let (status, said) = receiver.finish(A_WHILE, || ())?;
    if !status.success() {
        return Err(format!("tcpdump: {status}\n{said}").into());
    }

    println!("$ tcpdump -n -r caught.pcap");
    let decoded = Command::new(&tcpdump).args(["-n", "-r"]).arg(&caught).output()?;
    print!("{}", String::from_utf8_lossy(&decoded.stdout));
    println!("\n{}", said.lines().filter(|l| l.contains("packets")).collect::<Vec<_>>().join(", "));
    let arrived = capture::frames(&caught)?;
    compare(&sent, &arrived)?;
    let seconds = span(&arrived).as_secs_f64();
    println!(
        "{} of {} frames arrived, in order and byte for byte, in {seconds:.1} s ({:.0} a second; recorded in {:.1} s)",
        arrived.len(),
        sent.len(),
        arrived.len() as f64 / seconds,
        length.as_secs_f64(),
    );
    Ok(())
}

/// The program, or where AppArmor has a profile for its path, an exact copy elsewhere: Debian's profile for
/// tcpdump lets it read no library and no switch that lie here.
fn unconfined(program: &str, stage: &Stage) -> Result<PathBuf, Failure> {
    let file = find(program).ok_or_else(|| format!("{program} is gone"))?;
    let enabled = fs::read_to_string("/sys/module/apparmor/parameters/enabled").is_ok_and(|s| s.starts_with('Y'));
    let profile = file.to_string_lossy().trim_start_matches('/').replace('/', ".");
    if !enabled || !Path::new("/etc/apparmor.d").join(profile).exists() {
        return Ok(file);
    }
    let copy = stage.0.join(program);
    fs::copy(&file, &copy)?;
    println!("AppArmor has a profile for {}: an exact copy of it runs, elsewhere", file.display());
    Ok(copy)
}

fn compare(sent: &[Frame], arrived: &[Frame]) -> Result<(), Failure> {
    if arrived.len() != sent.len() {
        return Err(format!("{} of {} frames arrived", arrived.len(), sent.len()).into());
    }
    for (i, (s, a)) in sent.iter().zip(arrived).enumerate() {
        if s.bytes != a.bytes || a.wire_len != s.bytes.len() {
            return Err(format!("frame {} of {} arrived changed", i + 1, sent.len()).into());
        }
    }
    Ok(())
}

/// From the first frame to the last.
fn span(frames: &[Frame]) -> Duration {
    match frames {
        [first, .., last] => last.time.saturating_sub(first.time),
        _ => Duration::ZERO,
    }
}

fn count(caught: &Path) -> usize {
    capture::frames(caught).map_or(0, |frames| frames.len())
}
