//! The filters that are measured.

/// Port 80 alone.
pub const PORT: &str = "tcp port 80";
/// A host and a port.
pub const HOST_AND_PORT: &str = "host 10.0.0.1 and tcp port 80";

/// `n` distinct hosts, in no order.
pub fn hosts(n: u32) -> String {
    // An odd factor permutes the numbers below a power of two.
    let host = |i: u32| {
        let [.., b, c, d] = (i.wrapping_mul(0x9e5) & 0x3fff).to_be_bytes();
        format!("host 10.{b}.{c}.{d}")
    };
    (0..n).map(host).collect::<Vec<_>>().join(" or ")
}

/// `n` distinct ports, in no order.
pub fn ports(n: u32) -> String {
    (0..n).map(|i| format!("port {}", i.wrapping_mul(0x9e37) & 0xffff)).collect::<Vec<_>>().join(" or ")
}

/// Twenty terms of several kinds.
pub fn twenty_terms() -> String {
    let terms = [
        "tcp port 8080",
        "udp port 53",
        "host 10.0.0.7",
        "net 10.0.3.0/24",
        "icmp",
        "tcp dst port 443",
        "src host 10.0.1.9",
        "udp src port 123",
        "ip6 host 2001:db8::1",
        "arp",
        "tcp port 22",
        "dst net 10.0.12.0/23",
        "udp portrange 6000-6010",
        "tcp src port 25",
        "host 10.0.2.200",
        "sctp",
        "dst host 10.0.5.5",
        "udp port 5353",
        "igmp",
        "ip6 and udp dst port 546",
    ];
    terms.join(" or ")
}
