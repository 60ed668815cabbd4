//! Unmodified programs on cards: two hosts, a cable, and a card's rings by each driver that needs no module. `PCAP_NETMAP`, too.

use compat_tests::cable::Cable;
use compat_tests::{Finished, Program, Running, Sandbox, cc, frames, savefile};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// A program that hangs is given up on: on a busy machine an interpreter takes a minute to begin and end.
const LIMIT: Duration = Duration::from_secs(180);
const DRIVERS: [&str; 2] = ["xdp", "packet"];
/// For programs that keep the rights for packet sockets alone before they open anything: the choice is left to us, and falls on those.
const CAREFUL: [&str; 2] = ["", "packet"];

/// `test` for each driver, on hosts of its own.
fn with_each_driver(test: impl Fn(&Cable, &Sandbox, &str)) {
    with_drivers(DRIVERS, test);
}

fn with_drivers(drivers: [&str; 2], test: impl Fn(&Cable, &Sandbox, &str)) {
    for driver in drivers {
        let Some(cable) = Cable::lay() else { return };
        test(&cable, &Sandbox::new(), driver);
    }
}

/// `program` with our library, that driver, and `PCAP_NETMAP=va,vb`, which counts for who gets plain names.
fn ours(sandbox: &Sandbox, program: &str, driver: &str) -> Program {
    sandbox.ours(program).env("NETMAP_DRIVER", driver).env("PCAP_NETMAP", "va,vb")
}

fn file_of(sandbox: &Sandbox, frames: &[Vec<u8>]) -> PathBuf {
    let file = sandbox.file("played.pcap");
    savefile::write(&file, frames);
    file
}

/// Plays frames on the far host with bittwist.
fn play(cable: &Cable, sandbox: &Sandbox, driver: &str, frames: &[Vec<u8>]) {
    let bittwist = ours(sandbox, "bittwist", driver).args(["-i", "netmap:vb"]).arg(file_of(sandbox, frames));
    let run = cable.far(bittwist).finish_within(LIMIT).expect_success();
    let said = format!("{}{}", run.stdout, run.stderr);
    assert!(said.contains(&format!("{} packets", frames.len())), "bittwist said: {said}");
}

fn tcpdump(sandbox: &Sandbox, driver: &str, device: &str, count: usize) -> (Program, PathBuf) {
    let file = sandbox.file("tcpdump.pcap");
    let program = ours(sandbox, "tcpdump", driver).args(["-i", device, "-Z", "root", "-U", "-c", &count.to_string()]);
    (program.arg("-w").arg(&file), file)
}

fn listening(program: Program) -> Running {
    let mut running = program.start();
    running.wait_for("listening on", LIMIT);
    running
}

fn check_account(run: Finished, count: usize) {
    let run = run.expect_success();
    for line in [format!("{count} packets captured"), format!("{count} packets received"), "0 packets dropped".into()] {
        assert!(run.stderr.contains(&line), "{line:?} is missing: {}", run.stderr);
    }
}

#[test]
fn tcpdump_reads_what_bittwist_sends() {
    with_each_driver(|cable, sandbox, driver| {
        for device in ["netmap:va", "va"] {
            let sent = frames::datagrams(200);
            let (program, file) = tcpdump(sandbox, driver, device, sent.len());
            let reader = listening(cable.near(program));
            play(cable, sandbox, driver, &sent);
            check_account(reader.finish_within(LIMIT), sent.len());
            assert_eq!(savefile::read(&file), sent, "{driver} {device}");
        }
    });
}

