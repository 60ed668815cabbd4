//! A switch's files and its list of ports: made, taken, reaped.
//!
//! | lock on byte of `switch` | held by | says |
//! |---|---|---|
//! | 0 | who changes the list | one change at a time |
//! | 16 + i | the owner of port i, for as long as it is open | it lives: the kernel gives the lock back however the owner ends |
//!
//! These are open-file-description locks: they belong to the open file, so a fork keeps them and two ports of one
//! process have one each. A process number proves nothing of the kind.

use crate::table;
use crate::{pipe, place};
use nm_core::name::ValeName;
use nm_core::shm::mapping::{Mapping, View};
use nm_core::shm::port_page::PortPage;
use nm_core::shm::switch_page::{NAME_BYTES, PORTS, PortEntry, SWITCH_MAGIC, SwitchPage, VERSION};
use nm_core::sync::Ordering;
use nm_core::{PortError, PortKind, sys};
use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, ErrorKind};
use std::os::fd::AsFd;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicUsize;
use std::time::{Duration, Instant};

const REGISTRY: i64 = 0;
const ALIVE: i64 = 16;
/// How long a change waits for another one.
const CHANGE_PATIENCE: Duration = Duration::from_secs(5);
const DEFAULT_FLOW_MS: u32 = 10;
const O_NOFOLLOW: i32 = 0o400_000;

/// A switch, opened.
pub struct Switch {
    /// `vale0`
    pub name: String,
    /// Its folder.
    pub path: PathBuf,
    file: File,
    ports: File,
    /// Its shared memory.
    pub page: View<SwitchPage>,
    /// The port that this open file is the living owner of; the kernel does not tell a file of its own locks.
    own: AtomicUsize,
}

/// No port.
const NONE: usize = usize::MAX;

/// The right to change the list of ports; given back when dropped.
pub struct Registry<'a> {
    switch: &'a Switch,
}

impl Drop for Registry<'_> {
    fn drop(&mut self) {
        sys::unlock_byte(&self.switch.file, REGISTRY);
    }
}

impl Switch {
    /// Opens a switch, making it when it is not there, and takes the right to change its list.
    pub fn open_or_make(name: &str) -> Result<Switch, PortError> {
        pipe::check(name)?;
        let base = place::base();
        place::ensure_base(&base)?;
        // A switch that goes away between two steps is made anew.
        for _ in 0..1000 {
            let path = base.join(name);
            place::make_folder(&path, 0o700).map_err(|e| place::refused(&path, e))?;
            match Switch::open_in(name, &path, true) {
                Err(PortError::NotFound { .. }) => {}
                other => return other,
            }
        }
        Err(PortError::Io { what: name.into(), source: ErrorKind::TimedOut.into() })
    }

    /// Opens a switch that is there.
    pub fn open(name: &str) -> Result<Switch, PortError> {
        pipe::check(name)?;
        let path = place::base().join(name);
        Switch::open_in(name, &path, false)
    }

    fn open_in(name: &str, path: &Path, make: bool) -> Result<Switch, PortError> {
        let gone = || PortError::NotFound { name: name.into() };
        let found = |e: io::Error, p: &Path| match e.kind() {
            ErrorKind::NotFound => gone(),
            _ => place::refused(p, e),
        };
        let ports_path = path.join(place::PORTS_FOLDER);
        if make {
            match DirBuilder::new().mode(0o777).create(&ports_path) {
                // The mode again: the process's mask took some of it away.
                Ok(()) => std::fs::set_permissions(&ports_path, Permissions::from_mode(0o777))
                    .map_err(|e| found(e, &ports_path))?,
                Err(e) if e.kind() == ErrorKind::AlreadyExists => {}
                Err(e) => return Err(found(e, &ports_path)),
            }
        }
        let file_path = path.join(place::SWITCH_FILE);
        let mut options = OpenOptions::new();
        options.read(true).write(true).custom_flags(O_NOFOLLOW);
        if make {
            options.create(true).mode(0o666);
        }
        let file = options.open(&file_path).map_err(|e| found(e, &file_path))?;
        let ports = File::open(&ports_path).map_err(|e| found(e, &ports_path))?;
        take_registry(name, &file)?;
        let ready = (|| {
            let meta = file.metadata().map_err(|e| found(e, &file_path))?;
            if meta.nlink() == 0 {
                return Err(gone());
            }
            if make && meta.len() == 0 {
                // As above; only the maker may, and only it needs to.
                let _ = file.set_permissions(Permissions::from_mode(0o666));
            }
            prepare(name, &file, &file_path, make)
        })();
        sys::unlock_byte(&file, REGISTRY);
        Ok(Switch { name: name.into(), path: path.into(), file, ports, page: ready?, own: AtomicUsize::new(NONE) })
    }

