//! Traffic that real programs understand.

const CLIENT: [u8; 4] = [10, 0, 0, 1];
const SERVER: [u8; 4] = [10, 0, 0, 2];
const CLIENT_CARD: [u8; 6] = [2, 0, 0, 0, 0, 1];
const SERVER_CARD: [u8; 6] = [2, 0, 0, 0, 0, 2];

/// TCP's flags.
pub mod tcp {
    /// Ends a direction.
    pub const FIN: u8 = 1;
    /// Begins a direction.
    pub const SYN: u8 = 2;
    /// Data should be handed on.
    pub const PSH: u8 = 8;
    /// The acknowledgement counts.
    pub const ACK: u8 = 16;
}

/// The internet checksum (RFC 1071) of `pieces`, each but the last of even length.
fn checksum(pieces: &[&[u8]]) -> [u8; 2] {
    let mut sum = 0u32;
    for pair in pieces.iter().flat_map(|p| p.chunks(2)) {
        sum += u32::from(pair[0]) << 8 | u32::from(pair.get(1).copied().unwrap_or(0));
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    (!(sum as u16)).to_be_bytes()
}

fn ip(to_server: bool, protocol: u8, identity: u16, checksum_at: usize, mut payload: Vec<u8>) -> Vec<u8> {
    let (from, to) = if to_server { (CLIENT, SERVER) } else { (SERVER, CLIENT) };
    let len = u16::try_from(payload.len()).expect("a payload that fits a packet");
    let pseudo = [&from[..], &to[..], &[0, protocol], &len.to_be_bytes()].concat();
    let sum = checksum(&[&pseudo, &payload]);
    payload[checksum_at..checksum_at + 2].copy_from_slice(&sum);

    let mut header =
        [[0x45, 0], (len + 20).to_be_bytes(), identity.to_be_bytes(), [0x40, 0], [64, protocol], [0, 0]].concat();
    header.extend(from.iter().chain(&to));
    let sum = checksum(&[&header]);
    header[10..12].copy_from_slice(&sum);

    let cards = if to_server { [SERVER_CARD, CLIENT_CARD] } else { [CLIENT_CARD, SERVER_CARD] };
    [&cards.concat()[..], &[8, 0], &header, &payload].concat()
}

/// A UDP packet from the client to the server with `text` in it.
pub fn udp(number: u16, text: &[u8]) -> Vec<u8> {
    let len = u16::try_from(text.len() + 8).expect("a payload that fits a packet");
    let header = [(10_000 + number).to_be_bytes(), 2000u16.to_be_bytes(), len.to_be_bytes(), [0, 0]].concat();
    ip(true, 17, number, 6, [&header, text].concat())
}

/// `count` UDP packets of different lengths, each with its number in it.
pub fn datagrams(count: u16) -> Vec<Vec<u8>> {
    (0..count)
        .map(|i| udp(i, format!("datagram {i:05} {}", ".".repeat(usize::from(i) * 13 % 1400)).as_bytes()))
        .collect()
}

/// One packet of a TCP connection between the client's `port` and the server's port 80.
pub fn segment(to_server: bool, port: u16, flags: u8, sequence: u32, acknowledged: u32, text: &[u8]) -> Vec<u8> {
    let ports = if to_server { [port, 80] } else { [80, port] };
    let mut header = [ports[0].to_be_bytes(), ports[1].to_be_bytes()].concat();
    header.extend(sequence.to_be_bytes().iter().chain(&acknowledged.to_be_bytes()));
    // The options of a Linux that opens a connection; none otherwise.
    let options: &[u8] =
        if flags & tcp::SYN != 0 { &[2, 4, 5, 0xb4, 4, 2, 8, 10, 0, 1, 0, 0, 0, 0, 0, 0, 1, 3, 3, 7] } else { &[] };
    header.extend([((20 + options.len()) / 4 * 16) as u8, flags, 0xfa, 0xf0, 0, 0, 0, 0]);
    header.extend(options);
    ip(to_server, 6, port, 16, [&header, text].concat())
}

/// A whole connection: the client says `asked`, the server says `answered` (each in pieces of 1,000 bytes), both end it.
pub fn connection(port: u16, asked: &[u8], answered: &[u8]) -> Vec<Vec<u8>> {
    use tcp::{ACK, FIN, PSH, SYN};
    let (mut client, mut server) = (1000u32, 5000u32);
    let mut frames = vec![
        segment(true, port, SYN, client, 0, b""),
        segment(false, port, SYN | ACK, server, client + 1, b""),
        segment(true, port, ACK, client + 1, server + 1, b""),
    ];
    client += 1;
    server += 1;
    for piece in asked.chunks(1000) {
        frames.push(segment(true, port, PSH | ACK, client, server, piece));
        client += piece.len() as u32;
    }
    for piece in answered.chunks(1000) {
        frames.push(segment(false, port, PSH | ACK, server, client, piece));
        server += piece.len() as u32;
    }
    frames.push(segment(true, port, FIN | ACK, client, server, b""));
    frames.push(segment(false, port, FIN | ACK, server, client + 1, b""));
    frames.push(segment(true, port, ACK, client + 1, server + 1, b""));
    frames
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_verify() {
        for frame in connection(1234, b"odd", &[7; 2500]).iter().chain(&datagrams(20)) {
            assert_eq!(checksum(&[&frame[14..34]]), [0, 0]);
            let len = ((frame.len() - 34) as u16).to_be_bytes();
            let pseudo = [&frame[26..34], &[0, frame[23]], &len].concat();
            assert_eq!(checksum(&[&pseudo, &frame[34..]]), [0, 0]);
        }
    }
}
