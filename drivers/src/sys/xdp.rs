//! AF_XDP sockets: memory that the kernel shares with us frame by frame, and the rings that say whose a frame is.
//!
//! The kernel pins the pages of a UMEM for as long as a socket uses it, wherever else they are mapped or not; so the
//! memory of this process is safe from it, whatever becomes of the mapping.

use super::{check, owned, uncancelled};
use nm_core::shm::mapping::{Mapping, View, Words};
use nm_core::sync::AtomicU32;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

/// An AF_XDP socket.
pub struct XdpSocket(OwnedFd);

/// A socket's four rings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RingKind {
    /// Received frames, from the kernel.
    Receive,
    /// Frames to send, to the kernel.
    Transmit,
    /// Chunks to receive into, to the kernel.
    Fill,
    /// Chunks that were sent, from the kernel.
    Completion,
}

/// The words of a mapped ring.
#[derive(Clone)]
pub struct MappedRing {
    /// Written by who puts entries in.
    pub producer: View<AtomicU32>,
    /// Written by who takes them out.
    pub consumer: View<AtomicU32>,
    /// [`NEED_WAKEUP`], written by the kernel.
    pub flags: View<AtomicU32>,
    /// The entries: one word each for addresses, two for descriptors.
    pub words: Words,
}

/// In a ring's flags: the kernel waits for a system call.
pub const NEED_WAKEUP: u32 = libc::XDP_RING_NEED_WAKEUP;

/// Which memory a UMEM is.
#[derive(Clone, Copy, Debug)]
pub struct Umem {
    /// Where in the mapping it begins: a multiple of the page.
    pub offset: usize,
    /// Bytes.
    pub len: usize,
    /// Bytes of a chunk: a power of two, from 2048 to the page.
    pub chunk: u32,
}

/// How a socket is bound.
#[derive(Clone, Copy, Debug)]
pub enum Binding<'a> {
    /// The card writes into the UMEM itself, or nothing.
    ZeroCopy {
        /// Frames of several chunks.
        pieces: bool,
    },
    /// The kernel copies.
    Copy {
        /// Frames of several chunks.
        pieces: bool,
    },
    /// As this socket of the same card, whose UMEM it shares.
    As(BorrowedFd<'a>),
}

/// What a socket counted since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct XdpStatistics {
    /// Frames that found no chunk, or were too long for one.
    pub dropped: u64,
    /// Frames that found the receive ring full.
    pub ring_full: u64,
    /// Chunks that we gave to receive into and that made no sense.
    pub bad_fill: u64,
    /// Descriptors that we gave to send and that made no sense.
    pub bad_transmit: u64,
}

impl XdpSocket {
    /// A new one.
    ///
    /// # Errors
    /// `EPERM` without `CAP_NET_RAW`, `EAFNOSUPPORT` where the kernel has none, and what else socket(2) says.
    pub fn new() -> io::Result<XdpSocket> {
        // SAFETY: three integers.
        owned(unsafe { libc::socket(libc::AF_XDP, libc::SOCK_RAW | libc::SOCK_CLOEXEC, 0) }.into()).map(XdpSocket)
    }

