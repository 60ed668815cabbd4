//! Names, numbers and addresses with their qualifiers.

use super::Gen;
use crate::action::Qual;
use crate::error::{Error, fail};
use crate::ir::C;

impl Gen<'_> {
    /// A name.
    pub(crate) fn name(&mut self, name: &str, q: Qual) -> Result<C, Error> {
        let _ = (name, q);
        fail!("not yet")
    }

    /// A bare number.
    pub(crate) fn number(&mut self, k: u32, q: Qual) -> Result<C, Error> {
        let _ = (k, q);
        fail!("not yet")
    }

    /// One to four numbers with dots.
    pub(crate) fn dotted(&mut self, text: &str, q: Qual) -> Result<C, Error> {
        let _ = (text, q);
        fail!("not yet")
    }

    /// `1.2.3/24`.
    pub(crate) fn net(&mut self, text: &str, bits: u32, q: Qual) -> Result<C, Error> {
        let _ = (text, bits, q);
        fail!("not yet")
    }

    /// `1.2.3.0 mask 255.255.255.0`.
    pub(crate) fn net_mask(&mut self, text: &str, mask: &str, q: Qual) -> Result<C, Error> {
        let _ = (text, mask, q);
        fail!("not yet")
    }

    /// An IPv6 address with a prefix's length.
    pub(crate) fn net6(&mut self, text: &str, bits: u32, q: Qual) -> Result<C, Error> {
        let _ = (text, bits, q);
        fail!("not yet")
    }

    /// An Ethernet address.
    pub(crate) fn ether(&mut self, text: &str, q: Qual) -> Result<C, Error> {
        let _ = (text, q);
        fail!("not yet")
    }

    /// An ARCnet address.
    pub(crate) fn arcnet(&mut self, text: &str, q: Qual) -> Result<C, Error> {
        let _ = (text, q);
        fail!("not yet")
    }
}
