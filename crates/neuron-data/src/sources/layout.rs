//! Whether a folder has splits, or classes of which some are called like splits.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::listing::{self, Folder, Pending};
use super::tally::{LeftOut, Tally};
use crate::error::{DataError, Present};
use crate::notice::Notice;
use crate::options::{DatasetOptions, Split};

/// Names of a data set's parts; only the first two can be asked for.
const PARTS: [&str; 5] = ["train", "val", "test", "valid", "validation"];

/// What class folders are hardly called: parts in other spellings.
const LIKE_PARTS: [&str; 9] =
    ["train", "training", "val", "valid", "validation", "test", "testing", "dev", "eval"];

/// How a data folder is read.
pub(super) struct Layout {
    /// The split whose folder is walked; `None`: all of the data folder.
    pub(super) split: Option<Split>,
    pub(super) notices: Vec<Notice>,
}

/// Decides how a data folder is read, without a look into the splits' class folders.
///
/// `train` and `val` are splits, unless one of them alone lies, with images of its own, beside other folders with
/// images: then it is a class, as in COCO.
pub(super) fn find(root: &Path, options: &DatasetOptions) -> Result<Layout, DataError> {
    let (loose, folders) = listing::read_root(root)?;
    let is_part = |folder: &Pending| PARTS.contains(&folder.relative.as_str());
    let (parts, others): (Vec<Pending>, Vec<Pending>) = folders.into_iter().partition(is_part);
    let has = |split: Split| parts.iter().any(|part| part.relative == split.name());
    let splits: Vec<Split> = [Split::Train, Split::Val].into_iter().filter(|split| has(*split)).collect();
    let Some(first) = splits.first() else { return Ok(Layout::without_splits(options.split)) };
    let beside = with_images(others);
    if let ([only], [other, ..]) = (&*parts, &*beside)
        && is_class(only)
    {
        return match options.split {
            Some(asked) if asked == *first => Err(DataError::SplitIsClass {
                root: root.into(),
                wanted: asked.name(),
                beside: other.clone(),
            }),
            asked => Ok(Layout::without_splits(asked)),
        };
    }
    let split = options.split.unwrap_or_default();
    if !has(split) {
        let (wanted, present) = (split.name(), first.name());
        return Err(DataError::MissingSplit { root: root.into(), wanted, present });
    }
    Ok(Layout { split: Some(split), notices: beside_split(split, beside, &loose) })
}

impl Layout {
    /// All of the folder, whatever split was asked for.
    fn without_splits(asked: Option<Split>) -> Self {
        Self { split: None, notices: asked.map(|asked| Notice::NoSplits { asked }).into_iter().collect() }
    }
}

/// The names of those folders that hold images anywhere below, in order.
fn with_images(folders: Vec<Pending>) -> Vec<String> {
    let mut names: Vec<String> = folders
        .into_iter()
        .filter_map(|folder| {
            let name = folder.relative.clone();
            listing::holds_images(folder).then_some(name)
        })
        .collect();
    names.sort_unstable();
    names
}

/// Whether a folder has images of its own, as a class has, or none at all.
fn is_class(folder: &Pending) -> bool {
    listing::has_images_of_its_own(folder) || !listing::holds_images(folder.clone())
}

/// What a split leaves out.
fn beside_split(split: Split, folders: Vec<String>, loose: &Folder) -> Vec<Notice> {
    let mut notices = Vec::new();
    if !folders.is_empty() {
        notices.push(Notice::BesideSplit { split, folders });
    }
    notices.extend(loose_images(loose, ""));
    notices.extend(archives(&loose.left_out));
    notices
}

/// The archives that are not used.
pub(super) fn archives(left_out: &LeftOut) -> impl Iterator<Item = Notice> + use<> {
    let LeftOut { archives, compressed, .. } = left_out.clone();
    let others = Notice::OtherArchives { count: archives.count, example: archives.example };
    let packed = Notice::CompressedArchives { count: compressed.count, example: compressed.example };
    [(archives.count, others), (compressed.count, packed)]
        .into_iter()
        .filter_map(|(count, notice)| (count > 0).then_some(notice))
}

