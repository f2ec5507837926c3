//! Many files that reach the disk together.

use std::fs::File;
use std::io::{self, BufWriter};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::atomic::{Reach, replaced, sync_folder_of};

/// Writes many files of which none counts without the others: one that says so is written behind [`Together::settle`].
///
/// Each file is there completely or not at all, however this process ends, as with [`write()`](crate::write()). What a power
/// cut leaves is certain from [`Together::settle`] on. Thousands of files then wait for the disk once, not each for itself.
#[derive(Debug, Default)]
pub struct Together(Mutex<Vec<PathBuf>>);

impl Together {
    /// No files yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// As [`write()`](crate::write()), but for power cuts.
    ///
    /// # Errors
    /// As there.
    pub fn write(
        &self,
        path: &Path,
        write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>,
    ) -> io::Result<()> {
        let place = replaced(path, Reach::System, write)?;
        self.places().extend(place);
        Ok(())
    }

    /// Waits until a power cut leaves all files.
    ///
    /// # Errors
    /// If the disk cannot take what was written.
    pub fn settle(self) -> io::Result<()> {
        let places = self.0.into_inner().unwrap_or_else(PoisonError::into_inner);
        if sync_file_systems(&places)? { Ok(()) } else { sync_each(&places) }
    }

    /// A thread that panicked has left no path by halves.
    fn places(&self) -> MutexGuard<'_, Vec<PathBuf>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn sync_each(places: &[PathBuf]) -> io::Result<()> {
    for place in places {
        File::open(place)?.sync_all()?;
        sync_folder_of(place)?;
    }
    Ok(())
}

/// Syncs each file system that holds some of the places; `false` where the system cannot be asked for that.
#[cfg(target_os = "linux")]
fn sync_file_systems(places: &[PathBuf]) -> io::Result<bool> {
    use std::collections::HashSet;
    use std::os::unix::fs::MetadataExt;

    use rustix::io::Errno;

    let mut synced = HashSet::new();
    for place in places {
        let file = File::open(place)?;
        if !synced.insert(file.metadata()?.dev()) {
            continue;
        }
        match rustix::fs::syncfs(&file) {
            // An old system, or one in a sandbox.
            Err(Errno::NOSYS | Errno::PERM | Errno::INVAL) => return Ok(false),
            result => result?,
        }
    }
    Ok(true)
}

#[cfg(not(target_os = "linux"))]
fn sync_file_systems(_places: &[PathBuf]) -> io::Result<bool> {
    Ok(false)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write;

    use super::*;

    #[test]
    fn files_take_their_places_one_by_one() {
        let folder = tempfile::tempdir().unwrap();
        let together = Together::new();
        for name in ["a", "b/c"] {
            together.write(&folder.path().join(name), |file| file.write_all(name.as_bytes())).unwrap();
            assert_eq!(fs::read(folder.path().join(name)).unwrap(), name.as_bytes());
        }
        fs::write(folder.path().join("d"), b"before").unwrap();
        let failed = together.write(&folder.path().join("d"), |_| Err(io::Error::other("no more")));
        assert_eq!(failed.unwrap_err().to_string(), "no more");
        assert_eq!(fs::read(folder.path().join("d")).unwrap(), b"before");
        together.settle().unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3, "nothing is left behind");
    }

    #[test]
    fn a_file_that_is_gone_cannot_be_settled() {
        let folder = tempfile::tempdir().unwrap();
        let (there, gone) = (folder.path().join("a"), folder.path().join("b"));
        let together = Together::new();
        for place in [&there, &gone] {
            together.write(place, |file| file.write_all(b"a")).unwrap();
        }
        sync_each(&[there.clone(), gone.clone()]).unwrap();
        fs::remove_file(&gone).unwrap();
        assert_eq!(sync_each(&[there, gone]).unwrap_err().kind(), io::ErrorKind::NotFound);
        assert_eq!(together.settle().unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
