//! Packet sockets: packet(7), and what their receive rings (`PACKET_RX_RING`) have in common.

pub mod blocks;
pub mod frames;

use super::{check, owned, uncancelled};
use crate::offload::{self, Offload};
use blocks::BlockRing;
use frames::FrameRing;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::ptr::NonNull;
use std::time::Duration;

/// Bytes that the kernel leaves free before each frame: room for a VLAN tag.
pub const RESERVE: usize = 4;
/// Bytes of a frame's room in the ring that the kernel takes for itself.
pub const OVERHEAD: usize = 80 + RESERVE + offload::HEADER;

/// In a frame's status: its time is the card's.
const TP_STATUS_TS_RAW_HARDWARE: u32 = 1 << 31;

/// A packet socket. It receives nothing before [`PacketSocket::bind`].
pub struct PacketSocket {
    fd: OwnedFd,
    tells_offloads: bool,
}

impl PacketSocket {
    /// A new one.
    ///
    /// # Errors
    /// `EPERM` without `CAP_NET_RAW`, and what else socket(2) says.
    pub fn new() -> io::Result<PacketSocket> {
        // SAFETY: no memory is passed. Protocol 0: nothing is received yet.
        let fd = unsafe { libc::socket(libc::AF_PACKET, libc::SOCK_RAW | libc::SOCK_CLOEXEC, 0) };
        Ok(PacketSocket { fd: owned(fd.into())?, tells_offloads: false })
    }

    /// Receives from interface `index` from now on, frames of all protocols.
    ///
    /// # Errors
    /// `ENODEV`, `ENETDOWN` for an interface that is down.
    pub fn bind(&self, index: u32) -> io::Result<()> {
        self.bind_to(index, libc::ETH_P_ALL as u16)
    }

    /// One that receives nothing, but has an error when interface `index` goes down or away.
    ///
    /// # Errors
    /// As [`PacketSocket::new`] and [`PacketSocket::bind`].
    pub fn watching(index: u32) -> io::Result<PacketSocket> {
        let socket = PacketSocket::new()?;
        socket.attach(&[libc::sock_filter { code: (libc::BPF_RET | libc::BPF_K) as u16, jt: 0, jf: 0, k: 0 }])?;
        // A socket without a protocol is told of nothing. This one is for private use: hardly a frame ever has it.
        socket.bind_to(index, 0x88b5)?;
        Ok(socket)
    }

