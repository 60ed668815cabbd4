//! Unmodified programs that read and write capture files: they say the same and leave the same files with ours as with the
//! system's library, and where the system's is hidden.

use compat_tests::filters::corpus;
use compat_tests::hidden::possible;
use compat_tests::jobs::{LIMIT, Library, run};
use compat_tests::process::{say, skipped};
use compat_tests::savefiles::specimens::captured;
use compat_tests::{Program, Sandbox, cc, frames, savefile};
use std::io::Write;
use std::path::PathBuf;

/// Traffic that all of the programs have something to say about: as pcap, in nanoseconds, as pcapng.
fn inputs(sandbox: &Sandbox) -> Vec<PathBuf> {
    let plain = sandbox.file("traffic.pcap");
    let mut all = frames::datagrams(100);
    all.extend(frames::connection(40_000, b"GET / HTTP/1.0\r\nUser-Agent: curl/7.64.0\r\n\r\n", &[b'x'; 5000]));
    savefile::write(&plain, &all);
    let mut files = vec![plain.clone()];
    for format in ["nsecpcap", "pcapng"] {
        let file = sandbox.file(&format!("traffic.{format}"));
        Program::new("editcap").args(["-F", format]).args([&plain, &file]).finish_within(LIMIT).expect_success();
        files.push(file);
    }
    files
}

/// Runs `script` on every input, with all libraries.
fn same(script: &str) {
    same_with(script, possible());
}

/// The same, for programs that need the system's library for something else where it is not to be `hidden`.
fn same_with(script: &str, hidden: bool) {
    let sandbox = Sandbox::new();
    for input in inputs(&sandbox) {
        let arguments = [input.as_path(), input.as_path()];
        let theirs = run(&sandbox, script, &arguments, Library::Theirs);
        assert!(theirs.contains("exit Some(0)"), "{script} fails with the system's library: {theirs}");
        let ours = run(&sandbox, script, &arguments, Library::Ours);
        assert_eq!(ours, theirs, "{script}: left is ours, right is the system's");
        if hidden {
            let alone = run(&sandbox, script, &arguments, Library::OursAlone);
            assert_eq!(alone, theirs, "{script}: left is ours alone, right is the system's");
        }
    }
}

#[test]
fn tcpdump_reads_and_writes() {
    same(
        "set -e; tcpdump -r \"$1\" -nnvvvXX; tcpdump -r \"$1\" -tttt --nano udp; tcpdump -r \"$1\" -w out; \
         tcpdump -r \"$1\" -U -c 20 -w flushed; tcpdump -r \"$1\" -s 50 --micro -w cut tcp; tcpdump -r \"$1\" -w - >piped; \
         tcpdump -nr - <\"$1\" | tail -n 1; cat \"$1\" | tcpdump -nr - | tail -n 1; chmod 777 .; \
         tcpdump -r \"$1\" -C 1 -W 3 -Z root -w rotated; echo \"$1\" >list; echo \"$2\" >>list; tcpdump -V list -w both; rm list",
    );
}

#[test]
fn tcpslice_cuts_and_merges() {
    // Of pcapng it finds neither the end nor the middle: that, too, must stay the same.
    same(
        "tcpslice -t \"$1\"; tcpslice -w all \"$1\"; tcpslice -w part +0.05 +0.03 \"$1\"; tcpslice -D -w merged \"$1\" \"$2\"; \
         echo \"status $?\"",
    );
}

#[test]
fn tcprewrite_and_tcpprep() {
    same(
        "set -e; tcprewrite --infile=\"$1\" --outfile=out --portmap=2000:3000 --fixcsum; tcpprep --auto=client --pcap=\"$1\" \
         --cachefile=cache; tcpprep --print-info=cache | head -n 20; tcprewrite --infile=\"$1\" --outfile=cached \
         --cachefile=cache --endpoints=10.1.0.1:10.2.0.1 --skipbroadcast",
    );
}

#[test]
fn tcpreplay_reads() {
    if !compat_tests::veth::possible() {
        return;
    }
    let namespace = if compat_tests::user::is_root() { "-n" } else { "-rn" };
    // It asks for the list of the system's interfaces first.
    let hidden = false;
    let script = format!(
        "unshare {namespace} sh -c 'ip link set lo up && tcpreplay -q -t -i lo \"$1\"' sh \"$1\" | grep Actual | sed 's/ in .*//'"
    );
    same_with(&script, hidden);
}

#[test]
fn ngrep_greps() {
    same("ngrep -q -t -x -I \"$1\" -O out 'datagram 000[0-4]' 'udp and not port 10003'");
}

#[test]
fn p0f_guesses() {
    same("p0f -r \"$1\" -o log && sed 's/^/log /' log && rm log");
}

#[test]
fn tcpflow_takes_apart() {
    same("tcpflow -r \"$1\" -o flows 'tcp' && rm flows/report.xml");
}

#[test]
fn wiresharks_programs() {
    same(
        "set -e; tshark -n -r \"$1\" -T fields -e frame.number -e frame.time_epoch -e frame.len -e udp.srcport; \
         tcpdump -r \"$1\" -w out; capinfos -M -A -c -s -d -u -a -e out; editcap -F nsecpcap out edited; \
         mergecap -F pcap -w merged out edited; tcpdump -nr merged | tail -n 3",
    );
}

