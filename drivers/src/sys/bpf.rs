//! bpf(2), without libbpf: maps, programs, links.
//!
//! Each command has a struct of its own here, the part of `union bpf_attr` that it uses. The kernel takes a shorter one than its own for
//! one whose rest is 0, and a longer one when the rest is 0, so these serve kernels older and newer than this file.

use super::{check, owned};
use filter::engine::ebpf::Insn;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};

/// `enum bpf_cmd`.
#[derive(Clone, Copy)]
#[repr(i32)]
enum Command {
    MapCreate = 0,
    MapUpdateElem = 2,
    MapDeleteElem = 3,
    ProgLoad = 5,
    ProgTestRun = 10,
    ProgGetFdById = 13,
    ObjGetInfoByFd = 15,
    MapFreeze = 22,
    LinkCreate = 28,
    LinkUpdate = 29,
}

/// Structs without gaps, of integers only, which are what the kernel reads for a command.
///
/// # Safety
/// No padding: rule 2. Fields that are addresses come from references that the caller of [`bpf`] holds: rule 3.
unsafe trait Attr {}

/// The system call.
///
/// Every function below that calls this has, in `attr`, the lengths of its own slices beside their addresses.
fn bpf<A: Attr>(command: Command, attr: &mut A) -> io::Result<libc::c_long> {
    // SAFETY: rules 2 and 3: `A` says so, and its size is given.
    check(unsafe { libc::syscall(libc::SYS_bpf, command as libc::c_int, std::ptr::from_mut(attr), size_of::<A>()) })
}

/// The address of a slice for the kernel.
fn address<T>(slice: &[T]) -> u64 {
    slice.as_ptr().expose_provenance() as u64
}

fn address_mut<T>(slice: &mut [T]) -> u64 {
    slice.as_mut_ptr().expose_provenance() as u64
}

/// A name of up to 15 characters, as the kernel keeps it: letters, digits, `_` and `.`.
fn name16(name: &str) -> [u8; 16] {
    let mut bytes = [0; 16];
    for (to, from) in bytes[..15].iter_mut().zip(name.bytes()) {
        *to = if from.is_ascii_alphanumeric() || from == b'.' { from } else { b'_' };
    }
    bytes
}

/// The kinds of maps that we make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum MapKind {
    /// By key; with [`NO_PREALLOC`] an element is replaced whole, and the old one lives as long as a program looks at it.
    Hash = 1,
    /// By number.
    Array = 2,
    /// AF_XDP sockets by number.
    Xsk = 17,
}

#[repr(C)]
#[derive(Default)]
struct MapCreate {
    kind: u32,
    key_size: u32,
    value_size: u32,
    max_entries: u32,
    flags: u32,
    inner_map: u32,
    numa_node: u32,
    name: [u8; 16],
}
// SAFETY: only u32 and bytes, 11 times 4 of them.
unsafe impl Attr for MapCreate {}
const _: () = assert!(size_of::<MapCreate>() == 44);

/// `BPF_F_RDONLY_PROG`: programs only read the map.
pub const READ_ONLY_FOR_PROGRAMS: u32 = 1 << 7;

/// `BPF_F_NO_PREALLOC`: elements get their memory when they are written.
pub const NO_PREALLOC: u32 = 1;

/// Makes a map with keys of 32 bits.
///
/// # Errors
/// What bpf(2) says; `EPERM` also on old kernels when too much memory is locked.
pub fn map_create(kind: MapKind, name: &str, value_size: u32, max_entries: u32, flags: u32) -> io::Result<OwnedFd> {
    let name = name16(name);
    let mut attr =
        MapCreate { kind: kind as u32, key_size: 4, value_size, max_entries, flags, name, ..MapCreate::default() };
    owned(bpf(Command::MapCreate, &mut attr)?)
}

#[repr(C)]
#[derive(Default)]
struct MapElem {
    map: u32,
    gap: u32,
    key: u64,
    value: u64,
    flags: u64,
}
// SAFETY: the gap is a field.
unsafe impl Attr for MapElem {}
const _: () = assert!(size_of::<MapElem>() == 32);

