//! Files that hold images, a file here each kind: below the path of such a file lie the names of its images.

#[cfg(test)]
pub(crate) mod album;

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::opened::Open;
use crate::options::DatasetOptions;
use crate::source::Source;

/// Every kind of file that holds images, in the order in which they are asked.
pub(super) const KINDS: &[Open] = &[
    #[cfg(test)]
    album::open,
];

/// The archives that paths lead into, each opened once: when the first path does.
#[derive(Default)]
pub(super) struct Archives(Mutex<Found>);

#[derive(Default)]
struct Found {
    archives: Vec<Archive>,
    /// By place, which of them lies there or above.
    by_place: HashMap<PathBuf, Option<usize>>,
}

struct Archive {
    place: PathBuf,
    source: Box<dyn Source>,
    /// Indices in the order of names, and of equal names in their own.
    by_name: Vec<usize>,
}

/// An image in an archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Archived {
    /// Which of the archives it is.
    pub(super) archive: usize,
    /// Its index there.
    pub(super) index: usize,
}

impl Archives {
    /// The image that a path leads to, if it leads into an archive.
    pub(super) fn find(&self, path: &Path) -> Option<Archived> {
        let mut found = self.found();
        let archive = found.at_or_above(path.parent()?)?;
        let index = found.archives[archive].index_of(path)?;
        Some(Archived { archive, index })
    }

    /// Whether there is an archive at a place.
    pub(super) fn is_at(&self, place: &Path) -> bool {
        let mut found = self.found();
        found.at_or_above(place).is_some_and(|archive| found.archives[archive].place == place)
    }

    /// Whether no path has led into one.
    pub(super) fn is_empty(&self) -> bool {
        self.found().archives.is_empty()
    }

    /// The archives in the order of [`Archived::archive`].
    pub(super) fn into_sources(self) -> Vec<Box<dyn Source>> {
        let found = self.0.into_inner().unwrap_or_else(PoisonError::into_inner);
        found.archives.into_iter().map(|archive| archive.source).collect()
    }

    /// A thread that panicked has left no archive by halves.
    fn found(&self) -> MutexGuard<'_, Found> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Found {
    /// Which archive lies at a place, or holds it.
    fn at_or_above(&mut self, place: &Path) -> Option<usize> {
        let mut asked = Vec::new();
        let mut answer = None;
        for place in place.ancestors().filter(|place| !place.as_os_str().is_empty()) {
            if let Some(known) = self.by_place.get(place) {
                answer = *known;
                break;
            }
            asked.push(place.to_owned());
            // Above what is there, be it a folder or a file, are only folders.
            if let Ok(kind) = fs::metadata(place) {
                answer = if kind.is_file() { self.open(place) } else { None };
                break;
            }
        }
        self.by_place.extend(asked.into_iter().map(|place| (place, answer)));
        answer
    }

    fn open(&mut self, place: &Path) -> Option<usize> {
        let opened = KINDS.iter().find_map(|open| open(place, &DatasetOptions::default()))?.ok()?;
        let source = opened.source;
        let mut by_name: Vec<usize> = (0..source.len()).collect();
        by_name.sort_by(|a, b| source.name(*a).cmp(source.name(*b)));
        self.archives.push(Archive { place: place.to_owned(), source, by_name });
        Some(self.archives.len() - 1)
    }
}

impl Archive {
    fn index_of(&self, path: &Path) -> Option<usize> {
        let name = path.strip_prefix(&self.place).ok()?.to_str()?;
        let at = self.by_name.partition_point(|index| self.source.name(*index) < name);
        self.by_name.get(at).copied().filter(|index| self.source.name(*index) == name)
    }
}

#[cfg(test)]
mod tests {
    use super::album::write_album;
    use super::*;

    #[test]
    fn paths_lead_to_the_images_of_an_archive() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("a/photos.album");
        write_album(&place, &[("z/2.ppm", "second"), ("1.ppm", "first"), ("1.ppm", "again")]);
        fs::write(folder.path().join("file"), "no archive").unwrap();
        let archives = Archives::default();
        for other in ["a", "a/photos.album", "file/1.ppm", "gone/1.ppm", "a/1.ppm", "a/b/c/1.ppm"] {
            assert_eq!(archives.find(&folder.path().join(other)), None, "{other}");
        }
        assert!(archives.is_empty());
        for (name, index) in [("1.ppm", Some(1)), ("z/2.ppm", Some(0)), ("z/1.ppm", None), ("2.ppm", None)] {
            let found = archives.find(&place.join(name));
            assert_eq!(found, index.map(|index| Archived { archive: 0, index }), "{name}");
        }
        assert!(archives.is_at(&place) && !archives.is_at(&place.join("z")));
        assert!(!archives.is_at(&folder.path().join("file")) && !archives.is_at(folder.path()));
        assert_eq!(archives.into_sources().len(), 1);
    }
}