    /// Takes the right to change the list.
    ///
    /// # Errors
    /// [`PortError::NotFound`] when the switch was removed meanwhile.
    pub fn change(&self) -> Result<Registry<'_>, PortError> {
        take_registry(&self.name, &self.file)?;
        let registry = Registry { switch: self };
        match self.file.metadata() {
            Ok(m) if m.nlink() > 0 => Ok(registry),
            _ => Err(PortError::NotFound { name: self.name.clone() }),
        }
    }

    /// The entries of the list that are taken: (number, entry).
    pub fn taken(&self) -> impl Iterator<Item = (usize, &PortEntry)> {
        // ORDER: Acquire pairs with the Release of `announce`: the entry's other words are visible.
        self.page.ports.iter().enumerate().filter(|(_, e)| e.state.load(Ordering::Acquire) == 1)
    }

    /// Whether the owner of a port is certainly gone.
    pub fn is_dead(&self, index: usize) -> bool {
        // ORDER: Relaxed; set before the port is known to anybody, cleared by its last owner.
        self.own.load(Ordering::Relaxed) != index && !sys::byte_is_locked(&self.file, ALIVE + index as i64)
    }

    /// Whether the other one is this switch, and not a later one of its name.
    pub fn is_same(&self, other: &Switch) -> bool {
        let identity = |s: &Switch| s.file.metadata().map(|m| (m.dev(), m.ino())).ok();
        identity(self).is_some_and(|this| identity(other) == Some(this))
    }

    /// Opens one of the ports' files.
    pub fn open_port_file(&self, name: &Path, flags: i32) -> io::Result<File> {
        sys::openat(self.ports.as_fd(), name, flags | O_NOFOLLOW, 0o666)
    }

    /// Makes one of the ports' FIFOs; anybody who got this far may write it.
    pub fn make_fifo(&self, index: usize) -> io::Result<File> {
        let name = place::fifo_file(index);
        let _ = sys::unlinkat(self.ports.as_fd(), &name);
        sys::mkfifoat(self.ports.as_fd(), &name, 0o666)?;
        let fifo = self.open_port_file(&name, sys::FIFO_FLAGS)?;
        fifo.set_permissions(Permissions::from_mode(0o666))?;
        Ok(fifo)
    }

    /// Maps the control page of a port, for looking at it.
    pub fn port_page(&self, index: usize) -> Option<View<PortPage>> {
        let file = self.open_port_file(&place::port_file(index), sys::READ_WRITE).ok()?;
        View::new(&Mapping::new(&file, size_of::<PortPage>()).ok()?)
    }
}

