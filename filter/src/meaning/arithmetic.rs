//! Arithmetic on packet bytes, and comparisons.

use super::{Arith, Gen};
use crate::action::{Alu, Proto, Rel};
use crate::error::{Error, fail};
use crate::ir::C;

impl Gen<'_> {
    /// A comparison.
    pub(crate) fn relation(&mut self, rel: Rel, a: Arith, b: Arith) -> Result<C, Error> {
        let _ = (rel, a, b);
        fail!("not yet")
    }

    /// `proto[index:size]`.
    pub(crate) fn bytes(&mut self, proto: Proto, index: Arith, size: u32) -> Result<Arith, Error> {
        let _ = (proto, index, size);
        fail!("not yet")
    }

    /// `a op b`.
    pub(crate) fn arithmetic(&mut self, op: Alu, a: Arith, b: Arith) -> Result<Arith, Error> {
        let _ = (op, a, b);
        fail!("not yet")
    }

    /// `-a`.
    pub(crate) fn negated(&mut self, a: Arith) -> Result<Arith, Error> {
        let _ = (a,);
        fail!("not yet")
    }

    /// `less n`.
    pub(crate) fn less(&mut self, n: u32) -> Result<C, Error> {
        let _ = (n,);
        fail!("not yet")
    }

    /// `greater n`.
    pub(crate) fn greater(&mut self, n: u32) -> Result<C, Error> {
        let _ = (n,);
        fail!("not yet")
    }

    /// `byte index op k`.
    pub(crate) fn byte(&mut self, index: u32, op: u8, k: u32) -> Result<C, Error> {
        let _ = (index, op, k);
        fail!("not yet")
    }
}
