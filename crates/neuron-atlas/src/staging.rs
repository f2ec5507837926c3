//! A folder that is there completely or not at all.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use neuron_files::Together;

use crate::error::AtlasError;

/// The file by which an atlas is known: only what holds it is ever replaced, and none is read as results.
pub(crate) const MARKER: &str = "atlas.json";

/// What lies at the top of a site. Anything else there is somebody's own, and stays when the site is replaced.
const OWN: [&str; 10] = [
    MARKER,
    "assets",
    "heat-maps",
    "images",
    "index.html",
    "patches",
    "runs",
    "skipped.tsv",
    "units",
    "visualisations",
];

/// Checks that a site may be written to `place`.
///
/// # Errors
/// [`AtlasError::Present`] if an atlas is there that may not be replaced; [`AtlasError::NotAnAtlas`] if it is
/// anything else but an empty folder.
pub(crate) fn check(place: &Path, overwrite: bool) -> Result<(), AtlasError> {
    let path = || place.to_owned();
    if !place.exists() {
        return Ok(());
    }
    if place.join(MARKER).is_file() {
        return if overwrite { Ok(()) } else { Err(AtlasError::Present { path: path() }) };
    }
    let empty = place.is_dir() && fs::read_dir(place).map_err(AtlasError::read(place))?.next().is_none();
    if empty { Ok(()) } else { Err(AtlasError::NotAnAtlas { path: path() }) }
}

/// A site that is being written, beside its place. It goes away unless it is [put in its place](Staging::finish).
#[derive(Debug)]
pub(crate) struct Staging {
    place: PathBuf,
    folder: PathBuf,
    files: Together,
}

impl Staging {
    pub(crate) fn new(place: &Path) -> Result<Self, AtlasError> {
        // What is there may be called `.` or be a link: neither can be renamed.
        let place = fs::canonicalize(place).unwrap_or_else(|_| place.to_owned());
        let folder = sibling(&place, "part");
        remove(&folder)?;
        // A run that was killed between two renames has left the site, or what is not of it, beside its place.
        let old = sibling(&place, "old");
        if old.exists() && !place.exists() {
            fs::rename(&old, &place).map_err(AtlasError::write(&place))?;
        }
        keep_foreign(&old, &place)?;
        fs::create_dir_all(&folder).map_err(AtlasError::write(&folder))?;
        Ok(Self { place, folder, files: Together::new() })
    }

    /// Writes a file, and the folders above it.
    pub(crate) fn write(&self, file: &str, bytes: &[u8]) -> Result<(), AtlasError> {
        debug_assert!(
            OWN.contains(&file.split('/').next().unwrap_or_default()),
            "{file} is not listed as the site's own"
        );
        let path = self.folder.join(file);
        self.files.write(&path, |writer| writer.write_all(bytes)).map_err(AtlasError::write(path))
    }

    /// Puts the site in its place, and the one that was there out of the way.
    pub(crate) fn finish(mut self) -> Result<(), AtlasError> {
        // The site that was there goes away: this one must outlast a power cut by then.
        std::mem::take(&mut self.files).settle().map_err(AtlasError::write(&self.folder))?;
        let old = sibling(&self.place, "old");
        remove(&old)?;
        let moved = self.place.exists();
        if moved {
            fs::rename(&self.place, &old).map_err(AtlasError::write(&self.place))?;
        }
        if let Err(source) = fs::rename(&self.folder, &self.place) {
            if moved {
                // The error to report is the first one.
                let _ = fs::rename(&old, &self.place);
            }
            return Err(AtlasError::write(&self.place)(source));
        }
        keep_foreign(&old, &self.place)?;
        remove(&old)
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        // After `finish` it is no longer there; after an error, that error is the one to report.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// A hidden name beside `place`: the same in every run, so that the next clears what a killed one left. Two at a time
/// must not write to one place.
fn sibling(place: &Path, ending: &str) -> PathBuf {
    let name = place.file_name().unwrap_or_default().to_string_lossy();
    place.with_file_name(format!(".{name}.{ending}"))
}

/// Moves what is not of a site from the old one, if there is one, to the new one.
fn keep_foreign(old: &Path, new: &Path) -> Result<(), AtlasError> {
    let entries = match fs::read_dir(old) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        entries => entries.map_err(AtlasError::read(old))?,
    };
    for entry in entries {
        let name = entry.map_err(AtlasError::read(old))?.file_name();
        let to = new.join(&name);
        if !OWN.iter().any(|own| name == *own) && fs::symlink_metadata(&to).is_err() {
            fs::rename(old.join(&name), &to).map_err(AtlasError::write(to))?;
        }
    }
    Ok(())
}

/// Removes a folder that need not be there.
fn remove(folder: &Path) -> Result<(), AtlasError> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(AtlasError::write(folder)(error)),
        _ => Ok(()),
    }
}