impl Registry<'_> {
    /// Frees the entries of owners that are gone, and removes their files.
    pub fn reap(&self) {
        let mut reaped = false;
        for (index, entry) in self.switch.taken() {
            if self.switch.is_dead(index) {
                self.free(index, entry);
                reaped = true;
            }
        }
        if reaped {
            // Who died may have published frames and not rung.
            for (index, _) in self.switch.taken() {
                if let Some(page) = self.switch.port_page(index) {
                    crate::bell::ring_anyway(&page);
                }
            }
        }
    }

    /// Frees one entry and removes its files.
    pub fn free(&self, index: usize, entry: &PortEntry) {
        let dir = self.switch.ports.as_fd();
        let _ = sys::unlinkat(dir, &place::port_file(index));
        let _ = sys::unlinkat(dir, &place::fifo_file(index));
        table::forget_port(&self.switch.page.table, index as u8);
        // ORDER: Release; senders that see the entry free stop using it, nothing else depends on it.
        entry.state.store(0, Ordering::Release);
        self.announce_change();
    }

    /// A free entry's number.
    pub fn free_entry(&self) -> Result<usize, PortError> {
        // ORDER: Relaxed; entries change only under this lock.
        let free = self.switch.page.ports.iter().position(|e| e.state.load(Ordering::Relaxed) != 1);
        free.ok_or_else(|| PortError::SwitchFull { switch: self.switch.name.clone(), ports: PORTS })
    }

    /// Makes the file of a port with its first `commit` of `total` bytes committed.
    pub fn make_port_file(&self, index: usize, commit: u64, total: u64) -> io::Result<File> {
        let name = place::port_file(index);
        let dir = self.switch.ports.as_fd();
        let _ = sys::unlinkat(dir, &name);
        let file = self.switch.open_port_file(&name, sys::READ_WRITE | sys::CREATE_NEW)?;
        let made = (|| {
            file.set_permissions(Permissions::from_mode(0o666))?;
            file.set_len(total)?;
            sys::allocate(&file, 0, commit)
        })();
        if let Err(e) = made {
            let _ = sys::unlinkat(dir, &name);
            return Err(e);
        }
        Ok(file)
    }

    /// Removes the file of a port that was not announced.
    pub fn remove_port_file(&self, index: usize) {
        let _ = sys::unlinkat(self.switch.ports.as_fd(), &place::port_file(index));
    }

    /// Marks the caller's open file as the living owner of an entry. False when somebody lives there.
    pub fn mark_alive(&self, index: usize) -> bool {
        let marked = sys::lock_byte(&self.switch.file, ALIVE + index as i64, false).unwrap_or(false);
        if marked {
            // ORDER: Relaxed, as in `is_dead`.
            self.switch.own.store(index, Ordering::Relaxed);
        }
        marked
    }

    /// Gives the mark back.
    pub fn unmark_alive(&self, index: usize) {
        // ORDER: Relaxed, as in `is_dead`.
        self.switch.own.store(NONE, Ordering::Relaxed);
        sys::unlock_byte(&self.switch.file, ALIVE + index as i64);
    }

    /// The generation that the next owner of an entry gets.
    pub fn next_generation(&self, index: usize) -> u32 {
        // ORDER: Relaxed; changes only under this lock.
        self.switch.page.ports[index].generation.load(Ordering::Relaxed).wrapping_add(1)
    }

    /// Puts a port whose file is ready into the list.
    pub fn announce(&self, index: usize, generation: u32, kind: PortKind, name: &str) {
        let entry = &self.switch.page.ports[index];
        // ORDER: Relaxed, all of these: published by the Release below.
        for (cell, word) in entry.name.iter().zip(name_words(name)) {
            cell.store(word, Ordering::Relaxed);
        }
        entry.kind.store(kind_number(kind), Ordering::Relaxed);
        entry.pid.store(std::process::id(), Ordering::Relaxed);
        entry.generation.store(generation, Ordering::Relaxed);
        // ORDER: Release pairs with the Acquire in `taken`.
        entry.state.store(1, Ordering::Release);
        self.announce_change();
    }

    /// Tells senders to read the list again.
    pub fn announce_change(&self) {
        // ORDER: Release pairs with the senders' Acquire: who sees the new number sees the new list.
        self.switch.page.header.generation.fetch_add(1, Ordering::Release);
    }

    /// Removes the switch's files.
    pub fn remove_switch(&self) {
        remove_files(&self.switch.path);
    }

    /// Removes the switch when nobody is left and nobody asked for it to stay.
    pub fn remove_if_idle(&self) {
        // ORDER: Relaxed; a setting.
        let persistent = self.switch.page.header.persistent.load(Ordering::Relaxed) != 0;
        if !persistent && self.switch.taken().next().is_none() {
            self.remove_switch();
        }
    }
}

fn take_registry(name: &str, file: &File) -> Result<(), PortError> {
    let started = Instant::now();
    loop {
        match sys::lock_byte(file, REGISTRY, false) {
            Ok(true) => return Ok(()),
            Ok(false) if started.elapsed() < CHANGE_PATIENCE => std::thread::sleep(Duration::from_micros(200)),
            Ok(false) => {
                let source = io::Error::new(ErrorKind::TimedOut, "another program holds its list of ports");
                return Err(PortError::Io { what: name.into(), source });
            }
            Err(source) => return Err(PortError::Io { what: format!("{name}: lock"), source }),
        }
    }
}

