//! What lies in stores: archives, or images in folders, which stores have by the names of their objects only.

use std::collections::HashSet;
use std::path::Path;

use super::archives;
use super::opened::Opened;
use crate::address::{self, is_address};
use crate::error::DataError;
use crate::options::DatasetOptions;
use crate::remote::{self, Object};

/// Opens an address.
pub(super) fn open(place: &Path, options: &DatasetOptions) -> Option<Result<Opened, DataError>> {
    let archives = || archives::open(place, options);
    is_address(place).then(|| archives().unwrap_or_else(|| folder(&address::plain(place), options)))
}

fn folder(place: &Path, options: &DatasetOptions) -> Result<Opened, DataError> {
    let objects = remote::list(place).map_err(|source| DataError::Store { source })?;
    let prefix = format!("{}/", place.display());
    let named: Vec<(String, Object)> = objects
        .into_iter()
        .filter_map(|object| Some((object.address().strip_prefix(&prefix)?.to_owned(), object)))
        .collect();
    match archives::among(named.iter().map(|(name, _)| name.as_str()), place, options)? {
        Some(set) => {
            let read: HashSet<&str> = set.files.iter().map(String::as_str).collect();
            let is_read = |(name, _): &&(String, Object)| read.contains(name.as_str());
            named.iter().filter(is_read).for_each(|(_, object)| remote::remember(object));
            archives::open_set(set, place, options)
        }
        None => archives::open_objects(named, place, options),
    }
}
