//! pcap files: a header of 24 bytes, then frames behind headers of 16, or 24 in Kuznetzov's format.
//!
//! ```text
//! file    magic  major minor  thiszone  sigfigs  snaplen  linktype
//! frame   seconds  fraction  caplen  len  [index  protocol  packet type, padding]
//! ```
//! Follows pcap-savefile(5). The writer's byte order shows in the magic number, and so do nanoseconds and the longer
//! header. Before version 2.3, and in the DG/UX files of version 543.0, caplen and len are the other way round; files of
//! version 2.3 itself were written in both ways, and the larger number is then taken for len.

use crate::error::Error;
use crate::input::Input;
use crate::linktype;
use crate::pseudo::Pseudo;
use crate::rx::{Frame, Head, Taken};
use crate::{Info, Precision};
use std::io::Read;

const MAGIC: u32 = 0xa1b2_c3d4;
const MAGIC_NANO: u32 = 0xa1b2_3c4d;
const MAGIC_KUZNETZOV: u32 = 0xa1b2_cd34;

const FILE_HEADER: usize = 24;
const HEADER: usize = 16;
const KUZNETZOV_HEADER: usize = 24;

/// What turns the file's fractions of a second into those asked for.
#[derive(Clone, Copy)]
enum Scale {
    Same,
    Up,
    Down,
}

impl Scale {
    #[inline(always)]
    fn head(self, sec: u32, fraction: u32, len: u32) -> Head {
        let fraction = match self {
            Scale::Same => i64::from(fraction),
            Scale::Up => i64::from(fraction) * 1000,
            Scale::Down => i64::from(fraction / 1000),
        };
        Head { sec: i64::from(sec), fraction, len }
    }
}

/// Where caplen and len stand.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Lengths {
    InOrder,
    Swapped,
    LargerIsLen,
}

pub(crate) struct Pcap {
    /// The frame's header is the usual one, and nothing is done to its bytes.
    plain: bool,
    swapped: bool,
    scale: Scale,
    header: usize,
    lengths: Lengths,
    snaplen: u32,
    maximum: u32,
    /// Frames up to this length are handed out without a closer look.
    unsuspicious: u32,
    pseudo: Option<Pseudo>,
}

/// Whether a file begins as pcap files do: its magic number in our byte order, and whether that was changed.
pub(crate) fn magic(bytes: [u8; 4]) -> Option<(u32, bool)> {
    let known = |magic| [MAGIC, MAGIC_NANO, MAGIC_KUZNETZOV].contains(&magic);
    let own = u32::from_ne_bytes(bytes);
    if known(own) {
        return Some((own, false));
    }
    Some((own.swap_bytes(), true)).filter(|&(magic, _)| known(magic))
}

impl Pcap {
    /// Reads the file's header, whose magic number is unread still.
    pub(crate) fn open<R: Read>(
        input: &mut Input<R>,
        (magic, swapped): (u32, bool),
        precision: Precision,
    ) -> Result<(Pcap, Info), Error> {
        let got = input.need(FILE_HEADER)?;
        let Some(header) = input.unread().first_chunk::<FILE_HEADER>() else {
            // libpcap doesn't count the magic number among those it got.
            return Err(Error::ShortFileHeader { wanted: FILE_HEADER, got: got.saturating_sub(4) });
        };
        let [_, versions, _, _, snaplen, linktype] = words(header, swapped);
        // The two halves of a word change places with the byte order.
        let versions = if swapped == cfg!(target_endian = "big") { versions } else { versions.rotate_left(16) };
        let (major, minor) = (versions as u16, (versions >> 16) as u16);
        input.take(FILE_HEADER);
        if major < 2 {
            return Err(Error::Archaic);
        }
        if !(major == 2 && minor <= 4 || major == 543 && minor == 0) {
            return Err(Error::Version { major, minor });
        }

        let dlt = linktype::to_dlt(linktype & 0x03ff_ffff);
        let mut snaplen = linktype::adjusted_snaplen(dlt, snaplen);
        let kuznetzov = magic == MAGIC_KUZNETZOV;
        if kuznetzov && dlt == linktype::EN10MB {
            // Frames of a cooked capture got an Ethernet header that the snap length doesn't count.
            snaplen = (snaplen + 14).min(i32::MAX as u32);
        }
        let lengths = match (major, minor) {
            (543, _) | (2, 0..=2) => Lengths::Swapped,
            (2, 3) => Lengths::LargerIsLen,
            _ => Lengths::InOrder,
        };
        let nano = magic == MAGIC_NANO;
        let scale = match precision {
            Precision::Micro if nano => Scale::Down,
            Precision::Nano if !nano => Scale::Up,
            _ => Scale::Same,
        };
        let pseudo = Pseudo::of(dlt, swapped);
        let bufsize = snaplen.min(2048);
        let pcap = Pcap {
            plain: !kuznetzov && lengths == Lengths::InOrder && pseudo.is_none(),
            swapped,
            scale,
            header: if kuznetzov { KUZNETZOV_HEADER } else { HEADER },
            lengths,
            snaplen,
            maximum: linktype::max_snaplen(dlt),
            unsuspicious: bufsize,
            pseudo,
        };
        let info = Info {
            linktype: dlt,
            linktype_ext: linktype & 0xfc00_0000,
            snaplen,
            swapped,
            major,
            minor,
            precision,
            bufsize,
        };
        Ok((pcap, info))
    }

