//! Words for the log of OpenBSD's packet filter (`struct pfloghdr`).

use super::dlt;
use crate::error::{Error, fail};
use crate::ir::{C, Size};
use crate::meaning::{Base, Gen};

/// Bytes of an interface's and a rule set's name, with the NUL.
const NAME_LEN: usize = 16;

const ACTION: u32 = 2;
const REASON: u32 = 3;
const IFNAME: u32 = 4;
const RULESET: u32 = 20;
const RULE: u32 = 36;
const SUBRULE: u32 = 40;

impl Gen<'_> {
    /// `ifname`, `on`.
    pub(in crate::meaning) fn pf_ifname(&mut self, name: &str) -> Result<C, Error> {
        self.require_pflog("ifname")?;
        if name.len() >= NAME_LEN {
            fail!("ifname interface names can only be {} characters", NAME_LEN - 1);
        }
        Ok(self.bcmp(Base::LinkHeader, IFNAME, name.as_bytes()))
    }

    /// `ruleset`, `rset`.
    pub(in crate::meaning) fn pf_ruleset(&mut self, name: &str) -> Result<C, Error> {
        self.require_pflog("ruleset")?;
        if name.len() >= NAME_LEN {
            fail!("ruleset names can only be {} characters", NAME_LEN - 1);
        }
        Ok(self.bcmp(Base::LinkHeader, RULESET, name.as_bytes()))
    }

    /// `rnr`, `rulenum`.
    pub(in crate::meaning) fn pf_rule(&mut self, rule: u32) -> Result<C, Error> {
        self.require_pflog("rnr")?;
        Ok(self.cmp(Base::LinkHeader, RULE, Size::W, rule))
    }

    /// `srnr`, `subrulenum`.
    pub(in crate::meaning) fn pf_subrule(&mut self, rule: u32) -> Result<C, Error> {
        self.require_pflog("srnr")?;
        Ok(self.cmp(Base::LinkHeader, SUBRULE, Size::W, rule))
    }

    /// `reason`.
    pub(in crate::meaning) fn pf_reason(&mut self, reason: u32) -> Result<C, Error> {
        self.require_pflog("reason")?;
        Ok(self.cmp(Base::LinkHeader, REASON, Size::B, reason))
    }

    /// `action`.
    pub(in crate::meaning) fn pf_action(&mut self, action: u32) -> Result<C, Error> {
        self.require_pflog("action")?;
        Ok(self.cmp(Base::LinkHeader, ACTION, Size::B, action))
    }

    fn require_pflog(&self, word: &str) -> Result<(), Error> {
        if self.off.linktype_now != dlt::PFLOG {
            fail!("{word} supported only on PF linktype");
        }
        Ok(())
    }
}
