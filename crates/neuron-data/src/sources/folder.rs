//! A data folder: splits and class folders, or images directly.

use std::path::Path;

use super::files::Files;
use super::layout;
use super::listing::{self, Folder};
use super::opened::Opened;
use super::tally::LeftOut;
use crate::classes::Classes;
use crate::error::DataError;
use crate::options::{DatasetOptions, Split};
use crate::source::Source;

/// Opens a folder.
pub(super) fn open(place: &Path, options: &DatasetOptions) -> Option<Result<Opened, DataError>> {
    place.is_dir().then(|| list(place, options))
}

fn list(root: &Path, options: &DatasetOptions) -> Result<Opened, DataError> {
    let layout = layout::find(root, options)?;
    let split = layout.split.map(Split::name);
    let folders = listing::walk(&split.map_or_else(|| root.into(), |split| root.join(split)))?;
    let mut listed = Listed {
        files: Files::below(vec![root.into()]),
        classes: Classes::new(options.split_n),
        split: split.unwrap_or_default(),
    };
    // The first folder is the root: it counts only where no other holds an image.
    let has_classes = folders[1..].iter().any(|folder| folder.files().len() > 0);
    if has_classes {
        for of_class in folders[1..].chunk_by(|a, b| a.class() == b.class()) {
            listed.push_class(of_class[0].class(), of_class);
        }
    } else {
        listed.push_class("", &folders);
    }
    let mut notices = layout.notices;
    notices.extend(layout::notices(&folders, has_classes, layout.split));
    let mut left_out = LeftOut::default();
    folders.iter().for_each(|folder| left_out.merge(&folder.left_out));
    let Listed { mut files, classes, .. } = listed;
    if let Some(split) = layout.split.filter(|_| files.is_empty())
        && let Some(error) = layout::empty_split(root, split, left_out.other_files)
    {
        return Err(error);
    }
    files.shrink_to_fit();
    Opened { source: Box::new(files), classes, notices }.unless_empty(root, &left_out)
}

/// The files of the folders so far.
struct Listed<'a> {
    files: Files,
    classes: Classes,
    /// What names begin with.
    split: &'a str,
}

impl Listed<'_> {
    /// Adds the folders of a class: of each its files, then what cannot be used.
    fn push_class(&mut self, name: &str, folders: &[Folder]) {
        for folder in folders {
            for file in folder.files() {
                if !self.classes.push(name) {
                    return;
                }
                self.files.push(0, &[self.split, &folder.relative, file]);
            }
            for (relative, unusable) in &folder.unusable {
                if !self.classes.push(name) {
                    return;
                }
                self.files.push(0, &[self.split, relative]);
                self.files.last_is_unusable(unusable.clone());
            }
        }
    }
}