    /// The frame that `bytes` begin with, if it is an ordinary one and all there, and the bytes that it takes.
    #[inline(always)]
    pub(crate) fn first<'a>(&self, bytes: &'a [u8]) -> Option<(Frame<'a>, usize)> {
        let [sec, fraction, caplen, len] = words(bytes.first_chunk::<HEADER>()?, self.swapped);
        if !self.plain || caplen > self.unsuspicious {
            return None;
        }
        let whole = HEADER + caplen as usize;
        let data = bytes.get(HEADER..whole)?;
        Some((self.scale.head(sec, fraction, len).of(data), whole))
    }

    /// Has the next frame in memory, if it is an ordinary one; false when it isn't.
    #[inline]
    pub(crate) fn fill<R: Read>(&self, input: &mut Input<R>) -> Result<bool, Error> {
        if !self.plain || !input.has(HEADER)? {
            return Ok(false);
        }
        let Some(header) = input.unread().first_chunk::<HEADER>() else { return Ok(false) };
        let [_, _, caplen, _] = words(header, self.swapped);
        let whole = HEADER + caplen as usize;
        Ok(caplen <= self.unsuspicious && input.has(whole)?)
    }

    /// The next frame, whatever it takes; `None` at the end of the file.
    pub(crate) fn next<R: Read>(&mut self, input: &mut Input<R>, info: &mut Info) -> Result<Option<Taken>, Error> {
        let got = input.need(self.header)?;
        if got < self.header {
            input.take_all();
            return if got == 0 { Ok(None) } else { Err(Error::ShortHeader { wanted: self.header, got }) };
        }
        let Some(header) = input.unread().first_chunk::<HEADER>() else { return Ok(None) };
        let [sec, fraction, mut caplen, mut len] = words(header, self.swapped);
        let swap = match self.lengths {
            Lengths::InOrder => false,
            Lengths::Swapped => true,
            Lengths::LargerIsLen => caplen > len,
        };
        if swap {
            std::mem::swap(&mut caplen, &mut len);
        }
        if caplen > self.maximum {
            input.take(self.header);
            return Err(if caplen > self.snaplen {
                Error::BeyondSnaplen { caplen, snaplen: self.snaplen }
            } else {
                Error::BeyondMaximum { caplen, maximum: self.maximum }
            });
        }

        let whole = self.header + caplen as usize;
        let got = input.need(whole)?;
        if got < whole {
            input.take_all();
            let got = got - self.header;
            // Up to the snap length libpcap asks for the frame's bytes, then for those that it throws away.
            let wanted = if got < self.snaplen as usize { caplen.min(self.snaplen) } else { caplen };
            return Err(Error::ShortFrame { wanted, got });
        }
        self.grow(caplen, info);
        let caplen_handed = caplen.min(self.snaplen);
        let mut head = self.scale.head(sec, fraction, len);
        if let Some(pseudo) = self.pseudo {
            let unread = input.unread_mut();
            let bytes = unread.get_mut(self.header..self.header + caplen_handed as usize).unwrap_or_default();
            pseudo.translate(bytes, &mut head.len);
        }
        input.take(whole);
        Ok(Some(Taken { head, behind: caplen as usize, caplen: caplen_handed }))
    }

    /// What `pcap_bufsize` says: the room that libpcap would have by now.
    fn grow(&mut self, caplen: u32, info: &mut Info) {
        if caplen > info.bufsize {
            info.bufsize = match caplen > self.snaplen {
                true => self.snaplen,
                false => caplen.next_power_of_two().min(self.snaplen),
            };
            self.unsuspicious = info.bufsize.min(self.maximum);
        }
    }
}

/// A header's words in our byte order.
#[inline(always)]
fn words<const BYTES: usize, const WORDS: usize>(header: &[u8; BYTES], swapped: bool) -> [u32; WORDS] {
    let mut words = [0; WORDS];
    for (word, bytes) in words.iter_mut().zip(header.chunks_exact(4)) {
        let value = bytes.first_chunk().map_or(0, |&bytes| u32::from_ne_bytes(bytes));
        *word = if swapped { value.swap_bytes() } else { value };
    }
    words
}
