//! The image lists of units, turned around: for every image, the units that listed it.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, bail};
use neuron_data::{Dataset, Lookup};
use sha2::{Digest, Sha256};

use crate::channels::Channels;

const LIST: &str = "files_all.txt";

/// The lists of some units, and every image in them once.
pub(super) struct Lists {
    dataset: Arc<Dataset>,
    channels: Vec<usize>,
    /// For each unit the indices of its images, best first.
    images: Vec<Vec<u32>>,
    listings: Vec<Listing>,
    /// Where the listings of each image begin, and at last their end.
    starts: Vec<usize>,
    repeated: Option<Repeated>,
}

/// Lines that name an image which an earlier line of the same list names.
struct Repeated {
    lines: usize,
    /// The first of them, and the list that it is in.
    example: (Arc<str>, PathBuf),
}

/// One place in one list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Listing {
    pub(super) unit: u32,
    /// Place in the unit's list, from 0.
    pub(super) rank: u32,
}

impl Lists {
    /// Reads `<folder>/<channel>/files_all.txt` for every channel.
    ///
    /// A file that is nowhere stays in the data set, where loading it fails.
    pub(super) fn read(folder: &Path, channels: &[usize], lookup: &Lookup) -> anyhow::Result<Self> {
        let mut entries = Entries::default();
        let mut images = Vec::with_capacity(channels.len());
        for channel in channels {
            images.push(entries.read(&folder.join(channel.to_string()).join(LIST))?);
        }
        let dataset = Arc::new(Dataset::look_up(&entries.names, lookup));
        let (listings, starts) = turn_around(&images, dataset.len());
        let (channels, repeated) = (channels.to_owned(), entries.repeated);
        Ok(Self { dataset, channels, images, listings, starts, repeated })
    }

    /// What of the lists is left out, a line each.
    pub(super) fn notices(&self) -> Vec<String> {
        let repeated = self.repeated.iter().map(|Repeated { lines, example: (image, list) }| {
            let repeats =
                if *lines == 1 { "1 line that repeats".into() } else { format!("{lines} lines that repeat") };
            format!(
                "left out: {repeats} an earlier one of the same list, such as `{image}` in {}",
                list.display()
            )
        });
        repeated.collect()
    }

    /// The images of all lists, each once.
    pub(super) fn dataset(&self) -> &Arc<Dataset> {
        &self.dataset
    }

    /// Number of lists.
    pub(super) fn units(&self) -> usize {
        self.channels.len()
    }

    pub(super) fn channel(&self, unit: usize) -> usize {
        self.channels[unit]
    }

    /// Number of images in a unit's list.
    pub(super) fn len(&self, unit: usize) -> usize {
        self.images[unit].len()
    }

    /// The data-set index of an image in a unit's list.
    pub(super) fn image(&self, unit: usize, rank: usize) -> Option<usize> {
        self.images[unit].get(rank).map(|image| *image as usize)
    }

    /// The places at which lists name an image, by unit.
    pub(super) fn listings_of(&self, image: usize) -> &[Listing] {
        &self.listings[self.starts[image]..self.starts[image + 1]]
    }

    /// Whether a unit's list names an image.
    pub(super) fn lists_image(&self, unit: usize, image: usize) -> bool {
        let by_unit = |listing: &Listing| (listing.unit as usize).cmp(&unit);
        self.listings_of(image).binary_search_by(by_unit).is_ok()
    }

    /// A hash of which images are listed where; their names are in the data set's own.
    pub(super) fn sha256(&self) -> String {
        let mut hash = Sha256::new();
        for (channel, images) in self.channels.iter().zip(&self.images) {
            hash.update((*channel as u64).to_le_bytes());
            hash.update((images.len() as u64).to_le_bytes());
            images.iter().for_each(|image| hash.update(image.to_le_bytes()));
        }
        hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    pub(super) fn memory_bytes(&self) -> f64 {
        (self.listings.len() * (size_of::<u32>() + size_of::<Listing>())) as f64
    }
}

/// The entries of all lists in the order in which they first appear, each once.
#[derive(Default)]
struct Entries {
    names: Vec<Arc<str>>,
    indices: HashMap<Arc<str>, u32>,
    /// For each entry the number of the last list that named it.
    last_list: Vec<u32>,
    lists: u32,
    repeated: Option<Repeated>,
}

impl Entries {
    /// Reads a list; an image that it names twice counts where it comes first.
    fn read(&mut self, path: &Path) -> anyhow::Result<Vec<u32>> {
        let text = neuron_data::read_list(path).with_context(|| {
            format!("cannot read {}: run `neuron select-images` first, or check --out", path.display())
        })?;
        self.lists += 1;
        let mut list = Vec::new();
        for line in text.lines().filter(|line| !line.trim().is_empty()) {
            let index = self.index(line);
            let last = &mut self.last_list[index as usize];
            if *last != self.lists {
                *last = self.lists;
                list.push(index);
                continue;
            }
            let first = || Repeated { lines: 0, example: (line.into(), path.to_owned()) };
            self.repeated.get_or_insert_with(first).lines += 1;
        }
        if list.is_empty() {
            bail!("{} is empty: run `neuron select-images` again", path.display());
        }
        Ok(list)
    }

