//! A sender onto a card: through a packet socket, or as frames that a card's driver hands on.
//!
//! | how | what it stands for | at the other end of a veth pair |
//! |---|---|---|
//! | `socket` | another program: batches of 64 through `sendmmsg`, past the queueing discipline | frames are socket buffers of the host's |
//! | `frames` | a card with XDP in its driver: the kernel runs a program of ours that numbers each frame and redirects it (`BPF_F_TEST_XDP_LIVE_FRAMES`) | frames lie in pages, as a card's do |

use crate::clock;
use crate::frame::{self, END, MARK_AT, PORT_AT};
use crate::role::{Args, Report, serve};
use drivers::sys::bpf::{self, MapKind, ProgramKind};
use drivers::sys::interface::Interface;
use filter::engine::ebpf::{Asm, Helper, If, Insn, Op, Operand, Reg, Width};
use std::io;
use std::mem::zeroed;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::thread;
use std::time::Duration;

/// Frames of one system call.
const BATCH: usize = 64;
/// The same where the kernel makes them.
const LIVE_BATCH: u32 = 10_000;
/// A paced sender sleeps between bursts of so much time's frames.
const BURST: Duration = Duration::from_millis(4);
/// Where those go that the filter accepts, and all others: DNS, discard.
const PORTS: [u16; 2] = [53, 9];

/// What is sent.
struct Traffic {
    frame: Vec<u8>,
    mark_at: usize,
    /// One of so many goes to the first of [`PORTS`]; 0: there are no ports.
    one_of: u64,
}

/// `role=card-send if= how=socket|frames rate= one_of= cpu=`
///
/// `rate` frames a second, 0 for as many as it can. With `one_of`, they are datagrams, of which one of so many goes to port
/// 53, and only these count as sent; without, frames of our own type with the marks of a flood.
pub fn send(args: &Args) -> Result<(), String> {
    let one_of = args.number_or("one_of", 0)?;
    let (frame, mark_at) = match one_of {
        0 => (frame::build(60, frame::station(200), frame::station(1)), MARK_AT),
        _ => frame::datagram(),
    };
    let traffic = Traffic { frame, mark_at, one_of };
    let index = Interface::find(args.text("if")?).map_err(|e| e.to_string())?.index;
    let rate = args.number_or("rate", 0)?;
    match args.text("how")? {
        "socket" => {
            let mut socket = Socket::open(index, traffic)?;
            serve(|round| flood(round, rate, one_of, |first, frames| socket.send(first, frames)))
        }
        "frames" => {
            let live = Live::load(index, &traffic)?;
            serve(|round| flood(round, rate, one_of, |first, frames| live.send(&traffic, first, frames)))
        }
        other => Err(format!("how={other}: socket or frames")),
    }
}

/// Sends for a round. `send` is told the mark of the first frame and how many there are at most, and returns how many went
/// out, their marks counting up.
fn flood(
    round: &crate::role::Round,
    rate: u64,
    one_of: u64,
    mut send: impl FnMut(u64, u32) -> Result<u32, String>,
) -> Result<Report, String> {
    let (start, deadline) = (clock::now_ns(), round.deadline());
    let (mut offered, mut now) = (0u64, start);
    while now < deadline {
        let due = match rate {
            0 => u32::MAX,
            _ => ((now - start + BURST.as_nanos() as u64) * rate / 1_000_000_000).saturating_sub(offered) as u32,
        };
        if due == 0 {
            thread::sleep(BURST);
        } else {
            let first = frame::flood_mark(0, round.number, offered);
            offered += u64::from(send(first, due)?);
        }
        now = clock::now_ns();
    }
    if one_of == 0 {
        for _ in 0..5 {
            // The receiver may be full.
            thread::sleep(Duration::from_millis(2));
            send(frame::flood_mark(0, round.number, END), 1)?;
        }
    }
    // The first of each `one_of` frames is one.
    let sent = if one_of == 0 { offered } else { offered.div_ceil(one_of) };
    Ok(Report::default().with("sent", sent).with("offered", offered).with("start", start).with("end", now))
}

/// A packet socket for sending alone.
struct Socket {
    socket: OwnedFd,
    frames: Vec<Vec<u8>>,
    traffic: Traffic,
}

impl Socket {
    fn open(index: u32, traffic: Traffic) -> Result<Socket, String> {
        let failed = |what: &str| format!("packet socket: {what}: {}", io::Error::last_os_error());
        // SAFETY: numbers only; protocol 0 receives nothing.
        let fd = unsafe { libc::socket(libc::AF_PACKET, libc::SOCK_RAW | libc::SOCK_CLOEXEC, 0) };
        if fd < 0 {
            return Err(failed("socket"));
        }
        // SAFETY: a descriptor that was just made and is nobody else's.
        let socket = unsafe { OwnedFd::from_raw_fd(fd) };
        let one: libc::c_int = 1;
        // SAFETY: an int that lives across the call, and its size.
        let status = unsafe {
            let size = size_of::<libc::c_int>() as libc::socklen_t;
            libc::setsockopt(fd, libc::SOL_PACKET, libc::PACKET_QDISC_BYPASS, (&raw const one).cast(), size)
        };
        if status != 0 {
            return Err(failed("PACKET_QDISC_BYPASS"));
        }
        // SAFETY: all zeroes is a valid sockaddr_ll.
        let mut address: libc::sockaddr_ll = unsafe { zeroed() };
        address.sll_family = libc::AF_PACKET as u16;
        address.sll_ifindex = index as i32;
        // SAFETY: an address that lives across the call, and its size.
        let status =
            unsafe { libc::bind(fd, (&raw const address).cast(), size_of::<libc::sockaddr_ll>() as libc::socklen_t) };
        if status != 0 {
            return Err(failed("bind"));
        }
        Ok(Socket { socket, frames: vec![traffic.frame.clone(); BATCH], traffic })
    }