    /// Shares memory with the kernel.
    ///
    /// # Errors
    /// `ENOBUFS` when so much memory must not be locked, `EINVAL` for numbers that make no sense.
    pub fn register(&self, mapping: &Mapping, umem: Umem) -> io::Result<()> {
        if umem.offset.checked_add(umem.len).is_none_or(|end| end > mapping.len()) {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let registration = libc::xdp_umem_reg {
            addr: (mapping.address() + umem.offset) as u64,
            len: umem.len as u64,
            chunk_size: umem.chunk,
            headroom: 0,
            flags: 0,
            tx_metadata_len: 0,
        };
        self.set(libc::SOL_XDP, libc::XDP_UMEM_REG, &registration)
    }

    /// Makes a ring of `entries`, a power of two, and maps it.
    ///
    /// # Errors
    /// What setsockopt(2) and mmap(2) say.
    pub fn make_ring(&self, kind: RingKind, entries: u32) -> io::Result<MappedRing> {
        let option = match kind {
            RingKind::Receive => libc::XDP_RX_RING,
            RingKind::Transmit => libc::XDP_TX_RING,
            RingKind::Fill => libc::XDP_UMEM_FILL_RING,
            RingKind::Completion => libc::XDP_UMEM_COMPLETION_RING,
        };
        self.set(libc::SOL_XDP, option, &(entries as libc::c_int))?;
        let nowhere = || libc::xdp_ring_offset { producer: 0, consumer: 0, desc: 0, flags: 0 };
        let empty = libc::xdp_mmap_offsets { rx: nowhere(), tx: nowhere(), fr: nowhere(), cr: nowhere() };
        let all = self.get(libc::XDP_MMAP_OFFSETS, empty)?;
        let (at, words, page) = match kind {
            RingKind::Receive => (all.rx, 2, libc::XDP_PGOFF_RX_RING),
            RingKind::Transmit => (all.tx, 2, libc::XDP_PGOFF_TX_RING),
            RingKind::Fill => (all.fr, 1, libc::XDP_UMEM_PGOFF_FILL_RING as libc::off_t),
            RingKind::Completion => (all.cr, 1, libc::XDP_UMEM_PGOFF_COMPLETION_RING as libc::off_t),
        };
        let words = entries as usize * words;
        let len = at.desc as usize + words * size_of::<u64>();
        let mapping = Mapping::of_device(self.as_fd(), len, page)?;
        let view = |offset: u64| View::at(&mapping, offset as usize);
        let parts =
            (view(at.producer), view(at.consumer), view(at.flags), Words::new(&mapping, at.desc as usize, words));
        match parts {
            (Some(producer), Some(consumer), Some(flags), Some(words)) => {
                Ok(MappedRing { producer, consumer, flags, words })
            }
            _ => Err(io::ErrorKind::InvalidData.into()),
        }
    }

    /// Begins: frames of this queue of the interface.
    ///
    /// # Errors
    /// `EOPNOTSUPP` where the driver can't do it so, `EBUSY` when another socket has the queue, `EINVAL` for a queue that does not exist.
    pub fn bind(&self, ifindex: u32, queue: u32, binding: Binding<'_>) -> io::Result<()> {
        let sg = |pieces| if pieces { libc::XDP_USE_SG } else { 0 };
        let (flags, shared) = match binding {
            Binding::ZeroCopy { pieces } => (libc::XDP_ZEROCOPY | libc::XDP_USE_NEED_WAKEUP | sg(pieces), 0),
            Binding::Copy { pieces } => (libc::XDP_COPY | libc::XDP_USE_NEED_WAKEUP | sg(pieces), 0),
            Binding::As(other) => (libc::XDP_SHARED_UMEM, other.as_raw_fd() as u32),
        };
        let address = libc::sockaddr_xdp {
            sxdp_family: libc::AF_XDP as u16,
            sxdp_flags: flags,
            sxdp_ifindex: ifindex,
            sxdp_queue_id: queue,
            sxdp_shared_umem_fd: shared,
        };
        let len = size_of_val(&address) as libc::socklen_t;
        // SAFETY: rules 1 to 3.
        check(unsafe { libc::bind(self.0.as_raw_fd(), (&raw const address).cast(), len) }.into()).map(drop)
    }

    /// Room for frames on their way out that the kernel copies, bytes; as much as the system grants.
    pub fn send_buffer(&self, bytes: i32) {
        if self.set(libc::SOL_SOCKET, libc::SO_SNDBUFFORCE, &bytes).is_err() {
            let _ = self.set(libc::SOL_SOCKET, libc::SO_SNDBUF, &bytes);
        }
    }

    /// The driver works when this socket's calls ask it to, for so long at a time, and its interrupts stay off meanwhile (Linux 5.11).
    ///
    /// # Errors
    /// What setsockopt(2) says.
    pub fn busy_poll(&self, microseconds: u32) -> io::Result<()> {
        const SO_PREFER_BUSY_POLL: libc::c_int = 69;
        const SO_BUSY_POLL_BUDGET: libc::c_int = 70;
        self.set(libc::SOL_SOCKET, SO_PREFER_BUSY_POLL, &1i32)?;
        self.set(libc::SOL_SOCKET, libc::SO_BUSY_POLL, &(microseconds as libc::c_int))?;
        self.set(libc::SOL_SOCKET, SO_BUSY_POLL_BUDGET, &64i32)
    }

    /// Makes the kernel send what the transmit ring holds.
    ///
    /// # Errors
    /// `EAGAIN`, `EBUSY`, `ENOBUFS` when something is left for the next call; `ENETDOWN`, `ENXIO`.
    #[inline]
    pub fn kick(&self) -> io::Result<()> {
        let (fd, nothing) = (self.0.as_raw_fd(), std::ptr::null());
        // SAFETY: no bytes and no address.
        check(unsafe { uncancelled::send(fd, nothing, 0, libc::MSG_DONTWAIT) }).map(drop)
    }

    /// Makes the driver look at the fill ring.
    pub fn wake_receiver(&self) {
        let (fd, none) = (self.0.as_raw_fd(), std::ptr::null_mut());
        // SAFETY: room for no bytes and no address.
        unsafe { uncancelled::recv(fd, none, 0, libc::MSG_DONTWAIT) };
    }

    /// The counters.
    ///
    /// # Errors
    /// What getsockopt(2) says.
    pub fn statistics(&self) -> io::Result<XdpStatistics> {
        let zero = libc::xdp_statistics {
            rx_dropped: 0,
            rx_invalid_descs: 0,
            tx_invalid_descs: 0,
            rx_ring_full: 0,
            rx_fill_ring_empty_descs: 0,
            tx_ring_empty_descs: 0,
        };
        let s = self.get(libc::XDP_STATISTICS, zero)?;
        Ok(XdpStatistics {
            dropped: s.rx_dropped,
            ring_full: s.rx_ring_full,
            bad_fill: s.rx_invalid_descs,
            bad_transmit: s.tx_invalid_descs,
        })
    }

    fn set<T>(&self, level: libc::c_int, name: libc::c_int, value: &T) -> io::Result<()> {
        let len = size_of::<T>() as libc::socklen_t;
        // SAFETY: rules 1 to 3.
        let r = unsafe { libc::setsockopt(self.0.as_raw_fd(), level, name, std::ptr::from_ref(value).cast(), len) };
        check(r.into()).map(drop)
    }

    /// Fills `value`, a struct of integers, as far as this kernel knows it.
    fn get<T>(&self, name: libc::c_int, mut value: T) -> io::Result<T> {
        let mut len = size_of::<T>() as libc::socklen_t;
        let (fd, to) = (self.0.as_raw_fd(), (&raw mut value).cast());
        // SAFETY: rules 1 to 3: at most `len` bytes of a local, whose callers have only integers in it.
        check(unsafe { libc::getsockopt(fd, libc::SOL_XDP, name, to, &mut len) }.into())?;
        Ok(value)
    }
}

impl AsFd for XdpSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Descriptors to sleep on, all at once.
pub struct Sleepers {
    polled: Vec<libc::pollfd>,
    /// Kept open with them.
    _keep: Vec<Arc<dyn AsFd + Send + Sync>>,
}

impl Sleepers {
    /// Of these.
    pub fn new(fds: Vec<Arc<dyn AsFd + Send + Sync>>) -> Sleepers {
        let polled = fds.iter().map(|fd| libc::pollfd { fd: fd.as_fd().as_raw_fd(), events: libc::POLLIN, revents: 0 });
        Sleepers { polled: polled.collect(), _keep: fds }
    }