/// Bytes of one value of `map`. Other maps than those of [`map_create`] are refused, whose keys and values have other sizes than they say.
fn value_bytes(map: BorrowedFd<'_>) -> io::Result<usize> {
    // struct bpf_map_info: type, id, key_size, value_size, max_entries, map_flags
    let [kind, _, key_size, value_size, _, _] = info(map)?;
    let ours = [MapKind::Hash, MapKind::Array, MapKind::Xsk].iter().any(|ours| *ours as u32 == kind);
    if ours && key_size == 4 { Ok(value_size as usize) } else { Err(wrong_size()) }
}

fn wrong_size() -> io::Error {
    io::Error::from_raw_os_error(libc::EINVAL)
}

/// Writes an element. `value` has the map's value size.
///
/// # Errors
/// What bpf(2) says; `EINVAL` when the value has not the map's size.
pub fn map_update(map: BorrowedFd<'_>, key: u32, value: &[u8]) -> io::Result<()> {
    if value.len() != value_bytes(map)? {
        return Err(wrong_size());
    }
    let key = [key];
    let mut attr =
        MapElem { map: map.as_raw_fd() as u32, key: address(&key), value: address(value), ..MapElem::default() };
    bpf(Command::MapUpdateElem, &mut attr).map(drop)
}

/// Puts a socket into a map of AF_XDP sockets.
///
/// # Errors
/// What bpf(2) says.
pub fn map_set_socket(map: BorrowedFd<'_>, key: u32, socket: BorrowedFd<'_>) -> io::Result<()> {
    map_update(map, key, &(socket.as_raw_fd() as u32).to_ne_bytes())
}

/// Takes an element out.
///
/// # Errors
/// What bpf(2) says.
pub fn map_delete(map: BorrowedFd<'_>, key: u32) -> io::Result<()> {
    value_bytes(map)?; // the key has the right size
    let key = [key];
    let mut attr = MapElem { map: map.as_raw_fd() as u32, key: address(&key), ..MapElem::default() };
    bpf(Command::MapDeleteElem, &mut attr).map(drop)
}

/// Makes a map constant for user space, too (Linux 5.2).
///
/// # Errors
/// What bpf(2) says.
pub fn map_freeze(map: BorrowedFd<'_>) -> io::Result<()> {
    bpf(Command::MapFreeze, &mut OneFd { fd: map.as_raw_fd() as u32 }).map(drop)
}

#[repr(C)]
struct OneFd {
    fd: u32,
}
// SAFETY: one u32.
unsafe impl Attr for OneFd {}

/// What a program is for, and where it will be attached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProgramKind {
    /// The XDP hook; with `frags` it gets frames of several buffers, too (Linux 5.18).
    Xdp {
        /// `BPF_F_XDP_HAS_FRAGS`
        frags: bool,
        /// The interface that the program is bound to, whose driver's own functions it calls (Linux 6.3); `None`: any.
        card: Option<u32>,
    },
    /// The traffic-control hooks.
    Tc,
}

#[repr(C)]
#[derive(Default)]
struct ProgLoad {
    kind: u32,
    insn_count: u32,
    insns: u64,
    license: u64,
    log_level: u32,
    log_size: u32,
    log: u64,
    kernel_version: u32,
    flags: u32,
    name: [u8; 16],
    ifindex: u32,
    attach_type: u32,
}
// SAFETY: in the kernel's order nothing needs a gap.
unsafe impl Attr for ProgLoad {}
const _: () = assert!(size_of::<ProgLoad>() == 72);

const BPF_F_XDP_HAS_FRAGS: u32 = 1 << 5;
const BPF_F_XDP_DEV_BOUND_ONLY: u32 = 1 << 6;
const BPF_XDP: u32 = 37;
/// The verifier says why it refuses, and counts; it does not print the program (Linux 5.2).
const BPF_LOG_STATS: u32 = 4;

/// A program that was not loaded.
#[derive(Debug)]
pub struct LoadError {
    /// What the system said.
    pub source: io::Error,
    /// What the verifier said, if it came to that.
    pub log: String,
}

