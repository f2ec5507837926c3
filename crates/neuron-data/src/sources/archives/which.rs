//! Which archives a place stands for: itself, those of a pattern, or those of a folder.

use std::fs;
use std::path::{Path, PathBuf};

use super::braces;
use super::kinds::{is_archive, kind_of};
use crate::address::is_address;
use crate::error::DataError;
use crate::notice::Notice;
use crate::options::{DatasetOptions, Split};
use crate::sources::ending::{Promise, is_compressed_archive};
use crate::sources::tally::LeftOut;
use crate::sources::{layout, listing};

/// Where the Hugging Face Hub keeps the files of a data set.
const HUB_FOLDER: &str = "data";

/// Archives that are read as one data set.
#[derive(Debug)]
pub(in crate::sources) struct Set {
    /// The folder that names start from.
    pub(super) root: PathBuf,
    /// Paths below it, in the order of the images.
    pub(in crate::sources) files: Vec<String>,
    /// The split to look for inside; `None` where the files themselves are of a split.
    pub(super) looks_inside: bool,
    pub(super) notices: Vec<Notice>,
}

/// The archives at a place; `None` if there are none.
pub(super) fn of(place: &Path, options: &DatasetOptions) -> Option<Result<Set, DataError>> {
    if place.is_dir() {
        return of_folder(place, options).transpose();
    }
    let text = place.to_str()?;
    kind_of(place)?;
    let names = match is_pattern(place) {
        true => braces::expand(text).map_err(|problem| DataError::Pattern { pattern: place.into(), problem }),
        false => Ok(vec![text.to_owned()]),
    };
    let root = root(place);
    let below = |name: &String| {
        let path = Path::new(name);
        path.strip_prefix(&root).unwrap_or(path).to_str().unwrap_or(name).to_owned()
    };
    Some(names.map(|names| Set {
        files: names.iter().map(below).collect(),
        root: root.clone(),
        looks_inside: true,
        notices: Vec::new(),
    }))
}

/// Whether a path stands for many; one that is there stands for itself.
fn is_pattern(place: &Path) -> bool {
    place.as_os_str().as_encoded_bytes().contains(&b'{') && !place.exists()
}

/// The folder that the names of an archive's images start from; that of a pattern is the last before a brace. Other
/// places are such folders themselves.
pub(in crate::sources) fn root(place: &Path) -> PathBuf {
    if kind_of(place).is_none() || place.is_dir() {
        return place.into();
    }
    let plain = |part: &Path| !part.as_os_str().as_encoded_bytes().contains(&b'{');
    place.ancestors().skip(1).find(|folder| place.exists() || plain(folder)).unwrap_or(Path::new("")).into()
}

/// Whether there is something at a place, or at any of those that a pattern of archives stands for.
///
/// Stores are not asked: opening an address tells.
pub fn is_there(place: &Path) -> bool {
    if place.exists() || is_address(place) {
        return true;
    }
    let names = place.to_str().filter(|_| is_pattern(place)).and_then(|text| braces::expand(text).ok());
    // Which of many is not there, opening them tells.
    names.is_some_and(|names| names.iter().any(|name| Path::new(name).exists()))
}

/// The archives of a folder in bytewise order, if it has no images itself.
fn of_folder(folder: &Path, options: &DatasetOptions) -> Result<Option<Set>, DataError> {
    let below = |name: &str| -> Vec<String> {
        archives_in(&folder.join(name)).into_iter().map(|file| format!("{name}/{file}")).collect()
    };
    let [train, val] = [Split::Train, Split::Val].map(|split| below(split.name()));
    let near = Near { direct: archives_in(folder), train, val, hub: below(HUB_FOLDER) };
    let Some(mut chosen) = near.chosen(folder, || holds_images(folder), options)? else { return Ok(None) };
    for deeper in listing::walk(folder)? {
        chosen.left_out.compressed.merge(&deeper.left_out.compressed);
        if chosen.leaves_out(&deeper.relative) {
            chosen.left_out.archives.merge(&deeper.left_out.archives);
        }
    }
    Ok(Some(chosen.into_set(folder)))
}

