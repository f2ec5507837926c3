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
pub(super) mod kinds;
mod known;
mod objects;
mod packed;
mod parquet;
mod reading;
mod record;
mod samples;
mod stamp;
mod tar;
#[cfg(all(test, feature = "cloud"))]
mod tests;
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
pub use which::is_there;
pub(super) use which::{among, root};

/// Opens an archive, a pattern of archives, or a folder that holds archives and no images.
pub(super) fn open(place: &Path, options: &DatasetOptions) -> Option<Result<Opened, DataError>> {
    let set = which::of(place, options)?;
    Some(set.and_then(|set| packed::open(set, place, options)))
}