fn prepare(name: &str, file: &File, path: &Path, make: bool) -> Result<View<SwitchPage>, PortError> {
    let corrupt = |why| PortError::Corrupt { path: path.display().to_string(), why };
    let io = |source| PortError::Io { what: path.display().to_string(), source };
    let bytes = size_of::<SwitchPage>();
    let len = file.metadata().map_err(io)?.len();
    if len < bytes as u64 {
        if !make {
            return Err(if len == 0 { PortError::NotFound { name: name.into() } } else { corrupt("it is too short") });
        }
        if len != 0 {
            return Err(corrupt("it is too short"));
        }
        sys::allocate(file, 0, bytes as u64).map_err(|e| match e.raw_os_error() {
            Some(place::ENOSPC) => {
                PortError::NoMemory { port: name.into(), bytes: bytes as u64, path: path.display().to_string() }
            }
            _ => io(e),
        })?;
    }
    let page: View<SwitchPage> =
        View::new(&Mapping::new(file, bytes).map_err(io)?).ok_or_else(|| corrupt("it is too short"))?;
    let h = &page.header;
    // ORDER: Relaxed, all of these: under the registry's lock, whose system calls order them.
    match h.magic.load(Ordering::Relaxed) {
        SWITCH_MAGIC => match h.version.load(Ordering::Relaxed) {
            VERSION => {}
            found => return Err(PortError::Version { switch: name.into(), found, ours: VERSION }),
        },
        // New, or its maker died on the way.
        0 if make => {
            h.version.store(VERSION, Ordering::Relaxed);
            h.flow_ms.store(DEFAULT_FLOW_MS, Ordering::Relaxed);
            // ORDER: Release; who looks without the lock sees the rest.
            h.magic.store(SWITCH_MAGIC, Ordering::Release);
        }
        0 => return Err(PortError::NotFound { name: name.into() }),
        _ => return Err(corrupt("it does not begin as a switch does")),
    }
    Ok(page)
}

/// A name as the words of an entry.
fn name_words(name: &str) -> [u64; NAME_BYTES / 8] {
    let mut bytes = [0u8; NAME_BYTES];
    let n = name.len().min(NAME_BYTES - 1);
    bytes[..n].copy_from_slice(&name.as_bytes()[..n]);
    let mut words = [0u64; NAME_BYTES / 8];
    for (w, b) in words.iter_mut().zip(bytes.chunks_exact(8)) {
        *w = u64::from_ne_bytes(b.try_into().unwrap_or([0; 8]));
    }
    words
}

/// The name in an entry; what can't be printed is replaced.
pub fn entry_name(entry: &PortEntry) -> String {
    // ORDER: Relaxed; published by the entry's state.
    let bytes: Vec<u8> = entry.name.iter().flat_map(|w| w.load(Ordering::Relaxed).to_ne_bytes()).collect();
    let end = bytes.iter().position(|b| *b == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end]).chars().map(|c| if c.is_control() { '?' } else { c }).collect()
}

fn kind_number(kind: PortKind) -> u32 {
    match kind {
        PortKind::Port => 0,
        PortKind::Listener => 1,
        PortKind::MonitorTx => 2,
        PortKind::MonitorRx => 3,
    }
}

/// What sort of port an entry is; an unknown number is a port that nobody finds.
pub fn entry_kind(entry: &PortEntry) -> PortKind {
    // ORDER: Relaxed; published by the entry's state.
    match entry.kind.load(Ordering::Relaxed) {
        1 => PortKind::Listener,
        2 => PortKind::MonitorTx,
        3 => PortKind::MonitorRx,
        _ => PortKind::Port,
    }
}

fn remove_files(path: &Path) {
    if let Ok(entries) = std::fs::read_dir(path.join(place::PORTS_FOLDER)) {
        for e in entries.flatten() {
            let _ = std::fs::remove_file(e.path());
        }
    }
    // The file goes last but for the folders: an opener that holds it sees that it has no name any more.
    let _ = std::fs::remove_dir(path.join(place::PORTS_FOLDER));
    let _ = std::fs::remove_file(path.join(place::SWITCH_FILE));
    let _ = std::fs::remove_dir(path);
}

/// Removes a switch that can't be opened, if no port of it lives.
pub fn remove_unreadable(name: &str) -> Result<(), PortError> {
    ValeName::check_switch(name)?;
    let path = place::base().join(name);
    let file_path = path.join(place::SWITCH_FILE);
    let file = OpenOptions::new().read(true).write(true).custom_flags(O_NOFOLLOW).open(&file_path);
    let file = file.map_err(|e| place::refused(&file_path, e))?;
    if (0..PORTS as i64).any(|i| sys::byte_is_locked(&file, ALIVE + i)) {
        return Err(PortError::InUse { port: name.into() });
    }
    remove_files(&path);
    Ok(())
}