/// As for a folder, by the names of all that lies below a place.
pub(in crate::sources) fn among<'n>(
    names: impl Iterator<Item = &'n str> + Clone,
    place: &Path,
    options: &DatasetOptions,
) -> Result<Option<Set>, DataError> {
    let is_plain = |name: &&str| !name.split('/').any(|part| part.starts_with('.'));
    let names = names.filter(is_plain);
    let archives_in = |folder: &str| -> Vec<String> {
        let is_there = |name: &&str| {
            name.rsplit_once('/').map_or("", |(folder, _)| folder) == folder && is_archive(Path::new(name))
        };
        names.clone().filter(is_there).map(str::to_owned).collect()
    };
    let [train, val] = [Split::Train, Split::Val].map(|split| archives_in(split.name()));
    let near = Near { direct: archives_in(""), train, val, hub: archives_in(HUB_FOLDER) };
    let is_image = |name: &str| Promise::of(Path::new(name)) == Promise::Image;
    let Some(mut chosen) = near.chosen(place, || Ok(names.clone().any(is_image)), options)? else {
        return Ok(None);
    };
    for name in names {
        let folder = name.rsplit_once('/').map_or("", |(folder, _)| folder);
        if is_archive(Path::new(name)) && chosen.leaves_out(folder) {
            chosen.left_out.archives.add(name);
        } else if is_compressed_archive(Path::new(name)) {
            chosen.left_out.compressed.add(name);
        }
    }
    Ok(Some(chosen.into_set(place)))
}

/// The archives in a folder, and in those of its folders that are looked into, in bytewise order.
struct Near {
    direct: Vec<String>,
    train: Vec<String>,
    val: Vec<String>,
    hub: Vec<String>,
}

impl Near {
    /// Those that are read; `None` if they are none, or lie beside images.
    fn chosen(
        self,
        folder: &Path,
        holds_images: impl FnOnce() -> Result<bool, DataError>,
        options: &DatasetOptions,
    ) -> Result<Option<Chosen>, DataError> {
        let Self { direct, train, val, hub } = self;
        if [&direct, &train, &val, &hub].iter().all(|files| files.is_empty()) || holds_images()? {
            return Ok(None);
        }
        let leaving_out = |files: &[&[String]]| {
            let mut left_out = LeftOut::default();
            files.concat().iter().for_each(|file| left_out.archives.add(file));
            left_out
        };
        let wanted = options.split.unwrap_or_default();
        let (chosen, other, present) = match wanted {
            Split::Train => (&train, &val, Split::Val),
            Split::Val => (&val, &train, Split::Train),
        };
        if !train.is_empty() || !val.is_empty() {
            if chosen.is_empty() && !other.is_empty() {
                let (wanted, present) = (wanted.name(), present.name());
                return Err(DataError::MissingSplit { root: folder.into(), wanted, present });
            }
            let (files, other) = (chosen.clone(), Some(present));
            return Ok(Some(Chosen {
                files,
                looks_inside: false,
                other,
                left_out: leaving_out(&[&direct, &hub]),
            }));
        }
        let (files, beside) = if direct.is_empty() { (hub, Vec::new()) } else { (direct, hub) };
        let mut left_out = leaving_out(&[&beside]);
        let is_there = |part: &Split| files.iter().any(|file| part_of(file) == Some(*part));
        let parts: Vec<Split> = [Split::Train, Split::Val].into_iter().filter(is_there).collect();
        let is_asked = |file: &String| part_of(file) == Some(wanted);
        // Without a split, files for tests are no part of the one that is read by default.
        let has_tests = parts == [wanted] && files.iter().any(|file| is_for_tests(file));
        // Names without parts, or all of one that nobody asked for.
        let are_one = parts.is_empty() || parts.len() == 1 && options.split.is_none() && !has_tests;
        match (&*parts, options.split) {
            _ if are_one => Ok(Some(Chosen { files, looks_inside: true, other: None, left_out })),
            ([only], Some(asked)) if *only != asked => {
                let (wanted, present) = (asked.name(), only.name());
                Err(DataError::MissingPart { root: folder.into(), wanted, present })
            }
            _ => {
                let (files, rest): (Vec<String>, Vec<String>) = files.into_iter().partition(is_asked);
                rest.iter()
                    .filter(|file| part_of(file).is_none())
                    .for_each(|file| left_out.archives.add(file));
                Ok(Some(Chosen { files, looks_inside: false, other: None, left_out }))
            }
        }
    }
}

