//! The XDP program of a port. The picture is in the module above.

use super::metadata::{GENERATION, MARK, MARK_AT, MARK_OF_CARD, METADATA_LEN, TIME};
use super::{CardTime, Tags};
use crate::Error;
use crate::sys::bpf::{MapKind, NO_PREALLOC, ProgramKind, READ_ONLY_FOR_PROGRAMS, map_create, map_freeze, map_update};
use filter::engine::ebpf::{Asm, Helper, If, Insn, Op, Operand, Place, Reg, Width, XdpFilter, XdpInterpreter};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

/// Which frames a port's program takes.
#[derive(Clone, Copy, Debug)]
pub enum Filtering<'a> {
    /// All.
    Nothing,
    /// Those of a filter that is part of the program.
    Fixed(&'a XdpFilter),
    /// Those of the filter that lies in this map, with its generation ([`Filtering::map`], [`Filtering::write`]); none while it is empty.
    Written(BorrowedFd<'a>),
}

impl Filtering<'_> {
    /// A map for [`Filtering::Written`].
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn map() -> Result<OwnedFd, Error> {
        map_create(MapKind::Hash, "nm_late_filter", XdpInterpreter::VALUE_BYTES as u32, 1, NO_PREALLOC)
            .map_err(|source| Error::system("make a map for a filter", source))
    }

    /// Writes a filter into such a map, in the last one's place. Each frame meets one of them whole. Takes no privileges.
    ///
    /// # Errors
    /// Why the filter can't run there; when the kernel refuses.
    pub fn write(map: BorrowedFd<'_>, program: &[filter::Insn], generation: u32) -> Result<(), Error> {
        let value = XdpInterpreter::value(program, generation)?;
        map_update(map, 0, &value).map_err(|source| Error::system("write a filter", source))
    }
}

/// What the program of a port is made of.
#[derive(Clone, Copy, Debug)]
pub struct XdpProgram<'a> {
    /// The sockets by receive queue: a map of kind [`MapKind::Xsk`].
    pub xskmap: BorrowedFd<'a>,
    /// Which frames it takes.
    pub filter: Filtering<'a>,
    /// What frames carry that it accepted, beside their time; where a filter is written, its own.
    pub generation: u32,
    /// It is given frames of several buffers (Linux 5.18), where driver and sockets have them.
    pub frags: bool,
    /// Frames get their VLAN tags back that the card has taken out.
    pub tags: Option<Tags>,
    /// The time that frames carry is the card's own, where the card tells one.
    pub card_time: Option<CardTime>,
    /// Refused frames end here. The host gets those of queues that have no socket, and no others.
    pub exclusive: bool,
}

/// `struct xdp_md`: where its fields are.
const DATA: i16 = 0;
const DATA_META: i16 = 8;
const RX_QUEUE_INDEX: i16 = 16;

/// `enum xdp_action`.
const XDP_DROP: i32 = 1;
const XDP_PASS: i32 = 2;
const XDP_REDIRECT: i32 = 4;

