use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::ffi::OsString;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::io::BufRead;
use std::path::{Path, PathBuf};

use super::lookup::{self, Lookup, Place};
use super::{Dataset, DatasetOptions, Item, layout};
use crate::listing::{LeftOut, Surroundings};
use crate::text::{self, Line};
use crate::unusable::{Problem, Unusable, escaped};
use crate::{DataError, Notice, parallel, place};

impl Dataset {
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
        let lines = text::lines(list, name)?;
        let entries: Vec<Cow<'_, str>> = lines.iter().map(shown).collect();
        let limit = options.split_n.unwrap_or(usize::MAX);
        let mut listed = Listed::new(bases.to_vec());
        let mut left_out = LeftOut::default();
        let found = lookup::find_all(&entries, bases);
        let are_results = are_results(&found, bases);
        for (((line, entry), place), is_result) in lines.iter().zip(&entries).zip(found).zip(are_results) {
            match place {
                Some(_) if is_result => left_out.result_pictures.add(entry),
                Some(place) => listed.push(entry, &place, limit),
                None if entry.starts_with('#') => {}
                None => listed.push_unlistable(name, line, entry, limit)?,
            }
        }
        let mut dataset = listed.dataset.unless_empty(name, &left_out)?;
        dataset.notices.extend(layout::results(&left_out));
        dataset.notices.extend(repeated(&dataset));
        Ok(dataset)
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
        let mut listed = Listed::new(lookup.all_bases());
        for (entry, place) in entries.iter().zip(lookup::place_all(entries, lookup)) {
            listed.push(entry.as_ref(), &place, usize::MAX);
        }
        listed.dataset
    }
}

/// A data set in the making, from entries that name their classes by their folders.
struct Listed {
    dataset: Dataset,
    /// Index of each folder's class, and how many of its images there are.
    of_folder: HashMap<String, (u32, usize)>,
}

impl Listed {
    fn new(bases: Vec<PathBuf>) -> Self {
        Self { dataset: Dataset::empty(bases), of_folder: HashMap::new() }
    }

    /// Adds an entry, unless its class has `limit` images already.
    fn push(&mut self, entry: &str, place: &Place<'_>, limit: usize) {
        let dataset = &mut self.dataset;
        let folder = Path::new(entry).parent().and_then(Path::file_name).and_then(|folder| folder.to_str());
        let folder = folder.unwrap_or_default();
        let (class, taken) =
            self.of_folder.entry(folder.into()).or_insert_with(|| (dataset.add_class(folder), 0));
        if *taken == limit {
            return;
        }
        *taken += 1;
        dataset.names.push_str(place.relative);
        dataset.items.push(Item { end: dataset.names.len() as u64, base: place.base, class: *class });
    }

    /// Adds an entry that was not found under its name as text: it may be there under bytes that are none.
    fn push_unlistable(
        &mut self,
        list: &Path,
        line: &Line,
        shown: &str,
        limit: usize,
    ) -> Result<(), DataError> {
        let bases = &self.dataset.bases;
        if str::from_utf8(&line.bytes).is_ok() {
            return Err(missing(list, line.number, shown, bases));
        }
        let found = raw(line).map(PathBuf::from);
        let found = found.and_then(|path| Some((lookup::first_base(&path, bases)?, path)));
        let Some((base, path)) = found else {
            let problem = "is not UTF-8 and names no file";
            return Err(DataError::ListLine { list: list.into(), line: line.number, problem });
        };
        let (index, path) = (self.dataset.len(), bases[base].join(path));
        self.push(shown, &Place { base: base as u16, relative: shown }, limit);
        if self.dataset.len() > index {
            self.dataset.unusable.insert(index, Unusable { path, problem: Problem::Name });
        }
        Ok(())
    }
}

/// What a line says, as text whatever it holds.
fn shown(line: &Line) -> Cow<'_, str> {
    match str::from_utf8(&line.bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => Cow::Owned(escaped(&raw(line).unwrap_or_else(|| "?".into()))),
    }
}

