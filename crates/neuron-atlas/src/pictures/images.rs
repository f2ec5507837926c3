use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use neuron_data::{DataError, Dataset, Limits, Lookup, Rgb8Image};

/// Images of data sets, found by the names that results give them.
#[derive(Debug, Default)]
pub(crate) struct Images {
    sets: Vec<Dataset>,
    /// By the place of the data, its set, and the index of each name there.
    by_data: HashMap<Option<PathBuf>, (usize, HashMap<String, usize>)>,
}

/// An image among all.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ImageId {
    set: usize,
    index: usize,
}

impl Images {
    /// Looks up names of images, each with the place of its data: the image is below it, beside it (where it is a list of
    /// images), or where its name says.
    pub(super) fn look_up(named: BTreeMap<Option<PathBuf>, BTreeSet<&str>>) -> Self {
        let mut images = Self::default();
        for (data, names) in named {
            let names: Vec<&str> = names.into_iter().collect();
            let beside = data.as_deref().and_then(Path::parent).map(Path::to_owned);
            let bases = [data.clone(), beside, Some(PathBuf::new())].into_iter().flatten().collect();
            let set = images.sets.len();
            images.sets.push(Dataset::look_up(&names, &Lookup { bases, moved: None }));
            let indices = names.iter().enumerate().map(|(index, name)| ((*name).to_owned(), index));
            images.by_data.insert(data, (set, indices.collect()));
        }
        images
    }

    /// The image that was looked up by a name.
    ///
    /// # Panics
    /// If it was not.
    pub(super) fn id(&self, data: &Option<PathBuf>, name: &str) -> ImageId {
        let (set, indices) = &self.by_data[data];
        ImageId { set: *set, index: indices[name] }
    }

    /// Where an image lies: the same for one image, whatever it was called.
    pub(super) fn place(&self, id: ImageId) -> PathBuf {
        self.sets[id.set].entry(id.index).into()
    }

    /// Reads an image.
    pub(super) fn read(&self, id: ImageId, limits: &Limits) -> Result<Rgb8Image, DataError> {
        self.sets[id.set].read_rgb8(id.index, limits)
    }
}
