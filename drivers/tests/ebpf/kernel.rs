//! A filter in the kernel: as part of a port's XDP program, run on frames without an interface.

use crate::common::late_program;
use drivers::Error;
use drivers::bpf::{Filtering, METADATA_LEN, Metadata, XdpProgram};
use drivers::sys::bpf::{MapKind, map_create, program_test_run};
use filter::Insn;
use filter::engine::ebpf::{self, XdpFilter, XdpRefusal};
use filter::insn::op::AD_OFF;
use std::collections::BTreeMap;
use std::os::fd::{AsFd, OwnedFd};
use std::rc::Rc;

/// What programs need beside themselves.
pub struct Kernel {
    sockets: OwnedFd,
    /// The program that interprets filters, and their map; not on every kernel.
    late: Option<(Rc<OwnedFd>, OwnedFd)>,
}

/// What the metadata must say.
const GENERATION: u32 = 0xfeed_0001;

/// A filter that the verifier took.
pub struct Loaded(Rc<OwnedFd>);

impl Kernel {
    /// `None` where this process may not load programs, which it says.
    pub fn new() -> Option<Kernel> {
        let map = match Filtering::map() {
            Ok(map) => map,
            Err(error @ Error::Permission { .. }) => {
                compat_tests::process::skipped(&error.to_string());
                return None;
            }
            Err(error) => panic!("{error}"),
        };
        let sockets = map_create(MapKind::Xsk, "test", 4, 1, 0).expect("a map of sockets");
        let late = late_program(map.as_fd(), sockets.as_fd()).map(|program| (Rc::new(program), map));
        Some(Kernel { sockets, late })
    }

    /// The filter written where the loaded program looks for it; `None` without such a program.
    pub fn write(&self, program: &[Insn]) -> Option<Loaded> {
        let (late, map) = self.late.as_ref()?;
        Filtering::write(map.as_fd(), program, GENERATION).expect("written");
        Some(Loaded(Rc::clone(late)))
    }

    fn program<'a>(&'a self, filter: &'a XdpFilter, frags: bool) -> XdpProgram<'a> {
        let program = XdpProgram::new(self.sockets.as_fd());
        XdpProgram { filter: Filtering::Fixed(filter), generation: GENERATION, frags, ..program }
    }

    pub fn load(&self, filter: &XdpFilter, frags: bool) -> Result<Loaded, Error> {
        Ok(Loaded(Rc::new(self.program(filter, frags).load()?)))
    }

    pub fn insns(&self, filter: &XdpFilter, frags: bool) -> Vec<ebpf::Insn> {
        self.program(filter, frags).insns(None).expect("instructions")
    }
}

impl Loaded {
    /// Whether the filter accepts `frame`, of 14 bytes at least. What is said of it by verdict and metadata agrees.
    pub fn accepts(&self, frame: &[u8]) -> bool {
        let run = program_test_run(self.0.as_fd(), frame, 1).expect("a run");
        assert_eq!(run.verdict, 2, "XDP_PASS: there is no socket");
        let metadata = run.frame.len() - frame.len();
        assert_eq!(&run.frame[metadata..], frame, "the frame is as it was");
        match run.frame[..metadata].first_chunk::<METADATA_LEN>() {
            Some(bytes) => {
                let metadata = Metadata::read(bytes).expect("metadata");
                assert_eq!(metadata.generation, GENERATION);
                assert!(metadata.time_ns > 0);
                true
            }
            None => {
                assert_eq!(metadata, 0);
                false
            }
        }
    }
}

/// How programs fared.
#[derive(Default)]
pub struct Tally {
    /// By the verifier.
    pub taken: usize,
    /// Were written into a map instead, too.
    pub written: usize,
    /// By the verifier, by its reason without numbers.
    pub refused: BTreeMap<String, usize>,
    /// Without meaning at this hook: so many have loops, so many load what is beside a packet.
    pub senseless: (usize, usize),
    pub frames: usize,
    pub accepted: usize,
}

impl Tally {
    pub fn refused(&self) -> usize {
        self.refused.values().sum()
    }

    /// Says it past the capture of the test harness.
    pub fn say(&self, what: &str) {
        let Tally { taken, written, refused, senseless: (loops, beside), frames, accepted } = self;
        compat_tests::process::say(&format!(
            "{what}: the verifier took {taken}, refused {} {refused:?}, {written} were written into a map; {accepted} of {frames} frames accepted; \
             {loops} with loops, {beside} with loads beside the packet were not for it",
            self.refused()
        ));
    }

    /// Holds `program` in the kernel against the interpreter on `frames`.
    pub fn compare(&mut self, kernel: &Kernel, program: &[Insn], frags: bool, frames: &[Vec<u8>]) {
        let filter = match XdpFilter::new(program) {
            Ok(filter) => filter,
            Err(XdpRefusal::Loop(at)) => {
                assert!((program[at].k as i32) < 0);
                self.senseless.0 += 1;
                return;
            }
            Err(XdpRefusal::Ancillary(at)) => {
                assert!(program[at].k >= AD_OFF);
                self.senseless.1 += 1;
                return;
            }
            Err(refusal) => panic!("{refusal}: {program:?}"),
        };
        let loaded = match kernel.load(&filter, frags) {
            Ok(loaded) => loaded,
            Err(Error::Verifier { line, .. }) => {
                let reason = line.chars().map(|c| if c.is_ascii_digit() { '#' } else { c }).collect();
                *self.refused.entry(reason).or_default() += 1;
                return;
            }
            Err(error) => panic!("{error}: {program:?}"),
        };
        self.taken += 1;
        for frame in frames.iter().filter(|frame| frame.len() >= 14) {
            let verdict = filter::engine::interpret(program, frame, frame.len() as u32, None) != 0;
            assert_eq!(loaded.accepts(frame), verdict, "{} bytes {frame:x?}: {program:?}", frame.len());
            self.frames += 1;
            self.accepted += usize::from(verdict);
        }
        // That one looks at first buffers only.
        let Some(written) = (program.len() <= 1024 && !frags).then(|| kernel.write(program)).flatten() else { return };
        self.written += 1;
        for frame in frames.iter().filter(|frame| frame.len() >= 14) {
            let verdict = filter::engine::interpret(program, frame, frame.len() as u32, None) != 0;
            assert_eq!(written.accepts(frame), verdict, "written: {} bytes {frame:x?}: {program:?}", frame.len());
        }
    }
}
