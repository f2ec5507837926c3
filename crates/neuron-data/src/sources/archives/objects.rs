//! Images that are objects of a store each, as if they were the members of an archive.

use std::path::Path;
use std::sync::Arc;

use super::contents::{Called, Contents, Listing, Members, called, promises_image};
use super::inside::Inside;
use super::packed;
use crate::error::{DataError, ImageError};
use crate::limits::Limits;
use crate::options::{DatasetOptions, Split};
use crate::remote::{self, Object, Several};
use crate::sources::opened::Opened;

/// Lists the images among some objects, by the rules for folders and in the order of those. Objects are called by their
/// addresses behind that of the place.
pub(in crate::sources) fn open(
    named: Vec<(String, Object)>,
    place: &Path,
    options: &DatasetOptions,
) -> Result<Opened, DataError> {
    let mut others = Listing::default();
    let is_image = |(name, _): &(String, Object)| match called(name.as_bytes()) {
        Called::Plain(_) if promises_image(name.as_bytes()) => true,
        Called::Plain(_) | Called::Wrong(..) => {
            others.leave_out(name);
            false
        }
        Called::Hidden => false,
    };
    let mut images: Vec<(String, Object)> = named.into_iter().filter(is_image).collect();
    images.sort_by(|(a, _), (b, _)| order(a, None).cmp(&order(b, None)));
    let inside =
        Inside::of_folder(&[Arc::new(contents(&images, Listing::default(), place))], place, options.split)?;
    if let Some(split) = inside.split() {
        images.sort_by(|(a, _), (b, _)| order(a, Some(split)).cmp(&order(b, Some(split))));
    }
    let archives = vec![Arc::new(contents(&images, others, place))];
    packed::together(place.into(), (&[""], ""), archives, (inside, Vec::new()), (place, options))
}

/// What images are sorted by: the class, which is a folder of the place or of the split, then the folder, then the name.
fn order(name: &str, split: Option<Split>) -> (&str, &str, &str) {
    let of_split = split.and_then(|split| name.strip_prefix(split.name())?.strip_prefix('/'));
    let (folder, file) = of_split.unwrap_or(name).rsplit_once('/').unwrap_or(("", of_split.unwrap_or(name)));
    (folder.split('/').next().unwrap_or_default(), folder, file)
}

fn contents(images: &[(String, Object)], mut listing: Listing, place: &Path) -> Contents {
    images.iter().for_each(|(name, object)| listing.push(name, object.bytes()));
    let objects = images.iter().map(|(_, object)| object.clone()).collect();
    listing.finish(place.into(), Box::new(Objects(Several::of(objects))))
}

#[derive(Debug)]
struct Objects(Several);

impl Members for Objects {
    fn read(
        &self,
        index: usize,
        bytes: u64,
        limits: &Limits,
        buffer: &mut Vec<u8>,
    ) -> Result<(), ImageError> {
        limits.check_file(bytes)?;
        let object = remote::read_one(&self.0, index)?;
        buffer.clear();
        buffer.extend_from_slice(&object);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_come_before_the_folders_in_them() {
        let mut names = ["a/x/1.png", "a-b/1.png", "train/b.png", "a/2.png", "1.png"];
        names.sort_by_key(|name| order(name, None));
        assert_eq!(names, ["1.png", "a/2.png", "a/x/1.png", "a-b/1.png", "train/b.png"]);
        let mut names = ["train/a-b/1.png", "train/a/x/1.png", "train/2.png"];
        names.sort_by_key(|name| order(name, Some(Split::Train)));
        assert_eq!(names, ["train/2.png", "train/a/x/1.png", "train/a-b/1.png"]);
    }
}
