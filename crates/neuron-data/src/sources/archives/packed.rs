//! The images of some archives as one source.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::contents::{Contents, Seen};
use super::inside::Inside;
use super::kinds::SEPARATOR;
use super::known;
use super::which::Set;
use crate::classes::Classes;
use crate::error::{DataError, ImageError};
use crate::limits::Limits;
use crate::names::Names;
use crate::notice::Notice;
use crate::options::DatasetOptions;
use crate::parallel;
use crate::source::Source;
use crate::sources::layout;
use crate::sources::opened::Opened;
use crate::sources::tally::{LeftOut, Tally};

#[derive(Debug)]
struct Packed {
    /// The folder that names start from.
    root: PathBuf,
    archives: Vec<Arc<Contents>>,
    names: Names,
    /// Of each image its archive, and its index there.
    places: Vec<(u32, u32)>,
}

/// Lists the images of some archives: one archive after the other, each in its own order.
pub(in crate::sources) fn open(
    set: Set,
    place: &Path,
    options: &DatasetOptions,
) -> Result<Opened, DataError> {
    let Set { root, files, looks_inside, notices } = set;
    let opened = parallel::map(&files, |file| known::read(&root.join(file)));
    let archives: Vec<Arc<Contents>> = opened.into_iter().collect::<Result<_, _>>()?;
    let inside = match looks_inside {
        true => Inside::of(&archives, place, options.split)?,
        false => Inside::without_splits(&archives),
    };
    let files: Vec<&str> = files.iter().map(String::as_str).collect();
    together(root, (&files, SEPARATOR), archives, (inside, notices), (place, options))
}

/// Joins archives to one source; `files` are their names, and what stands between those and the names in them.
pub(super) fn together(
    root: PathBuf,
    (files, separator): (&[&str], &str),
    archives: Vec<Arc<Contents>>,
    (inside, mut notices): (Inside, Vec<Notice>),
    (place, options): (&Path, &DatasetOptions),
) -> Result<Opened, DataError> {
    let mut classes = Classes::new(options.split_n);
    let mut packed = Packed { root, archives: Vec::new(), names: Names::new(), places: Vec::new() };
    let mut seen = Seen::default();
    let (mut no_end, mut repeats) = (Tally::default(), Tally::default());
    for (at, (archive, file)) in archives.iter().zip(files).enumerate() {
        for index in 0..archive.len() {
            if inside.class(archive, index).is_some_and(|class| classes.push(class)) {
                let separator = if archive.name(index).is_empty() { "" } else { separator };
                packed.names.push(&format!("{file}{separator}{}", archive.name(index)));
                packed.places.push((at as u32, index as u32));
            }
        }
        seen.merge(&archive.seen, &format!("{file}{separator}"));
        if archive.seen.has_no_end {
            no_end.add(file);
        }
        if archive.seen.has_repeats {
            repeats.add(file);
        }
    }
    notices.extend(inside.notices);
    notices.extend(seen.notices(&no_end, &repeats));
    packed.names.shrink_to_fit();
    packed.places.shrink_to_fit();
    packed.archives = archives;
    Opened { source: Box::new(packed), classes, notices }.unless_empty(place, &seen.left_out)
}

impl Seen {
    fn merge(&mut self, other: &Self, prefix: &str) {
        let mut other = other.clone();
        other.left_out.name_from_above(prefix);
        self.left_out.merge(&other.left_out);
        for (all, one) in [
            (&mut self.others, &mut other.others),
            (&mut self.special, &mut other.special),
            (&mut self.labels, &mut other.labels),
        ] {
            one.example.insert_str(0, prefix);
            all.merge(one);
        }
    }

    fn notices(&self, no_end: &Tally, repeats: &Tally) -> Vec<Notice> {
        let LeftOut { other_pictures, .. } = self.left_out.clone();
        let mut notices = layout::other_pictures(other_pictures);
        let mut say = |tally: &Tally, notice: fn(usize, String) -> Notice| {
            if tally.count > 0 {
                notices.push(notice(tally.count, tally.example.clone()));
            }
        };
        say(&self.others, |count, example| Notice::OtherMembers { count, example });
        say(&self.special, |count, example| Notice::SpecialMembers { count, example });
        say(&self.labels, |count, example| Notice::OtherLabels { count, example });
        say(repeats, |count, example| Notice::RepeatedMembers { count, example });
        say(no_end, |count, example| Notice::NoEnd { count, example });
        notices
    }
}

impl Packed {
    fn at(&self, index: usize) -> (&Contents, usize) {
        let (archive, index) = self.places[index];
        (&self.archives[archive as usize], index as usize)
    }
}

impl Source for Packed {
    fn len(&self) -> usize {
        self.names.len()
    }

    fn name(&self, index: usize) -> &str {
        self.names.get(index)
    }

    fn entry(&self, index: usize) -> String {
        self.root.join(self.name(index)).display().to_string()
    }

    fn encoded_bytes(&self, index: usize) -> u64 {
        let (archive, index) = self.at(index);
        archive.bytes(index)
    }

    fn read<'a>(
        &'a self,
        index: usize,
        limits: &Limits,
        buffer: &'a mut Vec<u8>,
    ) -> Result<&'a [u8], ImageError> {
        let (archive, index) = self.at(index);
        archive.read(index, limits, buffer)?;
        Ok(buffer)
    }
}
