//! Files that hold images, a file here each kind: images are called by the path of such a file, `::`, and their name in
//! it.

#[cfg(test)]
pub(crate) mod album;
mod blocks;
mod braces;
mod contents;
mod features;
mod handle;
mod index;
mod inside;
mod known;
mod objects;
mod packed;
mod parquet;
mod reading;
mod record;
mod samples;
mod stamp;
mod tar;
mod which;
mod zip;

use std::path::Path;

use super::opened::Opened;
use crate::error::DataError;
use crate::options::DatasetOptions;
pub(super) use contents::Contents;
pub use index::{keep_indices, use_indices};
pub(super) use known::{Archived, Archives, leads_into};
pub(super) use objects::open as open_objects;
pub(super) use packed::open as open_set;
pub(crate) use which::is_archive;
pub use which::is_there;
pub(super) use which::{among, root};

/// What stands between the path of an archive and the name of an image in it.
const SEPARATOR: &str = "::";

/// A kind of file that holds images.
struct Kind {
    /// How the names of such files end, in upper or lower case.
    ending: &'static str,
    /// Lists such a file.
    open: fn(&Path) -> Result<Contents, DataError>,
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
fn kind_of(place: &Path) -> Option<&'static Kind> {
    let ending = place.extension()?.to_str()?;
    KINDS.iter().find(|kind| ending.eq_ignore_ascii_case(kind.ending))
}

/// Opens an archive, a pattern of archives, or a folder that holds archives and no images.
pub(super) fn open(place: &Path, options: &DatasetOptions) -> Option<Result<Opened, DataError>> {
    let set = which::of(place, options)?;
    Some(set.and_then(|set| packed::open(set, place, options)))
}
