//! What an archive holds: the images, by name and size, and how their bytes are read.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Debug;
use std::path::PathBuf;

use crate::address::is_address;
use crate::error::ImageError;
use crate::limits::Limits;
use crate::names::Names;
use crate::remote;
use crate::sources::ending::Promise;
use crate::sources::tally::{LeftOut, Tally};
use crate::unusable::{Problem, escape_bytes};

/// The longest name of a member; that of a list's line is twice as long.
const MOST_NAME_BYTES: usize = 32 << 10;

const NO_LABEL: u32 = u32::MAX;

/// Reads images of an archive, by their index in it; several threads at once.
pub(super) trait Members: Debug + Send + Sync {
    /// Replaces the content of `buffer` by an image, of which the listing says that it has so many bytes. Limits
    /// are checked before memory is taken.
    fn read(&self, index: usize, bytes: u64, limits: &Limits, buffer: &mut Vec<u8>)
    -> Result<(), ImageError>;
}

/// An archive that was opened.
#[derive(Debug)]
pub(in crate::sources) struct Contents {
    pub(super) place: PathBuf,
    names: Names,
    bytes: Vec<u64>,
    /// For each image an index in `all_labels`, or `NO_LABEL`.
    labels: Vec<u32>,
    all_labels: Vec<String>,
    unusable: BTreeMap<usize, Problem>,
    /// Indices in the order of names.
    by_name: Vec<u32>,
    members: Box<dyn Members>,
    pub(super) seen: Seen,
}

/// What was seen beside the images.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen {
    /// Members that are no images by their ending.
    pub(super) left_out: LeftOut,
    pub(super) others: Tally,
    pub(super) special: Tally,
    /// Labels that are none.
    pub(super) labels: Tally,
    /// Whether the end of the archive has no mark, where archives of its kind have one.
    pub(super) has_no_end: bool,
    /// Whether several members have one name, where only the last is found.
    pub(super) has_repeats: bool,
}

impl Contents {
    pub(super) fn len(&self) -> usize {
        self.names.len()
    }

    /// The name inside the archive; empty for a rest that cannot be read.
    pub(super) fn name(&self, index: usize) -> &str {
        self.names.get(index)
    }

    /// Whether the image is known to give no picture.
    pub(super) fn is_unusable(&self, index: usize) -> bool {
        self.unusable.contains_key(&index)
    }

    /// What the archive itself says that an image shows.
    pub(super) fn label(&self, index: usize) -> Option<&str> {
        self.all_labels.get(self.labels[index] as usize).map(String::as_str)
    }

    pub(super) fn has_labels(&self) -> bool {
        !self.all_labels.is_empty()
    }

    pub(in crate::sources) fn bytes(&self, index: usize) -> u64 {
        if self.is_unusable(index) { u64::MAX } else { self.bytes[index] }
    }

    /// The image of a name.
    pub(super) fn find(&self, name: &str) -> Option<usize> {
        let at = self.by_name.partition_point(|index| self.name(*index as usize) < name);
        let index = *self.by_name.get(at)? as usize;
        (self.name(index) == name && !name.is_empty()).then_some(index)
    }

    pub(in crate::sources) fn read(
        &self,
        index: usize,
        limits: &Limits,
        buffer: &mut Vec<u8>,
    ) -> Result<(), ImageError> {
        if let Some(problem) = self.unusable.get(&index) {
            return Err(problem.reason());
        }
        // Where a store does not answer any more, that matters, and not what a part of an archive lacks by it.
        self.members.read(index, self.bytes[index], limits, buffer).map_err(|error| {
            let store = if is_address(&self.place) { remote::check(&self.place) } else { Ok(()) };
            store.err().unwrap_or(error)
        })
    }
}

/// The images of an archive that is being listed, in its order.
#[derive(Debug, Default)]
pub(super) struct Listing {
    names: Names,
    bytes: Vec<u64>,
    labels: Vec<u32>,
    all_labels: Vec<String>,
    known_labels: HashMap<String, u32>,
    unusable: BTreeMap<usize, Problem>,
    pub(super) seen: Seen,
}

impl Listing {
    pub(super) fn len(&self) -> usize {
        self.names.len()
    }

    /// Adds an image.
    pub(super) fn push(&mut self, name: &str, bytes: u64) {
        self.names.push(name);
        self.bytes.push(bytes);
        self.labels.push(NO_LABEL);
    }

    /// Adds what should be an image and is none.
    pub(super) fn push_unusable(&mut self, name: &str, problem: Problem) {
        self.unusable.insert(self.names.len(), problem);
        self.push(name, u64::MAX);
    }

    /// Says that from here on nothing could be read.
    pub(super) fn push_rest(&mut self, problem: &str) {
        self.push_unusable("", Problem::Damaged(problem.into()));
    }

    /// Says what images show.
    pub(super) fn label(&mut self, images: std::ops::Range<usize>, label: &str) {
        let next = self.all_labels.len() as u32;
        let id = *self.known_labels.entry(label.to_owned()).or_insert(next);
        if id == next {
            self.all_labels.push(label.to_owned());
        }
        self.labels[images].fill(id);
    }

