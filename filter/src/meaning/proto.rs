//! Protocols by name.

use super::Gen;
use crate::action::Proto;
use crate::error::{Error, fail};
use crate::ir::C;

impl Gen<'_> {
    /// A protocol alone.
    pub(crate) fn abbrev(&mut self, proto: Proto) -> Result<C, Error> {
        let _ = (proto,);
        fail!("not yet")
    }
}
