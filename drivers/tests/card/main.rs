//! A card's rings on one end of a cable: through AF_XDP in the driver (native) and in the network stack (generic), and a copy of them
//! through a packet socket. What all of them promise is asked of each.

#[path = "../common/mod.rs"]
mod common;
mod filter;
mod life;
mod offload;
mod packet;
mod queues;
mod receive;
mod send;
mod stamps;
mod tags;

use common::{netmap_name, with_cable};
use drivers::af_xdp::{Mode, Options, open};
use drivers::sys::interface::Interface;
use drivers::sys::packet::PacketSocket;
use nm_core::Port;

/// Runs `test` in each mode that a cable has, each time in a namespace of its own.
fn in_each_mode(test: impl Fn(Mode) + Sync) {
    for mode in [Mode::Native, Mode::Generic] {
        with_cable(|| test(mode));
    }
}

/// How a card is opened.
#[derive(Clone, Copy)]
enum Driver {
    Xdp(Mode),
    Packet,
    /// The same, by blocks.
    Gathering,
}

/// Runs `test` with each driver, each time in a namespace of its own.
fn with_each_driver(test: impl Fn(Driver) + Sync) {
    for driver in [Driver::Xdp(Mode::Native), Driver::Xdp(Mode::Generic), Driver::Packet, Driver::Gathering] {
        with_cable(|| test(driver));
    }
}

impl Driver {
    fn port_on(self, card: &str) -> Port {
        match self {
            Driver::Xdp(mode) => port_on(card, mode),
            Driver::Packet => packet::port_on(card),
            Driver::Gathering => packet::gathering_on(card),
        }
    }
}

fn options(mode: Mode) -> Options {
    Options { mode, late_filter: true, ..Options::default() }
}

fn port_on(card: &str, mode: Mode) -> Port {
    let port = open(&netmap_name(&format!("netmap:{card}")), &options(mode)).expect("a port");
    assert_eq!(port.control.info().driver, mode.driver());
    port
}

/// A plain sender and receiver at one end, with room for some thousand frames: before Linux 6.6 veth puts each into a page of its own.
fn packet_socket(card: &str) -> PacketSocket {
    let socket = PacketSocket::new().expect("a packet socket");
    socket.receive_buffer(16 << 20);
    socket.bind(Interface::find(card).expect(card).index).expect("bind");
    socket
}

/// Sends each frame, in the calling thread's namespace.
fn send_all<'a>(socket: &PacketSocket, frames: impl IntoIterator<Item = &'a Vec<u8>>) {
    frames.into_iter().for_each(|frame| socket.send(frame, false).expect("send"));
}

/// The frames that a plain receiver has now.
fn queued(socket: &PacketSocket) -> Vec<Vec<u8>> {
    let mut bytes = vec![0; 70_000];
    std::iter::from_fn(|| socket.take_queued(&mut bytes).map(|n| bytes[..n].to_vec())).collect()
}
