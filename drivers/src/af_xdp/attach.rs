//! The program on the interface, and the filter in it.

use crate::Error;
use crate::bpf::btf::Function;
use crate::bpf::{CardTime, Filtering, Link, Tags, XdpProgram, attach_xdp};
use crate::sys::bpf::{MapKind, XdpMode, map_create, map_delete, map_set_socket};
use crate::sys::netdev::{XdpFeatures, xdp_features};
use crate::sys::xdp::XdpSocket;
use filter::engine::ebpf::{self, XdpFilter};
use filter::insn::op::RET;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What our programs are called.
pub const PROGRAM: &str = "nm_port";
/// How long a port's end is waited for.
const GIVEN_BACK: Duration = Duration::from_millis(100);

/// Takes all frames.
const ALL: filter::Insn = filter::Insn::new(RET, u32::MAX);

/// A program that was loaded in time, for filters that can't be.
struct Foreseen {
    map: OwnedFd,
    program: OwnedFd,
    /// It is the one on the interface.
    runs: bool,
}

/// What a port's programs are to be.
pub struct Wanted {
    /// Where they run.
    pub mode: XdpMode,
    /// The card's receive queues.
    pub queues: u32,
    /// They are given frames of several buffers.
    pub frags: bool,
    /// They put VLAN tags back, where kernel and driver can tell them.
    pub tags: bool,
    /// They take the card's times, where kernel and driver can tell them.
    pub stamped: bool,
    /// The host gets nothing that the port's queues receive.
    pub exclusive: bool,
}

/// A port's program, on its interface until this is dropped.
pub struct Attachment {
    link: Link,
    sockets: OwnedFd,
    frags: bool,
    exclusive: bool,
    /// The programs put VLAN tags back.
    tags: Option<Tags>,
    /// They take the card's times.
    pub card_time: Option<CardTime>,
    /// Counts the programs.
    generation: u32,
    /// A filter runs in the kernel.
    pub filters: bool,
    foreseen: Option<Foreseen>,
    /// Whose frames go to which socket.
    pub queues: Vec<(u32, Arc<XdpSocket>)>,
}

impl Attachment {
    /// Attaches a program that gives every frame to the host, until [`Attachment::give`] knows the sockets.
    ///
    /// # Errors
    /// [`Error::Attached`] by whom, [`Error::NoHook`] where the driver has none.
    pub fn new(ifindex: u32, wanted: &Wanted) -> Result<Attachment, Error> {
        let Wanted { mode, queues, frags, tags, stamped, exclusive } = *wanted;
        let made = map_create(MapKind::Xsk, "nm_sockets", 4, queues.max(1), 0);
        let sockets = made.map_err(|source| Error::system("make a map of sockets", source))?;
        let xskmap = sockets.as_fd();
        let load = |tags, card_time| XdpProgram { frags, tags, card_time, exclusive, ..XdpProgram::new(xskmap) }.load();
        // The network stack tells no program, and not every driver does.
        let native = mode == XdpMode::Native && (tags || stamped);
        let features = if native { xdp_features(ifindex).ok().flatten() } else { None };
        let told = |wanted, tells: fn(XdpFeatures) -> bool, function: Function| {
            features.filter(|features| wanted && tells(*features)).and_then(|_| function.number())
        };
        let tags = told(tags, XdpFeatures::vlan_tags, Function::VlanTag).map(|function| Tags { ifindex, function });
        let card_time = told(stamped, XdpFeatures::receive_times, Function::ReceiveTime)
            .map(|function| CardTime { ifindex, function });
        // What a driver can't tell it says frame by frame. Where none can be asked, neither loads.
        let asking = if tags.is_some() || card_time.is_some() { load(tags, card_time).ok() } else { None };
        let (tags, card_time) = (tags.filter(|_| asking.is_some()), card_time.filter(|_| asking.is_some()));
        let program = asking.map_or_else(|| load(None, None), Ok)?;
        let start = Instant::now();
        let link = loop {
            match attach_xdp(program.as_fd(), ifindex, mode) {
                // A port that was just closed: a child of its process may still have its descriptors, on its way to exec.
                Err(Error::Attached { name, .. }) if name == PROGRAM && start.elapsed() < GIVEN_BACK => {
                    std::thread::sleep(Duration::from_millis(1));
                }
                result => break result?,
            }
        };
        let (generation, filters, foreseen, queues) = (0, false, None, Vec::new());
        Ok(Attachment { link, sockets, frags, exclusive, tags, card_time, generation, filters, foreseen, queues })
    }

