//! Where the images are that lists name: files, or parts of archives.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::archives::{self, Archives};
use crate::address::{self, is_address};
use crate::{parallel, place};

/// Entries that are looked up together.
pub(super) const CHUNK: usize = 1024;

/// Data that were moved since lists were written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moved {
    /// The folder that entries begin with, in any spelling; or the list of images in it that was used as data.
    pub from: PathBuf,
    /// Where the images lie now: their folder, a list in it, or a file that holds them.
    pub to: PathBuf,
}

impl Moved {
    /// The folder where the images lie now, or the archives that hold them.
    fn new_folder(&self) -> PathBuf {
        let root = archives::root(&self.to);
        if root == self.to && self.to.is_file() { folder_of(&self.to) } else { root }
    }

    /// The folder where they lay: archives are told by their names, and need not be there.
    fn old_folder(&self) -> PathBuf {
        archives::root(&self.from)
    }

    /// The folder of the list that was used as data, if `from` may have been a list: what is gone cannot be asked.
    fn folder_of_list(&self) -> Option<PathBuf> {
        (!self.from.is_dir()).then(|| folder_of(&self.from))
    }
}

/// The folder that holds a file; the empty path is the current folder.
fn folder_of(file: &Path) -> PathBuf {
    file.parent().unwrap_or(Path::new("")).to_owned()
}

/// Where the entries of lists are looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lookup {
    /// Folders that an entry may start from, in the order in which they are tried. The empty path is the current
    /// folder. Later ones also give names: what lies below one of them is called by its path from there.
    pub bases: Vec<PathBuf>,
    /// Where to look for an entry that is below no base.
    pub moved: Option<Moved>,
}

/// Where an entry was found, or would be.
pub(super) struct Place<'a> {
    pub(super) base: u16,
    pub(super) relative: &'a str,
}

impl Lookup {
    /// Entries as they are, or below `data`.
    pub fn below(data: Option<&Path>) -> Self {
        let bases = [Some(PathBuf::new()), data.map(archives::root)];
        Self { bases: bases.into_iter().flatten().collect(), moved: None }
    }

    /// The bases, with the new place of a moved folder among them.
    pub(super) fn all_bases(&self) -> Vec<PathBuf> {
        let mut bases = self.bases.clone();
        let to = self.moved.as_ref().map(Moved::new_folder);
        let to = to.filter(|to| !bases.contains(to));
        bases.extend(to);
        bases
    }
}

/// Looks up every entry below some bases.
pub(super) fn find_all<'a, S: AsRef<str> + Sync>(
    entries: &'a [S],
    bases: &[PathBuf],
    archives: &Archives,
) -> Vec<Option<Place<'a>>> {
    map_all(entries, |entry| find(entry, bases, archives))
}

/// Looks up every entry; those that are nowhere get the place where they would be.
pub(super) fn place_all<'a, S: AsRef<str> + Sync>(
    entries: &'a [S],
    lookup: &Lookup,
    archives: &Archives,
) -> Vec<Place<'a>> {
    let find = |entry| find(entry, &lookup.bases, archives);
    let Some(moved) = &lookup.moved else {
        let nowhere = |entry| Place { base: 0, relative: entry };
        return map_all(entries, |entry| find(entry).unwrap_or_else(|| nowhere(entry)));
    };
    let (from, folder) = (moved.old_folder(), moved.new_folder());
    let new = lookup.all_bases().iter().position(|base| *base == folder).unwrap_or_default() as u16;
    let is_spelling = place::is_same_place(&moved.from, &moved.to);
    let of_list = moved.folder_of_list();
    // What was a list's folder is a guess, unlike a folder that was named: the file has to be there.
    let beside_list = |entry| {
        let relative = place::below(of_list.as_deref()?, entry)?;
        let path = folder.join(relative);
        let is_there = path.is_file() || archives.find(&path).is_some();
        is_there.then_some(Place { base: new, relative })
    };
    // What would lie in a store is not asked for.
    let is_guess = |found: &Place<'_>| {
        let base = lookup.bases.get(usize::from(found.base));
        base.is_some_and(|base| is_address(base) && !archives::leads_into(&base.join(found.relative)))
    };
    map_all(entries, |entry| {
        let below = place::below(&from, entry).map(|relative| Place { base: new, relative });
        // Stores are not asked for what lies elsewhere now.
        if is_address(Path::new(entry))
            && !is_spelling
            && let Some(below) = below
        {
            return below;
        }
        match find(entry) {
            Some(found) if is_spelling || is_guess(&found) => below.unwrap_or(found),
            // `./train/a.png` of the new folder is called as it always was.
            Some(found) if found.base == new => Place { relative: place::plain(found.relative), ..found },
            Some(found) => found,
            None => below.or_else(|| beside_list(entry)).unwrap_or(Place { base: 0, relative: entry }),
        }
    })
}

