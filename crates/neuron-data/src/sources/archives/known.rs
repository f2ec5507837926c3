//! Archives that were opened in this run, and the images in them that lists name.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::contents::Contents;
use super::kinds::{SEPARATOR, kind_of};
use super::stamp::Stamp;
use crate::error::DataError;

/// What was opened, by place: the archives of a million images take seconds to list, and a run looks images up many
/// times.
static KNOWN: Mutex<Option<Opened>> = Mutex::new(None);

/// By place; an archive with a new stamp is listed again.
type Opened = HashMap<PathBuf, (Stamp, Arc<Contents>)>;

/// Lists an archive, and remembers that.
pub(super) fn read(place: &Path) -> Result<Arc<Contents>, DataError> {
    let stamp = Stamp::of(place)?;
    let kind = kind_of(place).ok_or_else(|| DataError::Archive {
        path: place.into(),
        kind: "an archive",
        reason: "its name has none of the endings of archives".into(),
    })?;
    let contents = Arc::new((kind.open)(place)?);
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    known.get_or_insert_default().insert(place.into(), (stamp, Arc::clone(&contents)));
    Ok(contents)
}

/// As [`read`], without reading again what has not changed.
fn read_once(place: &Path) -> Option<Arc<Contents>> {
    kind_of(place)?;
    let stamp = Stamp::of(place).ok()?;
    let known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    let found = known.as_ref().and_then(|known| known.get(place)).filter(|(known, _)| *known == stamp);
    if let Some((_, contents)) = found {
        return Some(Arc::clone(contents));
    }
    drop(known);
    read(place).ok()
}

/// Whether a path is that of an image in an archive, by its spelling.
pub(in crate::sources) fn leads_into(path: &Path) -> bool {
    let Some(text) = path.to_str() else { return false };
    text.match_indices(SEPARATOR).any(|(at, _)| kind_of(Path::new(&text[..at])).is_some())
}

/// The archives that paths lead into, each opened once: when the first path does.
#[derive(Default)]
pub(in crate::sources) struct Archives(Mutex<Found>);

#[derive(Default)]
struct Found {
    archives: Vec<Arc<Contents>>,
    /// Which of them lies at a place.
    by_place: HashMap<PathBuf, Option<usize>>,
}

/// An image in an archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::sources) struct Archived {
    /// Which of the archives it is.
    pub(in crate::sources) archive: usize,
    /// Its index there.
    pub(in crate::sources) index: usize,
}

impl Archives {
    /// The image that a path leads to, if it leads into an archive.
    pub(in crate::sources) fn find(&self, path: &Path) -> Option<Archived> {
        let text = path.to_str()?;
        // A name may hold what separates names, and so may that of a folder.
        text.match_indices(SEPARATOR).find_map(|(at, _)| {
            let mut found = self.found();
            let archive = found.at(Path::new(&text[..at]))?;
            let index = found.archives[archive].find(&text[at + SEPARATOR.len()..])?;
            Some(Archived { archive, index })
        })
    }

    /// The class of an image.
    pub(in crate::sources) fn class(&self, Archived { archive, index }: Archived) -> String {
        super::inside::class_by_itself(&self.found().archives[archive], index).to_owned()
    }

    /// The archives in the order of [`Archived::archive`].
    pub(in crate::sources) fn into_contents(self) -> Vec<Arc<Contents>> {
        self.0.into_inner().unwrap_or_else(PoisonError::into_inner).archives
    }

    /// A thread that panicked has left no archive by halves.
    fn found(&self) -> MutexGuard<'_, Found> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Found {
    fn at(&mut self, place: &Path) -> Option<usize> {
        if let Some(known) = self.by_place.get(place) {
            return *known;
        }
        let found = read_once(place).map(|contents| {
            self.archives.push(contents);
            self.archives.len() - 1
        });
        self.by_place.insert(place.into(), found);
        found
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::album::write_album;
    use super::*;

    #[test]
    fn paths_lead_to_the_images_of_an_archive() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("a::b/photos.album");
        write_album(&place, &[("z/2.ppm", "second"), ("1::2.ppm", "first"), ("1::2.ppm", "again")]);
        fs::write(folder.path().join("file"), "no archive").unwrap();
        let archives = Archives::default();
        for other in
            ["a::b", "a::b/photos.album", "file::1.ppm", "gone.album::1.ppm", "a::b/photos.album/1.ppm"]
        {
            assert_eq!(archives.find(&folder.path().join(other)), None, "{other}");
        }
        assert!(archives.found().archives.is_empty());
        for (name, index) in [("1::2.ppm", Some(1)), ("z/2.ppm", Some(0)), ("z/1.ppm", None), ("", None)] {
            let found = archives.find(Path::new(&format!("{}::{name}", place.display())));
            assert_eq!(found, index.map(|index| Archived { archive: 0, index }), "{name}");
        }
        assert_eq!(archives.class(Archived { archive: 0, index: 0 }), "z");
        assert_eq!(archives.into_contents().len(), 1);
    }

    #[test]
    fn what_has_changed_is_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("photos.album");
        let path = folder.path().join("photos.album::2.ppm");
        write_album(&place, &[("1.ppm", "first")]);
        assert_eq!(Archives::default().find(&path), None);
        let first = read_once(&place).unwrap();
        assert!(Arc::ptr_eq(&first, &read_once(&place).unwrap()));
        write_album(&place, &[("1.ppm", "first"), ("2.ppm", "second")]);
        assert!(Archives::default().find(&path).is_some());
    }
}
