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
    /// Reads a list of paths, one a line, in its own order; blank lines and lines that start with `#` are ignored.
    ///
    /// A path is tried below each of `bases` in turn; the empty base stands for the current folder, so that
    /// `["", data]` means "as it is, or below the data folder". An absolute path needs no base. The class of an
    /// image is the folder that holds it. `name` is what messages call the list.
    ///
    /// # Errors
    /// [`DataError::MissingFile`] for the first entry that is no file below any base, [`DataError::Read`] if the
    /// list cannot be read, [`DataError::NoImages`] if it is empty.
    pub fn from_list(
        list: impl BufRead,
        name: &Path,
        bases: &[PathBuf],
        options: &DatasetOptions,
    ) -> Result<Self, DataError> {
        let lines = read_lines(list).map_err(|source| DataError::Read { path: name.into(), source })?;
        let chunks: Vec<&[Line]> = lines.chunks(CHUNK).collect();
        let resolved = parallel::map(&chunks, |chunk| {
            chunk.iter().map(|(_, entry)| resolve(entry, bases)).collect::<Vec<_>>()
        });
        let mut dataset = Self::empty(bases.to_vec());
        let limit = options.split_n.unwrap_or(usize::MAX);
        let mut of_folder: HashMap<String, (u32, usize)> = HashMap::new();
        for ((line, entry), place) in lines.iter().zip(resolved.into_iter().flatten()) {
            let Some(place) = place else { return Err(missing(name, *line, entry, bases)) };
            let folder =
                Path::new(entry).parent().and_then(Path::file_name).and_then(|folder| folder.to_str());
            let folder = folder.unwrap_or_default();
            let (class, taken) =
                of_folder.entry(folder.into()).or_insert_with(|| (dataset.add_class(folder), 0));
            if *taken == limit {
                continue;
            }
            *taken += 1;
            let class = *class;
            dataset.names.push_str(place.relative);
            dataset.items.push(Item { end: dataset.names.len() as u64, base: place.base, class });
        }
        dataset.unless_empty(name, 0)
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
