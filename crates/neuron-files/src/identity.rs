//! Whether an open file is still the one that a path names.

use std::fs::File;
use std::io;
use std::path::Path;

/// Whether `path` still names the file that was opened as `file`: it may have been renamed or removed meanwhile.
#[cfg(unix)]
pub(crate) fn is_still(file: &File, path: &Path) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt;
    let opened = file.metadata()?;
    match std::fs::metadata(path) {
        Ok(named) => Ok((named.dev(), named.ino()) == (opened.dev(), opened.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Elsewhere a file that is open can neither be renamed nor removed.
#[cfg(not(unix))]
pub(crate) fn is_still(_file: &File, _path: &Path) -> io::Result<bool> {
    Ok(true)
}
