//! The files that are spoilt.

use super::{foreign, made, mutate};
use crate::filters::corpus;
use crate::random::Random;
use std::path::{Path, PathBuf};

/// Bytes of a file that are kept: long files differ from short ones at their beginnings.
const LONGEST: usize = 24 * 1024;

/// Files of the corpus, of the workspace, and of the folders that programs have written; made-up ones come on demand.
pub struct Specimens {
    files: Vec<Vec<u8>>,
}

/// All files of a folder, sorted; none when it is missing.
pub fn of_folder(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(|path| path.is_file()).collect();
    files.sort();
    files
}

/// The captures that lie beside the workspace and in it.
pub fn captured() -> Vec<PathBuf> {
    let own = of_folder(&crate::dist::workspace().join("testdata"));
    let own = own.into_iter().filter(|path| path.extension().is_some_and(|e| e == "pcap" || e == "pcapng"));
    own.chain(of_folder(&corpus::folder())).collect()
}

impl Specimens {
    /// Reads them.
    pub fn read(folders: &[PathBuf]) -> Specimens {
        let paths = captured().into_iter().chain(folders.iter().flat_map(|folder| of_folder(folder)));
        let mut files: Vec<Vec<u8>> = paths.filter_map(|path| std::fs::read(path).ok()).collect();
        files.extend(foreign::files().into_iter().map(|(_, bytes)| bytes));
        files.iter_mut().for_each(|file| file.truncate(LONGEST));
        Specimens { files }
    }

    fn one(&self, random: &mut Random) -> Vec<u8> {
        if random.percent(50) && !self.files.is_empty() {
            random.pick(&self.files).clone()
        } else {
            made::file(random.any())
        }
    }

    /// The spoilt file of a number.
    pub fn spoilt(&self, random: &mut Random) -> Vec<u8> {
        let file = self.one(random);
        // Some made-up files stay as they are.
        if random.percent(8) {
            return file;
        }
        let other = self.one(random);
        mutate::spoil(random, &file, &other)
    }
}
