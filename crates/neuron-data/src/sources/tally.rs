//! How many of something there were, and one of them.

use std::collections::BTreeMap;

/// A count with an example: the first by name, so that it does not depend on the order of a folder.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) count: usize,
    pub(crate) example: String,
}

impl Tally {
    pub(crate) fn add(&mut self, name: &str) {
        self.merge(&Self { count: 1, example: name.to_owned() });
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        if self.count == 0 || (other.count > 0 && other.example < self.example) {
            self.example.clone_from(&other.example);
        }
        self.count += other.count;
    }
}

/// What was seen in folders and does not belong to the set; names begin below the root of the walk.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct LeftOut {
    /// Files that are no images by their ending.
    pub(crate) other_files: usize,
    /// Pictures by their ending that are not looked at, by ending.
    pub(crate) other_pictures: BTreeMap<&'static str, Tally>,
    /// Archives beside images.
    pub(crate) archives: Tally,
    /// Archives that are compressed as a whole.
    pub(crate) compressed: Tally,
    /// Folders of results of `neuron`.
    pub(crate) result_folders: Tally,
    /// Pictures that `neuron` wrote into other folders.
    pub(crate) result_pictures: Tally,
    /// Links that lead nowhere and do not end like an image.
    pub(crate) dead_links: Tally,
}

impl LeftOut {
    /// Lets the names begin further above; `prefix` leads from there to the root of the walk.
    pub(crate) fn name_from_above(&mut self, prefix: &str) {
        let tallies = [
            &mut self.result_folders,
            &mut self.result_pictures,
            &mut self.dead_links,
            &mut self.archives,
            &mut self.compressed,
        ];
        for tally in tallies.into_iter().chain(self.other_pictures.values_mut()) {
            tally.example.insert_str(0, prefix);
        }
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        self.other_files += other.other_files;
        for (ending, tally) in &other.other_pictures {
            self.other_pictures.entry(ending).or_default().merge(tally);
        }
        self.result_folders.merge(&other.result_folders);
        self.result_pictures.merge(&other.result_pictures);
        self.dead_links.merge(&other.dead_links);
        self.archives.merge(&other.archives);
        self.compressed.merge(&other.compressed);
    }
}
