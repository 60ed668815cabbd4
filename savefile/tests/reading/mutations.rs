//! Files that chance has changed: no panic, bounded memory, and the same outcome however they are read.

use crate::build::samples;
use crate::read::Pieces;
use crate::read::{frames, read};
use proptest::prelude::*;
use proptest::sample::Index;
use savefile::{Precision, Reader};

/// One change of a file.
#[derive(Clone, Debug)]
enum Change {
    Cut(Index),
    Set(Index, u8),
    /// A word becomes one that means something somewhere.
    Word(Index, u32),
    /// A part is there once more, somewhere.
    Splice(Index, Index, u8),
}

fn change() -> impl Strategy<Value = Change> {
    let words = prop::sample::select(vec![0, 1, 2, 3, 6, 12, 28, 32, 0x0a0d_0d0a, 0x1a2b_3c4d, 0x7fff_ffff, u32::MAX]);
    let word = prop_oneof![words, any::<u32>(), 0u32..4096];
    prop_oneof![
        any::<Index>().prop_map(Change::Cut),
        (any::<Index>(), any::<u8>()).prop_map(|(at, value)| Change::Set(at, value)),
        (any::<Index>(), word, any::<bool>())
            .prop_map(|(at, word, swap)| Change::Word(at, if swap { word.swap_bytes() } else { word })),
        (any::<Index>(), any::<Index>(), any::<u8>()).prop_map(|(from, to, len)| Change::Splice(from, to, len)),
    ]
}

fn apply(bytes: &mut Vec<u8>, change: &Change) {
    if bytes.is_empty() {
        return;
    }
    let size = bytes.len();
    match change {
        Change::Cut(at) => bytes.truncate(at.index(size)),
        Change::Set(at, value) => bytes[at.index(size)] = *value,
        Change::Word(at, word) => {
            let at = at.index(size) / 4 * 4;
            if let Some(place) = bytes.get_mut(at..at + 4) {
                place.copy_from_slice(&word.to_ne_bytes());
            }
        }
        Change::Splice(from, to, len) => {
            let from = from.index(size);
            let part = bytes[from..size.min(from + usize::from(*len) * 4)].to_vec();
            let to = to.index(size);
            bytes.splice(to..to, part);
        }
    }
}

proptest! {
    #[test]
    fn changed_files_are_read_the_same_in_every_way(
        sample: Index,
        changes in prop::collection::vec(change(), 1..8),
        sizes in prop::collection::vec(1usize..5000, 1..5),
        nano: bool,
    ) {
        let samples = samples();
        let (_, mut bytes) = samples[sample.index(samples.len())].clone();
        for change in &changes {
            apply(&mut bytes, change);
        }
        let precision = if nano { Precision::Nano } else { Precision::Micro };
        let expected = read(&bytes[..], precision, true);
        for ahead in [true, false] {
            if let Ok(mut reader) = Reader::open(Pieces::new(&bytes, &sizes, false), precision, ahead) {
                prop_assert_eq!(&frames(&mut reader), &expected);
                prop_assert!(reader.memory() <= savefile::BLOCK.max(4 * bytes.len()));
                // Whatever was wrong, it ends.
                for _ in 0..bytes.len() {
                    reader.release();
                    if let Ok(None) = reader.next() {
                        break;
                    }
                }
            }
        }
    }
}
