mod layout;
mod list;
mod lookup;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::decode::read_file;
use crate::listing::{self, Folder, LeftOut};
use crate::unusable::Unusable;
use crate::{DataError, ImageError, ImagenetClass, Limits, Notice, Rgb8Image, decode_rgb8, parallel, text};
pub use lookup::{Lookup, Moved};

/// Which half of a data set is used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Split {
    /// The folder `train`.
    #[default]
    Train,
    /// The folder `val`.
    Val,
}

impl Split {
    /// Name of the split's folder.
    pub fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Val => "val",
        }
    }
}

/// Which images of a data folder or list are used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DatasetOptions {
    /// The split, where the folder has splits. Default: `train`, and nothing is said where there are none.
    pub split: Option<Split>,
    /// Only the first so many images of each class. Default: all.
    pub split_n: Option<usize>,
}

/// An ordered list of image files.
///
/// All names lie in one string: 1.28 million files take about 70 MB.
#[derive(Debug)]
pub struct Dataset {
    /// The folders that relative names start from.
    bases: Vec<PathBuf>,
    classes: Vec<Class>,
    names: String,
    items: Vec<Item>,
    /// By index, what is known to give no picture.
    unusable: BTreeMap<usize, Unusable>,
    notices: Vec<Notice>,
}

#[derive(Clone, Copy, Debug)]
struct Item {
    /// One past the name's last byte; it starts where the one before ends.
    end: u64,
    base: u16,
    /// Index in `classes`, or `NO_CLASS`.
    class: u32,
}

const NO_CLASS: u32 = u32::MAX;

/// A class: the folder that holds its images.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Class {
    /// Name of the folder.
    pub name: String,
    /// The ImageNet class, where the folder is named by a WordNet id.
    pub imagenet: Option<&'static ImagenetClass>,
}

impl Class {
    fn new(name: &str) -> Self {
        Self { name: name.into(), imagenet: ImagenetClass::of(name) }
    }