fn map_all<'a, S: AsRef<str> + Sync, R: Send>(entries: &'a [S], f: impl Fn(&'a str) -> R + Sync) -> Vec<R> {
    let chunks: Vec<&'a [S]> = entries.chunks(CHUNK).collect();
    let found =
        parallel::map(&chunks, |chunk| chunk.iter().map(|entry| f(entry.as_ref())).collect::<Vec<_>>());
    found.into_iter().flatten().collect()
}

fn find<'a>(entry: &'a str, bases: &[PathBuf], archives: &Archives) -> Option<Place<'a>> {
    let found = first_base(Path::new(entry), bases, archives)?;
    let place = |base: usize, relative| Place { base: base as u16, relative };
    // An entry that was written with a later base in front belongs below that one: `data/train/a.png` is
    // `train/a.png` of `data`.
    let whole = address::join(&bases[found], entry);
    let below = bases.iter().enumerate().skip(found + 1).find_map(|(at, base)| {
        let rest = place::below(base, entry)?;
        place::is_spelled_alike(&whole, &base.join(rest)).then(|| place(at, rest))
    });
    Some(below.unwrap_or_else(|| place(found, entry)))
}

/// The first base below which an entry is a file, or part of an archive; or else the first below which there is
/// something, of which reading will tell what it is.
pub(super) fn first_base(entry: &Path, bases: &[PathBuf], archives: &Archives) -> Option<usize> {
    let mut something = None;
    for (at, base) in bases.iter().enumerate() {
        let path = address::join(base, entry);
        if is_address(&path) {
            // An object is there until reading it tells otherwise: a request for each would take long.
            match archives::leads_into(&path) {
                true if archives.find(&path).is_none() => continue,
                _ => return Some(at),
            }
        }
        match fs::metadata(&path) {
            Ok(file) if file.is_file() => return Some(at),
            Err(error) if is_missing(error.kind()) => {
                if archives.find(&path).is_some() {
                    return Some(at);
                }
            }
            _ => something = something.or(Some(at)),
        }
    }
    something
}