    fn bind_to(&self, index: u32, protocol: u16) -> io::Result<()> {
        // SAFETY: all zeroes is a valid sockaddr_ll.
        let mut address: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
        address.sll_family = libc::AF_PACKET as u16;
        address.sll_protocol = protocol.to_be();
        address.sll_ifindex = index as libc::c_int;
        let len = size_of::<libc::sockaddr_ll>() as libc::socklen_t;
        // SAFETY: rules 1 to 3.
        check(unsafe { libc::bind(self.fd.as_raw_fd(), (&raw const address).cast(), len) }.into())?;
        match self.take_error()? {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }

    /// Whether frames that the host sends are received, too. Kernels before 4.20 don't know; then they are told apart by
    /// [`Captured::outgoing`].
    pub fn ignore_outgoing(&self) {
        let _ = self.set(libc::SOL_PACKET, libc::PACKET_IGNORE_OUTGOING, &1i32);
    }

    /// From now on each frame's bytes come behind what was left to a card ([`Offload`]), and who sends must put the same before
    /// his frames. Asked for before the ring is made.
    ///
    /// # Errors
    /// What setsockopt(2) says.
    pub fn tell_offloads(&mut self) -> io::Result<()> {
        const PACKET_VNET_HDR: libc::c_int = 15;
        self.set(libc::SOL_PACKET, PACKET_VNET_HDR, &1i32)?;
        self.tells_offloads = true;
        Ok(())
    }

    /// Whether [`PacketSocket::tell_offloads`] was asked for.
    pub fn tells_offloads(&self) -> bool {
        self.tells_offloads
    }

    /// Sends by interface `index`, and receives nothing.
    ///
    /// # Errors
    /// As [`PacketSocket::bind`].
    pub fn bind_to_send(&self, index: u32) -> io::Result<()> {
        self.bind_to(index, 0)
    }

    /// Sends straight to the card, past the host's queues and its hooks for what it sends.
    ///
    /// # Errors
    /// What setsockopt(2) says.
    pub fn bypass_queues(&self) -> io::Result<()> {
        self.set(libc::SOL_PACKET, libc::PACKET_QDISC_BYPASS, &1i32)
    }

    /// Frames that the card has stamped have its time, unconverted (`PACKET_TIMESTAMP`).
    ///
    /// # Errors
    /// What setsockopt(2) says.
    pub fn take_card_stamps(&self) -> io::Result<()> {
        const PACKET_TIMESTAMP: libc::c_int = 17;
        const SOF_TIMESTAMPING_RAW_HARDWARE: libc::c_int = 1 << 6;
        self.set(libc::SOL_PACKET, PACKET_TIMESTAMP, &SOF_TIMESTAMPING_RAW_HARDWARE)
    }

    /// The interface takes in all frames until the socket is closed.
    ///
    /// # Errors
    /// What setsockopt(2) says.
    pub fn promiscuous(&self, index: u32) -> io::Result<()> {
        let request = libc::packet_mreq {
            mr_ifindex: index as libc::c_int,
            mr_type: libc::PACKET_MR_PROMISC as u16,
            mr_alen: 0,
            mr_address: [0; 8],
        };
        self.set(libc::SOL_PACKET, libc::PACKET_ADD_MEMBERSHIP, &request)
    }

    /// Room for frames that are too large for the ring, bytes; as much as the system grants.
    pub fn receive_buffer(&self, bytes: i32) {
        if self.set(libc::SOL_SOCKET, libc::SO_RCVBUFFORCE, &bytes).is_err() {
            let _ = self.set(libc::SOL_SOCKET, libc::SO_RCVBUF, &bytes);
        }
    }

    /// A receive ring of `frames` frames, each in `frame_size` bytes: a multiple of 16 from 2048 to 65,536. A frame that does
    /// not fit is queued whole beside it.
    ///
    /// # Errors
    /// `ENOMEM`, and what else setsockopt(2) and mmap(2) say.
    pub fn make_ring(&self, frames: u32, frame_size: u32) -> io::Result<FrameRing> {
        const BLOCK: u32 = 65_536;
        let per_block = BLOCK / frame_size;
        let blocks = frames.div_ceil(per_block).max(1);
        let request = libc::tpacket_req {
            tp_block_size: BLOCK,
            tp_block_nr: blocks,
            tp_frame_size: frame_size,
            tp_frame_nr: blocks * per_block,
        };
        self.set(libc::SOL_PACKET, libc::PACKET_VERSION, &(libc::tpacket_versions::TPACKET_V2 as i32))?;
        self.set(libc::SOL_PACKET, libc::PACKET_COPY_THRESH, &1i32)?;
        let memory = self.map_ring(&request, blocks as usize * BLOCK as usize)?;
        let sizes = [BLOCK as usize, frame_size as usize];
        Ok(FrameRing::new(memory, sizes, [blocks, per_block], self.tells_offloads))
    }

    /// A receive ring of `blocks` blocks of [`blocks::BLOCK`] bytes, each shown when it is full or its first frame has waited for
    /// `longest` (from a millisecond to 65 s). No Ethernet frame is too large for it.
    ///
    /// # Errors
    /// As [`PacketSocket::make_ring`].
    pub fn make_blocks(&self, blocks: u32, longest: Duration) -> io::Result<BlockRing> {
        let block = blocks::BLOCK as u32;
        let request = libc::tpacket_req3 {
            tp_block_size: block,
            tp_block_nr: blocks,
            // The kernel asks for a size, and lets frames take what they need.
            tp_frame_size: block,
            tp_frame_nr: blocks,
            // Kernels before 6.18 keep 16 bits of it: of 65,537 ms, one.
            tp_retire_blk_tov: longest.as_millis().clamp(1, u16::MAX.into()) as u32,
            tp_sizeof_priv: 0,
            tp_feature_req_word: 0,
        };
        self.set(libc::SOL_PACKET, libc::PACKET_VERSION, &(libc::tpacket_versions::TPACKET_V3 as i32))?;
        let memory = self.map_ring(&request, blocks as usize * blocks::BLOCK)?;
        Ok(BlockRing::new(memory, blocks))
    }

    fn map_ring<T>(&self, request: &T, len: usize) -> io::Result<Memory> {
        self.set(libc::SOL_PACKET, libc::PACKET_RESERVE, &(RESERVE as u32))?;
        self.set(libc::SOL_PACKET, libc::PACKET_RX_RING, request)?;
        let (protection, fd) = (libc::PROT_READ | libc::PROT_WRITE, self.fd.as_raw_fd());
        // SAFETY: a new mapping at an address of the kernel's choice.
        let p = unsafe { libc::mmap(std::ptr::null_mut(), len, protection, libc::MAP_SHARED, fd, 0) };
        if p == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the range was just mapped; keeping rings out of core dumps is advice only.
        unsafe { libc::madvise(p, len, libc::MADV_DONTDUMP) };
        Ok(Memory { base: NonNull::new(p.cast()).ok_or(io::ErrorKind::OutOfMemory)?, len })
    }

    /// From now on frames that `program` refuses are not received. The kernel checks it.
    ///
    /// # Errors
    /// What setsockopt(2) says; the program before stays.
    pub fn attach(&self, program: &[libc::sock_filter]) -> io::Result<()> {
        let len = u16::try_from(program.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
        let program = libc::sock_fprog { len, filter: program.as_ptr().cast_mut() };
        self.set(libc::SOL_SOCKET, libc::SO_ATTACH_FILTER, &program)
    }

    /// All frames are received again.
    pub fn detach(&self) {
        let _ = self.set(libc::SOL_SOCKET, libc::SO_DETACH_FILTER, &0i32);
    }

    /// Frames that came and frames that found no room, since the last call. The former include the latter.
    pub fn statistics(&self) -> (u32, u32) {
        let mut stats = libc::tpacket_stats { tp_packets: 0, tp_drops: 0 };
        let mut len = size_of_val(&stats) as libc::socklen_t;
        let (fd, to) = (self.fd.as_raw_fd(), (&raw mut stats).cast());
        // SAFETY: the kernel fills at most `len` bytes of a local.
        unsafe { libc::getsockopt(fd, libc::SOL_PACKET, libc::PACKET_STATISTICS, to, &mut len) };
        (stats.tp_packets, stats.tp_drops)
    }

    /// The error that waits on the socket, taken.
    ///
    /// # Errors
    /// What getsockopt(2) says.
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        let mut errno: libc::c_int = 0;
        let mut len = size_of_val(&errno) as libc::socklen_t;
        let (fd, to) = (self.fd.as_raw_fd(), (&raw mut errno).cast());
        // SAFETY: the kernel fills at most `len` bytes of a local.
        check(unsafe { libc::getsockopt(fd, libc::SOL_SOCKET, libc::SO_ERROR, to, &mut len) }.into())?;
        Ok((errno != 0).then(|| io::Error::from_raw_os_error(errno)))
    }

    /// Takes the oldest frame of those that were too large for the ring, behind what was left to a card, where the socket tells: bytes in
    /// `to`, or `None`.
    pub fn take_queued(&self, to: &mut [u8]) -> Option<usize> {
        // SAFETY: as many bytes of `to` as it has.
        let n = unsafe { uncancelled::recv(self.fd.as_raw_fd(), to.as_mut_ptr().cast(), to.len(), libc::MSG_DONTWAIT) };
        usize::try_from(n).ok()
    }

    /// Sends one frame; with `nonblocking` does not wait for room.
    ///
    /// # Errors
    /// What send(2) says.
    pub fn send(&self, frame: &[u8], nonblocking: bool) -> io::Result<()> {
        let (fd, data) = (self.fd.as_raw_fd(), frame.as_ptr().cast());
        // SAFETY: rules 1 and 3.
        check(unsafe { uncancelled::send(fd, data, frame.len(), flags(nonblocking)) }).map(drop)
    }

    /// Sends frames in order: how many were taken. At most [`MANY`] at once.
    ///
    /// # Errors
    /// What sendmmsg(2) says, when the first was not taken.
    pub fn send_many<'a>(&self, frames: impl Iterator<Item = &'a [u8]>, nonblocking: bool) -> io::Result<usize> {
        let nothing = libc::iovec { iov_base: std::ptr::null_mut(), iov_len: 0 };
        let mut pieces = [nothing; MANY];
        // SAFETY: all zeroes is a valid mmsghdr.
        let mut messages: [libc::mmsghdr; MANY] = unsafe { std::mem::zeroed() };
        let mut count = 0;
        for ((piece, message), frame) in pieces.iter_mut().zip(&mut messages).zip(frames) {
            *piece = libc::iovec { iov_base: frame.as_ptr().cast_mut().cast(), iov_len: frame.len() };
            (message.msg_hdr.msg_iov, message.msg_hdr.msg_iovlen) = (piece, 1);
            count += 1;
        }
        // SAFETY: `count` messages of one piece each, whose bytes are borrowed for `'a`, longer than this call.
        let n = unsafe { uncancelled::sendmmsg(self.fd.as_raw_fd(), messages.as_mut_ptr(), count, flags(nonblocking)) };
        Ok(check(n)? as usize)
    }