    /// What to call the class: the ImageNet label where known, else the folder's name.
    pub fn label(&self) -> &str {
        self.imagenet.map_or(&self.name, |class| class.label)
    }
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
        let read = |source| DataError::Read { path: root.into(), source };
        if root == Path::new("-") {
            return Self::from_list(std::io::stdin().lock(), root, &[PathBuf::new()], options);
        }
        let kind = std::fs::metadata(root).map_err(read)?;
        if kind.is_dir() {
            return Self::from_folder(root, options);
        }
        // A pipe, such as a shell's `<(find ...)`, lies in no folder of the user's.
        let beside = if kind.is_file() { root.parent() } else { None };
        Self::from_list(text::open(root)?, root, &[beside.unwrap_or(Path::new("")).into()], options)
    }

    fn from_folder(root: &Path, options: &DatasetOptions) -> Result<Self, DataError> {
        let layout = layout::find(root, options)?;
        let split = layout.split.map(Split::name);
        let folders = listing::walk(&split.map_or_else(|| root.into(), |split| root.join(split)))?;
        let mut dataset = Self::empty(vec![root.into()]);
        dataset.notices = layout.notices;
        // The first folder is the root: it counts only where no other holds an image.
        let has_classes = folders[1..].iter().any(|folder| folder.files().len() > 0);
        dataset.notices.extend(layout::notices(&folders, has_classes, layout.split));
        let limit = options.split_n.unwrap_or(usize::MAX);
        if has_classes {
            for of_class in folders[1..].chunk_by(|a, b| a.class() == b.class()) {
                dataset.push_class(of_class[0].class(), of_class, split, limit);
            }
        } else {
            dataset.push_class("", &folders, split, limit);
        }
        let mut left_out = LeftOut::default();
        folders.iter().for_each(|folder| left_out.merge(&folder.left_out));
        if let Some(split) = layout.split.filter(|_| dataset.is_empty())
            && let Some(error) = layout::empty_split(root, split, left_out.other_files)
        {
            return Err(error);
        }
        dataset.unless_empty(root, &left_out)
    }

    fn push_class(&mut self, name: &str, folders: &[Folder], split: Option<&str>, limit: usize) {
        if folders.iter().all(Folder::is_empty) {
            return;
        }
        let class = self.add_class(name);
        let mut left = limit;
        for folder in folders {
            for file in folder.files().take(left) {
                self.push(&[split.unwrap_or_default(), &folder.relative, file], class);
                left -= 1;
            }
            for (relative, unusable) in folder.unusable.iter().take(left) {
                self.unusable.insert(self.len(), unusable.clone());
                self.push(&[split.unwrap_or_default(), relative], class);
                left -= 1;
            }
        }
    }

    /// Adds an image whose name is these parts, but for empty ones.
    fn push(&mut self, parts: &[&str], class: u32) {
        let start = self.names.len();
        for part in parts.iter().filter(|part| !part.is_empty()) {
            if self.names.len() > start {
                self.names.push('/');
            }
            self.names.push_str(part);
        }
        self.items.push(Item { end: self.names.len() as u64, base: 0, class });
    }

    fn empty(bases: Vec<PathBuf>) -> Self {
        Self {
            bases,
            classes: Vec::new(),
            names: String::new(),
            items: Vec::new(),
            unusable: BTreeMap::new(),
            notices: Vec::new(),
        }
    }

    /// Index of a new class; no name, no class.
    fn add_class(&mut self, name: &str) -> u32 {
        if name.is_empty() {
            return NO_CLASS;
        }
        self.classes.push(Class::new(name));
        (self.classes.len() - 1) as u32
    }

    fn unless_empty(mut self, root: &Path, left_out: &LeftOut) -> Result<Self, DataError> {
        if self.items.is_empty() {
            let results = left_out.result_folders.count + left_out.result_pictures.count;
            return Err(DataError::NoImages {
                root: root.into(),
                other_files: left_out.other_files,
                results: if results > 0 {
                    ", and results of neuron, which are left out unless their own folder is named"
                } else {
                    ""
                },
                endings: listing::ENDINGS.join(", "),
            });
        }
        self.names.shrink_to_fit();
        self.items.shrink_to_fit();
        Ok(self)
    }

    /// Number of images.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether there are no images; never true of a data set that was opened.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// The path of an image: the data folder as it was given, then [`Dataset::relative`].
    ///
    /// # Panics
    /// If `index >= len()`.
    pub fn path(&self, index: usize) -> PathBuf {
        if let Some(unusable) = self.unusable.get(&index) {
            return unusable.path.clone();
        }
        self.bases[usize::from(self.items[index].base)].join(self.relative(index))
    }

    /// The name of an image below the data folder, such as `train/n01443537/n01443537_11.JPEG`.
    ///
    /// # Panics
    /// If `index >= len()`.
    pub fn relative(&self, index: usize) -> &str {
        let start = index.checked_sub(1).map_or(0, |before| self.items[before].end as usize);
        &self.names[start..self.items[index].end as usize]
    }

    /// The class of an image, `None` in a flat folder.
    ///
    /// # Panics
    /// If `index >= len()`.
    pub fn class(&self, index: usize) -> Option<&Class> {
        self.classes.get(self.items[index].class as usize)
    }

    /// All classes with images, in the order in which they first appear.
    pub fn classes(&self) -> &[Class] {
        &self.classes
    }

    /// What was left out, and how the folder was read, where that may not be what is expected.
    pub fn notices(&self) -> &[Notice] {
        &self.notices
    }

    /// Reads and decodes an image, see [`decode_rgb8`].
    ///
    /// # Errors
    /// [`DataError::Image`] with the reason.
    ///
    /// # Panics
    /// If `index >= len()`.
    pub fn read_rgb8(&self, index: usize, limits: &Limits) -> Result<Rgb8Image, DataError> {
        let mut bytes = Vec::new();
        let read = self.read_file(index, limits, &mut bytes).and_then(|()| decode_rgb8(&bytes, limits));
        read.map_err(|source| DataError::Image { path: self.path(index), source })
    }

    /// Replaces `bytes` by the content of an image's file.
    pub(crate) fn read_file(
        &self,
        index: usize,
        limits: &Limits,
        bytes: &mut Vec<u8>,
    ) -> Result<(), ImageError> {
        match self.unusable.get(&index) {
            Some(unusable) => Err(unusable.reason()),
            None => read_file(&self.path(index), limits, bytes),
        }
    }

    /// A hash of what the data set is: number, order, names and sizes of its files; 64 hexadecimal digits.
    ///
    /// Asks the file system for every size, in parallel: the cost is that of `ls -l`, not of reading. A file
    /// that is gone, or cannot be used, counts with a size of its own.
    pub fn fingerprint(&self) -> String {
        const CHUNK: usize = 4096;
        let starts: Vec<usize> = (0..self.len()).step_by(CHUNK).collect();
        let sizes = parallel::map(&starts, |&start| {
            let size = |index| match self.unusable.contains_key(&index) {
                true => u64::MAX,
                false => std::fs::metadata(self.path(index)).map_or(u64::MAX, |file| file.len()),
            };
            (start..self.len().min(start + CHUNK)).map(size).collect::<Vec<_>>()
        });
        let mut hash = Sha256::new();
        hash.update((self.len() as u64).to_le_bytes());
        for (index, size) in sizes.into_iter().flatten().enumerate() {
            hash.update(self.relative(index));
            // No name holds a zero byte: it separates the name from what follows.
            hash.update([0]);
            hash.update(size.to_le_bytes());
        }
        hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

#[cfg(test)]
mod tests;
