//! Frames that lie in a ring, one after the other, to be sent from where they lie: those that a program filled into its transmit
//! ring, or those that arrived in a receive ring and go on to somebody else.

use super::slots::{FrameRef, Slots};
use crate::shm::mapping::View;
use crate::shm::port_page::PortPage;

/// The frames of a ring that are to be sent. What is [consumed](Outgoing::consume) is told to the ring afterwards.
pub struct Outgoing<'a> {
    slots: &'a Slots,
    scratch: &'a mut Vec<u8>,
    first: u32,
    end: u32,
    malformed: u64,
    /// Another core has filled them: their bytes are asked for ahead.
    far: bool,
    page: Option<&'a View<PortPage>>,
}

impl<'a> Outgoing<'a> {
    pub(super) fn new(slots: &'a Slots, scratch: &'a mut Vec<u8>, [first, end]: [u32; 2], far: bool) -> Outgoing<'a> {
        Outgoing { slots, scratch, first, end, malformed: 0, far, page: None }
    }

    pub(super) fn of_port(self, page: Option<&'a View<PortPage>>) -> Outgoing<'a> {
        Outgoing { page, ..self }
    }

    /// The control words of the port where the frames lie; `None` for those of a transmit ring, or of a card.
    pub fn page(&self) -> Option<&'a View<PortPage>> {
        self.page
    }

    /// Leaves only the first `slots` slots; a chain that they cut stays for later.
    pub fn keep(&mut self, slots: u32) {
        if self.waiting_from(self.first) <= slots {
            return;
        }
        let mut end = self.slots.add(self.first, slots);
        while end != self.first && self.slots.goes_on(self.slots.add(end, self.slots.num_slots() - 1)) {
            end = self.slots.add(end, self.slots.num_slots() - 1);
        }
        // A chain longer than that is sent whole, with what follows it.
        if end != self.first {
            self.end = end;
        }
    }

    /// Where the frames begin.
    #[inline(always)]
    pub fn first(&self) -> u32 {
        self.first
    }

    /// What lies in slot `at`, and the slot after it; `None` at the end. A frame that is `None` made no sense and was counted.
    #[inline(always)]
    pub fn frame_at(&mut self, at: u32) -> Option<(Option<FrameRef<'_>>, u32)> {
        let avail = self.waiting_from(at);
        if avail == 0 {
            return None;
        }
        match self.slots.frame(at, avail, self.scratch) {
            Ok((frame, used)) => Some((Some(frame), self.slots.add(at, used))),
            Err((_, used)) => {
                self.malformed += 1;
                Some((None, self.slots.add(at, used)))
            }
        }
    }

    /// The frames before `to` are done; a position that is not among those that wait changes nothing.
    pub fn consume(&mut self, to: u32) {
        if to < self.slots.num_slots()
            && self.slots.distance(self.first, to) <= self.slots.distance(self.first, self.end)
        {
            self.first = to;
        }
    }

    /// The first `slots` slots make no sense.
    pub(super) fn pass_malformed(&mut self, slots: u32) {
        self.malformed += 1;
        self.first = self.slots.add(self.first, slots.min(self.waiting_from(self.first)));
    }

    /// Where the frames that are left begin, and how many slots made no sense.
    pub fn done(self) -> (u32, u64) {
        (self.first, self.malformed)
    }

    /// Slots from `at` up to the end; 0 when `at` is not among those that wait.
    #[inline(always)]
    pub(super) fn waiting_from(&self, at: u32) -> u32 {
        if at >= self.slots.num_slots() {
            return 0;
        }
        let (avail, all) = (self.slots.distance(at, self.end), self.slots.distance(self.first, self.end));
        if avail > all { 0 } else { avail }
    }

    #[inline(always)]
    pub(super) fn is_far(&self) -> bool {
        self.far
    }

    pub(super) fn slots(&self) -> &Slots {
        self.slots
    }

    /// The slot number `n` after `at`.
    pub(super) fn advance(&self, at: u32, n: u32) -> u32 {
        self.slots.add(at, n)
    }
}