/// Loads a program; beside it what the verifier tells about it.
///
/// # Errors
/// What bpf(2) says, and the verifier.
pub fn program_load(kind: ProgramKind, name: &str, insns: &[Insn]) -> Result<(OwnedFd, String), LoadError> {
    let mut log = vec![0_u8; 1 << 16];
    let (kind, flags, attach_type, ifindex) = match kind {
        ProgramKind::Xdp { frags, card } => {
            let several = if frags { BPF_F_XDP_HAS_FRAGS } else { 0 };
            let bound = if card.is_some() { BPF_F_XDP_DEV_BOUND_ONLY } else { 0 };
            (6, several | bound, BPF_XDP, card.unwrap_or(0))
        }
        ProgramKind::Tc => (3, 0, 0, 0),
    };
    // The BSD licence is one that goes together with the GPL; the kernel knows it by this name, and some functions want that.
    let license = c"Dual BSD/GPL".to_bytes_with_nul();
    let result = loop {
        let mut attr = ProgLoad {
            kind,
            insn_count: insns.len() as u32,
            insns: address(insns),
            license: address(license),
            log_level: BPF_LOG_STATS,
            log_size: log.len() as u32,
            log: address_mut(&mut log),
            flags,
            name: name16(name),
            ifindex,
            attach_type,
            ..ProgLoad::default()
        };
        match bpf(Command::ProgLoad, &mut attr).and_then(owned) {
            // A signal came while the verifier worked.
            Err(error) if error.raw_os_error() == Some(libc::EAGAIN) => {}
            result => break result,
        }
    };
    let end = log.iter().position(|&byte| byte == 0).unwrap_or(log.len());
    let log = String::from_utf8_lossy(&log[..end]).into_owned();
    match result {
        Ok(program) => Ok((program, log)),
        Err(source) => Err(LoadError { source, log }),
    }
}

/// How a program that was run in the kernel for a test ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TestRun {
    /// What it returned.
    pub verdict: u32,
    /// The frame afterwards.
    pub frame: Vec<u8>,
    /// A run's mean time, in nanoseconds.
    pub duration_ns: u32,
}

#[repr(C)]
#[derive(Default)]
struct ProgTestRun {
    program: u32,
    verdict: u32,
    size_in: u32,
    size_out: u32,
    data_in: u64,
    data_out: u64,
    repeat: u32,
    duration: u32,
    context_size_in: u32,
    context_size_out: u32,
    context_in: u64,
    context_out: u64,
    flags: u32,
    cpu: u32,
    batch: u32,
    gap: u32,
}
// SAFETY: the gap is a field.
unsafe impl Attr for ProgTestRun {}
const _: () = assert!(size_of::<ProgTestRun>() == 80);

/// What the program says is done with the frames (`BPF_F_TEST_XDP_LIVE_FRAMES`).
const LIVE_FRAMES: u32 = 1 << 1;

