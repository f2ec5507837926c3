use std::{
    ffi::OsString,
    fs::{self, File},
    io::{BufRead, BufReader, BufWriter, IntoInnerError},
    path::{Path, PathBuf},
};

use crate::{TopK, TopkError};

impl TopK {
    /// Writes the state to a file, atomically: under `path` there is the old file or the new one, never a part.
    ///
    /// The bytes go to the sibling `<name>.partial` and to the disk before they take their place. One process
    /// at a time may save to a path.
    ///
    /// # Errors
    /// [`TopkError::File`] that names the path; whatever stood there is then untouched.
    pub fn save(&self, path: &Path) -> Result<(), TopkError> {
        let partial = partial_path(path);
        self.save_by_way_of(&partial, path).map_err(|source| {
            // Best effort: the first error is the one worth reporting.
            let _ = fs::remove_file(&partial);
            TopkError::File { path: path.into(), source: Box::new(source) }
        })
    }

    fn save_by_way_of(&self, partial: &Path, path: &Path) -> Result<(), TopkError> {
        let mut writer = BufWriter::new(File::create(partial)?);
        self.write_to(&mut writer)?;
        writer.into_inner().map_err(IntoInnerError::into_error)?.sync_all()?;
        fs::rename(partial, path)?;
        sync_parent(path)
    }

    /// Reads a file that [`save`](Self::save) wrote.
    ///
    /// # Errors
    /// [`TopkError::File`] that names the path and holds an error of [`read_from`](Self::read_from), also for
    /// bytes after the state's end.
    pub fn open(path: &Path) -> Result<Self, TopkError> {
        Self::read_whole(path)
            .map_err(|source| TopkError::File { path: path.into(), source: Box::new(source) })
    }

    fn read_whole(path: &Path) -> Result<Self, TopkError> {
        let mut reader = BufReader::new(File::open(path)?);
        let top_k = Self::read_from(&mut reader)?;
        if !reader.fill_buf()?.is_empty() {
            return Err(TopkError::Corrupt { what: "there are bytes after its end" });
        }
        Ok(top_k)
    }
}

fn partial_path(path: &Path) -> PathBuf {
    let mut name = path.file_name().map_or_else(OsString::new, OsString::from);
    name.push(".partial");
    path.with_file_name(name)
}

/// Makes the rename itself survive a power cut, where directories can be synced.
fn sync_parent(path: &Path) -> Result<(), TopkError> {
    if cfg!(unix) {
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        File::open(parent.unwrap_or(Path::new(".")))?.sync_all()?;
    }
    Ok(())
}
