//! What the bench ran on, and when.

use std::fs;
use std::process::Command;
use std::ptr;

/// Today in UTC: `2025-01-31`.
pub fn today() -> String {
    // SAFETY: time and gmtime_r write to what they are given; a zeroed tm is a valid one.
    let tm = unsafe {
        let now = libc::time(ptr::null_mut());
        let mut tm: libc::tm = std::mem::zeroed();
        libc::gmtime_r(&now, &mut tm);
        tm
    };
    format!("{:04}-{:02}-{:02}", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday)
}

/// Processor, cores, kernel, system.
pub fn describe() -> String {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let cpuinfo = read("/proc/cpuinfo");
    let model = cpuinfo.lines().find(|l| l.starts_with("model name")).and_then(|l| l.split(": ").nth(1));
    let hypervisor = cpuinfo.lines().any(|l| l.starts_with("flags") && l.contains(" hypervisor"));
    let cores = std::thread::available_parallelism().map_or(1, |n| n.get());
    let system = read("/etc/os-release");
    let system = system.lines().find_map(|l| l.strip_prefix("PRETTY_NAME=")).unwrap_or("unknown system");
    format!(
        "{}, {cores} {}, Linux {}, {}",
        model.unwrap_or(std::env::consts::ARCH),
        if hypervisor { "virtual CPUs" } else { "CPUs" },
        read("/proc/sys/kernel/osrelease").trim(),
        system.trim_matches('"'),
    )
}

/// The commit that was measured, `-dirty` with changes on top of it.
pub fn commit() -> String {
    let git = Command::new("git")
        .args(["-C", env!("CARGO_MANIFEST_DIR"), "describe", "--always", "--dirty", "--exclude=*"])
        .output();
    match git {
        Ok(out) if out.status.success() => String::from_utf8_lossy(&out.stdout).trim().to_string(),
        _ => "unknown".to_string(),
    }
}

/// How busy the machine is with other things: the load average of the last minute.
pub fn load() -> String {
    fs::read_to_string("/proc/loadavg").unwrap_or_default().split(' ').next().unwrap_or("?").to_string()
}
