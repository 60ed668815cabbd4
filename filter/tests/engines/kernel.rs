//! A program attached to a socket. A pair of Unix datagram sockets filters as any socket does, and needs neither root nor a network.

use filter::Insn;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixDatagram;

pub struct Socket {
    sender: UnixDatagram,
    receiver: UnixDatagram,
}

/// `struct sock_fprog`.
#[repr(C)]
struct SocketProgram {
    len: u16,
    insns: *const Insn,
}

impl Socket {
    pub fn new() -> Socket {
        let (sender, receiver) = UnixDatagram::pair().expect("sockets");
        receiver.set_nonblocking(true).expect("a socket");
        Socket { sender, receiver }
    }

    pub fn attach(&self, program: &[Insn]) -> io::Result<()> {
        let program = SocketProgram { len: program.len().try_into().expect("short"), insns: program.as_ptr() };
        // SAFETY: the option's struct, with a program of its own length.
        let result = unsafe {
            libc::setsockopt(
                self.receiver.as_raw_fd(),
                libc::SOL_SOCKET,
                libc::SO_ATTACH_FILTER,
                (&raw const program).cast(),
                size_of::<SocketProgram>() as libc::socklen_t,
            )
        };
        if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    }

    /// How many bytes of `packet` the program lets through; `None`: it refuses the packet.
    pub fn kept(&self, packet: &[u8]) -> Option<usize> {
        // A refused packet is an error for some kernels' senders, and lost silently for others'.
        let sent = self.sender.send(packet);
        assert!(
            sent.is_ok() || sent.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::PermissionDenied),
            "{sent:?}"
        );
        let mut buffer = [0; 2048];
        match self.receiver.recv(&mut buffer) {
            Ok(len) => {
                assert_eq!(buffer[..len], packet[..len]);
                Some(len)
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => None,
            Err(error) => panic!("{error}"),
        }
    }
}
