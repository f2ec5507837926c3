//! Where in archives the class folders are, and whether there are splits.

use std::collections::BTreeMap;
use std::path::Path;

use super::contents::Contents;
use crate::error::DataError;
use crate::imagenet::ImagenetClass;
use crate::notice::Notice;
use crate::options::Split;
use crate::sources::tally::Tally;

/// How the names in some archives are read, which are parts of one data set.
#[derive(Debug, Default)]
pub(super) struct Inside {
    /// Folders that are passed over, as every image lies below them.
    depth: usize,
    split: Option<Split>,
    /// Whether what lies in no class folder is left out.
    has_classes: bool,
    pub(super) notices: Vec<Notice>,
}

/// What a folder holds, seen from above.
#[derive(Default)]
struct Top {
    /// Whether there are images directly in it.
    has_own: bool,
}

/// The images at some depth.
#[derive(Default)]
struct Level<'c> {
    tops: BTreeMap<&'c str, Top>,
    /// Images in no folder of this depth.
    loose: Tally,
}

impl Inside {
    /// Decides how names are read: below folders that hold every image, as archives often have one, `train/` and `val/`
    /// are splits, by the rule for folders, and other folders are classes. `asked` is the split that is wanted.
    pub(super) fn of(
        archives: &[impl AsRef<Contents>],
        place: &Path,
        asked: Option<Split>,
    ) -> Result<Self, DataError> {
        let mut depth = 0;
        let mut level = Level::of(archives, depth);
        while level.loose.count == 0 && level.tops.len() == 1 && level.splits().is_empty() {
            let below = Level::of(archives, depth + 1);
            if below.loose.count > 0 || below.tops.is_empty() {
                break;
            }
            (depth, level) = (depth + 1, below);
        }
        Self::at(archives, (depth, level), place, asked)
    }

    /// As [`Inside::of`], where folders are those of whoever laid them out, and none is passed over.
    pub(super) fn of_folder(
        archives: &[impl AsRef<Contents>],
        place: &Path,
        asked: Option<Split>,
    ) -> Result<Self, DataError> {
        Self::at(archives, (0, Level::of(archives, 0)), place, asked)
    }

    /// What lies in the folders of a level.
    fn at(
        archives: &[impl AsRef<Contents>],
        (depth, level): (usize, Level<'_>),
        place: &Path,
        asked: Option<Split>,
    ) -> Result<Self, DataError> {
        let mut inside = Self { depth, ..Self::default() };
        let (classes, loose) = match inside.choose(&level, place, asked)? {
            Some(split) => {
                let below = Level::below(archives, depth + 1, Some(split.name()), depth);
                inside.notices.extend(level.beside(split));
                (!below.tops.is_empty(), below.loose)
            }
            None => (!level.tops.is_empty(), level.loose),
        };
        inside.has_classes = classes && !has_labels(archives);
        if inside.has_classes && loose.count > 0 {
            inside.notices.push(Notice::LooseImages { count: loose.count, example: loose.example });
        }
        Ok(inside)
    }

    /// As [`Inside::of`], where the archives are of a split themselves, and every folder is a class.
    pub(super) fn without_splits(archives: &[impl AsRef<Contents>]) -> Self {
        let level = Level::of(archives, 0);
        let has_classes = !level.tops.is_empty() && level.loose.count == 0 && !has_labels(archives);
        Self { has_classes, ..Self::default() }
    }

    fn choose(
        &mut self,
        level: &Level<'_>,
        place: &Path,
        asked: Option<Split>,
    ) -> Result<Option<Split>, DataError> {
        let splits = level.splits();
        let beside = level.tops.keys().find(|top| !splits.iter().any(|split| split.name() == **top));
        let is_class = match (&*splits, beside) {
            ([only], Some(_)) => level.tops[only.name()].has_own,
            _ => splits.is_empty(),
        };
        if is_class {
            return match (asked, splits.first(), beside) {
                (Some(asked), Some(split), Some(beside)) if asked == *split => Err(DataError::SplitIsClass {
                    root: place.into(),
                    wanted: asked.name(),
                    beside: (*beside).to_owned(),
                }),
                _ => {
                    self.notices.extend(asked.map(|asked| Notice::NoSplits { asked }));
                    Ok(None)
                }
            };
        }
        let wanted = asked.unwrap_or_default();
        if !splits.contains(&wanted) {
            let (wanted, present) = (wanted.name(), splits[0].name());
            return Err(DataError::MissingSplit { root: place.into(), wanted, present });
        }
        self.split = Some(wanted);
        Ok(Some(wanted))
    }

    /// The split whose images are used, if there are splits.
    pub(super) fn split(&self) -> Option<Split> {
        self.split
    }

    /// The class of an image, by its place and what is said of it; the empty name stands for none. `None` if the image
    /// does not belong to the set.
    pub(super) fn class<'c>(&self, archive: &'c Contents, index: usize) -> Option<&'c str> {
        let name = archive.name(index);
        // A rest that cannot be read.
        if name.is_empty() {
            return Some("");
        }
        let mut folders = folders(name).skip(self.depth);
        if let Some(split) = self.split {
            (folders.next()? == split.name()).then_some(())?;
        }
        if let Some(label) = archive.label(index) {
            return Some(label);
        }
        match folders.next() {
            Some(folder) => Some(class_of(folder)),
            None if self.has_classes && !archive.is_unusable(index) => None,
            None => Some(of_archive(archive)),
        }
    }
}

