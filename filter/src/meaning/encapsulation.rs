//! Words that move the offsets of what follows.

use super::Gen;
use crate::error::{Error, fail};
use crate::ir::C;

impl Gen<'_> {
    /// `vlan`.
    pub(crate) fn vlan(&mut self, number: Option<u32>) -> Result<C, Error> {
        let _ = (number,);
        fail!("not yet")
    }

    /// `mpls`.
    pub(crate) fn mpls(&mut self, number: Option<u32>) -> Result<C, Error> {
        let _ = (number,);
        fail!("not yet")
    }

    /// `pppoe_s`.
    pub(crate) fn pppoe_s(&mut self, number: Option<u32>) -> Result<C, Error> {
        let _ = (number,);
        fail!("not yet")
    }

    /// `geneve`.
    pub(crate) fn geneve(&mut self, number: Option<u32>) -> Result<C, Error> {
        let _ = (number,);
        fail!("not yet")
    }

    /// `vxlan`.
    pub(crate) fn vxlan(&mut self, number: Option<u32>) -> Result<C, Error> {
        let _ = (number,);
        fail!("not yet")
    }

    /// `pppoed`.
    pub(crate) fn pppoe_d(&mut self) -> Result<C, Error> {
        fail!("not yet")
    }
}
