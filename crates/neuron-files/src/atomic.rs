//! Writing a file beside its place and renaming it.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File, OpenOptions, TryLockError};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, BufWriter, IntoInnerError, Write};
use std::path::{Path, PathBuf};

use crate::identity::is_still;
use crate::target::Target;

/// Names can have 255 bytes nearly everywhere; the hidden sibling's has to fit as well.
const LONGEST_NAME: usize = 240;

/// Writes a file: readers and killed processes never see half of it.
///
/// The bytes go to the hidden sibling `.<name>.part` and to the disk, then take their place. What a killed process
/// left there is overwritten by the next that writes the same file. Links are followed; a pipe or a device is
/// written into. Folders above it are made.
///
/// # Errors
/// If another process is writing the same file, the place is a folder or an unusual device, the disk is full, or
/// `write` fails. What was there before is untouched, and nothing is left behind.
pub fn write(path: &Path, write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>) -> io::Result<()> {
    let Some(place) = replaced(path, Reach::Disk, write)? else { return Ok(()) };
    sync_folder_of(&place)
}

/// How far bytes have come when a file takes its place.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reach {
    /// All processes see them; a power cut may lose them.
    System,
    /// A power cut leaves them.
    Disk,
}

/// Writes a file as [`write()`] does, without its name reaching the disk. The place that it took, if it is a regular file.
pub(crate) fn replaced(
    path: &Path,
    reach: Reach,
    write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>,
) -> io::Result<Option<PathBuf>> {
    match Target::of(path)? {
        Target::Stream(stream) => {
            let mut writer = BufWriter::new(OpenOptions::new().write(true).open(stream)?);
            write(&mut writer)?;
            writer.flush()?;
            Ok(None)
        }
        Target::File(place) => {
            replace(&place, reach, write)?;
            Ok(Some(place))
        }
    }
}

/// Lets the names in a file's folder outlast a power cut, where folders can be synced.
pub(crate) fn sync_folder_of(place: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(parent_of(place))?.sync_all() } else { Ok(()) }
}

fn parent_of(place: &Path) -> &Path {
    place.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// As [`write()`], for bytes that are at hand.
///
/// # Errors
/// As [`write()`].
pub fn write_bytes(path: &Path, bytes: &[u8]) -> io::Result<()> {
    write(path, |file| file.write_all(bytes))
}

/// Removes a file that need not be there, and what a killed process left of it.
///
/// # Errors
/// If it is there and cannot be removed.
pub fn remove(path: &Path) -> io::Result<()> {
    let gone = |result: io::Result<()>| match result {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    };
    gone(fs::remove_file(path))?;
    gone(fs::remove_file(part_of(path)))
}

fn replace(
    place: &Path,
    reach: Reach,
    write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>,
) -> io::Result<()> {
    fs::create_dir_all(parent_of(place))?;
    let part = part_of(place);
    let file = open_part(&part)?;
    let written = (|| {
        let mut writer = BufWriter::new(file.try_clone()?);
        write(&mut writer)?;
        let file = writer.into_inner().map_err(IntoInnerError::into_error)?;
        if reach == Reach::Disk {
            file.sync_all()?;
        }
        if let Ok(before) = fs::metadata(place) {
            file.set_permissions(before.permissions())?;
        }
        fs::rename(&part, place)
    })();
    if written.is_err() {
        // The first error is the one to report.
        let _ = fs::remove_file(&part);
    }
    written
}

/// Opens the sibling and locks it for as long as it is open, so that two processes never write to one.
fn open_part(part: &Path) -> io::Result<File> {
    loop {
        let file = OpenOptions::new().write(true).create(true).truncate(false).open(part)?;
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => {
                return Err(io::Error::new(io::ErrorKind::ResourceBusy, "another process is writing it"));
            }
            // A file system without locks: as good as it can be.
            Ok(()) | Err(TryLockError::Error(_)) => {}
        }
        // Whoever held it until now may have renamed it: then it is the result, and not to be written to.
        if is_still(&file, part)? {
            file.set_len(0)?;
            return Ok(file);
        }
    }
}

/// The hidden sibling of a file that is being written.
fn part_of(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default();
    let mut hidden = OsString::from(".");
    if name.len() <= LONGEST_NAME {
        hidden.push(name);
    } else {
        hidden.push(hash_of(name));
    }
    hidden.push(".part");
    path.with_file_name(hidden)
}

fn hash_of(name: &OsStr) -> String {
    let mut hasher = DefaultHasher::new();
    name.hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_failure_leaves_what_was_there_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        write_bytes(&path, b"before").unwrap();
        let failed = write(&path, |file| {
            file.write_all(b"half")?;
            Err(io::Error::other("no more"))
        });
        assert_eq!(failed.unwrap_err().to_string(), "no more");
        assert_eq!(fs::read(&path).unwrap(), b"before");
        assert_eq!(names(folder.path()), ["a"]);
    }

    #[test]
    fn what_a_killed_process_left_is_overwritten_or_removed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        fs::write(part_of(&path), b"half of something longer").unwrap();
        write_bytes(&path, b"whole").unwrap();
        assert_eq!((fs::read(&path).unwrap(), names(folder.path())), (b"whole".to_vec(), vec!["a".into()]));
        fs::write(part_of(&path), b"half").unwrap();
        remove(&path).unwrap();
        remove(&path).unwrap();
        assert!(names(folder.path()).is_empty());
    }

    #[test]
    fn two_cannot_write_one_file_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        write(&path, |file| {
            let second = write_bytes(&path, b"second").unwrap_err();
            assert_eq!(second.kind(), io::ErrorKind::ResourceBusy);
            file.write_all(b"first")
        })
        .unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"first");
    }

    #[test]
    fn the_longest_name_can_be_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("n".repeat(255));
        write_bytes(&path, b"x").unwrap();
        assert_eq!(names(folder.path()), ["n".repeat(255)]);
    }

    #[cfg(unix)]
    #[test]
    fn permissions_links_and_pipes_stay() {
        use std::os::unix::fs::{PermissionsExt, symlink};
        let folder = tempfile::tempdir().unwrap();
        let real = folder.path().join("real");
        fs::write(&real, b"before").unwrap();
        fs::set_permissions(&real, fs::Permissions::from_mode(0o640)).unwrap();
        let link = folder.path().join("link");
        symlink("real", &link).unwrap();
        write_bytes(&link, b"after").unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read(&real).unwrap(), b"after");
        assert_eq!(fs::metadata(&real).unwrap().permissions().mode() & 0o777, 0o640);

        let pipe = folder.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let reader = std::thread::spawn({
            let pipe = pipe.clone();
            move || fs::read(pipe).unwrap()
        });
        write_bytes(&pipe, b"through").unwrap();
        assert_eq!(reader.join().unwrap(), b"through");
        write_bytes(Path::new("/dev/null"), b"away").unwrap();
        assert!(!fs::metadata("/dev/null").unwrap().is_file());
        assert_eq!(names(folder.path()), ["link", "pipe", "real"]);
    }
}
