//! The parser's actions, carried out on two stacks.

use super::link::start::start;
use super::{Arith, Gen};
use crate::action::Action;
use crate::error::{Error, fail};
use crate::ir::{C, Ir, Value};
use crate::{Options, Resolve};

/// Carries out the parser's actions: the conditions, and the one that decides.
///
/// # Errors
/// The first thing that has no meaning for this link type, or the parser's error.
pub fn generate(actions: Vec<Action>, options: &Options, resolver: &dyn Resolve) -> Result<(Ir, C), Error> {
    if options.snaplen == 0 {
        fail!("snaplen of 0 rejects all packets");
    }
    let mut ir = Ir::new();
    let (off, first) = start(options.linktype, &mut ir)?;
    let mut state = Gen { ir, options, resolver, off, first };
    let mut stacks = Stacks::default();
    for action in actions {
        state.carry_out(action, &mut stacks)?;
    }
    let root = match stacks.conditions.pop() {
        Some(root) => state.finish(root),
        None => state.constant(true),
    };
    Ok((state.ir, root))
}

#[derive(Default)]
struct Stacks {
    conditions: Vec<C>,
    values: Vec<Arith>,
}

impl Stacks {
    fn condition(&mut self) -> Result<C, Error> {
        self.conditions.pop().ok_or_else(unbalanced)
    }

    fn value(&mut self) -> Result<Arith, Error> {
        self.values.pop().ok_or_else(unbalanced)
    }

    /// The two topmost, the lower one first.
    fn two_conditions(&mut self) -> Result<(C, C), Error> {
        let second = self.condition()?;
        Ok((self.condition()?, second))
    }

    fn two_values(&mut self) -> Result<(Arith, Arith), Error> {
        let second = self.value()?;
        Ok((self.value()?, second))
    }
}

/// An operator without its operands: no parser gives this.
fn unbalanced() -> Error {
    Error::new("syntax error in filter expression")
}

impl Gen<'_> {
    fn carry_out(&mut self, action: Action, stacks: &mut Stacks) -> Result<(), Error> {
        let value = match action {
            Action::Const(k) => Arith { value: self.ir.imm(k), check: None, literal: true },
            Action::Len => Arith { value: self.ir.value(Value::Len), check: None, literal: false },
            Action::Load(proto, size) => {
                let index = stacks.value()?;
                self.bytes(proto, index, size)?
            }
            Action::Alu(op) => {
                let (a, b) = stacks.two_values()?;
                self.arithmetic(op, a, b)?
            }
            Action::Neg => {
                let a = stacks.value()?;
                self.negated(a)
            }
            action => {
                let condition = self.condition(action, stacks)?;
                stacks.conditions.push(condition);
                return Ok(());
            }
        };
        stacks.values.push(value);
        Ok(())
    }

    /// The actions that leave a condition.
    fn condition(&mut self, action: Action, stacks: &mut Stacks) -> Result<C, Error> {
        match action {
            Action::And => {
                let (a, b) = stacks.two_conditions()?;
                Ok(self.ir.and(a, b))
            }
            Action::Or => {
                let (a, b) = stacks.two_conditions()?;
                Ok(self.ir.or(a, b))
            }
            Action::Not => {
                let a = stacks.condition()?;
                Ok(self.ir.not(a))
            }
            Action::Relation(rel) => {
                let (a, b) = stacks.two_values()?;
                Ok(self.relation(rel, a, b))
            }
            Action::Name(name, q) => self.name(&name, q),
            Action::Number(k, q) => self.number(k, q),
            Action::Dotted(text, q) => self.dotted(&text, q),
            Action::Net(text, bits, q) => self.net(&text, bits, q),
            Action::NetMask(text, mask, q) => self.net_mask(&text, &mask, q),
            Action::Net6(text, bits, q) => self.net6(&text, bits, q),
            Action::Ether(text, q) => self.ether(&text, q),
            Action::Arcnet(text, q) => self.arcnet(&text, q),
            Action::Abbrev(proto) => self.abbrev(proto),
            Action::Broadcast(proto) => self.broadcast(proto),
            Action::Multicast(proto) => self.multicast(proto),
            Action::Less(n) => Ok(self.less(n)),
            Action::Greater(n) => Ok(self.greater(n)),
            Action::Byte(index, op, k) => self.byte(index, op, k),
            Action::Inbound => self.direction(false),
            Action::Outbound => self.direction(true),
            Action::IfIndex(index) => self.ifindex(index),
            Action::Vlan(number) => self.vlan(number),
            Action::Mpls(number) => self.mpls(number),
            Action::PppoeD => self.pppoe_d(),
            Action::PppoeS(number) => self.pppoe_s(number),
            Action::Geneve(number) => self.geneve(number),
            Action::Vxlan(number) => self.vxlan(number),
            Action::PfIfname(name) => self.pf_ifname(&name),
            Action::PfRuleset(name) => self.pf_ruleset(&name),
            Action::PfRnr(rule) => self.pf_rule(rule),
            Action::PfSrnr(rule) => self.pf_subrule(rule),
            Action::PfReason(reason) => self.pf_reason(reason),
            Action::PfAction(action) => self.pf_action(action),
            Action::Wlan(value, mask) => self.wlan(value, mask),
            Action::WlanDir(value) => self.wlan_dir(value),
            Action::Llc(which) => self.llc(which),
            Action::Atm(which) => self.atm(which),
            Action::AtmField(field, rel, value) => self.atm_field(field, rel, value),
            Action::Mtp2(which) => self.mtp2(which),
            Action::Mtp3(field, rel, value) => self.mtp3(field, rel, value),
            Action::Fail(text) => Err(Error::new(text)),
            Action::Const(_) | Action::Len | Action::Load(..) | Action::Alu(_) | Action::Neg => Err(unbalanced()),
        }
    }
}
