//! What a program asks before the condition itself.

use super::Gen;
use super::link::dlt;
use crate::ir::{C, Cond, Size, Test, V, Value};

/// PPI's number for what it carries, little-endian in its header: 802.11.
const PPI_WLAN: u32 = (dlt::IEEE802_11 as u32).swap_bytes();

impl Gen<'_> {
    /// `root`, behind the computation of those variable offsets that it uses; in PPI only of packets that carry 802.11.
    pub(super) fn finish(&mut self, root: C) -> C {
        if self.first.is_empty() {
            return root;
        }
        let used = self.reached(root);
        let mut all = root;
        // libpcap computes these two with jumps that its optimizer does not follow.
        self.ir.unoptimized_by_libpcap |= self.options.linktype == dlt::PRISM_HEADER;
        let is_wlan = dlt::is_wlan(self.options.linktype);
        let wlan_payload = self.first.last().copied().filter(|_| is_wlan);
        for first in std::mem::take(&mut self.first).into_iter().rev() {
            if used[first.0 as usize] {
                self.ir.unoptimized_by_libpcap |= Some(first) == wlan_payload;
                let computed = self.ir.cond(Cond::Eval(first));
                all = self.ir.and(computed, all);
            }
        }
        if self.options.linktype != dlt::PPI {
            return all;
        }
        let carried = self.ir.value(Value::Load { size: Size::W, base: None, offset: 4 });
        let carries_wlan = self.ir.test(Test::Eq, carried, PPI_WLAN);
        self.ir.and(carries_wlan, all)
    }

    /// Which values take part in a condition, by number.
    fn reached(&self, root: C) -> Vec<bool> {
        let mut values = vec![false; self.ir.values()];
        let mut conds = vec![false; self.ir.conds()];
        let mut todo = vec![Node::Cond(root)];
        while let Some(node) = todo.pop() {
            match node {
                Node::Value(v) if !std::mem::replace(&mut values[v.0 as usize], true) => match self.ir.get(v) {
                    Value::Load { base: Some(a), .. } | Value::Neg(a) => todo.push(Node::Value(a)),
                    Value::Alu(_, a, b) => todo.extend([Node::Value(a), Node::Value(b)]),
                    Value::If(c, a, b) => todo.extend([Node::Cond(c), Node::Value(a), Node::Value(b)]),
                    Value::Imm(_) | Value::Len | Value::Ancillary(_) | Value::Load { base: None, .. } => {}
                },
                Node::Cond(c) if !std::mem::replace(&mut conds[c.0 as usize], true) => match self.ir.get_cond(c) {
                    Cond::Test(_, a, b) => todo.extend([Node::Value(a), Node::Value(b)]),
                    Cond::Eval(a) => todo.push(Node::Value(a)),
                    Cond::Not(a) => todo.push(Node::Cond(a)),
                    Cond::And(a, b) | Cond::Or(a, b) => todo.extend([Node::Cond(a), Node::Cond(b)]),
                    Cond::Const(_) | Cond::Chain(_) => {}
                },
                _ => {}
            }
        }
        values
    }
}

enum Node {
    Value(V),
    Cond(C),
}