fn is_missing(kind: ErrorKind) -> bool {
    use ErrorKind::{InvalidFilename, InvalidInput, NotADirectory, NotFound};
    matches!(kind, NotFound | NotADirectory | InvalidFilename | InvalidInput)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The names of entries, as they are looked up.
    fn named(entries: &[&str], lookup: &Lookup) -> Vec<(PathBuf, String)> {
        let archives = Archives::default();
        let bases = lookup.all_bases();
        let name = |place: Place<'_>| (bases[usize::from(place.base)].clone(), place.relative.to_owned());
        place_all(entries, lookup, &archives).into_iter().map(name).collect()
    }

    #[test]
    fn a_moved_folder_is_found_under_every_spelling_of_its_old_place() {
        let folder = tempfile::tempdir().unwrap();
        let new = folder.path().join("new");
        fs::create_dir_all(new.join("train")).unwrap();
        fs::write(new.join("train/a.png"), b"").unwrap();
        let old = folder.path().join("old");
        let here = std::env::current_dir().unwrap();
        let absolute = |folder: &Path| folder.join("train/a.png").to_str().unwrap().to_owned();
        for (from, entry) in [
            (old.clone(), absolute(&old)),
            (old.join(""), absolute(&old)),
            ("d".into(), "d/train/a.png".into()),
            ("d/".into(), "d/train/a.png".into()),
            ("./d".into(), "d/train/a.png".into()),
            ("d".into(), "./d/train/a.png".into()),
            (here.join("d"), "d/train/a.png".into()),
            ("d".into(), absolute(&here.join("d"))),
            (".".into(), "./train/a.png".into()),
            ("".into(), "train/a.png".into()),
        ] {
            let moved = Some(Moved { from: from.clone(), to: new.clone() });
            let lookup = Lookup { moved, ..Lookup::below(Some(&new)) };
            let expected = (new.clone(), "train/a.png".to_owned());
            assert_eq!(named(&[&entry], &lookup), [expected], "{} {entry}", from.display());
        }
    }

    #[test]
    fn images_of_a_list_that_moved_with_it_are_found() {
        let root = tempfile::tempdir().unwrap();
        let (old, new) = (root.path().join("old"), root.path().join("new"));
        fs::create_dir_all(new.join("a")).unwrap();
        for name in ["a/1.png", "list.txt", "no ending"] {
            fs::write(new.join(name), b"").unwrap();
        }
        let entries = ["a/1.png", "a/gone.png"].map(|name| old.join(name).to_str().unwrap().to_owned());
        let found = |list: &str, to: PathBuf| {
            let moved = Some(Moved { from: old.join(list), to: to.clone() });
            let lookup = Lookup { moved, ..Lookup::below(Some(&to)) };
            named(&[&entries[0], &entries[1]], &lookup)
        };
        let expected = [(new.clone(), "a/1.png".to_owned()), (PathBuf::new(), entries[1].clone())];
        for list in ["list.txt", "no ending"] {
            for to in [new.clone(), new.join("list.txt")] {
                assert_eq!(found(list, to), expected, "{list}");
            }
        }
        // The list stayed behind.
        fs::create_dir(&old).unwrap();
        fs::write(old.join("list.txt"), b"").unwrap();
        assert_eq!(found("list.txt", new.clone()), expected);
        // A list that was named as `list.txt`, from its own folder.
        let moved = Some(Moved { from: "list.txt".into(), to: new.clone() });
        let lookup = Lookup { moved, bases: vec![PathBuf::new()] };
        assert_eq!(named(&["a/1.png"], &lookup), expected[..1]);
    }

    /// `--data` may name a folder above or below the one that was scanned: what is there as it was listed is found.
    #[test]
    fn a_folder_above_or_below_the_old_one_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir_all(at("d/train/a")).unwrap();
        fs::write(at("d/train/a/1.png"), b"").unwrap();
        let entry = at("d/train/a/1.png").to_str().unwrap().to_owned();
        for (from, to, relative) in [
            ("d/train", "d", "train/a/1.png"),
            ("d", "d/train", "a/1.png"),
            ("d", "d/train/a", "1.png"),
            ("d/train/a", "d", "train/a/1.png"),
        ] {
            let moved = Some(Moved { from: at(from), to: at(to) });
            let lookup = Lookup { moved, ..Lookup::below(Some(&at(to))) };
            assert_eq!(named(&[&entry], &lookup), [(at(to), relative.to_owned())], "{from} {to}");
        }
    }

    #[test]
    fn what_is_there_stays_and_what_is_nowhere_is_named_in_the_new_place() {
        let folder = tempfile::tempdir().unwrap();
        let (old, new) = (folder.path().join("old"), folder.path().join("new"));
        for name in [&old, &new] {
            fs::create_dir(name).unwrap();
        }
        fs::write(old.join("a.png"), b"").unwrap();
        let entry = |name: &str| old.join(name).to_str().unwrap().to_owned();
        let entries = [entry("a.png"), entry("gone.png"), "elsewhere.png".to_owned()];
        let entries: Vec<&str> = entries.iter().map(String::as_str).collect();
        let moved = Some(Moved { from: old.clone(), to: new.clone() });
        let lookup = Lookup { bases: vec![PathBuf::new()], moved };
        let expected = [
            (PathBuf::new(), entries[0].to_owned()),
            (new, "gone.png".to_owned()),
            (PathBuf::new(), "elsewhere.png".to_owned()),
        ];
        assert_eq!(named(&entries, &lookup), expected);
        // The same folder in another spelling has not moved: its images have their names below it.
        let again = old.join(".");
        let lookup = Lookup { moved: Some(Moved { from: old.clone(), to: again.clone() }), ..lookup };
        assert_eq!(named(&entries, &lookup)[0], (again, "a.png".to_owned()));
    }
}
