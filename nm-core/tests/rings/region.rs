//! A port's memory for tests, in a file that nobody else sees.

use nm_core::RxFrame;
use nm_core::shm::layout::Layout;
use nm_core::shm::mapping::Mapping;
use nm_core::shm::port_page::PortPage;
use std::fs::{File, OpenOptions};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// A mapped file, of a port's layout.
pub struct Region {
    /// Written and read past the mapping, as a peer does.
    pub file: File,
    /// The mapping under test.
    pub mapping: Arc<Mapping>,
    /// Where its parts are.
    pub layout: Layout,
}

impl Region {
    /// Zeroed memory for rings of these sizes.
    pub fn new(rx_slots: u32, tx_slots: u32) -> Region {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let layout = Layout::new(rx_slots, tx_slots).expect("a ring's size");
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("nm-core-test-{}-{number}", std::process::id()));
        let file = OpenOptions::new().read(true).write(true).create_new(true).open(&path).expect("a temporary file");
        std::fs::remove_file(&path).expect("its name");
        file.set_len(layout.total_bytes() as u64).expect("its length");
        let mapping = Mapping::new(&file, layout.total_bytes()).expect("a mapping");
        Region { file, mapping, layout }
    }

    /// Addresses of the mapping.
    pub fn addresses(&self) -> Range<usize> {
        let page: *const PortPage = self.mapping.at::<PortPage>(0).expect("the first page");
        let start = page.addr();
        start..start + self.mapping.len()
    }

    /// Addresses of the buffers that a frame may lie in.
    pub fn buffers(&self) -> Range<usize> {
        let all = self.addresses();
        all.start + self.layout.buffers()..all.end
    }

    /// The file's bytes from `at` on.
    pub fn read(&self, at: usize, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        self.file.read_exact_at(&mut bytes, at as u64).expect("inside the file");
        bytes
    }
}

/// The bytes of a frame. Touches each of them.
pub fn bytes(frame: &RxFrame) -> Vec<u8> {
    // SAFETY: a frame that the ring just handed out, or one that was not released: what the tests are to find out.
    unsafe { std::slice::from_raw_parts(frame.data, frame.len as usize) }.to_vec()
}
