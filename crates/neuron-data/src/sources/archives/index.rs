//! What tells where the images of archives in stores lie, kept in a folder: the next run need not go through them.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::record::Record;
use super::stamp::Stamp;

/// Changes with what is written.
const FORMAT: u32 = 1;
/// Letters of a hash: archives of one name in several places are told apart.
const HASH_LETTERS: usize = 12;

/// The folder in a folder of results.
pub(super) const NAME: &str = "archives.index";

/// Where to look, and whether to write there.
static FOLDERS: Mutex<Vec<(PathBuf, bool)>> = Mutex::new(Vec::new());

/// What stands before a record.
#[derive(Serialize, Deserialize, PartialEq)]
struct About {
    format: u32,
    archive: PathBuf,
    archive_bytes: u64,
    tag: Option<String>,
}

/// From now on what lists archives in stores is taken from the folder `archives.index` of some results where it fits,
/// and kept there: an archive of another size or version is gone through once more.
///
/// Of several results the first are written into. Archives on disks are not worth it: their headers are found by jumps.
pub fn keep_indices(results: &Path) {
    add(results, true);
}

/// As [`keep_indices`], without writing there.
pub fn use_indices(results: &Path) {
    add(results, false);
}

fn add(results: &Path, is_written: bool) {
    let folder = results.join(NAME);
    let mut folders = lock();
    match folders.iter_mut().find(|(known, _)| *known == folder) {
        Some((_, written)) => *written |= is_written,
        None => folders.push((folder, is_written)),
    }
}

pub(super) fn lock() -> MutexGuard<'static, Vec<(PathBuf, bool)>> {
    FOLDERS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The record of an archive, if there is one of this very version. One that lies elsewhere is copied to where records are
/// kept.
pub(super) fn load(place: &Path, stamp: &Stamp) -> Option<Record> {
    let (name, about) = (name(place), About::of(place, stamp));
    let folders = lock().clone();
    let (found, record) =
        folders.iter().find_map(|(folder, _)| Some((folder, read(&folder.join(&name), &about).ok()?)))?;
    if kept_in().is_some_and(|folder| folder != *found) {
        save(place, stamp, &record);
    }
    Some(record)
}

/// Keeps a record, if there is a folder for it. Where that fails the next run takes longer, and no more.
pub(super) fn save(place: &Path, stamp: &Stamp, record: &Record) {
    if let Some(folder) = kept_in()
        && record.is_whole()
    {
        let _ = write(&folder.join(name(place)), &About::of(place, stamp), record);
    }
}

/// The folder that is written into.
fn kept_in() -> Option<PathBuf> {
    lock().iter().find(|(_, is_written)| *is_written).map(|(folder, _)| folder.clone())
}

impl About {
    fn of(place: &Path, stamp: &Stamp) -> Self {
        Self { format: FORMAT, archive: place.into(), archive_bytes: stamp.bytes, tag: stamp.tag.clone() }
    }
}

pub(super) fn name(place: &Path) -> String {
    let hash: String = Sha256::digest(place.as_os_str().as_encoded_bytes())
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let file = place.file_name().unwrap_or_default().to_string_lossy();
    format!("{file}-{}.index", &hash[..HASH_LETTERS])
}

fn read(path: &Path, expected: &About) -> io::Result<Record> {
    let mut file = BufReader::new(File::open(path)?);
    let mut line = Vec::new();
    io::Read::take(&mut file, 1 << 16).read_until(b'\n', &mut line)?;
    match serde_json::from_slice::<About>(&line)? == *expected {
        true => Record::read(file),
        false => Err(io::ErrorKind::InvalidData.into()),
    }
}

fn write(path: &Path, about: &About, record: &Record) -> io::Result<()> {
    path.parent().map_or(Ok(()), fs::create_dir_all)?;
    neuron_files::write(path, |file| {
        serde_json::to_writer(&mut *file, about)?;
        file.write_all(b"\n")?;
        record.write(file)
    })
}