/// Runs a program on `frame` (14 bytes at least), `repeat` times, without any interface.
///
/// # Errors
/// What bpf(2) says.
pub fn program_test_run(program: BorrowedFd<'_>, frame: &[u8], repeat: u32) -> io::Result<TestRun> {
    // A program may put metadata in front: the kernel says how much it wrote.
    let mut out = vec![0_u8; frame.len() + 256];
    loop {
        let mut attr = ProgTestRun {
            program: program.as_raw_fd() as u32,
            size_in: frame.len() as u32,
            size_out: out.len() as u32,
            data_in: address(frame),
            data_out: address_mut(&mut out),
            repeat,
            ..ProgTestRun::default()
        };
        match bpf(Command::ProgTestRun, &mut attr) {
            Ok(_) => {
                out.truncate(attr.size_out as usize);
                return Ok(TestRun { verdict: attr.verdict, frame: out, duration_ns: attr.duration });
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Runs a traffic-control program once on `frame`, as one that the card stamped at `stamp_ns` (Linux 5.16): what the program returned.
///
/// # Errors
/// What bpf(2) says.
pub fn program_test_run_stamped(program: BorrowedFd<'_>, frame: &[u8], stamp_ns: u64) -> io::Result<u32> {
    // struct __sk_buff, to its last field: hwtstamp.
    let mut context = [0_u64; 24];
    context[23] = stamp_ns;
    let mut attr = ProgTestRun {
        program: program.as_raw_fd() as u32,
        size_in: frame.len() as u32,
        data_in: address(frame),
        context_size_in: size_of_val(&context) as u32,
        context_in: address(&context),
        repeat: 1,
        ..ProgTestRun::default()
    };
    bpf(Command::ProgTestRun, &mut attr)?;
    Ok(attr.verdict)
}

/// Runs an XDP program on `frames` copies of `frame`, and does with each what the program says, as if a card's driver had
/// received it (Linux 5.18): `XDP_REDIRECT` sends it. The copies are the kernel's own, and used over and over.
///
/// # Errors
/// What bpf(2) says: `EINTR` when a signal came, and not all were sent.
pub fn program_send(program: BorrowedFd<'_>, frame: &[u8], frames: u32) -> io::Result<()> {
    let mut attr = ProgTestRun {
        program: program.as_raw_fd() as u32,
        size_in: frame.len() as u32,
        data_in: address(frame),
        repeat: frames,
        flags: LIVE_FRAMES,
        ..ProgTestRun::default()
    };
    bpf(Command::ProgTestRun, &mut attr).map(drop)
}

/// Which of an interface's XDP hooks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum XdpMode {
    /// In the network stack, for every interface (`XDP_FLAGS_SKB_MODE`).
    Generic,
    /// In the interface's driver (`XDP_FLAGS_DRV_MODE`).
    Native,
    /// On the card (`XDP_FLAGS_HW_MODE`).
    Hardware,
}

impl XdpMode {
    const fn flags(self) -> u32 {
        match self {
            XdpMode::Generic => 1 << 1,
            XdpMode::Native => 1 << 2,
            XdpMode::Hardware => 1 << 3,
        }
    }
}

/// Which way frames go, seen from the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TcHook {
    /// Into the host: from the interface.
    Ingress,
    /// Out of the host: to the interface.
    Egress,
}

#[repr(C)]
#[derive(Default)]
struct LinkCreate {
    program: u32,
    ifindex: u32,
    attach_type: u32,
    flags: u32,
    relative: u32,
    gap: u32,
    expected_revision: u64,
}
// SAFETY: the gap is a field.
unsafe impl Attr for LinkCreate {}
const _: () = assert!(size_of::<LinkCreate>() == 32);

/// Attaches an XDP program as long as the descriptor lives (Linux 5.9): closing it, also by the kernel when the process ends, detaches.
///
/// # Errors
/// What bpf(2) says: `EBUSY` or `EEXIST` when there is another program, `EOPNOTSUPP` where the driver has no such hook.
pub fn link_xdp(program: BorrowedFd<'_>, ifindex: u32, mode: XdpMode) -> io::Result<OwnedFd> {
    let program = program.as_raw_fd() as u32;
    let mut attr = LinkCreate { program, ifindex, attach_type: BPF_XDP, flags: mode.flags(), ..LinkCreate::default() };
    owned(bpf(Command::LinkCreate, &mut attr)?)
}

/// Attaches a traffic-control program behind those that are there (TCX, Linux 6.6), as long as the descriptor lives.
///
/// # Errors
/// What bpf(2) says: `EINVAL` on older kernels.
pub fn link_tcx(program: BorrowedFd<'_>, ifindex: u32, hook: TcHook) -> io::Result<OwnedFd> {
    let attach_type = match hook {
        TcHook::Ingress => 46,
        TcHook::Egress => 47,
    };
    let mut attr = LinkCreate { program: program.as_raw_fd() as u32, ifindex, attach_type, ..LinkCreate::default() };
    owned(bpf(Command::LinkCreate, &mut attr)?)
}

#[repr(C)]
#[derive(Default)]
struct LinkUpdate {
    link: u32,
    program: u32,
    flags: u32,
    old_program: u32,
}
// SAFETY: only u32.
unsafe impl Attr for LinkUpdate {}

/// Puts another program in the place of a link's: each frame meets one of them, none meets both or neither.
///
/// # Errors
/// What bpf(2) says.
pub fn link_update(link: BorrowedFd<'_>, program: BorrowedFd<'_>) -> io::Result<()> {
    let mut attr =
        LinkUpdate { link: link.as_raw_fd() as u32, program: program.as_raw_fd() as u32, ..LinkUpdate::default() };
    bpf(Command::LinkUpdate, &mut attr).map(drop)
}

#[repr(C)]
#[derive(Default)]
struct GetInfo {
    fd: u32,
    len: u32,
    info: u64,
}
// SAFETY: nothing needs a gap.
unsafe impl Attr for GetInfo {}

/// Fills `info`, the words of an info struct, as far as this kernel knows them.
fn info<const WORDS: usize>(fd: BorrowedFd<'_>) -> io::Result<[u32; WORDS]> {
    let mut info = [0_u32; WORDS];
    let len = size_of_val(&info) as u32;
    let mut attr = GetInfo { fd: fd.as_raw_fd() as u32, len, info: address_mut(&mut info) };
    bpf(Command::ObjGetInfoByFd, &mut attr)?;
    Ok(info)
}

/// What the kernel tells about a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProgramInfo {
    /// Its number.
    pub id: u32,
    /// Its name, of up to 15 characters; may be empty.
    pub name: String,
}

/// Information about a loaded program.
///
/// # Errors
/// What bpf(2) says.
pub fn program_info(program: BorrowedFd<'_>) -> io::Result<ProgramInfo> {
    // struct bpf_prog_info: the number in word 1, the name in words 16 to 19.
    let words: [u32; 20] = info(program)?;
    let name: Vec<u8> = words[16..].iter().flat_map(|word| word.to_ne_bytes()).take_while(|&byte| byte != 0).collect();
    Ok(ProgramInfo { id: words[1], name: String::from_utf8_lossy(&name).into_owned() })
}

/// The program with this number.
///
/// # Errors
/// What bpf(2) says: `ENOENT` when there is none, `EPERM` without `CAP_SYS_ADMIN`.
pub fn program_by_id(id: u32) -> io::Result<OwnedFd> {
    #[repr(C)]
    struct ById {
        id: u32,
        next_id: u32,
        open_flags: u32,
    }
    // SAFETY: only u32.
    unsafe impl Attr for ById {}
    owned(bpf(Command::ProgGetFdById, &mut ById { id, next_id: 0, open_flags: 0 })?)
}

/// What the kernel tells about a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkInfo {
    /// The number of the program that is attached by it.
    pub program_id: u32,
    /// The interface's number; 0 when it has been taken away.
    pub ifindex: u32,
}

/// Information about a link made by [`link_xdp`] or [`link_tcx`].
///
/// # Errors
/// What bpf(2) says.
pub fn link_info(link: BorrowedFd<'_>) -> io::Result<LinkInfo> {
    // struct bpf_link_info: type, id, prog_id, a gap, the interface (and TCX's attach type).
    let [_, _, program_id, _, ifindex, _] = info(link)?;
    Ok(LinkInfo { program_id, ifindex })
}

/// Whether this thread has the capabilities for what is done here: `CAP_SYS_ADMIN`, or `CAP_BPF` and `CAP_NET_ADMIN`; maybe those of a user
/// namespace, which are worth nothing here.
pub fn has_capabilities() -> bool {
    const CAP_NET_ADMIN: u32 = 12;
    const CAP_SYS_ADMIN: u32 = 21;
    const CAP_BPF: u32 = 39;
    let status = std::fs::read_to_string("/proc/thread-self/status").unwrap_or_default();
    let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let Some(set) = effective.and_then(|set| u64::from_str_radix(set.trim(), 16).ok()) else { return false };
    let has = |capability: u32| set & 1 << capability != 0;
    has(CAP_SYS_ADMIN) || has(CAP_BPF) && has(CAP_NET_ADMIN)
}