/// tcpdump opens the card as root and sets its filter as somebody else: it gets what matches, and the host keeps the rest.
#[test]
fn tcpdump_filters_on_the_card_when_it_is_no_longer_root() {
    for driver in ["", "xdp"] {
        if driver == "xdp" && nm_core::sys::kernel_is_before(6, 9) {
            return compat_tests::process::skipped(
                "only a packet socket takes a filter from who has no rights (Linux 6.9)",
            );
        }
        let (Some(cable), sandbox) = (Cable::lay(), Sandbox::new()) else { return };
        let sent = frames::datagrams(100);
        let file = sandbox.file("dropped.pcap");
        let tcpdump = sandbox.ours_for_everybody("tcpdump").env("NETMAP_DRIVER", driver);
        let tcpdump = tcpdump.args(["-i", "netmap:va", "-Z", "tcpdump", "-U", "-c", "100", "-w"]).arg(&file).arg("udp");
        let reader = listening(cable.near(tcpdump));
        let status = std::fs::read_to_string(format!("/proc/{}/status", reader.pid())).expect("the process's status");
        assert!(!status.contains("Uid:\t0"), "tcpdump is still root: {status}");
        // Frames that are taken get no answer, these do.
        let ping = Program::new("ping").args(["-q", "-c", "3", "-i", "0.01", "-w", "10", "10.0.0.1"]);
        cable.far(ping).finish_within(LIMIT).expect_success();
        play(&cable, &sandbox, "packet", &sent);
        check_account(reader.finish_within(LIMIT), sent.len());
        assert_eq!(savefile::read(&file), sent, "{driver:?}");
    }
}

/// Its dumpcap keeps CAP_NET_ADMIN and CAP_NET_RAW.
#[test]
fn tshark_reads() {
    with_drivers(CAREFUL, |cable, sandbox, driver| {
        let sent = frames::datagrams(100);
        let file = sandbox.file("tshark.pcap");
        let tshark =
            ours(sandbox, "tshark", driver).args(["-i", "netmap:va", "-c", "100", "-F", "pcap", "-w"]).arg(&file);
        let mut reader = cable.near(tshark).start();
        reader.wait_for("Capture started", LIMIT);
        wait_until_open(cable, driver, &mut reader);
        play(cable, sandbox, driver, &sent);
        let run = reader.finish_within(LIMIT).expect_success();
        assert!(run.stderr.contains("100 packets captured"), "{}", run.stderr);
        assert_eq!(savefile::read(&file), sent, "{driver}");
    });
}