/// The bytes of a line as a name, where names are bytes.
fn raw(line: &Line) -> Option<OsString> {
    #[cfg(unix)]
    return Some(std::os::unix::ffi::OsStringExt::from_vec(line.bytes.clone()));
    #[cfg(not(unix))]
    return None;
}

/// Whether each entry that was found is a picture that `neuron` wrote.
fn are_results(found: &[Option<Place<'_>>], bases: &[PathBuf]) -> Vec<bool> {
    let around = Surroundings::of(bases);
    let path = |place: &Place<'_>| bases[usize::from(place.base)].join(place.relative);
    let is_result =
        |place: &Option<Place<'_>>| place.as_ref().is_some_and(|place| around.is_result(&path(place)));
    let chunks: Vec<&[Option<Place<'_>>]> = found.chunks(lookup::CHUNK).collect();
    let of_chunks = parallel::map(&chunks, |chunk| chunk.iter().map(is_result).collect::<Vec<_>>());
    of_chunks.into_iter().flatten().collect()
}

/// The images that a list names more than once, in whatever spelling.
fn repeated(dataset: &Dataset) -> Option<Notice> {
    // Hashes, not paths: those of a million images would take more memory than the data set.
    let hash = |index: usize| {
        BuildHasherDefault::<DefaultHasher>::new().hash_one(place::spelled_out(&dataset.path(index)))
    };
    let mut seen = HashSet::with_capacity(dataset.len());
    let mut again = (0..dataset.len()).filter(|index| !seen.insert(hash(*index))).peekable();
    let example = dataset.relative(*again.peek()?).to_owned();
    Some(Notice::Repeated { count: again.count(), example })
}

fn missing(list: &Path, line: usize, entry: &str, bases: &[PathBuf]) -> DataError {
    let name = |base: &PathBuf| match base.as_os_str().is_empty() {
        true => "the current folder".to_owned(),
        false => format!("`{}`", base.display()),
    };
    let hint = hint(entry, bases);
    let bases = bases.iter().map(name).collect::<Vec<_>>().join(" or ");
    DataError::MissingFile { list: list.into(), line, entry: entry.into(), bases, hint }
}

/// What is there and could be meant: people write labels, quotes and blanks beside paths.
fn hint(entry: &str, bases: &[PathBuf]) -> String {
    let slashes = entry.replace('\\', "/");
    let quotes =
        |text: char| text.is_whitespace() || matches!(text, '"' | '\'' | '`' | ',' | ';' | '<' | '>');
    let before = |separator: &[char]| entry.rsplit_once(separator).map_or(entry, |(path, _)| path.trim_end());
    let candidates = [
        entry.trim_matches(quotes),
        entry.split(['\t', ',', ';']).next().unwrap_or_default().trim_matches(quotes),
        before(&[' ', '\t']),
        entry.trim_start_matches("file://"),
        &slashes,
    ];
    let is_there = |path: &&&str| !path.is_empty() && lookup::first_base(Path::new(path), bases).is_some();
    let found = candidates.iter().find(is_there);
    found
        .map_or_else(String::new, |path| format!("; `{path}` is there: a line holds a path and nothing else"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_that_are_nowhere_keep_their_place() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("a")).unwrap();
        std::fs::write(folder.path().join("a/there.png"), b"").unwrap();
        let bases = [PathBuf::new(), folder.path().to_path_buf()];
        let whole_path = folder.path().join("a/there.png").display().to_string();
        let dataset = Dataset::from_entries(&["b/gone.png", "a/there.png", &whole_path], &bases);
        let names: Vec<&str> = (0..dataset.len()).map(|index| dataset.relative(index)).collect();
        assert_eq!(names, ["b/gone.png", "a/there.png", "a/there.png"]);
        assert_eq!(dataset.path(0), Path::new("b/gone.png"));
        assert_eq!(dataset.path(1), Path::new(&whole_path));
        assert!(Dataset::from_entries::<&str>(&[], &bases).is_empty());
    }
}