    fn send(&mut self, first: u64, most: u32) -> Result<u32, String> {
        let count = BATCH.min(most as usize);
        let Traffic { mark_at, one_of, .. } = self.traffic;
        let mut vectors: Vec<libc::iovec> = Vec::with_capacity(count);
        for (mark, frame) in (first..).zip(&mut self.frames[..count]) {
            frame[mark_at..mark_at + 8].copy_from_slice(&mark.to_le_bytes());
            if one_of > 0 {
                let port = PORTS[usize::from((mark & END) % one_of != 0)];
                frame[PORT_AT..PORT_AT + 2].copy_from_slice(&port.to_be_bytes());
            }
            vectors.push(libc::iovec { iov_base: frame.as_mut_ptr().cast(), iov_len: frame.len() });
        }
        let mut messages: Vec<libc::mmsghdr> = vectors
            .iter_mut()
            .map(|vector| {
                // SAFETY: all zeroes is a valid mmsghdr.
                let mut message: libc::mmsghdr = unsafe { zeroed() };
                message.msg_hdr.msg_iov = vector;
                message.msg_hdr.msg_iovlen = 1;
                message
            })
            .collect();
        // SAFETY: `count` messages, whose vectors and frames live across the call.
        let sent = unsafe { libc::sendmmsg(self.socket.as_raw_fd(), messages.as_mut_ptr(), count as u32, 0) };
        match sent {
            0.. => Ok(sent as u32),
            _ => match io::Error::last_os_error() {
                e if e.raw_os_error() == Some(libc::ENOBUFS) => Ok(0),
                e => Err(format!("sendmmsg: {e}")),
            },
        }
    }
}

/// A program that makes the frames inside the kernel.
struct Live {
    program: OwnedFd,
    next_mark: OwnedFd,
}

impl Live {
    fn load(index: u32, traffic: &Traffic) -> Result<Live, String> {
        let next_mark = bpf::map_create(MapKind::Array, "bench_mark", 8, 1, 0).map_err(|e| format!("bpf map: {e}"))?;
        let insns = program(index, traffic, next_mark.as_raw_fd()).map_err(|e| e.to_string())?;
        let loaded = bpf::program_load(ProgramKind::Xdp { frags: false, card: None }, "bench_send", &insns);
        let (program, _) = loaded.map_err(|e| format!("XDP program: {}: {}", e.source, e.log))?;
        Ok(Live { program, next_mark })
    }

    fn send(&self, traffic: &Traffic, first: u64, most: u32) -> Result<u32, String> {
        let count = most.min(LIVE_BATCH);
        bpf::map_update(self.next_mark.as_fd(), 0, &first.to_ne_bytes()).map_err(|e| format!("bpf map: {e}"))?;
        bpf::program_send(self.program.as_fd(), &traffic.frame, count).map_err(|e| format!("sending frames: {e}"))?;
        Ok(count)
    }
}

/// Puts the next mark, and the port, into the frame and sends it to interface `index`.
fn program(index: u32, traffic: &Traffic, map: i32) -> Result<Vec<Insn>, filter::engine::ebpf::AsmError> {
    use Operand::{Imm, Reg as R};
    use Reg::{R0, R1, R2, R3, R4, R5};
    const XDP_DROP: i32 = 1;
    let len = traffic.frame.len() as i32;
    let mut asm = Asm::new();
    let (end, other) = (asm.label(), asm.label());
    asm.push(Insn::alu64(Op::Mov, R0, Imm(XDP_DROP)));
    // struct xdp_md: data, data_end.
    asm.push(Insn::load(Width::W32, R2, R1, 0));
    asm.push(Insn::load(Width::W32, R3, R1, 4));
    asm.push(Insn::alu64(Op::Mov, R4, R(R2)));
    asm.push(Insn::alu64(Op::Add, R4, Imm(len)));
    asm.jump(If::Gt, R4, R(R3), end);
    asm.push_double(Insn::map_value(R1, map, 0));
    asm.push(Insn::load(Width::W64, R3, R1, 0));
    // A host of the other order would have to turn it; there the receiver counts nothing, and the row says so.
    asm.push(Insn::store(Width::W64, R2, traffic.mark_at as i16, R3));
    asm.push(Insn::alu64(Op::Mov, R4, R(R3)));
    asm.push(Insn::alu64(Op::Add, R4, Imm(1)));
    asm.push(Insn::store(Width::W64, R1, 0, R4));
    if traffic.one_of > 0 {
        let [accepted, refused] = PORTS.map(|port| i32::from(port.to_be()));
        // The number: the mark's low 40 bits.
        asm.push(Insn::alu64(Op::Lsh, R3, Imm(24)));
        asm.push(Insn::alu64(Op::Rsh, R3, Imm(24)));
        asm.push(Insn::alu64(Op::Mod, R3, Imm(traffic.one_of as i32)));
        asm.push(Insn::alu64(Op::Mov, R5, Imm(accepted)));
        asm.jump(If::Eq, R3, Imm(0), other);
        asm.push(Insn::alu64(Op::Mov, R5, Imm(refused)));
        asm.place(other);
        asm.push(Insn::store(Width::W16, R2, PORT_AT as i16, R5));
    }
    asm.push(Insn::alu32(Op::Mov, R1, Imm(index as i32)));
    asm.push(Insn::alu32(Op::Mov, R2, Imm(0)));
    asm.push(Insn::call(Helper::Redirect));
    asm.place(end);
    asm.push(Insn::exit());
    asm.finish()
}