    /// Whether VLAN tags that lie beside their frames come to be in them.
    pub fn puts_tags_back(&self) -> bool {
        self.tags.is_some()
    }

    /// From now on frames of the queues go to their sockets.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn give(&self) -> Result<(), Error> {
        for (number, socket) in &self.queues {
            map_set_socket(self.sockets.as_fd(), *number, socket.as_fd())
                .map_err(|source| Error::system("give frames to a socket", source))?;
        }
        Ok(())
    }

    /// From now on all frames go to the host.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn take_back(&self) -> Result<(), Error> {
        for (number, _) in &self.queues {
            map_delete(self.sockets.as_fd(), *number)
                .map_err(|source| Error::system("give frames to the host", source))?;
        }
        Ok(())
    }

    /// Gets ready for filters that come when the process has no privileges any more. Where that can't be, [`Attachment::filter`] fails then.
    pub fn foresee(&mut self) {
        // Frames of several buffers are not what it can read.
        if self.frags {
            return;
        }
        let made = Filtering::map().and_then(|map| {
            let filter = Filtering::Written(map.as_fd());
            let program = XdpProgram { filter, ..self.program() }.load()?;
            Ok(Foreseen { map, program, runs: false })
        });
        self.foreseen = made.ok();
    }

    /// Puts a filter into the kernel in the last one's place; one that can't run there takes all frames. Each frame meets one of them.
    ///
    /// # Errors
    /// Why the filter does not run there. When the interface is gone, nothing does.
    pub fn filter(&mut self, program: &[filter::Insn]) -> Result<(), Error> {
        let result = self.take(program);
        if result.is_err() && self.filters {
            // The old one may refuse what the new one accepts.
            self.replace(Filtering::Nothing).or_else(|error| self.write(&[ALL], error))?;
        }
        result
    }

    fn take(&mut self, program: &[filter::Insn]) -> Result<(), Error> {
        // What the driver can't tell apart comes here, and the reader does.
        let program = ebpf::wider(program)?;
        let filter = XdpFilter::new(&program)?;
        self.replace(Filtering::Fixed(&filter)).or_else(|error| self.write(&program, error))
    }

    fn replace(&mut self, filter: Filtering<'_>) -> Result<(), Error> {
        let generation = self.generation.wrapping_add(1);
        let program = XdpProgram { filter, generation, ..self.program() }.load()?;
        self.link.replace(program.as_fd())?;
        self.generation = generation;
        self.filters = !matches!(filter, Filtering::Nothing);
        if let Some(foreseen) = &mut self.foreseen {
            foreseen.runs = false;
        }
        Ok(())
    }

    /// By the program that was foreseen; `otherwise` when there is none, or none for this filter.
    fn write(&mut self, program: &[filter::Insn], otherwise: Error) -> Result<(), Error> {
        let Some(foreseen) = &mut self.foreseen else { return Err(otherwise) };
        let generation = self.generation.wrapping_add(1);
        Filtering::write(foreseen.map.as_fd(), program, generation).map_err(|_| otherwise)?;
        if !foreseen.runs {
            self.link.replace(foreseen.program.as_fd())?;
            foreseen.runs = true;
        }
        self.generation = generation;
        self.filters = true;
        Ok(())
    }

    /// What all its programs have in common.
    fn program(&self) -> XdpProgram<'_> {
        let Attachment { frags, tags, card_time, exclusive, .. } = *self;
        XdpProgram { frags, tags, card_time, exclusive, ..XdpProgram::new(self.sockets.as_fd()) }
    }
}
