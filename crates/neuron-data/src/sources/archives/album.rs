//! A kind of archive for tests: text with a name and the content of an image a line. It is read into memory.

use std::fs;
use std::path::Path;

use super::contents::{Contents, Listing, Members};
use crate::error::{DataError, ImageError};
use crate::limits::Limits;

/// The content of each image.
#[derive(Debug)]
struct Album(Vec<Vec<u8>>);

/// Writes an album of some images.
pub(crate) fn write_album(place: &Path, images: &[(&str, &str)]) {
    fs::create_dir_all(place.parent().unwrap()).unwrap();
    let lines: String = images.iter().map(|(name, content)| format!("{name}\t{content}\n")).collect();
    fs::write(place, lines).unwrap();
}

/// An album of images without content.
pub(super) fn of_names(names: &[&str]) -> std::sync::Arc<Contents> {
    let mut listing = Listing::default();
    names.iter().for_each(|name| listing.push(name, 0));
    listing.finish("names.album".into(), Box::new(Album(Vec::new()))).into()
}

pub(super) fn open(place: &Path) -> Result<Contents, DataError> {
    let text = fs::read_to_string(place).map_err(|source| DataError::Read { path: place.into(), source })?;
    let mut listing = Listing::default();
    let mut album = Vec::new();
    for (name, content) in text.lines().filter_map(|line| line.split_once('\t')) {
        listing.push(name, content.len() as u64);
        album.push(content.into());
    }
    Ok(listing.finish(place.into(), Box::new(Album(album))))
}

impl Members for Album {
    fn read(&self, index: usize, _: u64, _: &Limits, buffer: &mut Vec<u8>) -> Result<(), ImageError> {
        buffer.clone_from(&self.0[index]);
        Ok(())
    }
}
