//! The kinds of places that images are read from, a file each.

mod files;
mod folder;
mod layout;
pub(crate) mod list;
pub(crate) mod lookup;
mod opened;

use std::path::Path;

use crate::error::DataError;
use crate::options::DatasetOptions;
pub(crate) use opened::Opened;

/// Opens a place; `None` if it is not of this kind.
type Open = fn(&Path, &DatasetOptions) -> Option<Result<Opened, DataError>>;

/// Every kind but lists, in the order in which they are asked.
const SOURCES: [Open; 2] = [list::open_stdin, folder::open];

/// Opens a place as the first kind that calls it its own; what none of them wants is a list.
pub(crate) fn open(place: &Path, options: &DatasetOptions) -> Result<Opened, DataError> {
    let opened = SOURCES.iter().find_map(|open| open(place, options));
    opened.unwrap_or_else(|| list::open(place, options))
}
