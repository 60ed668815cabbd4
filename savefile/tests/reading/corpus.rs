//! Every file of the corpus, when it is there.

use crate::read::every_way;
use savefile::Precision;
use std::path::Path;

#[test]
fn the_corpus_reads_the_same_in_every_way() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpus");
    let Ok(files) = std::fs::read_dir(&corpus) else {
        return println!("skipped: there is no corpus of captures beside the repository");
    };
    let (mut count, mut frames) = (0, 0);
    for file in files.flatten() {
        let bytes = std::fs::read(file.path()).expect("a file of the corpus");
        let micro = every_way(&bytes, Precision::Micro);
        let nano = every_way(&bytes, Precision::Nano);
        assert_eq!(micro.error, nano.error, "{:?}", file.path());
        for (micro, nano) in micro.frames.iter().zip(&nano.frames) {
            assert_eq!((micro.0, micro.1, &micro.3), (nano.0, nano.1 / 1000, &nano.3), "{:?}", file.path());
        }
        count += 1;
        frames += micro.frames.len();
    }
    assert!(count > 0 && frames > 10 * count, "{count} files, {frames} frames");
}