    /// Counts a member that is no image.
    pub(super) fn leave_out(&mut self, name: &str) {
        self.seen.left_out.other_files += 1;
        match Promise::of(name.as_ref()) {
            Promise::OtherPicture(ending) => {
                self.seen.left_out.other_pictures.entry(ending).or_default().add(name);
            }
            _ => self.seen.others.add(name),
        }
    }

    /// The archive, whose images are read by `members`. Of images with one name only the first can be used.
    pub(super) fn finish(mut self, place: PathBuf, members: Box<dyn Members>) -> Contents {
        self.names.shrink_to_fit();
        self.bytes.shrink_to_fit();
        self.labels.shrink_to_fit();
        let name = |index: &u32| self.names.get(*index as usize);
        let mut by_name: Vec<u32> = (0..self.names.len() as u32).collect();
        by_name.sort_by(|a, b| name(a).cmp(name(b)));
        for same in by_name.chunk_by(|a, b| name(a) == name(b)).filter(|same| !name(&same[0]).is_empty()) {
            for again in &same[1..] {
                self.unusable.entry(*again as usize).or_insert(Problem::Repeated);
            }
        }
        let Self { names, bytes, labels, all_labels, unusable, seen, .. } = self;
        Contents { place, names, bytes, labels, all_labels, unusable, by_name, members, seen }
    }
}

/// What the name of a member is good for.
#[derive(Debug)]
pub(super) enum Called {
    /// Plain components with `/` between them.
    Plain(String),
    /// A name that cannot be used, as text that shows it.
    Wrong(String, Problem),
    /// Nobody wants it, as in folders.
    Hidden,
}

/// Looks at the name of a member. Nothing is ever unpacked; still no name may lead elsewhere, as results name images
/// by it.
pub(super) fn called(name: &[u8]) -> Called {
    let shown = || escape_bytes(&name[..name.len().min(MOST_NAME_BYTES)]).replace('\0', "\\0");
    let Ok(text) = str::from_utf8(name) else { return Called::Wrong(shown(), Problem::Name) };
    if name.len() > MOST_NAME_BYTES || text.contains(['\n', '\r', '\0']) {
        return Called::Wrong(shown(), Problem::Name);
    }
    let parts: Vec<&str> = text.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
    if text.starts_with('/') || parts.contains(&"..") {
        return Called::Wrong(shown(), Problem::Unsafe);
    }
    match parts.iter().any(|part| part.starts_with('.')) || parts.is_empty() {
        true => Called::Hidden,
        false => Called::Plain(parts.join("/")),
    }
}

/// Whether the name of a member, as it is, is that of an image.
pub(super) fn promises_image(name: &[u8]) -> bool {
    let file = name.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
    !file.starts_with(b".") && Promise::of(String::from_utf8_lossy(file).as_ref().as_ref()) == Promise::Image
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct None;

    impl Members for None {
        fn read(&self, _: usize, _: u64, _: &Limits, _: &mut Vec<u8>) -> Result<(), ImageError> {
            Err(ImageError::Empty)
        }
    }

    #[test]
    fn names_are_plain_or_have_a_problem() {
        for (name, expected) in [("./a//b/./c.jpg", "a/b/c.jpg"), ("é::1.jpg", "é::1.jpg")] {
            assert!(matches!(called(name.as_bytes()), Called::Plain(plain) if plain == expected), "{name}");
        }
        for hidden in ["", "./", ".a.jpg", "__MACOSX/._a.jpg", ".git/a.jpg"] {
            assert!(matches!(called(hidden.as_bytes()), Called::Hidden), "{hidden}");
        }
        for (name, shown) in [
            (&b"/a.jpg"[..], "/a.jpg"),
            (b"a/../../b.jpg", "a/../../b.jpg"),
            (b"caf\xe9.jpg", "caf\\xE9.jpg"),
            (b"two\nlines.jpg", "two\\nlines.jpg"),
            (b"z\0.jpg", "z\\0.jpg"),
            (b"\xff\0.jpg", "\\xFF\\0.jpg"),
        ] {
            assert!(matches!(called(name), Called::Wrong(text, _) if text == shown), "{shown}");
        }
        assert!(promises_image(b"\xff/x.JPEG") && !promises_image(b"a/.x.png") && !promises_image(b"png"));
    }

    #[test]
    fn of_one_name_the_first_counts() {
        let mut listing = Listing::default();
        for name in ["b.png", "a.png", "b.png"] {
            listing.push(name, 3);
        }
        listing.push_rest("it ends");
        listing.push_rest("it ends");
        listing.label(1..3, "x");
        listing.label(0..1, "y");
        let contents = listing.finish("a.tar".into(), Box::new(None));
        let reason =
            |index| contents.read(index, &Limits::default(), &mut Vec::new()).unwrap_err().to_string();
        assert_eq!(
            [contents.find("b.png"), contents.find("a.png"), contents.find("")],
            [Some(0), Some(1), Option::None]
        );
        assert!(reason(2).contains("the same name") && reason(3).starts_with("it ends: "), "{}", reason(3));
        assert_eq!([0, 1, 2].map(|index| contents.label(index)), [Some("y"), Some("x"), Some("x")]);
        assert_eq!([contents.bytes(0), contents.bytes(2)], [3, u64::MAX]);
    }
}
