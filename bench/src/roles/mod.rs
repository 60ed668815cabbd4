//! What this program does when it is started again as one of the contestants' processes.

mod bare;
mod card_flood;
mod pcap_flood;
mod pcap_match;
mod pcap_ping;
mod pcap_sleep;
mod raw;

use crate::role::Args;

/// Plays the role that `role=` names.
///
/// # Errors
/// An unknown role, a missing argument, or what went wrong in it.
pub fn run(args: &Args) -> Result<(), String> {
    if let Ok(cpu) = args.number("cpu") {
        pin(cpu);
    }
    match args.text("role")? {
        "bare-send" => bare::send(args),
        "bare-recv" => bare::receive(args),
        "raw-send" => raw::send(args),
        "raw-recv" => raw::receive(args),
        "raw-hold" => raw::hold(args),
        "raw-crowd" => raw::crowd(args),
        "card-send" => card_flood::send(args),
        "pcap-match" => pcap_match::receive(args),
        "pcap-send" => pcap_flood::send(args),
        "pcap-recv" => pcap_flood::receive(args),
        "pcap-ping" => pcap_ping::ping(args),
        "pcap-pong" => pcap_ping::pong(args),
        "pcap-sleep" => pcap_sleep::sleep(args),
        other => Err(format!("role={other}: no such role")),
    }
}

/// Stays on one CPU, where there is more than one: all contestants of a pair sit on the same two.
pub fn pin(cpu: usize) {
    let cpus = std::thread::available_parallelism().map_or(1, |n| n.get());
    if cpus < 2 {
        return;
    }
    // SAFETY: an all-zero cpu_set_t is the empty set.
    let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    // SAFETY: `cpu % cpus` is within the set's 1,024 CPUs.
    unsafe { libc::CPU_SET(cpu % cpus, &mut set) };
    // SAFETY: the set lives across the call and its size is told. Who may not pin runs unpinned.
    unsafe { libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &set) };
}