/// The images of a root that are not used; `prefix` leads to it from the data folder.
fn loose_images(root: &Folder, prefix: &str) -> Option<Notice> {
    let example = format!("{prefix}{}", root.files().next()?);
    Some(Notice::LooseImages { count: root.files().len(), example })
}

/// What is to be said about the folders of a walk; `has_classes` if the first, the root, is not used.
pub(super) fn notices(folders: &[Folder], has_classes: bool, split: Option<Split>) -> Vec<Notice> {
    let mut left_out = LeftOut::default();
    folders.iter().for_each(|folder| left_out.merge(&folder.left_out));
    let prefix = split.map(|split| format!("{}/", split.name())).unwrap_or_default();
    left_out.name_from_above(&prefix);
    let mut notices = Vec::new();
    if has_classes {
        notices.extend(folders.first().and_then(|root| loose_images(root, &prefix)));
        if split.is_none() {
            notices.extend(like_parts(folders));
            notices.extend(splits_inside(folders));
        }
    }
    notices.extend(results(&left_out));
    notices.extend(archives(&left_out));
    let LeftOut { other_pictures, dead_links, .. } = left_out;
    notices.extend(self::other_pictures(other_pictures));
    if dead_links.count > 0 {
        notices.push(Notice::DeadLinks { count: dead_links.count, example: dead_links.example });
    }
    notices
}

/// The pictures by their ending that were left out.
pub(super) fn other_pictures(found: BTreeMap<&'static str, Tally>) -> Vec<Notice> {
    let notice = |(ending, Tally { count, example })| Notice::OtherPictures { ending, count, example };
    found.into_iter().map(notice).collect()
}

/// Why a split has no images, where another folder has some: that one is most likely meant.
pub(super) fn empty_split(root: &Path, split: Split, other_files: usize) -> Option<DataError> {
    let folders: Vec<Pending> = listing::read_root(root).ok()?.1;
    let with_images = with_images(folders);
    let other = [Split::Train, Split::Val]
        .into_iter()
        .find(|other| *other != split && with_images.iter().any(|folder| folder == other.name()));
    let present = match other {
        Some(other) => Present::Split(other.name()),
        None => Present::Folder(with_images.into_iter().find(|folder| folder != split.name())?),
    };
    Some(DataError::EmptySplit { root: root.into(), wanted: split.name(), other_files, present })
}

/// The results of `neuron` that were left out.
pub(super) fn results(left_out: &LeftOut) -> Option<Notice> {
    let (folders, pictures) = (&left_out.result_folders, &left_out.result_pictures);
    let named = [folders, pictures].into_iter().find(|tally| tally.count > 0)?;
    let example = named.example.clone();
    Some(Notice::Results { folders: folders.count, pictures: pictures.count, example })
}

/// The folder inside a class that holds both splits, as where the folder above a data set is named.
fn splits_inside(folders: &[Folder]) -> Option<Notice> {
    let mut holding = [Split::Train, Split::Val].map(|_| BTreeSet::new());
    for folder in folders.iter().filter(|folder| !folder.is_empty()) {
        for (at, _) in folder.relative.match_indices('/') {
            let (above, below) = (&folder.relative[..at], &folder.relative[at + 1..]);
            let name = below.split('/').next().unwrap_or_default();
            for (split, holding) in [Split::Train, Split::Val].into_iter().zip(&mut holding) {
                if name == split.name() {
                    holding.insert(above);
                }
            }
        }
    }
    let [train, val] = &holding;
    let folder = train.intersection(val).next()?;
    Some(Notice::SplitsInside { folder: (*folder).to_owned() })
}

/// The classes that are called like parts of a data set.
fn like_parts(folders: &[Folder]) -> Option<Notice> {
    let mut classes: Vec<&str> =
        folders.iter().filter(|folder| !folder.is_empty()).map(Folder::class).collect();
    classes.dedup();
    let is_like = |class: &&str| LIKE_PARTS.iter().any(|part| class.eq_ignore_ascii_case(part));
    let found: Vec<String> = classes.into_iter().filter(is_like).map(str::to_owned).collect();
    (!found.is_empty()).then_some(Notice::ReadAsClasses { folders: found })
}
