//! One expression with all that goes with it, by seed and number.

use super::library::Target;
use super::{edits, grammar, link_types};
use crate::random::Random;

/// What is compiled in both libraries.
#[derive(Clone, Debug)]
pub struct Case {
    /// The expression.
    pub text: String,
    /// For this.
    pub target: Target,
    /// Where the frames' randomness starts.
    pub frame_seed: u64,
}

impl Case {
    /// The case of this number in the run of this seed.
    pub fn numbered(seed: u64, number: u64) -> Case {
        let mut random = Random::from_seed(seed.wrapping_mul(0x1_0000_0001).wrapping_add(number));
        let dlt = link_types::any(&mut random);
        let snaplen = random.weighted(&[(700, 262_144), (200, 65_535), (80, 96), (16, 1), (4, 0)]);
        let netmask = random.weighted(&[(50, 0x00ff_ffff), (20, 0xffff_ffff), (20, 0), (10, 0x0000_f0ff)]);
        let words = match random.below(100) {
            0..3 => edits::nonsense(&mut random),
            3..14 => {
                let mut words = grammar::expression(&mut random, dlt);
                edits::spoil(&mut random, &mut words);
                words
            }
            _ => grammar::expression(&mut random, dlt),
        };
        let text = grammar::joined(&mut random, &words);
        Case { text, target: Target { dlt, snaplen, netmask }, frame_seed: random.any() }
    }

    /// An expression for a link type, the rest as usual.
    pub fn of(dlt: i32, text: &str) -> Case {
        let target = Target { dlt, snaplen: 262_144, netmask: 0x00ff_ffff };
        Case { text: text.to_string(), target, frame_seed: 1 }
    }
}
