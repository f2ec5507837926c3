use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::listing::{self, Folder};
use crate::{DataError, ImagenetClass, parallel};

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
    /// The split, where the folder has splits. Default `train`.
    pub split: Split,
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
    /// loose files beside class folders do not belong to the set. Hidden files and folders are left out,
    /// symbolic links are followed, but never back to a folder that holds them.
    ///
    /// # Errors
    /// [`DataError::NoImages`], [`DataError::MissingSplit`], [`DataError::Read`],
    /// [`DataError::UnlistableName`], and for lists those of [`Dataset::from_list`].
    pub fn open(root: &Path, options: &DatasetOptions) -> Result<Self, DataError> {
        let read = |source| DataError::Read { path: root.into(), source };
        if root == Path::new("-") {
            return Self::from_list(std::io::stdin().lock(), root, &[PathBuf::new()], options);
        }
        if std::fs::metadata(root).map_err(read)?.is_dir() {
            return Self::from_folder(root, options);
        }
        let list = std::io::BufReader::new(std::fs::File::open(root).map_err(read)?);
        let beside = root.parent().unwrap_or(Path::new("")).to_path_buf();
        Self::from_list(list, root, &[beside], options)
    }

    fn from_folder(root: &Path, options: &DatasetOptions) -> Result<Self, DataError> {
        let split = find_split(root, options.split)?;
        let folders = listing::walk(&split.map_or_else(|| root.into(), |split| root.join(split)))?;
        let mut dataset = Self::empty(vec![root.into()]);
        // The first folder is the root: it counts only where no other holds an image.
        let (loose, below) = folders.split_at(1);
        let has_classes = below.iter().any(|folder| folder.files().len() > 0);
        let used = if has_classes { below } else { loose };
        for of_class in used.chunk_by(|a, b| a.class() == b.class()) {
            dataset.push_class(of_class, split, options.split_n.unwrap_or(usize::MAX));
        }
        let other_files = folders.iter().map(|folder| folder.other_files).sum();
        dataset.unless_empty(root, other_files)
    }

    fn push_class(&mut self, folders: &[Folder], split: Option<&str>, limit: usize) {
        let name = folders[0].class();
        if folders.iter().all(|folder| folder.files().len() == 0) {
            return;
        }
        let class = self.add_class(name);
        let files = folders.iter().flat_map(|folder| folder.files().map(move |file| (folder, file)));
        for (folder, file) in files.take(limit) {
            for part in [split.unwrap_or_default(), &folder.relative] {
                if !part.is_empty() {
                    self.names.push_str(part);
                    self.names.push('/');
                }
            }
            self.names.push_str(file);
            self.items.push(Item { end: self.names.len() as u64, base: 0, class });
        }
    }

    fn empty(bases: Vec<PathBuf>) -> Self {
        Self { bases, classes: Vec::new(), names: String::new(), items: Vec::new() }
    }

    /// Index of a new class; no name, no class.
    fn add_class(&mut self, name: &str) -> u32 {
        if name.is_empty() {
            return NO_CLASS;
        }
        self.classes.push(Class::new(name));
        (self.classes.len() - 1) as u32
    }

    fn unless_empty(mut self, root: &Path, other_files: usize) -> Result<Self, DataError> {
        if self.items.is_empty() {
            return Err(DataError::NoImages {
                root: root.into(),
                other_files,
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

    /// A hash of what the data set is: number, order, names and sizes of its files; 64 hexadecimal digits.
    ///
    /// Asks the file system for every size, in parallel: the cost is that of `ls -l`, not of reading. A file
    /// that is gone counts with a size of its own.
    pub fn fingerprint(&self) -> String {
        const CHUNK: usize = 4096;
        let starts: Vec<usize> = (0..self.len()).step_by(CHUNK).collect();
        let sizes = parallel::map(&starts, |&start| {
            let size = |index| std::fs::metadata(self.path(index)).map_or(u64::MAX, |file| file.len());
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

/// The folder of the wanted split, `None` where the data folder has no splits.
fn find_split(root: &Path, wanted: Split) -> Result<Option<&'static str>, DataError> {
    let has = |split: Split| root.join(split.name()).is_dir();
    let other = if wanted == Split::Train { Split::Val } else { Split::Train };
    if has(wanted) {
        Ok(Some(wanted.name()))
    } else if has(other) {
        Err(DataError::MissingSplit { root: root.into(), wanted: wanted.name(), present: other.name() })
    } else {
        Ok(None)
    }
}

mod list;
#[cfg(test)]
mod tests;
