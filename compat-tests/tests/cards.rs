//! Unmodified programs on a card's rings, `netmap:va`: one end of a cable whose other end lies in a namespace of its own.
//!
//! The cable is a veth pair, or the one between two cards that `$PCAP_NETMAP_TEST_CARDS` names (`eth1 eth2`): each test
//! takes these from the machine and gives them back, so that there must be no two at once (`--test-threads 1`).

use compat_tests::{Finished, Program, Sandbox, dist, user, veth};
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(90);

/// Before each script: `va` is here (10.9.0.1), `vb` there (10.9.0.2), `peer` runs a program there, `ours` one with our
/// library in the shell's place, `by_xdp` the same with AF_XDP whatever the card, `attached` tells whether a program is on the card. The kernel takes `netmap:va` for an alias of a card `netmap`,
/// which programs ask about their interface's address.
const BEFORE: &str = r#"
set -eu
sysctl -q -w net.ipv6.conf.default.disable_ipv6=1
ip link set lo up
unshare -n sleep 80 & there=$!
trap 'kill $there' EXIT
while [ "$(readlink /proc/$there/ns/net)" = "$(readlink /proc/$$/ns/net)" ]; do sleep 0.02; done
peer() { nsenter -t "$there" -n "$@"; }
ours() { LD_PRELOAD="$LIB" exec "$@"; }
by_xdp() { export NETMAP_DRIVER=xdp; ours "$@"; }
attached() { ip -d link show va | grep -q prog/xdp; }
until_said() { for i in $(seq 400); do grep -q "$1" "$2" && return; sleep 0.05; done; echo "$2 does not say $1"; exit 1; }
peer sysctl -q -w net.ipv6.conf.default.disable_ipv6=1
ip link add netmap type veth peer name netmap-end
ip link set netmap up
if [ -z "${PCAP_NETMAP_TEST_CARDS:-}" ]; then
    ip link add va type veth peer name vb
    ip link set vb netns "$there"
