//! Unmodified programs on VALE ports: each is sent, or sends, frames whose bytes are known, and every one must arrive.

use compat_tests::frames::{self, tcp};
use compat_tests::{Finished, Program, Running, Sandbox, cc, savefile, user, veth};
use std::path::PathBuf;
use std::time::{Duration, Instant};

const LIMIT: Duration = Duration::from_secs(60);

/// Waits until port `name` is open, as the library's own device list shows it.
fn wait_for_port(sandbox: &Sandbox, program: &mut Running, name: &str) {
    let deadline = Instant::now() + LIMIT;
    loop {
        assert!(!program.has_ended(), "the program has ended: {:?}", program.printed());
        let list = sandbox.ours("tcpdump").arg("-D").finish_within(LIMIT).expect_success().stdout;
        if list.split_whitespace().any(|word| word.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.') == name)
        {
            return;
        }
        assert!(Instant::now() < deadline, "{name} is not in the list of devices: {list}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Plays `frames` onto vale0:a with bittwist.
fn play(sandbox: &Sandbox, frames: &[Vec<u8>]) {
    play_on(sandbox, "vale0:a", frames);
}

fn play_on(sandbox: &Sandbox, device: &str, frames: &[Vec<u8>]) {
    let file = sandbox.file("played.pcap");
    savefile::write(&file, frames);
    bittwist(frames.len(), sandbox.ours("bittwist").args(["-i", device]).arg(file));
}

fn bittwist(count: usize, program: Program) {
    let run = program.finish_within(LIMIT).expect_success();
    let said = format!("{}{}", run.stdout, run.stderr);
    assert!(said.contains(&format!("{count} packets")), "bittwist said: {said}");
}

/// tcpdump on `device`, writing `count` frames to the file that is returned too.
fn tcpdump(sandbox: &Sandbox, device: &str, count: usize) -> (Running, PathBuf) {
    let file = sandbox.file("tcpdump.pcap");
    let mut running = sandbox
        .ours("tcpdump")
        .args(["-i", device, "-Z", "root", "-U", "-c", &count.to_string(), "-w"])
        .arg(&file)
        .start();
    running.wait_for("listening on", LIMIT);
    (running, file)
}

/// tcpdump's own account at its end must name `count` frames three times over: captured, received, none dropped.
fn check_account(run: Finished, count: usize) {
    let run = run.expect_success();
    for line in [format!("{count} packets captured"), format!("{count} packets received"), "0 packets dropped".into()] {
        assert!(run.stderr.contains(&line), "{line:?} is missing: {}", run.stderr);
    }
}

#[test]
fn tcpdump_reads_what_bittwist_sends() {
    let (sandbox, sent) = (Sandbox::new(), frames::datagrams(200));
    let (reader, file) = tcpdump(&sandbox, "vale0:b", sent.len());
    play(&sandbox, &sent);
    check_account(reader.finish_within(LIMIT), sent.len());
    assert_eq!(savefile::read(&file), sent);
    sandbox.assert_clean();
}

#[test]
fn tcpdump_reads_at_one_end_of_a_pipe_what_bittwist_sends_at_the_other() {
    let (sandbox, sent) = (Sandbox::new(), frames::datagrams(200));
    let (mut reader, file) = tcpdump(&sandbox, "netmap:x}1", sent.len());
    wait_for_port(&sandbox, &mut reader, "netmap:x}1");
    play_on(&sandbox, "netmap:x{2", &sent);
    play_on(&sandbox, "netmap:x{1", &sent);
    check_account(reader.finish_within(LIMIT), sent.len());
    assert_eq!(savefile::read(&file), sent);
    sandbox.assert_clean();
}

#[test]
fn tcpdump_filters_and_prints() {
    let (sandbox, sent) = (Sandbox::new(), frames::datagrams(20));
    let mut reader = sandbox
        .ours("tcpdump")
        .args(["-i", "vale0:b", "-n", "-l", "-c", "10", "udp and src portrange 10000-10009"])
        .start();
    reader.wait_for("listening on", LIMIT);
    play(&sandbox, &sent);
    let run = reader.finish_within(LIMIT).expect_success();
    for port in 10_000..10_010 {
        assert!(
            run.stdout.contains(&format!("IP 10.0.0.1.{port} > 10.0.0.2.2000: UDP")),
            "port {port}: {}",
            run.stdout
        );
    }
    sandbox.assert_clean_after_open();
}

#[test]
fn tcpdump_gives_up_its_privileges() {
    if !user::is_root() {
        compat_tests::process::skipped("only root has privileges to give up");
        return;
    }
    let (sandbox, sent) = (Sandbox::new(), frames::datagrams(100));
    let file = sandbox.file("dropped.pcap");
    let mut reader = sandbox
        .ours_for_everybody("tcpdump")
        .args(["-i", "vale0:b", "-Z", "tcpdump", "-U", "-c", "100", "-w"])
        .arg(&file)
        .start();
    reader.wait_for("listening on", LIMIT);
    let status = std::fs::read_to_string(format!("/proc/{}/status", reader.pid())).expect("the process's status");
    let uid = status.lines().find_map(|l| l.strip_prefix("Uid:\t")).expect("a user line");
    assert!(!uid.starts_with("0\t"), "tcpdump is still root: {uid}");
    play(&sandbox, &sent);
    check_account(reader.finish_within(LIMIT), sent.len());
    assert_eq!(savefile::read(&file), sent);
    sandbox.assert_clean_after_open();
}

/// The program that opens vale0:b and then gives up its root folder and its user.
fn careful(sandbox: &Sandbox, what: &str) -> Running {
    let empty = sandbox.file("empty");
    std::fs::create_dir(&empty).expect("an empty folder");
    let program = sandbox.ours(cc::program("careful.c")).args([what, "vale0:b"]).arg(&empty);
    let mut running = program.args([&user::NOBODY.to_string(), "200"]).start();
    running.wait_for("open", LIMIT);
    running
}

#[test]
fn a_reader_in_a_chroot_as_another_user() {
    if !user::is_root() {
        compat_tests::process::skipped("only root may chroot");
        return;
    }
    let sandbox = Sandbox::new();
    let reader = careful(&sandbox, "read");
    sandbox
        .ours(cc::program("stream_out.c"))
        .args(["vale0:a", "1", "2000", "200"])
        .finish_within(LIMIT)
        .expect_success();
    let run = reader.finish_within(LIMIT).expect_success();
    assert_eq!(run.stdout.lines().last(), Some("frames 200, last 199, faults 0, dropped 0"));
    sandbox.assert_clean_after_open();
}

/// The receivers come when the sender has no rights any more.
#[test]
fn a_sender_in_a_chroot_as_another_user() {
    if !user::is_root() {
        compat_tests::process::skipped("only root may chroot");
        return;
    }
    let sandbox = Sandbox::new();
    let mut sender = careful(&sandbox, "send");
    let (reader, file) = tcpdump(&sandbox, "vale0:late", 200);
    let mut other = sandbox.ours(cc::program("stream_in.c")).args(["vale0:later", "200"]).start();
    other.wait_for("open", LIMIT);
    sender.close_input();
    assert!(sender.finish_within(LIMIT).expect_success().stdout.ends_with("sent 200\n"));
    check_account(reader.finish_within(LIMIT), 200);
    assert_eq!(savefile::read(&file).len(), 200);
    assert!(other.finish_within(LIMIT).expect_success().stdout.contains("received 200 watched 200 bad 0"));
    sandbox.assert_clean_after_open();
}

#[test]
fn a_plain_user_needs_no_privilege() {
    let (sandbox, sent) = (Sandbox::new(), frames::datagrams(100));
    let (file, played) = (sandbox.file("plain.pcap"), sandbox.file("plain-played.pcap"));
    savefile::write(&played, &sent);
    let tcpdump = sandbox.ours_for_everybody("tcpdump").args(["-i", "vale0:b", "-U", "-c", "100", "-w"]).arg(&file);
    let mut reader = user::as_plain_user(tcpdump).start();
    reader.wait_for("listening on", LIMIT);
    let bittwist_program = sandbox.ours_for_everybody("bittwist").args(["-i", "vale0:a"]).arg(played);
    bittwist(sent.len(), user::as_plain_user(bittwist_program));
    check_account(reader.finish_within(LIMIT), sent.len());
    assert_eq!(savefile::read(&file), sent);
    sandbox.assert_clean();
}

#[test]
fn tshark_reads() {
    let (sandbox, sent) = (Sandbox::new(), frames::datagrams(100));
    let file = sandbox.file("tshark.pcap");
    let mut reader = sandbox.ours("tshark").args(["-i", "vale0:b", "-c", "100", "-F", "pcap", "-w"]).arg(&file).start();
    reader.wait_for("Capture started", LIMIT);
    wait_for_port(&sandbox, &mut reader, "vale0:b");
    play(&sandbox, &sent);
    let run = reader.finish_within(LIMIT).expect_success();
    assert!(run.stderr.contains("100 packets captured"), "{}", run.stderr);
    assert_eq!(savefile::read(&file), sent);
    sandbox.assert_clean();
}

#[test]
fn dumpcap_reads() {
    let (sandbox, sent) = (Sandbox::new(), frames::datagrams(100));
    let file = sandbox.file("dumpcap.pcap");
    let mut reader = sandbox.ours("dumpcap").args(["-i", "vale0:b", "-P", "-c", "100", "-w"]).arg(&file).start();
    reader.wait_for("File: ", LIMIT);
    wait_for_port(&sandbox, &mut reader, "vale0:b");
    play(&sandbox, &sent);
    let run = reader.finish_within(LIMIT).expect_success();
    assert!(run.stderr.contains("'vale0:b': 100/0 "), "{}", run.stderr);
    assert_eq!(savefile::read(&file), sent);
    sandbox.assert_clean();
}

#[test]
fn ngrep_reads() {
    let (sandbox, sent) = (Sandbox::new(), frames::datagrams(50));
    let file = sandbox.file("ngrep.pcap");
    let mut reader = sandbox
        .ours("ngrep")
        .args(["-d", "vale0:b", "-q", "-l", "-n", "50", "-O"])
        .arg(&file)
        .args(["datagram [0-9]+", "udp"])
        .start();
    wait_for_port(&sandbox, &mut reader, "vale0:b");
    play(&sandbox, &sent);
    let run = reader.finish_within(LIMIT).expect_success();
    assert!(run.stdout.contains("datagram 00049"), "{}", run.stdout);
    assert_eq!(savefile::read(&file), sent);
    sandbox.assert_clean_after_open();
}

#[test]
fn p0f_reads() {
    let sandbox = Sandbox::new();
    let ports = 30_000..30_020u16;
    let sent: Vec<_> = ports.clone().map(|port| frames::segment(true, port, tcp::SYN, 1, 0, b"")).collect();
    let log = sandbox.file("p0f.log");
    let mut reader = sandbox.ours("p0f").args(["-i", "vale0:b", "-o"]).arg(&log).start();
    wait_for_port(&sandbox, &mut reader, "vale0:b");
    play(&sandbox, &sent);
    let seen = || {
        let log = std::fs::read_to_string(&log).unwrap_or_default();
        let syns = log.lines().filter(|line| line.contains("mod=syn|"));
        syns.filter_map(|line| line.split("cli=10.0.0.1/").nth(1)?.split('|').next()?.parse().ok())
            .collect::<Vec<u16>>()
    };
    let deadline = Instant::now() + Duration::from_secs(10);
    while seen().len() < sent.len() && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(20));
    }
    reader.signal(libc::SIGINT);
    let run = reader.finish_within(LIMIT);
    assert!(run.signal.is_none() && run.stdout.contains("Processed 20 packets"), "{run:#?}");
    assert_eq!(seen(), ports.collect::<Vec<_>>());
}

#[test]
fn tcpflow_reads() {
    let sandbox = Sandbox::new();
    let asked = b"GET / HTTP/1.0\r\n\r\n".to_vec();
    let answered =
        |port: u16| format!("HTTP/1.0 200 OK\r\n\r\n{}", format!("answer on {port}\n").repeat(400)).into_bytes();
    let ports = 40_000..40_005u16;
    let sent: Vec<_> = ports.clone().flat_map(|port| frames::connection(port, &asked, &answered(port))).collect();
    let folder = sandbox.file("flows");
    let mut reader = sandbox.ours("tcpflow").args(["-i", "vale0:b", "-o"]).arg(&folder).start();
    wait_for_port(&sandbox, &mut reader, "vale0:b");
    play(&sandbox, &sent);
    std::thread::sleep(Duration::from_millis(500));
    reader.signal(libc::SIGINT);
    reader.finish_within(LIMIT).expect_success();
    for port in ports {
        let flow = |name: String| {
            std::fs::read(folder.join(&name)).unwrap_or_else(|e| {
                panic!(
                    "{name}: {e}: {:?}",
                    std::fs::read_dir(&folder).map(|d| d.flatten().map(|e| e.file_name()).collect::<Vec<_>>())
                )
            })
        };
        assert_eq!(flow(format!("010.000.000.001.{port}-010.000.000.002.00080")), asked);
        assert_eq!(flow(format!("010.000.000.002.00080-010.000.000.001.{port}")), answered(port));
    }
    sandbox.assert_clean();
}

#[test]
fn softflowd_reads() {
    let (sandbox, sent) = (Sandbox::new(), frames::datagrams(100));
    let collector = std::net::UdpSocket::bind("127.0.0.1:0").expect("a socket for the flows");
    collector.set_read_timeout(Some(Duration::from_secs(10))).expect("a timeout");
    let address = collector.local_addr().expect("its address").to_string();
    let control = sandbox.file("softflowd.ctl");
    // It takes what stands before the first colon for the number of the interface.
    let mut reader = sandbox
        .ours("softflowd")
        .args(["-d", "-v", "5", "-i", "0:vale0:b", "-n", &address, "-p"])
        .arg(sandbox.file("softflowd.pid"))
        .arg("-c")
        .arg(&control)
        .start();
    wait_for_port(&sandbox, &mut reader, "vale0:b");
    play(&sandbox, &sent);
    let ask = |what: &str| Program::new("softflowctl").arg("-c").arg(&control).arg(what).finish_within(LIMIT).stdout;
    let deadline = Instant::now() + Duration::from_secs(20);
    while !ask("statistics").contains("Packets processed: 100") {
        assert!(Instant::now() < deadline, "{}", ask("statistics"));
        std::thread::sleep(Duration::from_millis(50));
    }
    ask("shutdown");
    // It ends with 1 when it is told to end.
    let run = reader.finish_within(LIMIT);
    assert!(run.signal.is_none() && run.stderr.contains("Shutting down on user request"), "{run:#?}");
    // NetFlow version 5: a header of 24 bytes, then 48 bytes a flow; packets at 16, bytes at 20, source port at 32.
    let mut flows = Vec::new();
    while flows.len() < sent.len() {
        let mut export = [0; 2000];
        let len = collector.recv(&mut export).expect("a packet of flows");
        for flow in export[24..len].chunks_exact(48) {
            let word = |at: usize| u32::from_be_bytes([flow[at], flow[at + 1], flow[at + 2], flow[at + 3]]);
            flows.push((word(32) >> 16, word(16), word(20)));
        }
    }
    flows.sort_unstable();
    let expected: Vec<_> = sent.iter().zip(10_000..).map(|(frame, port)| (port, 1, frame.len() as u32 - 14)).collect();
    assert_eq!(flows, expected);
}

const SCAPY_READS: &str = "
import sys
from scapy.all import conf, sniff, wrpcap
conf.use_pcap = True
got = sniff(iface='vale0:b', count=100, timeout=30, started_callback=lambda: print('open', flush=True))
wrpcap(sys.argv[1], got)
";

const SCAPY_SENDS: &str = "
import sys
from scapy.all import conf, rdpcap, sendp
conf.use_pcap = True
sendp(rdpcap(sys.argv[1]), iface='vale0:a', verbose=0)
";

fn scapy(sandbox: &Sandbox, script: &str, file: &PathBuf) -> Program {
    // Debian's own Python: another one on the path does not have scapy.
    sandbox.ours("/usr/bin/python3").args(["-c", script]).arg(file)
}

#[test]
fn scapy_reads() {
    let (sandbox, sent) = (Sandbox::new(), frames::datagrams(100));
    let file = sandbox.file("scapy.pcap");
    let mut reader = scapy(&sandbox, SCAPY_READS, &file).start();
    reader.wait_for("open", LIMIT);
    play(&sandbox, &sent);
    reader.finish_within(LIMIT).expect_success();
    assert_eq!(savefile::read(&file), sent);
    sandbox.assert_clean();
}

#[test]
fn scapy_sends() {
    let (sandbox, sent) = (Sandbox::new(), frames::datagrams(100));
    let (reader, file) = tcpdump(&sandbox, "vale0:b", sent.len());
    let played = sandbox.file("scapy-played.pcap");
    savefile::write(&played, &sent);
    scapy(&sandbox, SCAPY_SENDS, &played).finish_within(LIMIT).expect_success();
    check_account(reader.finish_within(LIMIT), sent.len());
    assert_eq!(savefile::read(&file), sent);
    sandbox.assert_clean();
}

/// arp-scan asks the kernel for the card's address, even when it is told one: the card has to exist.
#[test]
fn arp_scan_sends() {
    if !veth::possible() {
        return;
    }
    let sandbox = Sandbox::new();
    let (reader, file) = tcpdump(&sandbox, "vale0:b", 30);
    let scan =
        sandbox.ours("arp-scan").args(["-I", "vale0:a", "--srcaddr=02:00:00:00:00:09", "--arpsha=02:00:00:00:00:09"]);
    let scan = scan.args(["--arpspa=10.0.0.9", "-q", "-N", "-r", "1", "-t", "100", "10.0.0.1-10.0.0.30"]);
    let run = veth::with_cards(scan, &["vale0"]).finish_within(LIMIT).expect_success();
    assert!(run.stdout.contains("30 hosts scanned"), "{}", run.stdout);
    check_account(reader.finish_within(LIMIT), 30);
    let asked: Vec<Vec<u8>> = savefile::read(&file);
    for (frame, host) in asked.iter().zip(1..=30u8) {
        let card = [2, 0, 0, 0, 0, 9];
        let arp = [0, 1, 8, 0, 6, 4, 0, 1];
        let expected =
            [&[255; 6][..], &card, &[8, 6], &arp, &card, &[10, 0, 0, 9], &[0; 6], &[10, 0, 0, host]].concat();
        assert_eq!(frame[..42], expected, "the question for host {host}");
    }
}

/// tcpbridge too asks the kernel about its cards, and takes only names from the device list, where `PCAP_NETMAP` puts
/// ports that are yet to be opened. Frames go through libpcap.
#[test]
fn tcpbridge_carries_between_switches() {
    if !veth::possible() {
        return;
    }
    let (sandbox, sent) = (Sandbox::new(), frames::datagrams(100));
    let (reader, file) = tcpdump(&sandbox, "vale1:b", sent.len());
    let bridge = sandbox.ours("tcpbridge").args(["--intf1=vale0:x", "--intf2=vale1:x"]);
    let bridge = bridge.env("PCAP_NETMAP", "vale0:x,vale1:x");
    let mut bridge = veth::with_cards(bridge, &["vale0", "vale1"]).start();
    for port in ["vale0:x", "vale1:x"] {
        wait_for_port(&sandbox, &mut bridge, port);
    }
    play(&sandbox, &sent);
    check_account(reader.finish_within(LIMIT), sent.len());
    assert_eq!(savefile::read(&file), sent);
    bridge.signal(libc::SIGINT);
    let run = bridge.finish_within(LIMIT);
    assert!(run.signal.is_none() || run.signal == Some(libc::SIGINT), "{run:#?}");
}
