//! Whether a file lies in results of `neuron`, by the folders above its real place.
//!
//! A walk meets the folders above a file on its way down. Lists and links lead to a file from elsewhere, so that they
//! have to be looked at from below: each once, however many files lie in it.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use super::super::ending::Promise;
use super::results::{Marks, Written, is_whole_folder, may_be_part};
use crate::unusable::listable;

/// What is known about the folders around some files.
pub(crate) struct Surroundings {
    /// Real paths of the folders that were named. Neither they nor those above are results as a whole: they are wanted.
    named: Vec<PathBuf>,
    /// By real path.
    known: Mutex<HashMap<PathBuf, Arc<Known>>>,
    /// Real paths of folders, by how they were spelled.
    real: Mutex<HashMap<PathBuf, Option<Arc<Path>>>>,
}

/// What is known about a folder.
#[derive(Default)]
struct Known {
    in_results: OnceLock<bool>,
    written: OnceLock<Written>,
}

impl Surroundings {
    /// `named` are folders that somebody named, in any spelling; the empty path is the current folder.
    pub(crate) fn of(named: &[PathBuf]) -> Self {
        let real = |folder: &PathBuf| {
            fs::canonicalize(if folder.as_os_str().is_empty() { Path::new(".") } else { folder })
        };
        let named = named.iter().filter_map(|folder| real(folder).ok()).collect();
        Self { named, known: Mutex::default(), real: Mutex::default() }
    }

    /// Whether a file is part of results, or a link to such a file. Its path may be spelled in any way.
    pub(crate) fn is_result(&self, path: &Path) -> bool {
        let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else { return false };
        let lies_there = self.real(folder).is_some_and(|folder| self.is_picture(&folder.join(name)));
        lies_there || (path.is_symlink() && self.leads_to_result(path))
    }

    /// Whether a link leads to a file that is part of results.
    pub(crate) fn leads_to_result(&self, link: &Path) -> bool {
        fs::canonicalize(link).is_ok_and(|real| self.is_picture(&real))
    }

    /// Whether a folder is a result, or lies in one; the path is the real one.
    pub(crate) fn is_in_results(&self, folder: &Path) -> bool {
        if self.named.iter().any(|named| named.starts_with(folder)) {
            return false;
        }
        *self.known(folder).in_results.get_or_init(|| {
            let Some(parent) = folder.parent() else { return false };
            self.is_in_results(parent) || is_whole_folder(folder) || self.is_part_of(parent, folder)
        })
    }

    /// Whether a folder belongs to results that lie beside it.
    fn is_part_of(&self, parent: &Path, folder: &Path) -> bool {
        let name = folder.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        may_be_part(name) && self.written(&self.known(parent), parent).holds_folder(name)
    }

    /// Whether the file at a real path is part of results.
    fn is_picture(&self, real: &Path) -> bool {
        let (Some(folder), Some(name)) = (real.parent(), real.file_name()) else { return false };
        let is_written = || {
            let known = self.known(folder);
            name.to_str().is_some_and(|name| self.written(&known, folder).pictures.contains(name))
        };
        self.is_in_results(folder) || is_written()
    }

    fn written<'k>(&self, known: &'k Known, folder: &Path) -> &'k Written {
        known.written.get_or_init(|| read(folder))
    }

    fn known(&self, folder: &Path) -> Arc<Known> {
        let mut known = locked(&self.known);
        match known.get(folder) {
            Some(found) => found.clone(),
            None => known.entry(folder.to_owned()).or_default().clone(),
        }
    }

    /// The real path of a folder; `None` if it is not there.
    fn real(&self, folder: &Path) -> Option<Arc<Path>> {
        if let Some(known) = locked(&self.real).get(folder) {
            return known.clone();
        }
        let spelled = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        let real = fs::canonicalize(spelled).ok().map(Arc::from);
        locked(&self.real).insert(folder.to_owned(), real.clone());
        real
    }
}

/// What is behind a lock: whole after every panic, as nothing is changed by halves.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What of a folder was written by `neuron`; nothing, where it cannot be read.
fn read(folder: &Path) -> Written {
    let Ok(entries) = fs::read_dir(folder) else { return Written::default() };
    let (mut marks, mut pictures) = (Marks::default(), Vec::new());
    for entry in entries.flatten() {
        let name = entry.file_name();
        let Some(text) = listable(&name) else { continue };
        if Promise::of(Path::new(&name)) != Promise::Image {
            marks.note(text);
        } else if Written::may_hold(text) {
            pictures.push(text.to_owned());
        }
    }
    pictures.sort_unstable();
    let has = |name: &str| pictures.binary_search_by(|picture| picture.as_str().cmp(name)).is_ok();
    marks.written(folder, pictures.iter().map(String::as_str), has)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANIFEST: &str = r#"{"scan": {"command": "select-images", "neuron_version": "1"}}"#;

    fn tree(files: &[(&str, &str)]) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        for (file, text) in files {
            let path = folder.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let real = fs::canonicalize(folder.path()).unwrap();
        (folder, real)
    }

    #[test]
    fn files_are_judged_by_all_folders_above() {
        let (_folder, root) = tree(&[
            ("a/1.png", ""),
            ("n/manifest.json", MANIFEST),
            ("n/0/deep/patches.png", ""),
            ("c/files_all.txt", ""),
            ("c/patches.png", ""),
            ("c/photo.png", ""),
            ("c/patches/0.png", ""),
            ("patches/0.png", ""),
            ("s/scan.checkpoint", "neurscan"),
            ("s/neuron_x/0/patches.png", ""),
            ("s/cats/1.png", ""),
        ]);
        let around = Surroundings::of(&[root.join("a")]);
        for (name, expected) in [
            ("a/1.png", false),
            ("n/0/deep/patches.png", true),
            ("a/../n/0/deep/patches.png", true),
            ("c/patches.png", true),
            ("c/photo.png", false),
            ("c/patches/0.png", true),
            ("patches/0.png", false),
            ("s/neuron_x/0/patches.png", true),
            ("s/cats/1.png", false),
            ("no/such.png", false),
        ] {
            assert_eq!(around.is_result(&root.join(name)), expected, "{name}");
        }
    }

    #[test]
    fn a_folder_that_was_named_is_wanted_and_so_is_what_lies_below() {
        let (_folder, root) = tree(&[
            ("n/manifest.json", MANIFEST),
            ("n/0/1.png", ""),
            ("n/1/manifest.json", MANIFEST),
            ("n/1/1.png", ""),
        ]);
        let judged = |named: &str| {
            let around = Surroundings::of(&[root.join(named)]);
            ["n/0/1.png", "n/1/1.png"].map(|name| around.is_result(&root.join(name)))
        };
        assert_eq!(judged(""), [true, true]);
        assert_eq!(judged("n"), [false, true]);
        assert_eq!(judged("n/1"), [false, false]);
    }
}
