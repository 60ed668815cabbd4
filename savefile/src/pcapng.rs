//! pcapng files: sections of blocks, each between two copies of its length.
//!
//! ```text
//! block      type  length  ... a multiple of four bytes ...  length
//! section    0a0d0d0a  byte order  major minor  length of the section  options
//! interface  1  linktype  snaplen  options: resolution and offset of its times
//! frame      6  interface  time (64 bits)  caplen  len  bytes, padding  options      enhanced
//!            3  len  bytes, padding                                                  simple, of interface 0
//!            2  interface drops  time (64 bits)  caplen  len  bytes, padding, options  obsolete
//! ```
//! Follows the Internet-Draft of the format as far as libpcap does: all interfaces have one link type and one snap length, all sections one
//! byte order. Blocks that hold no frames and describe no interface are passed over without being kept.

mod interfaces;
mod options;

use crate::error::{Error, PcapngError};
use crate::input::Input;
use crate::linktype;
use crate::pseudo::Pseudo;
use crate::rx::{Frame, Head, Taken};
use crate::{Info, Precision};
use interfaces::{Interfaces, Times};
use std::io::Read;

const SECTION: u32 = 0x0a0d_0d0a;
const INTERFACE: u32 = 1;
const OBSOLETE_FRAME: u32 = 2;
const SIMPLE_FRAME: u32 = 3;
const ENHANCED_FRAME: u32 = 6;

const BYTE_ORDER: u32 = 0x1a2b_3c4d;

/// Type and length before a block's body, and with the length behind it.
const HEAD: usize = 8;
const AROUND: usize = 12;
/// A section header without options, and the longest that a file may begin with.
const SECTION_BLOCK: u32 = 28;
const LONGEST_FIRST_SECTION: u32 = 1 << 20;
/// The longest block, unless frames of the link type may be longer: those have 128 KiB of options at most.
const LONGEST_BLOCK: u32 = 16 << 20;
const FRAME_AROUND: u32 = 8 + 20 + (128 << 10) + 4;
/// Fixed parts of the blocks that hold frames.
const ENHANCED: usize = 20;
const SIMPLE: usize = 4;

pub(crate) struct Pcapng {
    swapped: bool,
    interfaces: Interfaces,
    precision: Precision,
    linktype: i32,
    snaplen: u32,
    longest_block: u32,
    pseudo: Option<Pseudo>,
    passing: Option<Passing>,
}

/// A block that is passed over, from behind its head to its end.
struct Passing {
    length: u32,
    left: usize,
}

/// Whether a file begins as pcapng files do.
pub(crate) fn is_magic(bytes: [u8; 4]) -> bool {
    u32::from_ne_bytes(bytes) == SECTION
}

/// A block whose head was looked at.
struct Block {
    kind: u32,
    length: u32,
}

impl Pcapng {
    /// Reads the file up to its first interface. The first four bytes are known to be right.
    pub(crate) fn open<R: Read>(input: &mut Input<R>, precision: Precision) -> Result<(Pcapng, Info), Error> {
        let (length, swapped) = first_section(input)?;
        let rest = length as usize - AROUND;
        let got = input.need(length as usize)?;
        if got < length as usize {
            return Err(Error::ShortBlock { wanted: rest, got: got - AROUND });
        }
        let mut pcapng = Pcapng {
            swapped,
            interfaces: Interfaces::new(precision),
            precision,
            linktype: 0,
            snaplen: 0,
            longest_block: LONGEST_BLOCK,
            pseudo: None,
            passing: None,
        };
        let (major, minor) = (pcapng.u16(input, 12), pcapng.u16(input, 14));
        if major != 1 || !(minor == 0 || minor == 2) {
            return Err(PcapngError::Version(major, minor).into());
        }
        input.take(length as usize);

        loop {
            let Some(block) = pcapng.block(input)? else { return Err(PcapngError::NoInterface.into()) };
            match block.kind {
                INTERFACE => {
                    let (linktype, snaplen) = pcapng.interface(input, &block)?;
                    pcapng.linktype = linktype::to_dlt(linktype.into());
                    pcapng.snaplen = linktype::adjusted_snaplen(pcapng.linktype, snaplen);
                    pcapng.describe(input, &block)?;
                    input.take(block.length as usize);
                    break;
                }
                ENHANCED_FRAME | SIMPLE_FRAME | OBSOLETE_FRAME => {
                    return Err(PcapngError::FrameBeforeInterface.into());
                }
                // Without an interface a further section changes nothing, whatever it says.
                _ => input.take(block.length as usize),
            }
        }
        pcapng.longest_block = LONGEST_BLOCK.max(linktype::max_snaplen(pcapng.linktype) + FRAME_AROUND);
        pcapng.pseudo = Pseudo::of(pcapng.linktype, swapped);
        let info = Info {
            linktype: pcapng.linktype,
            linktype_ext: 0,
            snaplen: pcapng.snaplen,
            swapped,
            major,
            minor,
            precision,
            bufsize: length.max(2048),
        };
        Ok((pcapng, info))
    }