/// Archives near a folder that are read.
struct Chosen {
    files: Vec<String>,
    looks_inside: bool,
    /// The split that is not read, where each lies in a folder of its own.
    other: Option<Split>,
    /// Archives that are read by nobody.
    left_out: LeftOut,
}

impl Chosen {
    /// Whether archives in a folder are read by nobody: it is none that is looked into, and of no other split.
    fn leaves_out(&self, folder: &str) -> bool {
        let is_near = ["", HUB_FOLDER, Split::Train.name(), Split::Val.name()].contains(&folder);
        let of_other = self.other.is_some_and(|other| folder.split('/').next() == Some(other.name()));
        !is_near && !of_other
    }

    fn into_set(self, root: &Path) -> Set {
        let notices = layout::archives(&self.left_out).collect();
        Set { root: root.into(), files: self.files, looks_inside: self.looks_inside, notices }
    }
}

/// The split that the name of a file begins with: `train-00000-of-00002.parquet`.
fn part_of(file: &str) -> Option<Split> {
    let name = file.rsplit('/').next().unwrap_or_default();
    let begins = |part: &str| begins_with(name, part);
    match () {
        () if begins("train") => Some(Split::Train),
        () if ["val", "valid", "validation"].into_iter().any(begins) => Some(Split::Val),
        () => None,
    }
}

/// Whether the name of a file begins as one of images for tests: `test-00000-of-00001.parquet`.
fn is_for_tests(file: &str) -> bool {
    ["test", "testing"].into_iter().any(|part| begins_with(file.rsplit('/').next().unwrap_or_default(), part))
}

/// Whether a name begins with a word.
fn begins_with(name: &str, word: &str) -> bool {
    name.strip_prefix(word).is_some_and(|rest| !rest.starts_with(|next: char| next.is_ascii_alphanumeric()))
}

/// Files directly in a folder that are archives by their names; a folder that cannot be read has none.
fn archives_in(folder: &Path) -> Vec<String> {
    let names = fs::read_dir(folder).into_iter().flatten().flatten().filter_map(|entry| {
        let name = entry.file_name().into_string().ok()?;
        let is_wanted =
            !name.starts_with('.') && !name.contains(['\n', '\r']) && is_archive(Path::new(&name));
        (is_wanted && entry.path().is_file()).then_some(name)
    });
    let mut names: Vec<String> = names.collect();
    names.sort_unstable();
    names
}

