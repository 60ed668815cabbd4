//! Cards between hosts: bridged to their own host, and attached to a switch. Hosts are network namespaces of these tests' own.

mod common;

use common::{Folder, LIMIT, Running};
use nix::sched::{CloneFlags, setns};
use nix::sys::socket::{setsockopt, sockopt::UdpGsoSegment};
use nm_core::sys::kernel_is_before;
use std::fs::File;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const BRIDGE: &str = env!("CARGO_BIN_EXE_bridge");
const VALE_CTL: &str = env!("CARGO_BIN_EXE_vale-ctl");
const PKT_GEN: &str = env!("CARGO_BIN_EXE_pkt-gen");

/// A host: a namespace, held by a process that sleeps.
struct Host(Child);

impl Host {
    /// `None`, said aloud, where no namespace can be made.
    fn new() -> Option<Host> {
        let mut child = Command::new("unshare")
            .args(["-n", "sh", "-c", "echo ready && exec sleep 600"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("unshare");
        let mut ready = [0; 6];
        let made = child.stdout.take().is_some_and(|mut out| out.read_exact(&mut ready).is_ok());
        let host = Host(child);
        if !made {
            skipped("no network namespace can be made here");
            return None;
        }
        // Without IPv6 the kernel sends nothing of its own.
        host.sh("sysctl -q -w net.ipv6.conf.default.disable_ipv6=1; ip link set lo up");
        Some(host)
    }

    fn pid(&self) -> String {
        self.0.id().to_string()
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["-t", &self.pid(), "-n", program]);
        command
    }

    #[track_caller]
    fn sh(&self, line: &str) -> String {
        let run = self.command("sh").args(["-c", line]).output().expect("nsenter");
        assert!(run.status.success(), "{line}: {}", String::from_utf8_lossy(&run.stderr));
        String::from_utf8_lossy(&run.stdout).into_owned()
    }

    fn start(&self, folder: &Folder, tool: &str, line: &str) -> Running {
        let mut command = self.command(tool);
        command.args(line.split_whitespace()).env("VALE_DIR", folder.path(""));
        Running::start(command)
    }

    /// The same, with cards by this driver alone.
    fn start_by(&self, driver: &str, folder: &Folder, tool: &str, line: &str) -> Running {
        let mut command = self.command(tool);
        command.args(line.split_whitespace()).env("VALE_DIR", folder.path("")).env("NETMAP_DRIVER", driver);
        Running::start(command)
    }

    fn namespace(&self) -> File {
        File::open(format!("/proc/{}/ns/net", self.pid())).expect("the namespace")
    }

    /// A cable to another host, `ours` here and `theirs` there, both up and as a cable is made: the other end leaves the checksums
    /// of TCP and UDP to a card that never comes.
    fn cable(&self, ours: &str, other: &Host, theirs: &str) {
        self.sh(&format!(
            "ip link add {ours} type veth peer name {theirs} netns {}; ip link set {ours} up",
            other.pid()
        ));
        other.sh(&format!("ip link set {theirs} up"));
    }

    /// Whether `address` answers three pings of three.
    fn reaches(&self, address: &str) -> bool {
        let run = self.command("ping").args(["-q", "-c3", "-i0.2", "-W2", address]).output().expect("ping");
        String::from_utf8_lossy(&run.stdout).contains(" 3 received")
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Says, past the harness's capture, that a test can't be made here.
fn skipped(why: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "\nskipped: {why}").and_then(|()| out.flush()).ok();
}

/// Whether this kernel has no hooks for host rings, which is said then.
fn no_host_rings() -> bool {
    let before = kernel_is_before(6, 6);
    if before {
        skipped("host rings: Linux 6.6");
    }
    before
}

/// What a pump may say by the way: nothing but that a kernel before Linux 6.8 loses VLAN tags.
#[track_caller]
fn said_nothing(stderr: &str) {
    let known = |line: &str| kernel_is_before(6, 8) && line.contains("does not hear of VLAN tags");
    assert!(stderr.lines().all(known), "{stderr}");
}

/// Megabytes that go each way over TCP.
const MEGABYTES: usize = 8;

fn bytes(seed: u8) -> Vec<u8> {
    (0..MEGABYTES << 20).map(|n| (n / 3) as u8 ^ (n >> 11) as u8 ^ seed).collect()
}

/// Sends [`MEGABYTES`] each way at once between two hosts; every byte must arrive.
fn exchange(client: &Host, server: &Host, address: &str) {
    let exchange_on = |mut stream: TcpStream, send: u8, expect: u8| {
        stream.set_read_timeout(Some(LIMIT)).expect("a timeout");
        stream.set_write_timeout(Some(LIMIT)).expect("a timeout");
        let mut writer = stream.try_clone().expect("a second descriptor");
        std::thread::scope(|threads| {
            threads.spawn(move || writer.write_all(&bytes(send)).expect("sent"));
            let mut got = vec![0; MEGABYTES << 20];
            stream.read_exact(&mut got).expect("received");
            assert!(got == bytes(expect), "bytes changed on the way");
        });
    };
    let (of_client, of_server) = (client.namespace(), server.namespace());
    let (listening, listens) = std::sync::mpsc::channel();
    std::thread::scope(|threads| {
        threads.spawn(move || {
            setns(of_server, CloneFlags::CLONE_NEWNET).expect("the server's namespace");
            let listener = TcpListener::bind((address, 0)).expect("a listener");
            listening.send(listener.local_addr().expect("an address")).expect("somebody waits");
            exchange_on(listener.accept().expect("a client").0, 1, 2);
        });
        threads.spawn(move || {
            setns(of_client, CloneFlags::CLONE_NEWNET).expect("the client's namespace");
            let address = listens.recv_timeout(LIMIT).expect("the server listens");
            exchange_on(TcpStream::connect_timeout(&address, LIMIT).expect("a connection"), 2, 1);
        });
    });
}

/// Sends datagrams from one host to another: those that a program gives its kernel in one piece for many, and such as lack nothing but
/// their checksum. Each must arrive alone and as it was sent, which its checksum tells the other kernel, too.
fn datagrams(from: &Host, to: &Host, address: &str) {
    let (of_sender, of_receiver) = (from.namespace(), to.namespace());
    let (listening, listens) = std::sync::mpsc::channel();
    let (taking, taken) = std::sync::mpsc::channel();
    // How long one is, and how many bytes are sent at once: the last one may be shorter.
    let rounds = [(1001, 20_020), (999, 5555), (1452, 61_000), (701, 702), (33, 33 * 64), (1452, 1452), (7, 7)];
    let sent = |len: usize| -> Vec<u8> { bytes(5)[..len].to_vec() };
    std::thread::scope(|threads| {
        threads.spawn(move || {
            setns(of_receiver, CloneFlags::CLONE_NEWNET).expect("the receiver's namespace");
            let socket = UdpSocket::bind((address, 0)).expect("a socket");
            socket.set_read_timeout(Some(LIMIT)).expect("a timeout");
            listening.send(socket.local_addr().expect("an address")).expect("somebody waits");
            let mut got = vec![0; 65_536];
            for (size, len) in rounds {
                for (n, part) in sent(len).chunks(size).enumerate() {
                    let n_bytes = socket.recv(&mut got).unwrap_or_else(|e| panic!("{n} of {len} by {size}: {e}"));
                    assert!(got[..n_bytes] == *part, "{n} of {len} by {size} has {n_bytes} bytes, or others");
                }
                taking.send(()).expect("somebody sends");
            }
        });
        threads.spawn(move || {
            setns(of_sender, CloneFlags::CLONE_NEWNET).expect("the sender's namespace");
            let to = listens.recv_timeout(LIMIT).expect("the receiver listens");
            let any = if to.is_ipv6() { "[::]:0" } else { "0.0.0.0:0" };
            let socket = UdpSocket::bind(any).expect("a socket");
            for (size, len) in rounds {
                setsockopt(&socket, UdpGsoSegment, &(size as i32)).expect("UDP_SEGMENT");
                assert_eq!(socket.send_to(&sent(len), to).expect("sent"), len);
                taken.recv_timeout(LIMIT).expect("they arrived");
            }
        });
    });
}

#[track_caller]
fn until(what: &str, mut done: impl FnMut() -> bool) {
    let end = Instant::now() + LIMIT;
    while !done() {
        assert!(Instant::now() < end, "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Two hosts on a cable, `va` and `vb`, and whether the first one's card can be taken from it; says so when not.
fn two_hosts() -> Option<(Host, Host)> {
    let (here, there) = (Host::new()?, Host::new()?);
    here.cable("va", &there, "vb");
    here.sh("ip addr add 10.9.0.1/24 dev va");
    there.sh("ip addr add 10.9.0.2/24 dev vb");
    assert!(here.reaches("10.9.0.2"), "the cable itself");
    Some((here, there))
}

#[test]
fn a_host_stays_connected_through_a_bridge_and_after_its_death() {
    if no_host_rings() {
        return;
    }
    let (folder, Some((here, there))) = (Folder::new(), two_hosts()) else { return };
    let bridge = here.start(&folder, BRIDGE, "-i netmap:va -i netmap:va^");
    until("the host's frames are not diverted", || here.sh("ip -o link").contains("nmhost"));
    assert!(here.reaches("10.9.0.2"), "through the bridge");
    assert!(there.reaches("10.9.0.1"), "through the bridge");
    exchange(&here, &there, "10.9.0.2");
    exchange(&there, &here, "10.9.0.1");

    let pid = rustix::process::Pid::from_raw(bridge.pid() as i32).expect("a process");
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).expect("it runs");
    assert_eq!(bridge.finish().status, None);
    until("the tap is still there", || !here.sh("ip -o link").contains("nmhost"));
    assert!(here.reaches("10.9.0.2"), "after the bridge");
    assert!(!here.sh("ip -o link show va").contains("xdp"), "a program stays on the card");

    let bridge = here.start(&folder, BRIDGE, "-i netmap:va -i netmap:va^");
    until("the host's frames are not diverted", || here.sh("ip -o link").contains("nmhost"));
    assert!(here.reaches("10.9.0.2"), "through a second bridge");
    bridge.interrupt();
    let ended = bridge.finish().ok();
    let moved = |from: &str| common::row(&ended.stdout, from)[2].parse::<u32>().expect("frames");
    // The tap is there a moment before frames are diverted to it: maybe not all of them were.
    assert!(moved("netmap:va") > 0 && moved("netmap:va^") > 0, "{ended:?}");
    assert!(here.reaches("10.9.0.2"), "after the second bridge");
}

#[test]
fn a_copy_of_a_card_is_not_bridged_to_its_host() {
    if no_host_rings() {
        return;
    }
    let (folder, Some((here, _there))) = (Folder::new(), two_hosts()) else { return };
    let mut command = here.command(BRIDGE);
    command.args(["-i", "netmap:va", "-i", "netmap:va^"]).env("NETMAP_DRIVER", "packet");
    Running::start(command).finish().refused(1, "the host would get each of them twice");
    assert!(here.reaches("10.9.0.2"));
    here.start(&folder, BRIDGE, "-i netmap:nosuch -i vale0:a").finish().refused(1, "No such device exists");
}

/// A host in the middle whose cards `c1` and `c2` are cables to two others, 10.9.0.1 and 10.9.0.2.
fn star() -> Option<[Host; 3]> {
    let [middle, one, two] = [Host::new()?, Host::new()?, Host::new()?];
    for (host, card, end, address) in [(&one, "c1", "e1", "10.9.0.1/24"), (&two, "c2", "e2", "10.9.0.2/24")] {
        middle.cable(card, host, end);
        host.sh(&format!("ip addr add {address} dev {end}"));
    }
    Some([middle, one, two])
}

#[test]
fn two_hosts_are_joined_by_a_switch_with_their_cards_attached() {
    let folder = Folder::new();
    let Some([middle, one, two]) = star() else { return };
    assert!(!one.reaches("10.9.0.2"), "there is no way yet");
    let first = middle.start(&folder, VALE_CTL, "-a vale0:c1");
    folder.await_port("vale0:c1");
    let background = middle.start(&folder, VALE_CTL, "attach vale0:c2 --background").finish().ok();
    assert_eq!(background.stdout, "");
    said_nothing(&background.stderr);
    let list = folder.run(VALE_CTL, "list").ok().stdout;
    assert_eq!(common::row(&list, "vale0:c2")[3], "vale-ctl");
    // Who asked in vain before asks again in a second.
    until("no way through the switch", || one.reaches("10.9.0.2"));
    assert!(two.reaches("10.9.0.1"));
    exchange(&one, &two, "10.9.0.2");

    // A third port of the switch sends to both; one that is no card is not detached.
    middle.start(&folder, PKT_GEN, "-i vale0:x -f tx -n 10").finish().ok();
    let other = middle.start(&folder, PKT_GEN, "-i vale0:x -f rx");
    folder.await_port("vale0:x");
    folder.run(VALE_CTL, "detach vale0:x").refused(1, "vale0:x is no attached card: it is open in pkt-gen");
    other.interrupt();
    other.finish().ok();

    folder.run(VALE_CTL, "-d vale0:c2").ok();
    folder.run(VALE_CTL, "detach vale0:c2").refused(1, "vale0:c2: No such switch or port exists");
    assert!(!one.reaches("10.9.0.2"));
    folder.run(VALE_CTL, "-d vale0:c1").ok();
    let ended = first.finish().ok();
    assert!(ended.stdout.contains("REFUSED"), "{ended:?}");
    said_nothing(&ended.stderr);
    assert!(folder.run(VALE_CTL, "").ok().stdout.starts_with("no switches"));
    assert!(!middle.sh("ip -o link").contains("xdp"), "a program stays on a card");
}

/// Packet sockets bring segments of up to 64 KiB that no cable takes: `exchange` used to get some 100 kbit/s through.
#[test]
fn segments_that_nobody_cut_go_through_a_switch_and_a_bridge_by_packet_sockets() {
    let folder = Folder::new();
    let Some([middle, one, two]) = star() else { return };
    let attach = |port: &str| middle.start_by("packet", &folder, VALE_CTL, &format!("-a {port}"));
    let attached = ["vale0:c1", "vale0:c2"].map(attach);
    folder.await_port("vale0:c1");
    folder.await_port("vale0:c2");
    until("no way through the switch", || one.reaches("10.9.0.2"));
    exchange(&one, &two, "10.9.0.2");
    for pump in attached {
        pump.interrupt();
        let ended = pump.finish().ok();
        let moved =
            |from: &str, column: usize| common::row(&ended.stdout, from)[column].parse::<u64>().expect("a number");
        let [card, port] =
            if ended.stdout.contains("netmap:c1") { ["netmap:c1", "vale0:c1"] } else { ["netmap:c2", "vale0:c2"] };
        // What went to the switch was cut before: no frame is longer than 1,514 bytes.
        assert!(moved(card, 3) > (MEGABYTES as u64) << 20, "{ended:?}");
        assert!(moved(card, 3) <= moved(card, 2) * 1514, "{ended:?}");
        assert_eq!(moved(port, 4), 0, "{ended:?}");
    }

    // Straight from cable to cable; the segments are longer than the other card's frames, whose MTU is that of the first.
    let bridge = middle.start_by("packet", &folder, BRIDGE, "-i netmap:c1 -i netmap:c2");
    until("no way through the bridge", || one.reaches("10.9.0.2"));
    exchange(&two, &one, "10.9.0.1");
    bridge.interrupt();
    let ended = bridge.finish().ok();
    assert_eq!(common::row(&ended.stdout, "netmap:c1")[4], "0", "{ended:?}");
}

/// How datagrams in one piece are to be cut is said nowhere in their frame: they used to be refused by the next cable.
#[test]
fn datagrams_that_nobody_cut_go_through_a_switch_and_a_bridge() {
    for driver in ["packet", "xdp"] {
        if driver == "packet" && kernel_is_before(6, 2) {
            skipped("word of datagrams that nobody cut: Linux 6.2");
            continue;
        }
        let folder = Folder::new();
        let Some([middle, one, two]) = star() else { return };
        for (host, card, address) in [(&one, "e1", "fd00::1/64"), (&two, "e2", "fd00::2/64")] {
            host.sh(&format!(
                "sysctl -q -w net.ipv6.conf.{card}.disable_ipv6=0; ip addr add {address} dev {card} nodad"
            ));
        }
        let exchange = || {
            until("no way", || one.reaches("10.9.0.2") && one.reaches("fd00::2"));
            datagrams(&one, &two, "10.9.0.2");
            datagrams(&two, &one, "fd00::1");
            datagrams(&two, &one, "10.9.0.1");
            datagrams(&one, &two, "fd00::2");
        };
        let bridge = middle.start_by(driver, &folder, BRIDGE, "-i netmap:c1 -i netmap:c2");
        exchange();
        bridge.interrupt();
        let ended = bridge.finish().ok();
        for from in ["netmap:c1", "netmap:c2"] {
            let row = common::row(&ended.stdout, from);
            assert_eq!((&row[4], row.last().expect("lost")), (&"0".into(), &"0".into()), "{driver}: {ended:?}");
        }
        let attach = |port: &str| middle.start_by(driver, &folder, VALE_CTL, &format!("-a {port}"));
        let attached = ["vale0:c1", "vale0:c2"].map(attach);
        folder.await_port("vale0:c1");
        folder.await_port("vale0:c2");
        exchange();
        for pump in attached {
            pump.interrupt();
            pump.finish().ok();
        }
    }
}

/// A card whose driver runs no programs has what nobody cut come whole, and the kernel puts it into no ring.
#[test]
fn frames_that_found_no_room_at_a_card_are_shown_as_lost() {
    let folder = Folder::new();
    let Some([middle, one, _two]) = star() else { return };
    let made = middle.command("ip").args("link add m1 link c1 type macvlan mode passthru".split(' ')).output();
    if !made.is_ok_and(|made| made.status.success()) {
        return skipped("no macvlan can be made here");
    }
    middle.sh("ip link set m1 up");
    let attached = middle.start_by("xdp", &folder, VALE_CTL, "-a vale0:m1");
    folder.await_port("vale0:m1");
    one.sh("ip neigh add 10.9.0.9 lladdr 02:00:00:00:00:09 dev e1");
    let of_sender = one.namespace();
    let in_sender = || {
        setns(of_sender, CloneFlags::CLONE_NEWNET).expect("the sender's namespace");
        UdpSocket::bind("0.0.0.0:0").expect("a socket")
    };
    let socket = std::thread::spawn(in_sender).join().expect("a socket");
    let send = |len: usize| socket.send_to(&bytes(5)[..len], "10.9.0.9:9").expect("sent");
    let moved = || common::row(&folder.run(VALE_CTL, "show vale0").ok().stdout, "vale0:m1")[7].clone();
    // The switch's port is there before the card is open.
    until("what fits is not moved", || send(1000) > 0 && moved() != "0");
    let show = folder.run(VALE_CTL, "show vale0").ok().stdout;
    assert!(show.contains("  netmap:m1: af_xdp, generic, the kernel copies; no VLAN tags\n"), "{show}");
    setsockopt(&socket, UdpGsoSegment, &1000).expect("UDP_SEGMENT");
    (0..3).for_each(|_| assert_eq!(send(20_000), 20_000));
    attached.interrupt();
    let ended = attached.finish().ok();
    assert_eq!(common::row(&ended.stdout, "netmap:m1").last().map(String::as_str), Some("3"), "{ended:?}");
}

#[test]
fn frames_that_do_not_fit_a_card_are_shown_as_refused() {
    let folder = Folder::new();
    let Some([middle, _one, _two]) = star() else { return };
    middle.sh("ip link set c1 mtu 1000");
    for driver in ["packet", "xdp"] {
        let attached = middle.start_by(driver, &folder, VALE_CTL, "-a vale0:c1");
        folder.await_port("vale0:c1");
        middle.start(&folder, PKT_GEN, "-i vale0:x -f tx -n 10 -l 1400").finish().ok();
        middle.start(&folder, PKT_GEN, "-i vale0:x -f tx -n 20 -l 900").finish().ok();
        let there = || folder.run(VALE_CTL, "show vale0").ok().stdout;
        until("they are not moved", || common::row(&there(), "vale0:c1")[3] == "30");
        let way = if driver == "xdp" { "  netmap:c1: af_xdp, native" } else { "  netmap:c1: af_packet\n" };
        assert!(there().contains(way), "{driver}: {}", there());
        std::thread::sleep(Duration::from_millis(100));
        attached.interrupt();
        let ended = attached.finish().ok();
        let row = common::row(&ended.stdout, "vale0:c1");
        assert_eq!(row[2..5], ["20", "18000", "10"], "{driver}: {ended:?}");
    }
}

#[test]
fn who_wants_a_card_alone_and_may_only_copy_is_told_what_to_leave_out() {
    let (folder, Some((here, _there))) = (Folder::new(), two_hosts()) else { return };
    if Command::new("setpriv").arg("--version").output().is_err() {
        return skipped("setpriv is not installed");
    }
    // Rights for a packet socket, none for programs in the kernel.
    let bridge = |name: &str| {
        let line = format!("--inh-caps -all --bounding-set -all,+net_raw,+net_admin {BRIDGE} -i {name} -i vale0:a");
        here.start(&folder, "setpriv", &line)
    };
    bridge("netmap:va/x").finish().refused(1, "(without /x a packet socket would serve the card");
    let copy = bridge("netmap:va");
    folder.await_port("vale0:a");
    copy.interrupt();
    copy.finish().ok();
}

/// The number that follows `name` in iperf3's JSON, behind `section`.
fn number(json: &str, section: &str, name: &str) -> Option<f64> {
    let section = json.split_once(&format!("\"{section}\""))?.1;
    let value = section.split_once(&format!("\"{name}\":"))?.1;
    value.split([',', '}']).next()?.trim().parse().ok()
}

#[test]
fn iperf3_and_a_download_go_through_a_switch_with_cards_attached() {
    const PORTS: [u16; 2] = [5201, 8000];
    for program in ["iperf3", "curl", "python3"] {
        if Command::new(program).arg("--version").output().is_err() {
            return skipped(&format!("{program} is not installed"));
        }
    }
    let folder = Folder::new();
    let Some([middle, one, two]) = star() else { return };
    let attached = ["vale0:c1", "vale0:c2"].map(|port| middle.start(&folder, VALE_CTL, &format!("-a {port}")));
    folder.await_port("vale0:c1");
    folder.await_port("vale0:c2");
    until("no way through the switch", || one.reaches("10.9.0.2"));

    let iperf = two.start(&folder, "iperf3", "-s -1");
    std::fs::create_dir(folder.path("served")).expect("a folder");
    let served = folder.path("served/file");
    std::fs::write(&served, bytes(3)).expect("a file");
    let directory = folder.path("served").display().to_string();
    let http = two.start(&folder, "python3", &format!("-m http.server --directory {directory} {}", PORTS[1]));
    for port in PORTS {
        until("the servers don't listen", || !two.sh(&format!("ss -Hltn 'sport = :{port}'")).is_empty());
    }

    let run = one.start(&folder, "iperf3", "-J -c 10.9.0.2 -t 2 --bidir").finish().ok();
    for way in ["sum_received", "sum_received_bidir_reverse"] {
        let received = number(&run.stdout, way, "bytes");
        assert!(received.is_some_and(|bytes| bytes > 0.0), "{way}: {received:?} {run:?}");
    }
    let [url, got] = [format!("http://10.9.0.2:{}/file", PORTS[1]), folder.path("got").display().to_string()];
    one.start(&folder, "curl", &format!("--fail --silent --show-error --output {got} {url}")).finish().ok();
    let sums = [(&two, &served), (&one, &folder.path("got"))]
        .map(|(host, file)| host.sh(&format!("sha256sum <{}", file.display())));
    assert_eq!(sums[0], sums[1], "bytes changed on the way");

    drop((iperf, http));
    for pump in attached {
        pump.interrupt();
        let ended = pump.finish().ok();
        said_nothing(&ended.stderr);
    }
}

#[test]
fn a_host_stays_connected_through_the_switch_that_it_is_attached_to() {
    if no_host_rings() {
        return;
    }
    let (folder, Some((here, there))) = (Folder::new(), two_hosts()) else { return };
    let attached = here.start(&folder, VALE_CTL, "-h vale0:va");
    folder.await_port("vale0:va-host");
    assert!(here.reaches("10.9.0.2") && there.reaches("10.9.0.1"));
    exchange(&here, &there, "10.9.0.2");
    // Everybody on the switch sees what the host says to all.
    let listener = here.start(&folder, PKT_GEN, "-i vale0:* -f rx -n 1");
    folder.await_port("vale0:*");
    assert!(here.reaches("10.9.0.2"));
    listener.finish().ok();
    attached.interrupt();
    attached.finish().ok();
    assert!(here.reaches("10.9.0.2"));
}
