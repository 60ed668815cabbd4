//! The targets on random inputs, as many as a test can bear; `FUZZ_SECONDS` makes it longer.

#[path = "../../savefile/tests/reading/build.rs"]
mod build;

use std::time::{Duration, Instant};

/// Marsaglia's xorshift: the same inputs each time, unless the time is given.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
    fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }
}

/// Runs the target on inputs made by `input`; returns how many.
fn drive(target: fn(&[u8]), mut input: impl FnMut(&mut Random) -> Vec<u8>) -> u64 {
    let seconds = std::env::var("FUZZ_SECONDS").ok().and_then(|s| s.parse::<u64>().ok());
    let end = seconds.map(|s| Instant::now() + Duration::from_secs(s));
    let mut random = Random(0x2545_f491_4f6c_dd1d);
    let mut runs = 0;
    while end.map_or(runs < 5_000, |end| Instant::now() < end) {
        target(&input(&mut random));
        runs += 1;
    }
    println!("{runs} executions");
    runs
}

#[test]
fn port_names() {
    const PIECES: [&str; 30] = [
        "vale", "vale0:", "netmap:", "vhost:", "vhost:/", ":", "/", "*", "^", "-", "{", "}", "0", "7", "65536", "eth0",
        "a", ".", "..", "t", "r", "x", "z", "R", "T", "@", " ", "\0", "\n", "é",
    ];
    let runs = drive(fuzz::port_name, |random| {
        let mut text = Vec::new();
        for _ in 0..random.below(12) {
            match random.below(20) {
                0 => text.push(random.next() as u8),
                1 => text.extend(std::iter::repeat_n(b'x', random.below(150))),
                _ => text.extend(PIECES[random.below(PIECES.len())].bytes()),
            }
        }
        text
    });
    assert!(runs > 0);
}

#[test]
fn hostile_rings() {
    let runs = drive(fuzz::hostile_ring, |random| {
        let len = random.below(1200);
        (0..len).map(|_| random.next() as u8).collect()
    });
    assert!(runs > 0);
}

#[test]
fn filter_texts() {
    const WORDS: [&str; 88] = [
        "ip",
        "ip6",
        "tcp",
        "udp",
        "icmp",
        "arp",
        "ether",
        "link",
        "wlan",
        "host",
        "net",
        "port",
        "portrange",
        "src",
        "dst",
        "proto",
        "protochain",
        "gateway",
        "broadcast",
        "multicast",
        "and",
        "or",
        "not",
        "!",
        "(",
        ")",
        "[",
        "]",
        ":",
        "<",
        ">",
        "=",
        "!=",
        "<=",
        ">=",
        "<<",
        ">>",
        "+",
        "-",
        "*",
        "/",
        "%",
        "&",
        "|",
        "^",
        "len",
        "less",
        "greater",
        "byte",
        "vlan",
        "mpls",
        "pppoes",
        "geneve",
        "vxlan",
        "llc",
        "type",
        "subtype",
        "dir",
        "mgt",
        "beacon",
        "inbound",
        "ifindex",
        "iso",
        "isis",
        "lane",
        "vpi",
        "sio",
        "reason",
        "match",
        "tcpflags",
        "tcp-syn",
        "10.0.0.1",
        "10.0/16",
        "::1",
        "fe80::/10",
        "1:2:3:4:5:6",
        "$1f",
        "a",
        "b",
        "n",
        "http",
        "domain",
        "\\tcp",
        "80",
        "0",
        "4294967295",
        "6000-6008",
        "mask",
    ];
    const WHOLE: [&str; 22] = [
        "tcp port 80",
        "host 10.0.0.1",
        "net 10.0.0.0/8",
        "port (80 or 443 or 8080)",
        "not arp",
        "ip6 host ::1",
        "vlan 5",
        "mpls",
        "pppoes 3",
        "geneve",
        "vxlan 7",
        "tcp[tcpflags] & tcp-syn != 0",
        "ip[2:2] - ((ip[0] & 15) << 2) > len",
        "llc ui",
        "type mgt subtype beacon",
        "ether broadcast",
        "ip multicast",
        "ip6 protochain 51",
        "portrange 6000-6008",
        "iso proto \\clnp",
        "ether host 1:2:3:4:5:6",
        "(host 10.0.0.1 or 10.0.0.2 or 10.0.0.3)",
    ];
    let runs = drive(fuzz::filter_text, |random| {
        let dlt = if random.below(2) == 0 { 1 } else { random.next() as u16 };
        let mut input = dlt.to_le_bytes().to_vec();
        input.push(random.next() as u8);
        if random.below(3) > 0 {
            input.extend(WHOLE[random.below(WHOLE.len())].bytes());
            input.extend(if random.below(2) == 0 { *b" and " } else { *b" or  " });
            input.extend(WHOLE[random.below(WHOLE.len())].bytes());
            input.push(b' ');
        }
        for _ in 0..random.below(9) * random.below(2) {
            match random.below(40) {
                0 => input.push(random.next() as u8),
                _ => input.extend(WORDS[random.below(WORDS.len())].bytes()),
            }
            input.push(b' ');
        }
        input.push(0);
        input.extend((0..random.below(100)).map(|_| random.next() as u8 & random.next() as u8));
        input
    });
    assert!(runs > 0);
}