    #[inline(always)]
    fn order(&self, field: u32) -> u32 {
        if self.swapped { field.swap_bytes() } else { field }
    }

    /// A field of the block that is unread; 0 where there is none, which the block's length was checked for.
    fn u32<R: Read>(&self, input: &Input<R>, at: usize) -> u32 {
        let field = input.unread().get(at..).and_then(|rest| rest.first_chunk());
        self.order(field.map_or(0, |&field| u32::from_ne_bytes(field)))
    }

    fn u16<R: Read>(&self, input: &Input<R>, at: usize) -> u16 {
        let field = input.unread().get(at..).and_then(|rest| rest.first_chunk());
        let field = field.map_or(0, |&field| u16::from_ne_bytes(field));
        if self.swapped { field.swap_bytes() } else { field }
    }

    /// Whether there may be ordinary frames.
    #[inline(always)]
    fn is_ordinary(&self) -> bool {
        self.pseudo.is_none() && self.passing.is_none()
    }

    /// The frame that `bytes` begin with, if it is an ordinary enhanced one and its block is all there, and the bytes that
    /// it takes.
    #[inline(always)]
    pub(crate) fn first<'a>(&mut self, bytes: &'a [u8]) -> Option<(Frame<'a>, usize)> {
        if !self.is_ordinary() {
            return None;
        }
        let head = bytes.first_chunk::<{ HEAD + ENHANCED }>()?;
        let word = |i: usize| self.order(u32::from_ne_bytes([head[i], head[i + 1], head[i + 2], head[i + 3]]));
        let (length, caplen) = (word(4) as usize, word(20) as usize);
        if word(0) != ENHANCED_FRAME || length % 4 != 0 || length > bytes.len() {
            return None;
        }
        let trailer = bytes.get(length.checked_sub(4)?..)?.first_chunk()?;
        if self.order(u32::from_ne_bytes(*trailer)) as usize != length
            || caplen > self.snaplen as usize
            || caplen + AROUND + ENHANCED > length
        {
            return None;
        }
        let (interface, len) = (word(8), word(24));
        let time = u64::from(word(12)) << 32 | u64::from(word(16));
        let (sec, fraction) = self.interfaces.times(interface)?.split(time);
        let data = bytes.get(HEAD + ENHANCED..HEAD + ENHANCED + caplen)?;
        Some((Head { sec, fraction, len }.of(data), length))
    }

    /// Has the next frame in memory, if it may be an ordinary one; false when it isn't.
    #[inline]
    pub(crate) fn fill<R: Read>(&self, input: &mut Input<R>) -> Result<bool, Error> {
        if !self.is_ordinary() || !input.has(HEAD)? {
            return Ok(false);
        }
        let (kind, length) = (self.u32(input, 0), self.u32(input, 4));
        let ordinary = kind == ENHANCED_FRAME && length % 4 == 0 && length as usize >= AROUND + ENHANCED;
        Ok(ordinary && length <= self.longest_block && input.has(length as usize)?)
    }

    /// The next frame, whatever it takes; `None` at the end of the file.
    pub(crate) fn next<R: Read>(&mut self, input: &mut Input<R>, info: &Info) -> Result<Option<Taken>, Error> {
        loop {
            let Some(block) = self.block(input)? else { return Ok(None) };
            let length = block.length as usize;
            let done = match block.kind {
                ENHANCED_FRAME | SIMPLE_FRAME | OBSOLETE_FRAME => self.frame(input, &block).map(Some),
                INTERFACE => self.another_interface(input, &block, info).map(|()| None),
                SECTION => self.another_section(input, &block).map(|()| None),
                _ => Ok(None),
            };
            // The whole block was read, right or wrong.
            input.take(length);
            if let Some(frame) = done? {
                return Ok(Some(frame));
            }
        }
    }

    /// Has a block whole and unread: one of those that matter. Others are passed over. `None` at the end of the file.
    fn block<R: Read>(&mut self, input: &mut Input<R>) -> Result<Option<Block>, Error> {
        loop {
            self.pass(input)?;
            let got = input.need(HEAD)?;
            if got < HEAD {
                input.take_all();
                return if got == 0 { Ok(None) } else { Err(Error::ShortBlock { wanted: HEAD, got }) };
            }
            let block = Block { kind: self.u32(input, 0), length: self.u32(input, 4) };
            let length = block.length as usize;
            let wrong = if length < AROUND {
                Some(PcapngError::BlockTooShort(block.length))
            } else if length % 4 != 0 {
                Some(PcapngError::BlockOdd(block.length))
            } else if block.length > self.longest_block {
                Some(PcapngError::BlockTooLong(block.length, self.longest_block))
            } else {
                None
            };
            if let Some(wrong) = wrong {
                input.take(HEAD);
                return Err(wrong.into());
            }
            if !matches!(block.kind, ENHANCED_FRAME | SIMPLE_FRAME | OBSOLETE_FRAME | INTERFACE | SECTION) {
                input.take(HEAD);
                self.passing = Some(Passing { length: block.length, left: length - HEAD });
                continue;
            }
            let got = input.need(length)?;
            if got < length {
                input.take_all();
                return Err(Error::ShortBlock { wanted: length - HEAD, got: got - HEAD });
            }
            if self.u32(input, length - 4) != block.length {
                input.take(length);
                return Err(PcapngError::BlockTrailer.into());
            }
            return Ok(Some(block));
        }
    }

    /// Reads to the end of a block that doesn't matter, without keeping it.
    fn pass<R: Read>(&mut self, input: &mut Input<R>) -> Result<(), Error> {
        while let Some(passing) = &mut self.passing {
            let step = passing.left.min(4096);
            let got = input.need(step)?;
            if got < step {
                input.take_all();
                let wanted = passing.length as usize - HEAD;
                let got = wanted - passing.left + got;
                self.passing = None;
                return Err(Error::ShortBlock { wanted, got });
            }
            // As much as there is, but the trailer in one piece.
            let take = step.max(input.unread().len().min(passing.left.saturating_sub(4)));
            passing.left -= take;
            let (left, length) = (passing.left, passing.length);
            if left > 0 {
                input.take(take);
                continue;
            }
            let trailer = self.u32(input, take - 4);
            input.take(take);
            self.passing = None;
            if trailer != length {
                return Err(PcapngError::BlockTrailer.into());
            }
        }
        Ok(())
    }

    /// The frame of a whole block.
    fn frame<R: Read>(&mut self, input: &mut Input<R>, block: &Block) -> Result<Taken, Error> {
        let body = block.length as usize - AROUND;
        let fixed = if block.kind == SIMPLE_FRAME { SIMPLE } else { ENHANCED };
        if body < fixed {
            return Err(PcapngError::BlockCut(block.kind).into());
        }
        let word = |i: usize| self.u32(input, HEAD + i);
        let time = u64::from(word(4)) << 32 | u64::from(word(8));
        let (interface, time, caplen, len) = match block.kind {
            SIMPLE_FRAME => (0, 0, word(0).min(self.snaplen), word(0)),
            OBSOLETE_FRAME => (self.u16(input, HEAD).into(), time, word(12), word(16)),
            _ => (word(0), time, word(12), word(16)),
        };
        let Some(times) = self.interfaces.times(interface) else {
            return Err(PcapngError::UnknownInterface(interface).into());
        };
        let (sec, fraction) = times.split(time);
        if caplen > self.snaplen {
            return Err(Error::BeyondSnaplen { caplen, snaplen: self.snaplen });
        }
        if body - fixed < caplen as usize {
            return Err(PcapngError::BlockCut(block.kind).into());
        }
        let mut head = Head { sec, fraction, len };
        if let Some(pseudo) = self.pseudo {
            let from = HEAD + fixed;
            let bytes = input.unread_mut().get_mut(from..from + caplen as usize).unwrap_or_default();
            pseudo.translate(bytes, &mut head.len);
        }
        Ok(Taken { head, behind: block.length as usize - HEAD - fixed, caplen })
    }

    /// Link type and snap length of an interface.
    fn interface<R: Read>(&self, input: &Input<R>, block: &Block) -> Result<(u16, u32), Error> {
        if (block.length as usize) < AROUND + options::INTERFACE {
            return Err(PcapngError::BlockCut(block.kind).into());
        }
        Ok((self.u16(input, HEAD), self.u32(input, HEAD + 4)))
    }

    /// Adds an interface, whose times are as its options say.
    fn describe<R: Read>(&mut self, input: &Input<R>, block: &Block) -> Result<(), Error> {
        let body = input.unread().get(HEAD + options::INTERFACE..block.length as usize - 4).unwrap_or_default();
        let (resolution, offset) = options::times(body, self.swapped)?;
        self.interfaces.add(Times::new(resolution, offset, self.precision))?;
        Ok(())
    }

    fn another_interface<R: Read>(&mut self, input: &Input<R>, block: &Block, info: &Info) -> Result<(), Error> {
        let (linktype, snaplen) = self.interface(input, block)?;
        if linktype::to_dlt(linktype.into()) != info.linktype {
            return Err(PcapngError::MixedLinktypes(linktype).into());
        }
        if linktype::adjusted_snaplen(info.linktype, snaplen) != info.snaplen {
            return Err(PcapngError::MixedSnaplens(snaplen).into());
        }
        self.describe(input, block)
    }

    fn another_section<R: Read>(&mut self, input: &Input<R>, block: &Block) -> Result<(), Error> {
        if block.length < SECTION_BLOCK {
            return Err(PcapngError::BlockCut(block.kind).into());
        }
        match self.u32(input, HEAD) {
            BYTE_ORDER => {}
            order if order == BYTE_ORDER.swap_bytes() => return Err(PcapngError::MixedByteOrders.into()),
            _ => return Err(PcapngError::NoByteOrder.into()),
        }
        let major = self.u16(input, HEAD + 4);
        if major != 1 {
            return Err(PcapngError::LaterVersion(major).into());
        }
        self.interfaces.clear();
        Ok(())
    }
}

/// Length and byte order of the section header that a file begins with. A text may begin with its first four bytes, too.
fn first_section<R: Read>(input: &mut Input<R>) -> Result<(u32, bool), Error> {
    for count in [8, AROUND] {
        if input.need(count)? < count {
            return Err(Error::UnknownFormat);
        }
    }
    let Some(head) = input.unread().first_chunk::<AROUND>() else { return Err(Error::UnknownFormat) };
    let word = |i: usize| u32::from_ne_bytes([head[i], head[i + 1], head[i + 2], head[i + 3]]);
    let swapped = match word(8) {
        BYTE_ORDER => false,
        order if order == BYTE_ORDER.swap_bytes() => true,
        _ => return Err(Error::UnknownFormat),
    };
    let length = if swapped { word(4).swap_bytes() } else { word(4) };
    if !(SECTION_BLOCK..=LONGEST_FIRST_SECTION).contains(&length) {
        return Err(PcapngError::SectionLength(length).into());
    }
    Ok((length, swapped))
}
