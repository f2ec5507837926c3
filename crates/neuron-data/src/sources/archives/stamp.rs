//! What tells whether an archive is still the one that was listed.

use std::io;
use std::path::Path;
use std::time::SystemTime;

use crate::error::DataError;
use crate::{address, remote};

/// What tells an archive from another that took its place.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    pub(super) bytes: u64,
    modified: Option<SystemTime>,
    pub(super) tag: Option<String>,
}

impl Stamp {
    /// Of a regular file, or of an object; a pipe would wait for somebody to write.
    ///
    /// # Errors
    /// [`DataError::Read`] or [`DataError::Store`].
    pub(super) fn of(place: &Path) -> Result<Self, DataError> {
        Self::read(place).map_err(|source| DataError::unreadable(place, source))
    }

    fn read(place: &Path) -> io::Result<Self> {
        if address::is_address(place) {
            let about = remote::about(place)?;
            return Ok(Self { bytes: about.bytes(), modified: None, tag: about.tag().map(str::to_owned) });
        }
        let about = std::fs::metadata(place)?;
        match about.is_file() {
            true => Ok(Self { bytes: about.len(), modified: about.modified().ok(), tag: None }),
            false => Err(io::Error::other("it is not a regular file")),
        }
    }
}