#[test]
fn filter_programs() {
    let runs = drive(fuzz::filter_program, |random| {
        let count = random.below(40);
        let mut input = vec![count as u8];
        for _ in 0..count {
            input.extend([random.below(53) as u8, random.next() as u8, random.below(6) as u8, random.below(6) as u8]);
            let k = random.next() as u32 >> random.below(32);
            input.extend(k.to_le_bytes());
        }
        input.extend((0..random.below(64)).map(|_| random.next() as u8));
        input
    });
    assert!(runs > 0);
}

/// A capture file with a few changes.
fn changed_savefile(random: &mut Random, samples: &[(&str, Vec<u8>)]) -> Vec<u8> {
    const WORDS: [u32; 12] = [0, 1, 2, 3, 6, 12, 28, 32, 0x0a0d_0d0a, 0x1a2b_3c4d, 0x7fff_ffff, u32::MAX];
    let mut file = samples[random.below(samples.len())].1.clone();
    for _ in 0..random.below(6) {
        let at = random.below(file.len());
        let word = match random.below(3) {
            0 => WORDS[random.below(WORDS.len())],
            1 => random.below(3000) as u32,
            _ => random.next() as u32,
        };
        let word = if random.below(2) == 0 { word } else { word.swap_bytes() };
        match random.below(8) {
            0 => file.truncate(at.max(1)),
            1 => file[at] = random.next() as u8,
            2 => {
                let part = file[at..file.len().min(at + random.below(200))].to_vec();
                let to = random.below(file.len());
                file.splice(to..to, part);
            }
            _ => {
                let at = at / 4 * 4;
                if let Some(place) = file.get_mut(at..at + 4) {
                    place.copy_from_slice(&word.to_ne_bytes());
                }
            }
        }
    }
    file
}

/// A frame with a stream or a datagram, as the kernel tells of one that is to be cut: with the bytes before it.
fn long_frame(random: &mut Random) -> Vec<u8> {
    let (six, udp) = (random.below(2) == 0, random.below(3) == 0);
    let payload = match random.below(50) {
        0 => random.below(65_000),
        _ => random.below(3000),
    };
    let mut own = if udp { vec![9; 8] } else { vec![9; 20 + 4 * random.below(11)] };
    if !udp {
        own[12] = (own.len() * 4) as u8;
    } else if random.below(4) == 0 {
        own[6..8].fill(0);
    }
    let options = 8 * random.below(3);
    let protocol = if udp { 17 } else { 6 };
    let len = options + own.len() + payload;
    let mut ip = vec![random.next() as u8; if six { 40 } else { 20 + options }];
    if six {
        ip[0] = 0x60;
        ip[4..6].copy_from_slice(&(len as u16).to_be_bytes());
        ip[6] = if options > 0 { 60 } else { protocol };
        for left in (0..options / 8).rev() {
            ip.extend([if left > 0 { 0 } else { protocol }, 0, 1, 4, 0, 0, 0, 0]);
        }
    } else {
        ip[0] = 0x40 + (ip.len() / 4) as u8;
        ip[2..4].copy_from_slice(&((20 + len) as u16).to_be_bytes());
        (ip[6], ip[7], ip[9]) = (0x40, 0, protocol);
    }
    let mut head = vec![2; 12];
    (0..random.below(3)).for_each(|_| head.extend([0x81, 0, 0, 5]));
    head.extend(if six { [0x86, 0xdd] } else { [8, 0] });
    let from = (head.len() + ip.len()) as u16;
    let kind = [(1, 4), (5, 5)][usize::from(udp)];
    let kind = if six { kind.1 } else { kind.0 };
    let size = if random.below(4) == 0 { 1 + random.below(60) } else { random.below(3000) } as u16;
    let mut input = vec![random.below(2) as u8, kind, 0, 0];
    input.extend([size, from, if udp { 6 } else { 16 }].iter().flat_map(|word| word.to_ne_bytes()));
    input.extend((random.next() as u16 >> random.below(16)).to_le_bytes());
    input.extend([head, ip, own].concat());
    input.extend((0..payload).map(|n| (n * 7 + n / 251) as u8));
    input
}

#[test]
fn what_is_left_to_a_card() {
    let runs = drive(fuzz::offload, |random| {
        let mut input = long_frame(random);
        for _ in 0..random.below(4) * random.below(2) {
            let near = input.len().min(if random.below(2) == 0 { 22 } else { 120 });
            let (at, value) = (random.below(near), random.next() as u8);
            input[at] = if random.below(2) == 0 { value } else { input[at] ^ 1 << (value % 8) };
        }
        if random.below(10) == 0 {
            input.truncate(random.below(input.len()));
        }
        input
    });
    assert!(runs > 0);
}

#[test]
fn savefiles() {
    let samples = build::samples();
    let runs = drive(fuzz::savefile_bytes, |random| {
        let mut input = vec![random.next() as u8];
        input.extend(changed_savefile(random, &samples));
        input
    });
    assert!(runs > 0);
}

#[test]
fn calls_on_savefiles() {
    let samples = build::samples();
    let runs = drive(fuzz::savefile_calls, |random| {
        let how = random.next() as u8;
        let mut input = vec![how];
        input.extend((0..how >> 3).map(|_| random.next() as u8));
        input.extend(changed_savefile(random, &samples));
        input
    });
    assert!(runs > 0);
}
