use std::collections::HashMap;
use std::io::BufRead;
use std::path::{Path, PathBuf};

use super::{Dataset, DatasetOptions, Item};
use crate::{DataError, parallel};

/// Entries that are looked up together.
const CHUNK: usize = 1024;

/// A line of a list: its number from 1 and what it says.
type Line = (usize, String);

impl Dataset {
    /// Reads a list of paths, one a line, in its own order; blank lines and lines that start with `#` are
    /// ignored.
    ///
    /// A path is tried below each of `bases` in turn; the empty base stands for the current folder, so that
    /// `["", data]` means "as it is, or below the data folder". An absolute path needs no base. The class of
    /// an image is the folder that holds it. `name` is what messages call the list.
    ///
    /// # Errors
    /// [`DataError::MissingFile`] for the first entry that is no file below any base, [`DataError::Read`] if
    /// the list cannot be read, [`DataError::NoImages`] if it is empty.
    pub fn from_list(
        list: impl BufRead,
        name: &Path,
        bases: &[PathBuf],
        options: &DatasetOptions,
    ) -> Result<Self, DataError> {
        let (numbers, entries): (Vec<usize>, Vec<String>) = read_lines(list)
            .map_err(|source| DataError::Read { path: name.into(), source })?
            .into_iter()
            .unzip();
        let limit = options.split_n.unwrap_or(usize::MAX);
        let mut listed = Listed::new(bases);
        for ((line, entry), place) in numbers.iter().zip(&entries).zip(resolve_all(&entries, bases)) {
            let Some(place) = place else { return Err(missing(name, *line, entry, bases)) };
            listed.push(entry, &place, limit);
        }
        listed.dataset.unless_empty(name, 0)
    }

    /// The images that some entries name, in that order, whether or not they are there.
    ///
    /// Entries are looked up as those of [`Dataset::from_list`]. One that is nowhere keeps its place, as a
    /// path below the first base that cannot be read: a [`Loader`](crate::Loader) skips it and says so.
    pub fn from_entries<S: AsRef<str> + Sync>(entries: &[S], bases: &[PathBuf]) -> Self {
        let mut listed = Listed::new(bases);
        for (entry, place) in entries.iter().zip(resolve_all(entries, bases)) {
            let entry = entry.as_ref();
            listed.push(entry, &place.unwrap_or(Place { base: 0, relative: entry }), usize::MAX);
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
    fn new(bases: &[PathBuf]) -> Self {
        Self { dataset: Dataset::empty(bases.to_vec()), of_folder: HashMap::new() }
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
}

fn read_lines(list: impl BufRead) -> std::io::Result<Vec<Line>> {
    let mut lines = Vec::new();
    for (at, line) in list.lines().enumerate() {
        let line = line?;
        let entry = line.trim_end_matches('\r');
        if !entry.trim().is_empty() && !entry.starts_with('#') {
            lines.push((at + 1, entry.to_owned()));
        }
    }
    Ok(lines)
}

/// Looks up every entry.
fn resolve_all<'a, S: AsRef<str> + Sync>(entries: &'a [S], bases: &[PathBuf]) -> Vec<Option<Place<'a>>> {
    let chunks: Vec<&[S]> = entries.chunks(CHUNK).collect();
    let resolved = parallel::map(&chunks, |chunk| {
        chunk.iter().map(|entry| resolve(entry.as_ref(), bases)).collect::<Vec<_>>()
    });
    resolved.into_iter().flatten().collect()
}

/// Where an entry was found.
struct Place<'a> {
    base: u16,
    relative: &'a str,
}

fn resolve<'a>(entry: &'a str, bases: &[PathBuf]) -> Option<Place<'a>> {
    let found = bases.iter().position(|base| base.join(entry).is_file())?;
    let place = |base: usize, relative| Place { base: base as u16, relative };
    // An entry that was written with a later base in front belongs below that one: `data/train/a.png` is
    // `train/a.png` of `data`.
    let below = bases.iter().enumerate().find_map(|(at, base)| {
        let base_name = base.to_str().filter(|name| !name.is_empty())?.trim_end_matches('/');
        let rest = entry.strip_prefix(base_name)?.strip_prefix('/')?;
        bases[found].join(entry).eq(&base.join(rest)).then(|| place(at, rest))
    });
    Some(below.unwrap_or_else(|| place(found, entry)))
}

fn missing(list: &Path, line: usize, entry: &str, bases: &[PathBuf]) -> DataError {
    let name = |base: &PathBuf| match base.as_os_str().is_empty() {
        true => "the current folder".to_owned(),
        false => format!("`{}`", base.display()),
    };
    let bases = bases.iter().map(name).collect::<Vec<_>>().join(" or ");
    DataError::MissingFile { list: list.into(), line, entry: entry.into(), bases }
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
