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

/// Plays 20 datagrams from the ports 10000 to 10019 onto vale0:a.
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

/// What tcpdump prints for `expression` in one of its three forms.
fn printed(program: Program, options: &[&str], form: &str, expression: &str) -> Program {
    program.args(options).arg(form).arg(expression)
}

#[test]
fn tcpdump_prints_programs() {
    if !possible() {
        return;
    }
    let sandbox = Sandbox::new();
    // Programs that can't be shorter: both libraries write the same.
    for (options, expression) in [("EN10MB", "ip"), ("EN10MB", "ether proto 0x88b5"), ("EN10MB", ""), ("RAW", "ip")] {
        for form in ["-d", "-dd", "-ddd"] {
            let options = ["-y", options];
            let own = finish(printed(ours(&sandbox, "tcpdump"), &options, form, expression)).expect_success();
            let theirs = printed(Program::new("tcpdump"), &options, form, expression).finish_within(LIMIT);
            assert_eq!(own.stdout, theirs.expect_success().stdout, "{options:?} {form} {expression:?}");
        }
    }
}

/// The instructions of `-dd` and `-ddd`: code, jt, jf, k.
fn instructions(text: &str) -> Vec<[u32; 4]> {
    let number = |word: &str| match word.strip_prefix("0x") {
        Some(digits) => u32::from_str_radix(digits, 16),
        None => word.parse(),
    };
    let words = |line: &str| -> Vec<u32> {
        let words = line.split([' ', ',', '{', '}']).filter(|word| !word.is_empty());
        words.map(|word| number(word).unwrap_or_else(|e| panic!("{line}: {e}"))).collect()
    };
    text.lines().map(|line| words(line).try_into().unwrap_or_else(|_| panic!("{line}"))).collect()
}

#[test]
fn the_three_forms_are_of_one_program() {
    if !possible() {
        return;
    }
    let sandbox = Sandbox::new();
    for options in [["-y", "EN10MB"], ["-i", "vale0:a"], ["-y", "RAW"]] {
        for expression in ["tcp port 80", "udp", "host 10.0.0.1 and not portrange 5-7 or icmp"] {
            let own =
                |form| finish(printed(ours(&sandbox, "tcpdump"), &options, form, expression)).expect_success().stdout;
            let (text, c, decimal) = (own("-d"), own("-dd"), own("-ddd"));
            let (count, decimal) = decimal.split_once('\n').expect("a count and a program");
            let program = instructions(decimal);
            assert_eq!(instructions(&c), program, "{options:?} {expression}");
            assert_eq!(count.parse(), Ok(program.len()), "{options:?} {expression}");
            assert!(program.len() > 3 && program.contains(&[6, 0, 0, 0]), "{program:?}");
            for (number, line) in text.lines().enumerate() {
                assert!(line.starts_with(&format!("({number:03}) ")), "{text}");
            }
            assert_eq!(text.lines().count(), program.len(), "{text}");
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
