//! What the link types have in common: type fields and addresses.

use super::Gen;
use crate::action::Dir;
use crate::error::{Error, fail};
use crate::ir::C;

impl Gen<'_> {
    /// Whether the payload is of this protocol: an Ethernet type, or an LLC SAP below 1536.
    pub(crate) fn linktype(&mut self, protocol: u32) -> Result<C, Error> {
        let _ = (protocol,);
        fail!("not yet")
    }

    /// What must hold of the header before an encapsulation (ATM LANE).
    pub(crate) fn prev_linkhdr_check(&mut self) -> Result<Option<C>, Error> {
        fail!("not yet")
    }

    /// Whether a station's address is this one.
    pub(crate) fn mac_host(&mut self, address: [u8; 6], dir: Dir) -> Result<C, Error> {
        let _ = (address, dir);
        fail!("not yet")
    }
}