fn has_labels(archives: &[impl AsRef<Contents>]) -> bool {
    archives.iter().any(|archive| archive.as_ref().has_labels())
}

/// The class of an image that a list names: what is said of it, or its folder in the archive.
pub(super) fn class_by_itself(archive: &Contents, index: usize) -> &str {
    let by_folder = || folders(archive.name(index)).last().map(class_of);
    archive.label(index).or_else(by_folder).unwrap_or_else(|| of_archive(archive))
}

/// The folders that lead to a member.
fn folders(name: &str) -> impl Iterator<Item = &str> {
    name.rsplit_once('/').map(|(folders, _)| folders).into_iter().flat_map(|folders| folders.split('/'))
}

/// A tar in a tar is a folder, and the class has its name.
fn class_of(folder: &str) -> &str {
    folder.strip_suffix(".tar").unwrap_or(folder)
}

/// ImageNet's archives of one class each are named by it.
fn of_archive(archive: &Contents) -> &str {
    let stem = archive.place.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    ImagenetClass::of(stem).map_or("", |_| stem)
}

impl<'c> Level<'c> {
    fn of(archives: &'c [impl AsRef<Contents>], depth: usize) -> Self {
        Self::below(archives, depth, None, 0)
    }

    /// What lies at a depth; below a folder of a certain name and depth, if there is one.
    fn below(archives: &'c [impl AsRef<Contents>], depth: usize, folder: Option<&str>, at: usize) -> Self {
        let mut level = Self::default();
        for archive in archives {
            let archive = archive.as_ref();
            // What has no proper name says nothing of the others.
            let usable = (0..archive.len()).filter(|index| !archive.is_unusable(*index));
            for name in usable.map(|index| archive.name(index)) {
                if folder.is_some_and(|folder| folders(name).nth(at) != Some(folder)) {
                    continue;
                }
                let mut rest = folders(name).skip(depth);
                match rest.next() {
                    Some(top) => level.tops.entry(top).or_default().has_own |= rest.next().is_none(),
                    None => level.loose.add(name),
                }
            }
        }
        level
    }

    fn splits(&self) -> Vec<Split> {
        [Split::Train, Split::Val].into_iter().filter(|split| self.tops.contains_key(split.name())).collect()
    }

    /// What a split leaves out.
    fn beside(&self, split: Split) -> Vec<Notice> {
        let others =
            self.tops.keys().filter(|top| !["train", "val", "test", "valid", "validation"].contains(top));
        let folders: Vec<String> = others.map(|top| (*top).to_owned()).collect();
        let mut notices = Vec::new();
        if !folders.is_empty() {
            notices.push(Notice::BesideSplit { split, folders });
        }
        if self.loose.count > 0 {
            let Tally { count, example } = self.loose.clone();
            notices.push(Notice::LooseImages { count, example });
        }
        notices
    }
}

#[cfg(test)]
mod tests {
    use super::super::album;
    use super::*;

    /// The classes of images, of which the last are left out, or the error.
    fn classes(names: &[&str], asked: Option<Split>) -> Result<(Vec<Option<String>>, usize), String> {
        let archives = [album::of_names(names)];
        let inside = Inside::of(&archives, Path::new("a.album"), asked).map_err(|error| error.to_string())?;
        let class = |index| inside.class(&archives[0], index).map(str::to_owned);
        Ok(((0..names.len()).map(class).collect(), inside.notices.len()))
    }

    #[test]
    fn classes_are_the_folders_below_what_holds_every_image() {
        let some = |class: &str| Some(class.to_owned());
        for (names, asked, expected, notices) in [
            (&["b/1.png", "a/x/2.png"][..], None, vec![some("b"), some("a")], 0),
            (&["w/b/1.png", "w/a/2.png"], None, vec![some("b"), some("a")], 0),
            (&["n/1.png", "n/2.png"], None, vec![some("n"), some("n")], 0),
            (&["1.png"], Some(Split::Val), vec![some("")], 1),
            (&["1.png", "a/2.png"], None, vec![None, some("a")], 1),
            (&["n01440764.tar/1.png", "x/2.png"], None, vec![some("n01440764"), some("x")], 0),
            (&["w/train/b/1.png", "w/val/a/2.png"], None, vec![some("b"), None], 0),
            (&["train/b/1.png", "val/a/2.png"], Some(Split::Val), vec![None, some("a")], 0),
            (&["train/1.png", "val/2.png"], None, vec![some(""), None], 0),
            // As in COCO, a folder with images of its own beside others is a class.
            (&["train/1.png", "cat/2.png"], None, vec![some("train"), some("cat")], 0),
            (&["train/b/1.png", "more/2.png", "3.png"], None, vec![some("b"), None, None], 2),
        ] {
            assert_eq!(classes(names, asked), Ok((expected, notices)), "{names:?}");
        }
    }

    #[test]
    fn splits_that_are_not_there_are_errors() {
        let error = classes(&["val/a/1.png"], None).unwrap_err();
        assert!(error.contains("no folder `train`, only `val`"), "{error}");
        let error = classes(&["train/1.png", "cat/2.png"], Some(Split::Train)).unwrap_err();
        assert!(error.contains("both are classes"), "{error}");
    }
}
