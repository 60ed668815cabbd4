//! Expressions that are meant to hurt a compiler.

use super::case::Case;
use super::library::Library;

/// Their names, for [`expression`].
pub const NAMES: [&str; 19] = [
    "within",
    "alternating",
    "products",
    "words",
    "garbage",
    "open",
    "closed-pairs",
    "nots",
    "bangs",
    "or-hosts",
    "and-not-ports",
    "or-networks",
    "long-name",
    "long-number",
    "long-ether",
    "sums",
    "nested-index",
    "minus",
    "vlans",
];

/// The expression of a name: between 64 KB and a megabyte of text.
///
/// # Panics
/// On an unknown name.
pub fn expression(name: &str) -> String {
    let list = |n: u32, glue: &str, item: &dyn Fn(u32) -> String| (0..n).map(item).collect::<Vec<_>>().join(glue);
    match name {
        "words" => "tcp and ".repeat(131_072) + "udp",
        "garbage" => "%".repeat(1 << 20),
        "open" => "(".repeat(100_000),
        "closed-pairs" => "(".repeat(100_000) + "tcp" + &")".repeat(100_000),
        "nots" => "not ".repeat(250_000) + "tcp",
        "bangs" => "!".repeat(100_000) + "tcp",
        "or-hosts" => list(40_000, " or ", &|n| format!("host 10.{}.{}.{}", n >> 16, n >> 8 & 255, n & 255)),
        "and-not-ports" => list(60_000, " and ", &|n| format!("not port {n}")),
        "or-networks" => list(40_000, " or ", &|n| format!("net 10.{}.{}.0/24", n >> 8, n & 255)),
        "long-name" => "host ".to_string() + &"a".repeat(65_536),
        "long-number" => "ip[0] = ".to_string() + &"9".repeat(65_536),
        "long-ether" => "ether host ".to_string() + &"00:".repeat(65_536),
        "sums" => "ip[0]".to_string() + &" + ip[1]".repeat(100_000) + " = 7",
        "nested-index" => "ip[".repeat(30_000) + "0" + &"]".repeat(30_000) + " = 7",
        "minus" => "-".repeat(100_000) + "ip[0] = 7",
        // As deep as the grammar allows.
        "within" => "(".repeat(4900) + "tcp" + &")".repeat(4900),
        "alternating" => "(tcp or (udp and not ".repeat(1200) + "ip6" + &"))".repeat(1200),
        "products" => list(20_000, " or ", &|n| format!("(host 10.0.{}.{} and tcp port {n})", n >> 8, n & 255)),
        "vlans" => "vlan and ".repeat(20_000) + "tcp",
        _ => panic!("{name}: not one of {NAMES:?}"),
    }
}

/// Bytes of a stack in which a compilation must do.
const STACK: usize = 256 << 10;

/// Compiles one, optimized and not, and says what came of it: seconds of a processor, KiB at the most, and the results.
///
/// # Panics
/// On an unknown name.
pub fn compile(ours: &Library, name: &str) -> String {
    let case = Case::of(1, &expression(name));
    let before = processor_seconds();
    let work = || {
        [false, true].map(|optimize| match ours.compile(case.target, case.text.as_bytes(), optimize) {
            Ok(program) => format!("{} instructions", program.len()),
            Err(why) => why,
        })
    };
    let [plain, optimized] = std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(STACK).spawn_scoped(scope, work).expect("a thread");
        thread.join().expect("a compilation without a panic")
    });
    let seconds = processor_seconds() - before;
    format!("seconds={seconds:.3} kib={} plain={plain} optimized={optimized}", most_memory())
}

/// How long this process, with all of its threads, had a processor so far. However busy the machine, it is the work that counts.
fn processor_seconds() -> f64 {
    // USER_HZ, on every Linux that programs are built for.
    const TICKS: f64 = 100.0;
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The name, which may hold anything, ends at the last parenthesis; fields 14 and 15 are the user's time and the system's.
    let fields = stat.rsplit_once(')').map(|(_, fields)| fields).unwrap_or_default();
    let ticks: Option<Vec<f64>> = fields.split_whitespace().skip(11).take(2).map(|field| field.parse().ok()).collect();
    ticks.filter(|ticks| ticks.len() == 2).expect("times in /proc/self/stat").iter().sum::<f64>() / TICKS
}

/// The most memory that this process ever had, in KiB.
fn most_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
    line.split_whitespace().next().and_then(|n| n.parse().ok()).expect("VmHWM in /proc/self/status")
}