/// Waits until the near host has a packet socket for all frames.
fn wait_until_open(cable: &Cable, driver: &str, reader: &mut Running) {
    let what = "grep -q ' 0003 ' /proc/net/packet";
    let deadline = Instant::now() + LIMIT;
    while !cable.near(Program::new("sh").args(["-c", what])).finish_within(LIMIT).success() {
        assert!(!reader.has_ended() && Instant::now() < deadline, "{driver}: {:?}", reader.printed());
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The host's own traffic goes on: frames that the filter refuses are not taken away.
#[test]
fn a_filter_leaves_the_host_its_connections() {
    with_each_driver(|cable, sandbox, driver| {
        let sent = frames::datagrams(20);
        let (program, file) = tcpdump(sandbox, driver, "netmap:va", 10);
        let reader = listening(cable.near(program.arg("udp and src portrange 10000-10009")));
        let ping = Program::new("ping").args(["-q", "-c", "20", "-i", "0.01", "-w", "10", "10.0.0.2"]);
        let run = cable.near(ping).finish_within(LIMIT).expect_success();
        assert!(run.stdout.contains(" 0% packet loss"), "{driver}: {}", run.stdout);
        play(cable, sandbox, driver, &sent);
        check_count(reader.finish_within(LIMIT), 10);
        assert_eq!(savefile::read(&file), sent[..10], "{driver}");
    });
}

fn check_count(run: Finished, count: usize) {
    let run = run.expect_success();
    assert!(run.stderr.contains(&format!("{count} packets captured")), "{}", run.stderr);
}

/// arp-scan asks the kernel for the card's address, by its plain name: `PCAP_NETMAP` makes a card's rings of that.
#[test]
fn arp_scan_finds_the_other_host() {
    let scan = |cable: &Cable, sandbox: &Sandbox, driver: &str| {
        let scan = ours(sandbox, "arp-scan", driver).args(["-I", "va", "-q", "-N", "-r", "2", "10.0.0.1-10.0.0.5"]);
        cable.near(scan).finish_within(LIMIT)
    };
    with_drivers(CAREFUL, |cable, sandbox, driver| {
        let run = scan(cable, sandbox, driver).expect_success();
        assert!(run.stdout.contains("10.0.0.2\t") && run.stdout.contains("1 responded"), "{driver}: {}", run.stdout);
    });
    // It has given up the rights by then.
    if let Some(cable) = Cable::lay() {
        let run = scan(&cable, &Sandbox::new(), "xdp");
        let why = "You don't have permission to perform this capture on that device";
        assert!(!run.success() && run.stderr.contains(why) && run.stderr.contains("CAP_BPF"), "{run:#?}");
    }
}

const SCAPY_ASKS: &str = "
from scapy.all import ARP, Ether, IP, ICMP, conf, srp
conf.use_pcap = True
ask = Ether(dst='ff:ff:ff:ff:ff:ff', src='02:00:00:00:00:09') / ARP(hwsrc='02:00:00:00:00:09', psrc='10.0.0.9', pdst='10.0.0.2')
answered, _ = srp(ask, iface='netmap:va', timeout=10, verbose=0)
print('answers', len(answered), answered[0][1].psrc)
";

#[test]
fn scapy_asks_and_gets_its_answer() {
    with_each_driver(|cable, sandbox, driver| {
        // Debian's own Python: another one on the path does not have scapy.
        let scapy = ours(sandbox, "/usr/bin/python3", driver).args(["-c", SCAPY_ASKS]);
        let run = cable.near(scapy).finish_within(LIMIT).expect_success();
        assert!(run.stdout.contains("answers 1 10.0.0.2"), "{driver}: {run:#?}");
    });
}

const SERVER: &str = "
import socket
s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1); s.bind(('10.0.0.2', 8000)); s.listen(50)
print('serving', flush=True)
while True:
    c, _ = s.accept()
    try:
        if c.recv(4) == b'send': c.sendall(bytes(range(256)) * 40000)
    except OSError: pass
    c.close()
";

const DOWNLOAD: &str = "
import socket, time
for _ in range(3):
    s = socket.create_connection(('10.0.0.2', 8000), 10); s.settimeout(10); s.sendall(b'send')
    got = b''
    while True:
        part = s.recv(65536)
        if not part: break
        got += part
    assert got == bytes(range(256)) * 40000, len(got)
print('whole')
";

/// nmap sends through sockets of its own and reads through libpcap. Meanwhile the host downloads from the one that is scanned.
#[test]
fn nmap_scans_while_the_host_downloads() {
    with_each_driver(|cable, sandbox, driver| {
        let python = |script: &str| Program::new("/usr/bin/python3").args(["-c", script]);
        let mut server = cable.far(python(SERVER)).start();
        server.wait_for("serving", LIMIT);
        let download = cable.near(python(DOWNLOAD)).start();
        let nmap = ours(sandbox, "nmap", driver).args(["-sS", "-n", "-T4", "-e", "va", "-p", "7999-8001", "10.0.0.2"]);
        let run = cable.near(nmap).finish_within(LIMIT).expect_success();
        for line in ["7999/tcp closed", "8000/tcp open", "8001/tcp closed", "1 host up"] {
            assert!(run.stdout.contains(line), "{driver}: {line:?} is missing: {}{}", run.stdout, run.stderr);
        }
        assert!(download.finish_within(LIMIT).expect_success().stdout.contains("whole"), "{driver}");
    });
}

/// The list has each card once, by its plain name and with its addresses, and what is asked for by the other name.
#[test]
fn cards_in_the_device_list() {
    with_each_driver(|cable, sandbox, driver| {
        let list = |names: &str| {
            let tcpdump = sandbox.ours("tcpdump").env("NETMAP_DRIVER", driver).env("PCAP_NETMAP", names).arg("-D");
            let list = cable.near(tcpdump).finish_within(LIMIT).expect_success().stdout;
            let name = |line: &str| {
                line.split_once('.').and_then(|(_, rest)| rest.split_whitespace().next().map(String::from))
            };
            list.lines().filter_map(name).filter(|name| name.contains("va")).collect::<Vec<_>>()
        };
        assert_eq!(list(""), ["va"]);
        assert_eq!(list("va"), ["va"]);
        assert_eq!(list("va,netmap:va,netmap:nosuch0"), ["va", "netmap:va"]);
    });
}

/// What is asked about a card's handle has the system library's answer.
#[test]
fn questions_about_a_card() {
    with_each_driver(|cable, sandbox, driver| {
        // Without an address, too, and a card that is not there.
        cable
            .near(Program::new("ip").args(["link", "add", "vc", "type", "veth", "peer", "name", "vd"]))
            .finish_within(LIMIT);
        cable.near(Program::new("ip").args(["link", "set", "vc", "up"])).finish_within(LIMIT).expect_success();
        for card in ["va", "vc", "nosuch0"] {
            let program = Program::new(cc::program("card.c")).arg(card);
            let theirs = cable.near(program).finish_within(LIMIT).expect_success();
            let program = sandbox.ours(cc::program("card.c")).env("NETMAP_DRIVER", driver);
            let ours = cable.near(program.arg(format!("netmap:{card}"))).finish_within(LIMIT).expect_success();
            if card == "nosuch0" {
                // After that it is no handle on a device, and theirs takes link types that ours doesn't.
                let until_open = |text: &str| {
                    text.split_once("\nactivate: ").map(|(before, after)| (before.to_string(), after[..2].to_string()))
                };
                assert_eq!(until_open(&ours.stdout), until_open(&theirs.stdout), "{driver} {card}");
                assert_eq!(until_open(&ours.stdout).map(|(_, code)| code).as_deref(), Some("-5"));
            } else {
                assert_eq!(ours.stdout, theirs.stdout, "{driver} {card}: left is ours, right is the system's");
            }
        }
    });
}

/// On a card that stamps its frames, as far as a cable can be made out to be one, all is as with the system's library: the types, the warnings, the
/// errors, and whose time each frame has. A cable loses the stamp of a frame on its way to a program in its driver.
#[test]
fn a_cards_own_times() {
    with_each_driver(|cable, sandbox, driver| {
        for line in ["link add vc type veth peer name vd", "link set vc up", "link set vd up"] {
            cable.near(Program::new("ip").args(line.split(' '))).finish_within(LIMIT).expect_success();
        }
        for refusal in [0, libc::EPERM, libc::ERANGE, libc::EOPNOTSUPP, libc::EIO] {
            let refusal = refusal.to_string();
            let asked = |program: Program, device: &str| {
                cable.near(program.args([device, "vc", "vd", &refusal])).finish_within(LIMIT).expect_success().stdout
            };
            if driver == "xdp" && nm_core::sys::kernel_is_before(6, 8) {
                return compat_tests::process::skipped("this kernel tells XDP programs no card's time (Linux 6.8)");
            }
            let theirs = asked(Program::new(cc::program("stamped.c")), "vc");
            let ours = sandbox.ours(cc::program("stamped.c")).env("NETMAP_DRIVER", driver);
            let ours = asked(ours, "netmap:vc");
            assert_eq!(theirs.contains("frame 1: card"), refusal == "0", "{theirs}");
            let expected = if driver == "xdp" { theirs.replace(": card", ": host") } else { theirs };
            assert_eq!(ours, expected, "{driver} {refusal}: left is ours, right is the system's");
        }
    });
}

/// Frames that were left to the kicker are sent when a program returns from main without `pcap_close`.
#[test]
fn frames_leave_before_their_program_does() {
    let Some(cable) = Cable::lay() else { return };
    let sandbox = Sandbox::new();
    let lasts = 1..=20;
    let all = lasts.clone().sum::<u32>().to_string();
    let there = listening(cable.far(Program::new("tcpdump").args([
        "-i",
        "vb",
        "-c",
        &all,
        "-w",
        "/dev/null",
        "ether proto 0x88b6",
    ])));
    for last in lasts {
        let leaving = sandbox.ours(cc::program("leaving.c")).env("NETMAP_DRIVER", "xdp");
        let run = cable.near(leaving.args(["netmap:va", &last.to_string()])).finish_within(LIMIT).expect_success();
        if run.stdout.contains("nobody kicks") {
            return compat_tests::process::skipped("a kicker needs a second processor, and a stream of frames");
        }
    }
    // The programs have sent them, or nobody will.
    check_account(there.finish_within(LIMIT), all.parse().expect("a number"));
}

/// Who asks for frames that a port never has is told where they are.
#[test]
fn frames_of_one_direction() {
    if nm_core::sys::kernel_is_before(6, 6) {
        return compat_tests::process::skipped("host rings: Linux 6.6");
    }
    with_each_driver(|cable, sandbox, driver| {
        let tcpdump = |device, direction| {
            let args = ["-i", device, "-Q", direction, "-n", "-c", "1", "--immediate-mode", "-Z", "root", "icmp"];
            cable.near(ours(sandbox, "tcpdump", driver).args(args))
        };
        for (device, direction, there) in
            [("netmap:va", "out", "are in netmap:CARD^"), ("netmap:va^", "in", "are in netmap:CARD")]
        {
            let run = tcpdump(device, direction).finish_within(LIMIT);
            assert!(!run.success() && run.stderr.contains(there), "{driver}: {run:#?}");
        }
        for (device, direction) in [("netmap:va", "in"), ("netmap:va^", "out")] {
            let reader = listening(tcpdump(device, direction));
            let ping = Program::new("ping").args(["-q", "-c", "1", "-W", "1"]);
            let ping =
                if device == "netmap:va" { cable.far(ping.arg("10.0.0.1")) } else { cable.near(ping.arg("10.0.0.2")) };
            // Whose frames are taken gets no answer.
            ping.finish_within(LIMIT);
            let run = reader.finish_within(LIMIT).expect_success();
            assert!(run.stdout.contains("ICMP echo"), "{driver} {device}: {run:#?}");
        }
    });
}

/// Cards without Ethernet frames, and the loopback interface, are the system's library's.
#[test]
fn other_interfaces_stay_with_the_systems_library() {
    let Some(cable) = Cable::lay() else { return };
    let sandbox = Sandbox::new();
    cable
        .near(Program::new("sh").args(["-c", "ip tuntap add dev tun0 mode tun && ip link set tun0 up"]))
        .finish_within(LIMIT);
    for device in ["lo", "tun0", "any"] {
        let tcpdump = sandbox.ours("tcpdump").env("PCAP_NETMAP", "lo,tun0,any").env("NETMAP_DRIVER", "module");
        // The module is not there: a port of ours would be an error.
        let mut reader = cable.near(tcpdump.args(["-i", device, "-c", "1"])).start();
        reader.wait_for("listening on", LIMIT);
        reader.signal(libc::SIGINT);
        reader.finish_within(LIMIT).expect_success();
    }
    let tcpdump =
        sandbox.ours("tcpdump").env("PCAP_NETMAP", "va").env("NETMAP_DRIVER", "module").args(["-i", "va", "-c", "1"]);
    let run = cable.near(tcpdump).finish_within(LIMIT);
    assert!(!run.success() && run.stderr.contains("module"), "{run:#?}");
}