    fn set<T>(&self, level: libc::c_int, name: libc::c_int, value: &T) -> io::Result<()> {
        let len = size_of::<T>() as libc::socklen_t;
        // SAFETY: the kernel reads `len` bytes of a value; the one that has a pointer in it lives in `attach`, with the
        // instructions that it points to.
        let r = unsafe { libc::setsockopt(self.fd.as_raw_fd(), level, name, std::ptr::from_ref(value).cast(), len) };
        check(r.into()).map(drop)
    }
}

/// The most frames of [`PacketSocket::send_many`].
pub const MANY: usize = 64;

fn flags(nonblocking: bool) -> libc::c_int {
    libc::MSG_NOSIGNAL | if nonblocking { libc::MSG_DONTWAIT } else { 0 }
}

impl AsFd for PacketSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// The memory of a receive ring. It may outlive the socket: then nothing comes.
struct Memory {
    base: NonNull<u8>,
    len: usize,
}

// SAFETY: memory without ties to a thread, reached through `&mut` of its ring alone.
unsafe impl Send for Memory {}

impl Drop for Memory {
    fn drop(&mut self) {
        // SAFETY: the range that `map_ring` mapped; no frame is borrowed any more.
        unsafe { libc::munmap(self.base.as_ptr().cast(), self.len) };
    }
}

