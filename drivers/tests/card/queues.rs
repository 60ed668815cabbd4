//! Cards with several queues.

use crate::common::{bytes_of, netmap_name, read, sh, with_cable};
use crate::{options, packet_socket, queued, send_all};
use drivers::af_xdp::{Mode, open};
use drivers::sys::card::receive_queues;
use nm_core::PortError;

const FLOWS: u32 = 64;

/// A cable whose ends have four queues.
fn with_queues(test: impl Fn(Mode) + Sync) {
    for mode in [Mode::Native, Mode::Generic] {
        with_cable(|| {
            sh(
                "ip link del va; ip link add va numrxqueues 4 numtxqueues 4 type veth peer name vb numrxqueues 4 numtxqueues 4; \
                ip link set va up; ip link set vb up",
            );
            test(mode);
        });
    }
}

/// An UDP frame of a flow: flows spread over the queues.
fn udp(flow: u32, number: u32) -> Vec<u8> {
    let mut frame = vec![0u8; 60];
    frame[..14].copy_from_slice(&[2, 0, 0, 0, 0, 0xbb, 2, 0, 0, 0, 0, 0xaa, 8, 0]);
    frame[14..18].copy_from_slice(&[0x45, 0, 0, 46]);
    frame[22..24].copy_from_slice(&[64, 17]);
    frame[26..34].copy_from_slice(&[10, 0, 0, 1, 10, 0, 0, 2]);
    frame[34..36].copy_from_slice(&(5000 + flow as u16).to_be_bytes());
    frame[36..40].copy_from_slice(&[0, 53, 0, 26]);
    frame[42..46].copy_from_slice(&number.to_be_bytes());
    frame
}

/// Which frames of `sent` are in `got`, each flow in order and none twice.
fn check(got: &[Vec<u8>], sent: &[Vec<u8>]) {
    for flow in 0..FLOWS {
        let port = (5000 + flow as u16).to_be_bytes();
        let of_flow = |all: &[Vec<u8>]| all.iter().filter(|f| f[34..36] == port).cloned().collect::<Vec<_>>();
        let (got, sent) = (of_flow(got), of_flow(sent));
        assert!(got == sent, "flow {flow}: {} of {}", got.len(), sent.len());
    }
}

#[test]
fn all_queues_end_in_one_ring() {
    with_queues(|mode| {
        assert_eq!(receive_queues("va"), 4);
        let mut port = open(&netmap_name("netmap:va"), &options(mode)).unwrap();
        let sender = packet_socket("vb");
        let mut all = Vec::new();
        let mut sent = Vec::new();
        for round in 0..20 {
            let some: Vec<_> = (0..512).map(|n| udp(n % FLOWS, round * 512 + n)).collect();
            send_all(&sender, &some);
            all.extend(bytes_of(read(&mut port, some.len())));
            sent.extend(some);
        }
        check(&all, &sent);
        assert_eq!(port.control.stats().malformed, 0);
    });
}

#[test]
fn one_queue_is_taken_and_the_others_are_the_hosts() {
    with_queues(|mode| {
        let mut ports: Vec<_> =
            ["netmap:va-1"].iter().map(|name| open(&netmap_name(name), &options(mode)).unwrap()).collect();
        let (sender, host) = (packet_socket("vb"), packet_socket("va"));
        host.ignore_outgoing();
        let sent: Vec<_> = (0..128).map(|n| udp(n % FLOWS, n)).collect();
        send_all(&sender, &sent);
        let mut got = bytes_of(read(&mut ports[0], sent.len()));
        let ours = got.len();
        got.extend(queued(&host));
        check(&got, &sent);
        assert!(ours < sent.len(), "all flows in one queue");
        drop(ports);
        // Exclusive, it has its own queue to itself, and what it refuses there nobody gets.
        let mut port = open(&netmap_name("netmap:va-1/x"), &options(mode)).unwrap();
        assert!(port.rx.offer_filter(&[libc::sock_filter { code: 6, jt: 0, jf: 0, k: 0 }]));
        send_all(&sender, &sent);
        let theirs: Vec<_> = queued(&host);
        assert_eq!(theirs.len(), sent.len() - ours);
        check(&theirs, &got[ours..]);
        assert_eq!(port.rx.rxsync().unwrap(), 0);
        let refused = open(&netmap_name("netmap:vb-4"), &options(mode)).err().expect("there are four");
        assert!(matches!(refused, PortError::Unsupported { .. }), "{refused}");
    });
}
