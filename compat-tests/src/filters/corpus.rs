//! Captured frames by link type.

use super::library::Library;
use crate::random::Random;
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// A frame and its length on the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// What was captured.
    pub bytes: Vec<u8>,
    /// At least as much, in honest captures.
    pub wirelen: u32,
}

impl Frame {
    /// A whole one.
    pub fn whole(bytes: Vec<u8>) -> Frame {
        let wirelen = bytes.len() as u32;
        Frame { bytes, wirelen }
    }
}

/// The frames of a folder of captures.
#[derive(Default)]
pub struct Corpus(HashMap<i32, Vec<Frame>>);

/// Where the captures lie: beside the workspace, or where `FILTER_CORPUS` says.
pub fn folder() -> PathBuf {
    match std::env::var_os("FILTER_CORPUS") {
        Some(folder) => PathBuf::from(folder),
        None => crate::dist::workspace().join("../shared/corpus"),
    }
}

/// Of one file, so that a long capture does not crowd out the others.
const OF_ONE_FILE: usize = 60;

impl Corpus {
    /// Reads the captures of `folder`, and those that lie in the workspace; a missing folder gives none.
    pub fn read(folder: &Path, reader: &Library) -> Corpus {
        let mut corpus = Corpus::default();
        let own = crate::dist::workspace().join("testdata");
        let entries = [folder, &own].into_iter().flat_map(|f| std::fs::read_dir(f).into_iter().flatten());
        let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
        paths.sort();
        for path in paths {
            let Some((dlt, frames)) = reader.frames(&path) else { continue };
            let of = corpus.0.entry(dlt).or_default();
            of.extend(frames.into_iter().take(OF_ONE_FILE));
        }
        corpus
    }

    /// The frames of a link type.
    pub fn of(&self, dlt: i32) -> &[Frame] {
        self.0.get(&dlt).map_or(&[], Vec::as_slice)
    }

    /// How many there are.
    pub fn frames(&self) -> usize {
        self.0.values().map(Vec::len).sum()
    }

    /// One of a link type; where there is none, random bytes in front of an Ethernet frame's payload.
    pub fn one(&self, random: &mut Random, dlt: i32) -> Frame {
        let own = self.of(dlt);
        if !own.is_empty() && random.percent(95) {
            return random.pick(own).clone();
        }
        let before = random.below(32);
        let mut bytes: Vec<u8> = (0..before).map(|_| random.any() as u8).collect();
        let others = self.of(1);
        if !others.is_empty() {
            bytes.extend(random.pick(others).bytes.iter().skip(14));
        }
        Frame::whole(bytes)
    }
}
