//! Filters where the system's libpcap is not to be found: programs compile, print and use them as ever.

use compat_tests::hidden::{possible, without_the_systems_library};
use compat_tests::process::Finished;
use compat_tests::{Program, Running, Sandbox, frames, savefile};
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(60);

/// `program` with our library.
fn ours(sandbox: &Sandbox, program: &str) -> Program {
    sandbox.ours(program)
}

fn finish(program: Program) -> Finished {
    without_the_systems_library(program).finish_within(LIMIT)
}

fn start(program: Program) -> Running {
    without_the_systems_library(program).start()
}

/// Plays 20 datagrams from the ports 10000 to 10019 onto vale0:a. Reading the file needs the system's library.
fn play(sandbox: &Sandbox) -> Vec<Vec<u8>> {
    let (file, sent) = (sandbox.file("played.pcap"), frames::datagrams(20));
    savefile::write(&file, &sent);
    sandbox.ours("bittwist").args(["-i", "vale0:a"]).arg(file).finish_within(LIMIT).expect_success();
    sent
}

#[test]
fn the_systems_library_is_hidden() {
    if !possible() {
        return;
    }
    let run = finish(Program::new("tcpdump").arg("--version"));
    assert!(!run.success() && run.stderr.contains("libpcap"), "{run:#?}");
    let sandbox = Sandbox::new();
    let run = finish(ours(&sandbox, "tcpdump").args(["-i", "lo", "-c", "1"]));
    assert!(!run.success() && run.stderr.contains("the system's libpcap is needed for this"), "{run:#?}");
}

#[test]
fn tcpdump_prints_programs() {
    if !possible() {
        return;
    }
    let sandbox = Sandbox::new();
    for options in [&["-y", "EN10MB"][..], &["-i", "vale0:a"], &["-y", "RAW"]] {
        for form in ["-d", "-dd", "-ddd"] {
            for expression in ["ip", "udp", "tcp port 80", "ether host 0:1:2:3:4:5", "host 10.0.0.1 and not arp", ""] {
                if options == ["-y", "RAW"] && expression.starts_with("ether") {
                    continue;
                }
                let asked = |program: Program| program.args(options).arg(form).arg(expression);
                let own = finish(asked(ours(&sandbox, "tcpdump"))).expect_success().stdout;
                // A port is Ethernet for the system's library, too.
                let options = if options == ["-i", "vale0:a"] { &["-y", "EN10MB"][..] } else { options };
                let theirs = Program::new("tcpdump").args(options).arg(form).arg(expression);
                let theirs = theirs.finish_within(LIMIT).expect_success().stdout;
                assert_eq!(own, theirs, "{options:?} {form} {expression:?}: left is ours, right is the system's");
            }
        }
    }
}

#[test]
fn tcpdump_says_what_is_wrong_with_an_expression() {
    if !possible() {
        return;
    }
    let sandbox = Sandbox::new();
    for expression in ["tcp port", "port no-such-service", "ether host 1.2.3.4", "host 1.2.3.4.5", "1 = 2", "vlan 5000"]
    {
        let asked = |program: Program| program.args(["-y", "EN10MB", "-d", expression]);
        let own = finish(asked(ours(&sandbox, "tcpdump")));
        let theirs = asked(Program::new("tcpdump")).finish_within(LIMIT);
        assert_eq!((own.code, own.stderr), (theirs.code, theirs.stderr), "{expression:?}");
    }
}

#[test]
fn tcpdump_filters() {
    if !possible() {
        return;
    }
    let sandbox = Sandbox::new();
    let tcpdump = ours(&sandbox, "tcpdump").args(["-i", "vale0:b", "-n", "-l", "-c", "10"]);
    let mut reader = start(tcpdump.arg("udp and src portrange 10005-10014"));
    reader.wait_for("listening on", LIMIT);
    play(&sandbox);
    let run = reader.finish_within(LIMIT).expect_success();
    let ports: Vec<&str> =
        run.stdout.lines().filter_map(|line| line.split("10.0.0.1.").nth(1)?.split(' ').next()).collect();
    assert_eq!(ports, (10_005..10_015).map(|port| port.to_string()).collect::<Vec<_>>(), "{}", run.stdout);
    sandbox.assert_clean_after_open();
}

#[test]
fn tshark_filters() {
    if !possible() {
        return;
    }
    let sandbox = Sandbox::new();
    let tshark =
        ours(&sandbox, "tshark").args(["-i", "vale0:b", "-f", "udp src portrange 10005-10014", "-c", "10", "-n", "-l"]);
    let mut reader = start(tshark.args(["-T", "fields", "-e", "udp.srcport"]));
    reader.wait_for("Capture started", LIMIT);
    std::thread::sleep(Duration::from_millis(500));
    play(&sandbox);
    let run = reader.finish_within(LIMIT).expect_success();
    let ports: Vec<&str> = run.stdout.lines().collect();
    assert_eq!(ports, (10_005..10_015).map(|port| port.to_string()).collect::<Vec<_>>());
    let run = finish(ours(&sandbox, "tshark").args(["-i", "vale0:b", "-f", "tcp port", "-c", "1"]));
    assert!(!run.success() && run.stderr.contains("syntax error"), "{run:#?}");
}

#[test]
fn dumpcap_prints_programs_and_filters() {
    if !possible() {
        return;
    }
    let sandbox = Sandbox::new();
    let printed = finish(ours(&sandbox, "dumpcap").args(["-i", "vale0:b", "-d", "-f", "tcp port 80"])).expect_success();
    assert!(printed.stdout.contains("(000) ldh      [12]"), "{printed:#?}");

    let file = sandbox.file("dumpcap.pcap");
    let dumpcap = ours(&sandbox, "dumpcap").args(["-i", "vale0:b", "-P", "-f", "udp src port 10007", "-c", "1", "-w"]);
    let mut reader = start(dumpcap.arg(&file));
    reader.wait_for("File: ", LIMIT);
    let sent = play(&sandbox);
    reader.finish_within(LIMIT).expect_success();
    assert_eq!(savefile::read(&file), [sent[7].clone()]);
}

const SCAPY: &str = "
from scapy.all import conf, sniff, UDP
from scapy.arch.common import compile_filter
conf.use_pcap = True
program = compile_filter('tcp port 80', linktype=1)
print('instructions', program.bf_len, flush=True)
got = sniff(iface='vale0:b', filter='udp and src portrange 10005-10014', count=10, timeout=30,
            started_callback=lambda: print('open', flush=True))
print('ports', [packet[UDP].sport for packet in got])
";

#[test]
fn scapy_filters() {
    if !possible() {
        return;
    }
    let sandbox = Sandbox::new();
    // Debian's own Python: another one on the path does not have scapy.
    let mut reader = start(ours(&sandbox, "/usr/bin/python3").args(["-c", SCAPY]));
    reader.wait_for("open", LIMIT);
    play(&sandbox);
    let run = reader.finish_within(LIMIT).expect_success();
    let ports = (10_005..10_015).collect::<Vec<_>>();
    assert!(run.stdout.contains(&format!("ports {ports:?}")), "{run:#?}");
    assert!(run.stdout.lines().any(|line| line.starts_with("instructions ")), "{run:#?}");
}
