use std::io;
use std::path::{Path, PathBuf};

use parquet::errors::ParquetError;

/// What keeps an atlas from being read or written.
#[non_exhaustive]
#[derive(Debug, thiserror::Error)]
pub enum AtlasError {
    /// A folder or file of results cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },

    /// A table is no Parquet file, or a broken one.
    #[error("cannot read the table {}; make it again", path.display())]
    Table {
        /// The table.
        path: PathBuf,
        /// The reason.
        source: ParquetError,
    },

    /// A table lacks a column, or holds another type in it.
    #[error("the table {} has no column {column} of the right type; make it again with this version", path.display())]
    Column {
        /// The table.
        path: PathBuf,
        /// The column.
        column: &'static str,
    },

    /// A file holds more than any result does.
    #[error("{} holds more than {limit} {what}; make it again", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// What is too many.
        what: &'static str,
        /// How many are read.
        limit: usize,
    },

    /// A manifest or record is not the JSON that it should be.
    #[error("cannot understand {}; make it again with this version", path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// The reason.
        source: serde_json::Error,
    },

    /// Below the folder lies nothing that an atlas could show.
    #[error("{} holds no results of units", folder.display())]
    NoResults {
        /// The folder.
        folder: PathBuf,
    },

    /// Two scans list images for the same units.
    #[error(
        "{} and {} both list images for {layer} of {arch}; name a folder that holds only one of them",
        first.display(),
        second.display()
    )]
    ListedTwice {
        /// The architecture.
        arch: String,
        /// The layer.
        layer: String,
        /// The one table.
        first: PathBuf,
        /// The other.
        second: PathBuf,
    },

    /// The place for the site is taken.
    #[error("{} already exists", path.display())]
    Present {
        /// The place.
        path: PathBuf,
    },

    /// The place for the site holds something that is not an atlas, which is never replaced.
    #[error("{} is there and is not an atlas: only an atlas is replaced", path.display())]
    NotAnAtlas {
        /// The place.
        path: PathBuf,
    },

    /// A source image is gone or broken, or a file of results is, and that was asked to be fatal.
    #[error("cannot show {}: {reason}", path.display())]
    Skipped {
        /// The image or file.
        path: PathBuf,
        /// The reason.
        reason: String,
    },

    /// A file of the site cannot be written.
    #[error("cannot write {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },

    /// The observer asked to stop; nothing is left behind.
    #[error("stopped before the atlas was complete")]
    Stopped,
}

impl AtlasError {
    /// The one file among the results that is to blame, without which the others can be shown.
    pub(crate) fn file(&self) -> Option<&Path> {
        match self {
            Self::Read { path, .. }
            | Self::Table { path, .. }
            | Self::Column { path, .. }
            | Self::TooLarge { path, .. }
            | Self::Json { path, .. } => Some(path),
            _ => None,
        }
    }

    /// The message with all that lies behind it.
    pub(crate) fn chain(&self) -> String {
        let causes = std::iter::successors(std::error::Error::source(self), |error| error.source());
        // Some say their cause themselves.
        causes.map(ToString::to_string).fold(self.to_string(), |text, cause| {
            if text.ends_with(&cause) { text } else { format!("{text}: {cause}") }
        })
    }

    /// For `map_err`: a path that could not be read.
    pub(crate) fn read(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Read { path, source }
    }

    /// For `map_err`: a path that could not be written.
    pub(crate) fn write(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Write { path, source }
    }
}