/// A receive ring as its one reader sees it.
pub trait ReceiveRing: Send {
    /// Whether the kernel keeps frames back until there are many, or the time is over.
    const GATHERS: bool;

    /// Bytes of memory.
    fn memory(&self) -> usize;

    /// The oldest frame that was not yet given back; `None` when there is none. A frame whose header makes no sense has no
    /// bytes.
    fn front(&mut self) -> Option<Captured<'_>>;

    /// Gives the frame of [`ReceiveRing::front`] back to the kernel.
    fn give_back(&mut self);
}

/// A frame that the kernel has put into the ring.
pub struct Captured<'a> {
    /// [`RESERVE`] free bytes, then the frame.
    pub bytes: &'a mut [u8],
    /// Bytes of the frame, of which `bytes` may have fewer.
    pub len: u32,
    /// When it came: ns of CLOCK_REALTIME, or of the card's clock.
    pub time_ns: u64,
    /// It has the card's time.
    pub by_card: bool,
    /// The VLAN tag that the card or the kernel took out: protocol and control information.
    pub vlan: Option<(u16, u16)>,
    /// The host sent it.
    pub outgoing: bool,
    /// It lies whole in the socket's queue.
    pub queued: bool,
    /// What its sender left to a card, where the socket tells.
    pub offload: Offload,
}

/// What the headers of either version say of a frame.
struct Header {
    status: u32,
    mac: u16,
    kept: u32,
    len: u32,
    sec: u32,
    nsec: u32,
    protocol: u16,
    tag: u16,
}

impl Header {
    /// The frame whose header lies at `first` and whose sender's address lies `address` bytes later, `room` bytes in all; `told`: what was
    /// left to a card lies before it.
    ///
    /// # Safety
    /// These `room` bytes are the caller's for as long as the frame, and hold the address.
    #[inline(always)]
    unsafe fn captured<'a>(self, first: *mut u8, address: usize, room: usize, told: bool) -> Captured<'a> {
        // SAFETY: by the caller's promise; a plain number.
        let kind = unsafe { (*first.add(address).cast::<libc::sockaddr_ll>()).sll_pkttype };
        let (start, kept) = (usize::from(self.mac), self.kept as usize);
        let before = if told { offload::HEADER.max(RESERVE) } else { RESERVE };
        let fits = start >= address + size_of::<libc::sockaddr_ll>() + before && start + kept <= room;
        let offload = if told && fits {
            // SAFETY: inside the room (just checked), which is the frame's (the caller's promise); plain bytes.
            Offload::read(unsafe { first.add(start - offload::HEADER).cast::<[u8; offload::HEADER]>().read() })
        } else {
            Offload::default()
        };
        let (start, kept) = if fits { (start - RESERVE, kept + RESERVE) } else { (0, 0) };
        let tagged = self.status & libc::TP_STATUS_VLAN_VALID != 0 || self.tag != 0;
        let known = self.status & libc::TP_STATUS_VLAN_TPID_VALID != 0;
        let protocol = if known { self.protocol } else { libc::ETH_P_8021Q as u16 };
        Captured {
            // SAFETY: inside the room (just checked), which is the frame's (the caller's promise).
            bytes: unsafe { std::slice::from_raw_parts_mut(first.add(start), kept) },
            len: self.len,
            time_ns: u64::from(self.sec) * 1_000_000_000 + u64::from(self.nsec),
            by_card: self.status & TP_STATUS_TS_RAW_HARDWARE != 0,
            vlan: tagged.then_some((protocol, self.tag)),
            outgoing: kind == libc::PACKET_OUTGOING,
            queued: self.status & libc::TP_STATUS_COPY != 0,
            offload,
        }
    }
}
