//! A kind of archive for tests: text with a name and the content of an image a line. It is read into memory.

use std::fs;
use std::path::Path;

use crate::classes::Classes;
use crate::error::{DataError, ImageError};
use crate::limits::Limits;
use crate::listing::LeftOut;
use crate::options::DatasetOptions;
use crate::source::Source;
use crate::sources::opened::Opened;

#[derive(Debug)]
struct Album {
    place: String,
    images: Vec<(String, Vec<u8>)>,
}

/// Writes an album of some images.
pub(crate) fn write_album(place: &Path, images: &[(&str, &str)]) {
    fs::create_dir_all(place.parent().unwrap()).unwrap();
    let lines: String = images.iter().map(|(name, content)| format!("{name}\t{content}\n")).collect();
    fs::write(place, lines).unwrap();
}

pub(super) fn open(place: &Path, options: &DatasetOptions) -> Option<Result<Opened, DataError>> {
    let is_mine = place.extension().is_some_and(|ending| ending == "album");
    is_mine.then(|| list(place, options))
}

fn list(place: &Path, options: &DatasetOptions) -> Result<Opened, DataError> {
    let text = fs::read_to_string(place).map_err(|source| DataError::Read { path: place.into(), source })?;
    let mut classes = Classes::new(options.split_n);
    let mut album = Album { place: place.display().to_string(), images: Vec::new() };
    for (name, content) in text.lines().filter_map(|line| line.split_once('\t')) {
        if classes.push(name.split_once('/').map_or("", |(class, _)| class)) {
            album.images.push((name.to_owned(), content.into()));
        }
    }
    Opened { source: Box::new(album), classes, notices: Vec::new() }.unless_empty(place, &LeftOut::default())
}

impl Source for Album {
    fn len(&self) -> usize {
        self.images.len()
    }

    fn name(&self, index: usize) -> &str {
        &self.images[index].0
    }

    fn entry(&self, index: usize) -> String {
        format!("{}/{}", self.place, self.images[index].0)
    }

    fn encoded_bytes(&self, index: usize) -> u64 {
        self.images[index].1.len() as u64
    }

    fn read<'a>(&'a self, index: usize, _: &Limits, _: &'a mut Vec<u8>) -> Result<&'a [u8], ImageError> {
        Ok(&self.images[index].1)
    }
}