    /// Sleeps until one is readable or has an error, or the time is over (`None`: never). Looking at a socket in this
    /// way also wakes its driver, where that waits for it. Whether the descriptor with number `k` has an error.
    ///
    /// # Errors
    /// `Interrupted` after a signal, and what else ppoll(2) says.
    pub fn sleep(&mut self, timeout: Option<Duration>, k: usize) -> io::Result<bool> {
        self.poll(timeout, self.polled.len())?;
        Ok(self.polled.get(k).is_some_and(|p| p.revents & (libc::POLLERR | libc::POLLHUP) != 0))
    }

    /// Sleeps until one of the first `count` descriptors is readable or has an error, or the time is over.
    ///
    /// # Errors
    /// As [`Sleepers::sleep`].
    pub fn nap(&mut self, time: Duration, count: usize) -> io::Result<()> {
        self.poll(Some(time), count.min(self.polled.len()))
    }

    fn poll(&mut self, timeout: Option<Duration>, count: usize) -> io::Result<()> {
        let mut timeout = timeout.map(|t| libc::timespec {
            tv_sec: libc::time_t::try_from(t.as_secs()).unwrap_or(libc::time_t::MAX),
            tv_nsec: t.subsec_nanos().into(),
        });
        let timeout = timeout.as_mut().map_or(std::ptr::null_mut(), std::ptr::from_mut);
        let fds = self.polled.as_mut_ptr();
        // SAFETY: rules 1 and 3: `count` of the descriptors that `_keep` holds, a timespec or NULL, no mask.
        check(unsafe { uncancelled::ppoll(fds, count as libc::nfds_t, timeout) }).map(drop)
    }
}

/// CLOCK_MONOTONIC in nanoseconds, which programs in the kernel stamp frames with.
pub fn monotonic_ns() -> u64 {
    let mut ts = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: rule 3; this clock always exists.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut ts) };
    ts.tv_sec as u64 * 1_000_000_000 + ts.tv_nsec as u64
}