/// Whether there is an image in a folder or below.
fn holds_images(folder: &Path) -> Result<bool, DataError> {
    let (loose, folders) = listing::read_root(folder)?;
    Ok(loose.files().len() > 0 || folders.into_iter().any(listing::holds_images))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(files: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for file in files {
            let path = folder.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        folder
    }

    fn files(folder: &Path, split: Option<Split>) -> Result<Option<(Vec<String>, usize)>, String> {
        let set = of(folder, &DatasetOptions { split, split_n: None }).transpose();
        set.map(|set| set.map(|set| (set.files, set.notices.len()))).map_err(|error| error.to_string())
    }

    #[test]
    fn folders_of_archives_without_images() {
        let (train, val) = (Some(Split::Train), Some(Split::Val));
        for (names, split, expected) in [
            (&["b.tar", "a.tar", ".c.tar", "topk.parquet"][..], val, Some((&["a.tar", "b.tar"][..], 0))),
            (&["a.tar", "x/1.png"], None, None),
            (&["a.tar", "1.png"], None, None),
            (&["x/a.tar"], None, None),
            (&["train/1.tar", "val/2.tar", "3.tar"], None, Some((&["train/1.tar"], 1))),
            (&["train/1.tar", "val/2.tar"], val, Some((&["val/2.tar"], 0))),
            (&["train/1.tar", "train/more/2.tar", "val/more/3.tar"], train, Some((&["train/1.tar"], 1))),
            (&["1.tar", "more/2.tar", "more/still/3.tar.gz"], None, Some((&["1.tar"], 2))),
            (&["train-0.tar", "val-0.tar", "more.tar"], train, Some((&["train-0.tar"], 1))),
            (&["train-0.tar", "validation-0.tar"], val, Some((&["validation-0.tar"], 0))),
            (&["val-0.tar", "val-1.tar"], None, Some((&["val-0.tar", "val-1.tar"], 0))),
            (&["data/train-0.tar", "data/test-0.tar"], train, Some((&["data/train-0.tar"], 1))),
            (&["data/train-0.tar", "data/test-0.tar"], None, Some((&["data/train-0.tar"], 1))),
            (&["train-0.tar", "testimony.tar"], None, Some((&["testimony.tar", "train-0.tar"], 0))),
        ] {
            let folder = made(names);
            let expected = expected
                .map(|(files, notices)| (files.iter().map(|&file| file.to_owned()).collect(), notices));
            assert_eq!(files(folder.path(), split), Ok(expected), "{names:?}");
        }
        for names in [["train/1.tar"], ["train-1.tar"]] {
            let error = files(made(&names).path(), val).unwrap_err();
            assert!(error.contains("choose that split"), "{error}");
        }
    }

    #[test]
    fn archives_beside_images_are_reported() {
        let folder = made(&["x/1.png", "x/b.tar", "a.zip", "x/topk.parquet", "x/.c.tar", "notes.txt"]);
        let dataset = crate::dataset::Dataset::open(folder.path(), &DatasetOptions::default()).unwrap();
        let expected = Notice::OtherArchives { count: 2, example: "a.zip".into() };
        assert_eq!((dataset.len(), dataset.notices()), (1, &[expected][..]));
    }

    #[test]
    fn patterns_and_files_start_from_their_folders() {
        let folder = made(&["d/s-0.tar", "d/s-1.tar", "e{1..2}.tar"]);
        let at = |name: &str| folder.path().join(name);
        assert_eq!(
            files(&at("d/s-{0..1}.tar"), None),
            Ok(Some((vec!["s-0.tar".into(), "s-1.tar".into()], 0)))
        );
        assert_eq!(
            files(&at("{d,d}/s-0.tar"), None),
            Ok(Some((vec!["d/s-0.tar".into(), "d/s-0.tar".into()], 0)))
        );
        assert_eq!(files(&at("e{1..2}.tar"), None), Ok(Some((vec!["e{1..2}.tar".into()], 0))));
        assert_eq!(files(&at("d/list.txt"), None), Ok(None));
        assert!(files(&at("d/{1..x}.tar"), None).unwrap_err().contains("no whole numbers"));
        for (place, expected) in [
            ("d/s-{0..1}.tar", "d"),
            ("{d,d}/s-0.tar", ""),
            ("d/s-0.tar", "d"),
            ("d", "d"),
            ("x.txt", "x.txt"),
        ] {
            assert_eq!(root(&at(place)), at(expected), "{place}");
        }
        assert!(is_there(&at("d/s-{0..1}.tar")) && is_there(&at("d")) && !is_there(&at("d/t-{0..1}.tar")));
    }
}