impl<'a> XdpProgram<'a> {
    /// One without a filter that asks the card nothing, for frames of one buffer.
    pub fn new(xskmap: BorrowedFd<'a>) -> XdpProgram<'a> {
        let (filter, generation, frags, tags, card_time, exclusive) = (Filtering::Nothing, 0, false, None, None, false);
        XdpProgram { xskmap, filter, generation, frags, tags, card_time, exclusive }
    }

    /// Loads it.
    ///
    /// # Errors
    /// [`Error::Verifier`] when the kernel does not take the filter; then a program without it serves, and the filter runs elsewhere.
    pub fn load(&self) -> Result<OwnedFd, Error> {
        let table = match self.filter {
            Filtering::Fixed(filter) if !filter.table().is_empty() => Some(table_map(filter.table())?),
            _ => None,
        };
        let insns = self.insns(table.as_ref().map(AsFd::as_fd))?;
        // The program holds its maps from here on.
        let card = self.tags.map(|tags| tags.ifindex).or(self.card_time.map(|time| time.ifindex));
        super::load(ProgramKind::Xdp { frags: self.frags, card }, "nm_port", &insns)
    }

    /// Its instructions; `table` is the array map with the filter's table, if it has one.
    ///
    /// # Errors
    /// [`Error::Assembler`].
    pub fn insns(&self, table: Option<BorrowedFd<'_>>) -> Result<Vec<Insn>, Error> {
        use Operand::{Imm, Reg as R};
        use Reg::{R0, R1, R6};
        let mut asm = Asm::new();
        let (accept, reject, host) = (asm.label(), asm.label(), asm.label());
        asm.push(Insn::alu64(Op::Mov, R6, R(R1)));
        if let Some(tags) = self.tags {
            tags.put_back(&mut asm, reject);
        }
        match self.filter {
            Filtering::Nothing => {}
            Filtering::Fixed(filter) => {
                let table = table.map_or(-1, |table| table.as_raw_fd());
                filter.emit(&mut asm, &Place { accept, reject, table, frags: self.frags });
            }
            Filtering::Written(map) => XdpInterpreter { map: map.as_raw_fd() }.emit(&mut asm, accept, reject),
        }
        asm.place(accept);
        self.metadata(&mut asm);
        self.socket(&mut asm);
        asm.jump32(If::Ne, R0, Imm(XDP_REDIRECT), host);
        asm.push(Insn::exit());
        asm.place(reject);
        if self.exclusive {
            self.socket(&mut asm);
            asm.jump32(If::Ne, R0, Imm(XDP_REDIRECT), host);
            asm.push(Insn::alu32(Op::Mov, R0, Imm(XDP_DROP)));
            asm.push(Insn::exit());
        }
        // The host gets the frame as it came.
        asm.place(host);
        if self.tags.is_some() {
            Tags::take_out(&mut asm);
        }
        asm.push(Insn::alu32(Op::Mov, R0, Imm(XDP_PASS)));
        asm.push(Insn::exit());
        Ok(asm.finish()?)
    }

    /// Whether the frame's queue has a socket: R0 is XDP_REDIRECT then, and XDP_PASS if it has none. Nothing is sent there until
    /// the program returns that.
    fn socket(&self, asm: &mut Asm) {
        use Reg::{R1, R2, R3, R6};
        asm.push_double(Insn::map(R1, self.xskmap.as_raw_fd()));
        asm.push(Insn::load(Width::W32, R2, R6, RX_QUEUE_INDEX));
        asm.push(Insn::alu32(Op::Mov, R3, Operand::Imm(XDP_PASS)));
        asm.push(Insn::call(Helper::RedirectMap));
    }

    /// Writes the metadata, where there is room. Pointers to the frame are worth nothing after that.
    fn metadata(&self, asm: &mut Asm) {
        use Operand::{Imm, Reg as R};
        use Reg::{R0, R1, R2, R3, R6, R7, R8};
        let none = asm.label();
        if let Some(card_time) = self.card_time {
            card_time.ask(asm);
        }
        asm.push(Insn::alu64(Op::Mov, R1, R(R6)));
        asm.push(Insn::alu32(Op::Mov, R2, Imm(-(METADATA_LEN as i32))));
        asm.push(Insn::call(Helper::XdpAdjustMeta));
        asm.jump32(If::Ne, R0, Imm(0), none);
        let told = asm.label();
        if self.card_time.is_some() {
            CardTime::told(asm);
            asm.push(Insn::alu32(Op::Mov, R8, Imm(MARK_OF_CARD as i32)));
            asm.jump(If::Ne, R0, Imm(0), told);
        }
        asm.push(Insn::call(Helper::KtimeGetNs));
        asm.push(Insn::alu32(Op::Mov, R8, Imm(MARK as i32)));
        asm.place(told);
        asm.push(Insn::load(Width::W32, R2, R6, DATA_META));
        asm.push(Insn::load(Width::W32, R7, R6, DATA));
        asm.push(Insn::alu64(Op::Mov, R3, R(R2)));
        asm.push(Insn::alu64(Op::Add, R3, Imm(METADATA_LEN as i32)));
        asm.jump(If::Gt, R3, R(R7), none);
        asm.push(Insn::store(Width::W64, R2, TIME, R0));
        if let Filtering::Written(_) = self.filter {
            XdpInterpreter::tag(asm, R1);
            asm.push(Insn::store(Width::W32, R2, GENERATION, R1));
        } else {
            asm.push(Insn::store_imm(Width::W32, R2, GENERATION, self.generation as i32));
        }
        asm.push(Insn::store(Width::W32, R2, MARK_AT, R8));
        asm.place(none);
    }
}

/// A constant map of one element.
fn table_map(words: &[u64]) -> Result<OwnedFd, Error> {
    let failed = |source| Error::system("make a filter's table", source);
    let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_ne_bytes()).collect();
    let map = map_create(MapKind::Array, "nm_filter", bytes.len() as u32, 1, READ_ONLY_FOR_PROGRAMS).map_err(failed)?;
    map_update(map.as_fd(), 0, &bytes).map_err(failed)?;
    map_freeze(map.as_fd()).map_err(failed)?;
    Ok(map)
}
