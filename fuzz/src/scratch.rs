//! A temporary folder for readers that want files; one for each thread, gone with it.

use std::cell::OnceCell;
use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

thread_local! {
    static FOLDER: OnceCell<TempDir> = const { OnceCell::new() };
}

/// A folder below this thread's, which `fill` fills when it is first asked for.
///
/// # Panics
/// If it cannot be made: nothing can be tested then.
pub(crate) fn folder(name: &str, fill: impl FnOnce(&Path)) -> PathBuf {
    let root = FOLDER.with(|folder| {
        let made = folder.get_or_init(|| tempfile::tempdir().expect("a temporary folder can be made"));
        made.path().to_owned()
    });
    let folder = root.join(name);
    if !folder.is_dir() {
        fs::create_dir_all(&folder).expect("a temporary folder can be made");
        fill(&folder);
    }
    folder
}

/// Writes a file, with the folders that lead to it.
///
/// # Panics
/// If that is not possible.
pub(crate) fn write(path: &Path, bytes: &[u8]) {
    if fs::write(path, bytes).is_err() {
        fs::create_dir_all(path.parent().expect("a file lies in a folder")).expect("folders can be made");
        fs::write(path, bytes).expect("a temporary file can be written");
    }
}