    fn index(&mut self, line: &str) -> u32 {
        if let Some(index) = self.indices.get(line) {
            return *index;
        }
        let (index, name) = (self.names.len() as u32, Arc::<str>::from(line));
        self.names.push(name.clone());
        self.indices.insert(name, index);
        self.last_list.push(0);
        index
    }
}

/// The listings of image 0, then those of image 1, and so on; and where each image's begin.
fn turn_around(lists: &[Vec<u32>], images: usize) -> (Vec<Listing>, Vec<usize>) {
    let mut starts = vec![0; images + 1];
    for image in lists.iter().flatten() {
        starts[*image as usize + 1] += 1;
    }
    for image in 0..images {
        starts[image + 1] += starts[image];
    }
    let mut listings = vec![Listing::default(); starts[images]];
    let mut next = starts.clone();
    for (unit, list) in (0..).zip(lists) {
        for (rank, image) in (0..).zip(list) {
            let at = &mut next[*image as usize];
            listings[*at] = Listing { unit, rank };
            *at += 1;
        }
    }
    (listings, starts)
}

/// Replaces `all` by the channels that have a list in `folder`.
pub(super) fn channels_with_lists(channels: &Channels, folder: &Path) -> anyhow::Result<Channels> {
    if *channels != Channels::All {
        return Ok(channels.clone());
    }
    let unreadable =
        || format!("cannot read {}: run `neuron select-images` first, or check --out", folder.display());
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).with_context(unreadable)? {
        let entry = entry.with_context(unreadable)?;
        let name = entry.file_name();
        // Written as a number is: `007` is not the folder of channel 7.
        let channel =
            name.to_str().and_then(|name| name.parse().ok().filter(|n: &usize| n.to_string() == name));
        found.extend(channel.filter(|_| entry.path().join(LIST).is_file()));
    }
    if found.is_empty() {
        bail!(
            "no channel in {} has a {LIST}: run `neuron select-images` first, or check --out",
            folder.display()
        );
    }
    found.sort_unstable();
    Ok(Channels::Listed(found))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder_with(lists: &[(usize, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (channel, list) in lists {
            let channel = folder.path().join(channel.to_string());
            std::fs::create_dir(&channel).unwrap();
            std::fs::write(channel.join(LIST), list).unwrap();
        }
        folder
    }

    #[test]
    fn every_image_knows_its_lists() {
        let folder = folder_with(&[(3, "c.png\na.png\n\n"), (7, "b.png\r\nc.png\r\nb.png\r\n")]);
        let lists = Lists::read(folder.path(), &[3, 7], &Lookup::below(None)).unwrap();
        assert_eq!((lists.units(), lists.len(0), lists.len(1), lists.dataset().len()), (2, 2, 2, 3));
        let listings = |name: &str| {
            let image = (0..3).find(|image| lists.dataset().name(*image) == name).unwrap();
            lists.listings_of(image).iter().map(|listing| (listing.unit, listing.rank)).collect::<Vec<_>>()
        };
        let notices = lists.notices();
        assert!(
            notices.len() == 1
                && notices[0].contains("1 line that repeats an")
                && notices[0].contains("b.png")
        );
        assert_eq!(listings("a.png"), [(0, 1)]);
        assert_eq!(listings("b.png"), [(1, 0)]);
        assert_eq!(listings("c.png"), [(0, 0), (1, 1)]);
        let named: Vec<bool> = (0..3).map(|image| lists.lists_image(1, image)).collect();
        assert_eq!(named, [true, false, true]);
        assert_eq!(lists.image(1, 1).map(|image| lists.dataset().name(image)), Some("c.png"));
    }

    #[test]
    fn the_hash_knows_the_order() {
        let hash = |lists: &[(usize, &str)]| {
            let folder = folder_with(lists);
            let channels: Vec<usize> = lists.iter().map(|(channel, _)| *channel).collect();
            Lists::read(folder.path(), &channels, &Lookup::below(None)).unwrap().sha256()
        };
        assert_eq!(hash(&[(0, "a\nb\n"), (1, "b\na\n")]), hash(&[(0, "a\nb"), (1, "b\na")]));
        assert_ne!(hash(&[(0, "a\nb\n"), (1, "b\na\n")]), hash(&[(0, "a\nb\n"), (1, "a\nb\n")]));
    }

    #[test]
    fn all_means_the_channels_that_have_a_list() {
        let folder = folder_with(&[(10, "a\n"), (9, "a\n")]);
        for other in ["007", "11", "notes"] {
            std::fs::create_dir(folder.path().join(other)).unwrap();
        }
        std::fs::write(folder.path().join("007").join(LIST), "a\n").unwrap();
        assert_eq!(
            channels_with_lists(&Channels::All, folder.path()).unwrap(),
            Channels::Listed(vec![9, 10])
        );
        let empty = tempfile::tempdir().unwrap();
        assert!(channels_with_lists(&Channels::All, empty.path()).is_err());
    }

    #[test]
    fn an_empty_or_missing_list_is_named() {
        let folder = folder_with(&[(5, "\n \n")]);
        for channel in [5, 6] {
            let error = Lists::read(folder.path(), &[channel], &Lookup::below(None)).err().unwrap();
            assert!(error.to_string().contains(&format!("{channel}/{LIST}")), "{error}");
        }
    }
}
