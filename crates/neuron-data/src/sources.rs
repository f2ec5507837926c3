//! The kinds of places that images are read from, a file each.

pub(crate) mod archives;
mod ending;
mod files;
mod folder;
mod layout;
pub(crate) mod list;
mod listing;
pub(crate) mod lookup;
mod opened;
mod stored;
mod tally;

use std::path::Path;

use crate::error::DataError;
use crate::options::DatasetOptions;
use opened::Open;
pub(crate) use opened::Opened;

/// Every kind but lists, in the order in which they are asked.
const SOURCES: [Open; 4] = [list::open_stdin, stored::open, archives::open, folder::open];

/// Opens a place as the first kind that calls it its own; what none of them wants is a list.
pub(crate) fn open(place: &Path, options: &DatasetOptions) -> Result<Opened, DataError> {
    let opened = SOURCES.iter().find_map(|open| open(place, options));
    opened.unwrap_or_else(|| list::open(place, options))
}
