//! The kinds of files that hold images, and which files are of one by their names.

use std::path::Path;

#[cfg(test)]
use super::album;
use super::contents::Contents;
use super::{parquet, tar, zip};
use crate::error::DataError;

/// What `neuron` writes in the form of an archive.
const RESULTS: [&str; 2] = ["topk.parquet", "patches.parquet"];
/// What stands between the path of an archive and the name of an image in it.
pub(super) const SEPARATOR: &str = "::";

/// A kind of file that holds images.
pub(super) struct Kind {
    /// How the names of such files end, in upper or lower case.
    ending: &'static str,
    /// Lists such a file.
    pub(super) open: fn(&Path) -> Result<Contents, DataError>,
}

/// Every kind of file that holds images.
const KINDS: &[Kind] = &[
    Kind { ending: "tar", open: tar::open },
    Kind { ending: "zip", open: zip::open },
    Kind { ending: "parquet", open: parquet::open },
    #[cfg(test)]
    Kind { ending: "album", open: album::open },
];

/// The kind that a file belongs to by its name.
pub(super) fn kind_of(place: &Path) -> Option<&'static Kind> {
    let ending = place.extension()?.to_str()?;
    KINDS.iter().find(|kind| ending.eq_ignore_ascii_case(kind.ending))
}

/// Whether a file is an archive by its name, and not one that `neuron` writes.
pub(in crate::sources) fn is_archive(name: &Path) -> bool {
    kind_of(name).is_some() && !RESULTS.iter().any(|result| name.file_name() == Some(result.as_ref()))
}