else
    near=${PCAP_NETMAP_TEST_CARDS% *} far=${PCAP_NETMAP_TEST_CARDS#* }
    machine() { nsenter -t 1 -n "$@"; }
    machine ip link set "$near" netns $$
    machine ip link set "$far" netns "$there"
    trap 'ip link set va down; ip link set va name $near; ip link set $near netns 1
        peer ip link set vb down; peer ip link set vb name $far; peer ip link set $far netns 1; kill $there' EXIT
    ip link set "$near" down
    peer ip link set "$far" down
    ip link set "$near" name va
    peer ip link set "$far" name vb
fi
peer ip addr add 10.9.0.2/24 dev vb
peer ip link set vb up
ip addr add 10.9.0.1/24 dev va
ip link set va up
for i in $(seq 20); do ping -q -c 1 -W 1 10.9.0.2 >/dev/null && break; done
"#;

/// Runs a script in a fresh namespace; `None` where there can be none.
fn on_a_cable(script: &str, sandbox: &Sandbox) -> Option<Finished> {
    if !user::is_root() {
        compat_tests::process::skipped("AF_XDP takes root");
        return None;
    }
    if !veth::possible() {
        return None;
    }
    let run = Program::new("unshare")
        .args(["-n", "sh", "-c", &format!("{BEFORE}\n{script}")])
        .env("LIB", dist::library())
        .env("OUT", sandbox.file("out"))
        .env("HOME", sandbox.file(""));
    Some(run.finish_within(LIMIT))
}

/// Two datagrams to port 53.
const ASK: &str = r#"ask() { peer python3 -c "
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for _ in range(2): s.sendto(b'x' * 20, ('10.9.0.1', 53))"; }
"#;

#[test]
fn tcpdump_with_a_filter_leaves_the_host_its_traffic() {
    let sandbox = Sandbox::new();
    // Its filter runs in the driver. Set by another user, which it becomes before, it does so since Linux 6.9, and else beside the host.
    for (who, taken) in [("-Z root", true), ("", !nm_core::sys::kernel_is_before(6, 9))] {
        let ours = if taken { "by_xdp" } else { "ours" };
        let script = format!(
            r#"{ASK}
            {ours} tcpdump -i netmap:va {who} -n -c 2 --immediate-mode udp port 53 >$OUT 2>&1 & reader=$!
            until_said 'listening on' $OUT
            tcpdump -i va -n -Z root --immediate-mode udp port 53 >$OUT.host 2>&1 & host=$!
            until_said 'listening on' $OUT.host
            ping -q -c 5 -i 0.2 -W 2 10.9.0.2
            ask
            wait $reader
            sleep 0.3
            kill -INT $host
            wait $host || true
            cat $OUT $OUT.host"#
        );
        let Some(run) = on_a_cable(&script, &sandbox) else { return };
        let out = run.expect_success().stdout;
        assert!(out.contains("5 packets transmitted, 5 received"), "{who}: {out}");
        assert!(out.contains("2 packets captured") && out.contains("0 packets dropped"), "{who}: {out}");
        let host = out.rfind("packets captured").map(|at| out[..at].lines().last().unwrap_or_default().trim());
        assert_eq!(host, Some(if taken { "0" } else { "2" }), "{who}: {out}");
    }
}

#[test]
fn after_a_kill_the_card_is_the_hosts_at_once() {
    let sandbox = Sandbox::new();
    let script = r#"
        for round in 1 2 3; do
            by_xdp tcpdump -i netmap:va -Z root -n >$OUT.$round 2>&1 & reader=$!
            until_said 'listening on' $OUT.$round
            attached
            ip -d link show va | grep -q 'promiscuity [12]'
            kill -9 $reader
            wait $reader || true
            if attached; then echo "still attached"; exit 1; fi
            ip -d link show va | grep -q 'promiscuity 0'
            ping -q -c 1 -W 2 10.9.0.2
        done
        echo done"#;
    let Some(run) = on_a_cable(script, &sandbox) else { return };
    assert!(run.expect_success().stdout.contains("done"));
}

#[test]
fn bittwist_sends_and_tshark_reads() {
    let sandbox = Sandbox::new();
    let mut frames = compat_tests::frames::datagrams(100);
    // Cards make shorter ones so long.
    frames.iter_mut().for_each(|frame| frame.resize(frame.len().max(60), 0));
    compat_tests::savefile::write(&sandbox.file("out.pcap"), &frames);
    let script = r#"
        peer tcpdump -i vb -n -Z root -c 100 -w $OUT.seen 'udp' >$OUT 2>&1 & reader=$!
        until_said 'listening on' $OUT
        (ours bittwist -i netmap:va $OUT.pcap)
        wait $reader
        ours tshark -i netmap:va -n -f udp -c 100 -w $OUT.back >$OUT 2>&1 & reader=$!
        until_said 'Capture started' $OUT
        peer bittwist -i vb $OUT.pcap
        wait $reader"#;
    let Some(run) = on_a_cable(script, &sandbox) else { return };
    run.expect_success();
    assert_eq!(compat_tests::savefile::read(&sandbox.file("out.seen")), frames);
}

#[test]
fn arp_scan_and_scapy_ask_and_get_answers() {
    let sandbox = Sandbox::new();
    let script = r#"
        (ours arp-scan -q -I netmap:va --arpspa=10.9.0.9 10.9.0.2)
        (ours /usr/bin/python3 -c '
from scapy.all import conf, ARP, Ether
conf.use_pcap = True
socket = conf.L2socket(iface="netmap:va", filter="arp")
me = "02:00:00:00:00:09"
socket.send(Ether(dst="ff:ff:ff:ff:ff:ff", src=me) / ARP(psrc="10.9.0.9", pdst="10.9.0.2", hwsrc=me))
answer = socket.recv()
while answer is None:
    answer = socket.recv()
print("answer from", answer[ARP].psrc)')"#;
    let Some(run) = on_a_cable(script, &sandbox) else { return };
    let out = run.expect_success().stdout;
    assert!(out.contains("10.9.0.2\t") && out.contains("1 responded"), "{out}");
    assert!(out.contains("answer from 10.9.0.2"), "{out}");
}
