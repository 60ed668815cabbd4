//! Compiles the C and C++ programs of `c/`, each once for a run of the tests.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

/// The program made from `c/<source>` (`reading.c`, `throwing.cc`), linked with `-lpcap` as any program is.
///
/// # Panics
/// When it does not compile, without warnings, or no compiler is there.
pub fn program(source: &str) -> PathBuf {
    static MADE: Mutex<Option<HashMap<String, PathBuf>>> = Mutex::new(None);
    let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
    made.get_or_insert_with(HashMap::new).entry(source.to_string()).or_insert_with(|| compile(source)).clone()
}

fn compile(source: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("c").join(source);
    let folder = target_tmp();
    std::fs::create_dir_all(&folder).expect("the folder for test programs");
    let binary = folder.join(path.file_stem().expect("a source file has a name"));
    // Two test programs may run at a time: each compiles to a name of its own and moves the result into place.
    let fresh = folder.join(format!("{source}.{}", std::process::id()));
    let (compiler, variable, standard) =
        if source.ends_with(".cc") { ("c++", "CXX", "-std=c++17") } else { ("cc", "CC", "-std=gnu11") };
    let compiler = std::env::var(variable).unwrap_or_else(|_| compiler.to_string());
    let output = Command::new(&compiler)
        .args([standard, "-O2", "-g", "-Wall", "-Wextra", "-Werror", "-pthread", "-o"])
        .arg(&fresh)
        .arg(&path)
        .arg("-lpcap")
        .output()
        .unwrap_or_else(|e| panic!("{compiler}: {e}: `cargo xtask test` installs what is missing"));
    assert!(output.status.success(), "{source}: {}", String::from_utf8_lossy(&output.stderr));
    std::fs::rename(&fresh, &binary).expect("the compiled program moves into place");
    binary
}

/// `tmp` of cargo's target folder: test programs run from `<target>/<profile>/deps`.
fn target_tmp() -> PathBuf {
    let own = std::env::current_exe().expect("the path of the running test");
    own.ancestors().nth(3).expect("a target folder").join("tmp").join("compat-tests")
}
