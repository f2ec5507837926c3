use std::io::BufRead;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::classes::{Class, Classes};
use crate::decode::decode_rgb8;
use crate::error::{DataError, ImageError};
use crate::limits::Limits;
use crate::notice::Notice;
use crate::options::DatasetOptions;
use crate::parallel;
use crate::rgb8::Rgb8Image;
use crate::source::Source;
use crate::sources::lookup::Lookup;
use crate::sources::{self, Opened, list};

/// An ordered set of images: a source, and the class of each image.
#[derive(Debug)]
pub struct Dataset {
    source: Box<dyn Source>,
    classes: Classes,
    notices: Vec<Notice>,
}

impl Dataset {
    /// Lists a data folder, or reads a list of paths where `root` is a file, or `-` for standard input.
    ///
    /// A folder holds `train/` and/or `val/`, or class folders directly, or images directly. Classes come in
    /// bytewise order, then folders within them, then files, as in torchvision's `ImageFolder`; as there,
    /// loose files beside class folders do not belong to the set. Hidden files and folders are left out, and what
    /// `neuron` wrote; symbolic links are followed, but never back to a folder that holds them. A folder `train` or
    /// `val` with images of its own, beside other folders with images, is a class.
    ///
    /// What cannot be read, or has a name that no list can hold, is an image that fails when it is loaded.
    /// [`Dataset::notices`] tells what was left out.
    ///
    /// # Errors
    /// [`DataError::NoImages`], [`DataError::EmptySplit`], [`DataError::MissingSplit`], [`DataError::SplitIsClass`],
    /// [`DataError::Read`], and for lists those of [`Dataset::from_list`].
    pub fn open(root: &Path, options: &DatasetOptions) -> Result<Self, DataError> {
        sources::open(root, options).map(Self::of)
    }

    /// Reads a list of paths, one a line, in its own order; blank lines and lines that start with `#` are
    /// ignored, but for one that is the name of a file.
    ///
    /// A path is tried below each of `bases` in turn; the empty base stands for the current folder, so that
    /// `["", data]` means "as it is, or below the data folder". An absolute path needs no base. The class of
    /// an image is the folder that holds it. What lies in results of `neuron` is left out, unless a base lies in the
    /// same results. `name` is what messages call the list.
    ///
    /// # Errors
    /// [`DataError::MissingFile`] for the first entry that is nowhere, [`DataError::NotAList`] and
    /// [`DataError::ListLine`] for what is no list, [`DataError::Read`] if it cannot be read,
    /// [`DataError::NoImages`] if it is empty.
    pub fn from_list(
        list: impl BufRead,
        name: &Path,
        bases: &[PathBuf],
        options: &DatasetOptions,
    ) -> Result<Self, DataError> {
        list::read(list, name, bases, options).map(Self::of)
    }

    /// The images that some entries name, in that order, whether or not they are there.
    ///
    /// Entries are looked up as those of [`Dataset::from_list`]. One that is nowhere keeps its place, as a
    /// path below the first base that cannot be read: a [`Loader`](crate::Loader) skips it and says so.
    pub fn from_entries<S: AsRef<str> + Sync>(entries: &[S], bases: &[PathBuf]) -> Self {
        Self::look_up(entries, &Lookup { bases: bases.to_vec(), moved: None })
    }

    /// As [`Dataset::from_entries`], also where the data folder was moved since the entries were written.
    ///
    /// An entry that is there is taken as it is. Any other that begins with the old folder, in whatever spelling,
    /// is looked up below the new one, and has its name from there: `train/a.png`.
    pub fn look_up<S: AsRef<str> + Sync>(entries: &[S], lookup: &Lookup) -> Self {
        Self::of(list::look_up(entries, lookup))
    }

    /// The images of a source of your own.
    ///
    /// # Panics
    /// If `classes` are of another number of images.
    pub fn new(source: impl Source + 'static, classes: Classes) -> Self {
        Self::of(Opened { source: Box::new(source), classes, notices: Vec::new() })
    }

    fn of(Opened { source, mut classes, notices }: Opened) -> Self {
        assert_eq!(source.len(), classes.images(), "each image has its class");
        classes.shrink_to_fit();
        Self { source, classes, notices }
    }

    /// Number of images.
    pub fn len(&self) -> usize {
        self.source.len()
    }

    /// Whether there are no images; never true of a data set that was opened.
    pub fn is_empty(&self) -> bool {
        self.source.is_empty()
    }

    /// The name of an image inside the data set, such as `train/n01443537/n01443537_11.JPEG`.
    ///
    /// # Panics
    /// If `index >= len()`.
    pub fn name(&self, index: usize) -> &str {
        self.source.name(index)
    }

    /// What a list calls an image, so that [`Dataset::look_up`] finds it again: the data folder as it was given, then
    /// [`Dataset::name`].
    ///
    /// # Panics
    /// If `index >= len()`.
    pub fn entry(&self, index: usize) -> String {
        self.source.entry(index)
    }

    /// The class of an image, `None` in a flat folder.
    ///
    /// # Panics
    /// If `index >= len()`.
    pub fn class(&self, index: usize) -> Option<&Class> {
        self.classes.of(index)
    }

    /// All classes with images, in the order in which they first appear.
    pub fn classes(&self) -> &[Class] {
        self.classes.all()
    }

    /// What was left out, and how the folder was read, where that may not be what is expected.
    pub fn notices(&self) -> &[Notice] {
        &self.notices
    }

    /// The encoded bytes of an image, see [`Source::read`]; `buffer` may be used to hold them.
    ///
    /// # Errors
    /// Any [`ImageError`].
    ///
    /// # Panics
    /// If `index >= len()`.
    pub fn read<'a>(
        &'a self,
        index: usize,
        limits: &Limits,
        buffer: &'a mut Vec<u8>,
    ) -> Result<&'a [u8], ImageError> {
        self.source.read(index, limits, buffer)
    }

    /// Reads and decodes an image, see [`decode_rgb8`].
    ///
    /// # Errors
    /// [`DataError::Image`] with the reason.
    ///
    /// # Panics
    /// If `index >= len()`.
    pub fn read_rgb8(&self, index: usize, limits: &Limits) -> Result<Rgb8Image, DataError> {
        let mut buffer = Vec::new();
        let read = self.read(index, limits, &mut buffer).and_then(|bytes| decode_rgb8(bytes, limits));
        read.map_err(|source| DataError::Image { image: self.entry(index), source })
    }

    /// A hash of what the data set is: number, order, names and sizes of its files; 64 hexadecimal digits.
    ///
    /// Asks the source for every size, in parallel: for files the cost is that of `ls -l`, not of reading. An image
    /// that is gone, or cannot be used, counts with a size of its own.
    pub fn fingerprint(&self) -> String {
        const CHUNK: usize = 4096;
        let starts: Vec<usize> = (0..self.len()).step_by(CHUNK).collect();
        let sizes = parallel::map(&starts, |&start| {
            let images = start..self.len().min(start + CHUNK);
            images.map(|index| self.source.encoded_bytes(index)).collect::<Vec<_>>()
        });
        let mut hash = Sha256::new();
        hash.update((self.len() as u64).to_le_bytes());
        for (index, size) in sizes.into_iter().flatten().enumerate() {
            hash.update(self.name(index));
            // No name holds a zero byte: it separates the name from what follows.
            hash.update([0]);
            hash.update(size.to_le_bytes());
        }
        hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

#[cfg(test)]
mod tests;
