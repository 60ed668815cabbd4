//! A card's rings through AF_XDP, on one end of a cable: in the driver (native) and in the network stack (generic).

#[path = "../common/mod.rs"]
mod common;
mod filter;
mod life;
mod queues;
mod receive;
mod send;

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

fn options(mode: Mode) -> Options {
    Options { mode, ..Options::default() }
}

fn port_on(card: &str, mode: Mode) -> Port {
    let port = open(&netmap_name(&format!("netmap:{card}")), &options(mode)).expect("a port");
    assert_eq!(port.control.info().driver, mode.driver());
    port
}

/// A plain sender and receiver at one end.
fn packet_socket(card: &str) -> PacketSocket {
    let socket = PacketSocket::new().expect("a packet socket");
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