const COPY: &str = "
import ctypes, sys
from scapy.libs.winpcapy import *
error = ctypes.create_string_buffer(256)
source = pcap_open_offline(sys.argv[1].encode(), error)
assert source, error.value
copy = pcap_dump_open(source, b'copy')
header, data, count = ctypes.POINTER(pcap_pkthdr)(), ctypes.POINTER(ctypes.c_ubyte)(), 0
while pcap_next_ex(source, ctypes.byref(header), ctypes.byref(data)) == 1:
    pcap_dump(ctypes.cast(copy, pcap_dump.argtypes[0]), header, data)
    count += 1
print(count, pcap_datalink(source), pcap_snapshot(source), pcap_dump_ftell(copy))
pcap_dump_close(copy)
pcap_close(source)
from scapy.all import rdpcap, sniff
print(len(rdpcap('copy')), len(sniff(offline=sys.argv[1], filter='udp port 10005')))
";

#[test]
fn scapy_reads_and_writes() {
    // Debian's own Python: another one on the path does not have scapy.
    same(&format!("/usr/bin/python3 -c \"$(cat <<'END'{COPY}END\n)\" \"$1\""));
}

/// Every capture there is: text in two forms, and the file that it writes.
#[test]
fn tcpdump_prints_every_capture_the_same() {
    if !corpus::folder().is_dir() {
        skipped(&format!("{}: no captures but our own", corpus::folder().display()));
    }
    let files = captured();
    let next = std::sync::atomic::AtomicUsize::new(0);
    let workers = std::thread::available_parallelism().map_or(2, |n| n.get()).min(8);
    let script = "for file; do tcpdump -nnvvvXX -r \"$file\"; tcpdump -tttt -r \"$file\"; tcpdump -r \"$file\" -w - >written; \
                  cksum written; done 2>&1; rm -f written";
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                let sandbox = Sandbox::new();
                // ORDER: Relaxed: only the number counts.
                while let Some(file) = files.get(next.fetch_add(1, std::sync::atomic::Ordering::Relaxed)) {
                    let [theirs, ours] =
                        [Library::Theirs, Library::Ours].map(|whose| run(&sandbox, script, &[file], whose));
                    let differs = theirs.lines().zip(ours.lines()).find(|(a, b)| a != b);
                    assert_eq!(ours.len(), theirs.len(), "{}: libpcap, ours: {differs:?}", file.display());
                    assert_eq!(differs, None, "{}: libpcap, ours", file.display());
                }
            });
        }
    });
    say(&format!("{} captures", files.len()));
}

/// `tail -f FILE | tcpdump -r -`: each frame is printed when it comes.
#[test]
fn tcpdump_follows_a_growing_file() {
    let sandbox = Sandbox::new();
    let whole = sandbox.file("whole.pcap");
    savefile::write(&whole, &frames::datagrams(30));
    let bytes = std::fs::read(&whole).expect("a file of the test");
    let growing = sandbox.file("growing.pcap");
    let mut file = std::fs::File::create(&growing).expect("a file of the test");
    let script = "tail -c +1 -f \"$1\" | tcpdump -l -n -r -";
    let mut follower = sandbox.ours("sh").args(["-c", script, "sh"]).arg(&growing).start();
    // In pieces of which some end inside of a record.
    let mut at = 0;
    for piece in bytes.chunks(bytes.len() / 5) {
        file.write_all(piece).expect("room for a file");
        at += piece.len();
        follower.wait_for(&format!("10.0.0.1.{} >", 10_000 + count_records(&bytes[..at]) - 1), LIMIT);
    }
    assert_eq!(count_records(&bytes), 30);
    follower.stop_within(LIMIT);
}

/// Whole records in the beginning of a file.
fn count_records(bytes: &[u8]) -> usize {
    let (mut at, mut count) = (24, 0);
    while let Some(header) = bytes.get(at..at + 16) {
        at += 16 + u32::from_ne_bytes(header[8..12].try_into().expect("four bytes")) as usize;
        count += usize::from(at <= bytes.len());
    }
    count
}

/// The C programs about capture files, too, never need the system's library.
#[test]
fn c_programs_where_the_systems_library_is_hidden() {
    if !possible() {
        return;
    }
    let sandbox = Sandbox::new();
    for (source, cases) in [
        ("dumping.c", &["contents", "append", "positions", "mixed", "endings"][..]),
        ("offline.c", &["refusals", "positions", "half_read", "popened", "standard_input", "callbacks"]),
    ] {
        let program = cc::program(source);
        for case in cases {
            let script = format!("\"$1\" {case} .");
            let [theirs, alone] =
                [Library::Theirs, Library::OursAlone].map(|whose| run(&sandbox, &script, &[&program], whose));
            assert!(theirs.contains("exit Some(0)"), "{source} {case}: {theirs}");
            assert_eq!(alone, theirs, "{source} {case}: left is ours alone, right is the system's");
        }
    }
}
