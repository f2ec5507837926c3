//! Lists of paths, one a line.

use std::borrow::Cow;
use std::collections::HashSet;
use std::ffi::OsString;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::io::BufRead;
use std::path::{Path, PathBuf};

use super::archives::Archives;
use super::files::Files;
use super::layout;
use super::listing::Surroundings;
use super::lookup::{self, Lookup, Place};
use super::opened::Opened;
use super::tally::LeftOut;
use crate::classes::Classes;
use crate::error::DataError;
use crate::notice::Notice;
use crate::options::DatasetOptions;
use crate::source::Source;
use crate::text::{self, Line};
use crate::unusable::{Problem, Unusable, escaped};
use crate::{address, parallel, place};

/// Opens standard input, which is called `-`: its entries start from the current folder.
pub(super) fn open_stdin(place: &Path, options: &DatasetOptions) -> Option<Result<Opened, DataError>> {
    let is_stdin = place == Path::new("-");
    is_stdin.then(|| read(std::io::stdin().lock(), place, &[PathBuf::new()], options))
}

/// Opens a file, or what can be read like one; entries start from the folder that holds it.
pub(super) fn open(place: &Path, options: &DatasetOptions) -> Result<Opened, DataError> {
    let kind = std::fs::metadata(place).map_err(|source| DataError::Read { path: place.into(), source })?;
    // A pipe, such as a shell's `<(find ...)`, lies in no folder of the user's.
    let beside = if kind.is_file() { place.parent() } else { None };
    read(text::open(place)?, place, &[beside.unwrap_or(Path::new("")).into()], options)
}

/// Reads a list that messages call `name`.
pub(crate) fn read(
    list: impl BufRead,
    name: &Path,
    bases: &[PathBuf],
    options: &DatasetOptions,
) -> Result<Opened, DataError> {
    let lines = text::lines(list, name)?;
    let entries: Vec<Cow<'_, str>> = lines.iter().map(shown).collect();
    let archives = Archives::default();
    let found = lookup::find_all(&entries, bases, &archives);
    let mut listed = Listed::new(bases.to_vec(), options.split_n, archives);
    let mut left_out = LeftOut::default();
    let are_results = are_results(&found, bases);
    for (((line, entry), place), is_result) in lines.iter().zip(&entries).zip(found).zip(are_results) {
        match place {
            Some(_) if is_result => left_out.result_pictures.add(entry),
            Some(place) => _ = listed.push(entry, &place),
            None if entry.starts_with('#') => {}
            None => listed.push_unlistable(name, line, entry)?,
        }
    }
    let mut notices: Vec<Notice> = layout::results(&left_out).into_iter().collect();
    notices.extend(repeated(&listed.files));
    listed.opened(notices).unless_empty(name, &left_out)
}

/// The images that some entries name, in that order, whether or not they are there.
pub(crate) fn look_up<S: AsRef<str> + Sync>(entries: &[S], lookup: &Lookup) -> Opened {
    let archives = Archives::default();
    let places = lookup::place_all(entries, lookup, &archives);
    let mut listed = Listed::new(lookup.all_bases(), None, archives);
    for (entry, place) in entries.iter().zip(places) {
        listed.push(entry.as_ref(), &place);
    }
    listed.opened(Vec::new())
}

/// The images so far, from entries that name their classes by their folders.
struct Listed {
    files: Files,
    classes: Classes,
    /// Those that entries were found in.
    archives: Archives,
}

impl Listed {
    fn new(bases: Vec<PathBuf>, limit: Option<usize>, archives: Archives) -> Self {
        Self { files: Files::below(bases), classes: Classes::new(limit), archives }
    }

    /// Adds an entry, unless its class is full; whether it was added.
    fn push(&mut self, entry: &str, place: &Place<'_>) -> bool {
        let path = address::join(&self.files.bases()[usize::from(place.base)], place.relative);
        let archived = self.archives.find(&path);
        let folder = Path::new(entry).parent().and_then(Path::file_name).and_then(|folder| folder.to_str());
        let is_taken = match archived {
            Some(archived) => self.classes.push(&self.archives.class(archived)),
            None => self.classes.push(folder.unwrap_or_default()),
        };
        if is_taken {
            self.files.push(place.base, &[place.relative]);
            archived.into_iter().for_each(|archived| self.files.last_is_archived(archived));
        }
        is_taken
    }

    /// Adds an entry that was not found under its name as text: it may be there under bytes that are none.
    fn push_unlistable(&mut self, list: &Path, line: &Line, shown: &str) -> Result<(), DataError> {
        let bases = self.files.bases();
        if str::from_utf8(&line.bytes).is_ok() {
            return Err(self.missing(list, line.number, shown));
        }
        let found = raw(line).map(PathBuf::from);
        let found = found.and_then(|path| Some((lookup::first_base(&path, bases, &self.archives)?, path)));
        let Some((base, path)) = found else {
            let problem = "is not UTF-8 and names no file";
            return Err(DataError::ListLine { list: list.into(), line: line.number, problem });
        };
        let path = bases[base].join(path);
        if self.push(shown, &Place { base: base as u16, relative: shown }) {
            self.files.last_is_unusable(Unusable { path, problem: Problem::Name });
        }
        Ok(())
    }

    fn missing(&self, list: &Path, line: usize, entry: &str) -> DataError {
        let name = |base: &PathBuf| match base.as_os_str().is_empty() {
            true => "the current folder".to_owned(),
            false => format!("`{}`", base.display()),
        };
        let mut hint = hint(entry, self.files.bases(), &self.archives);
        let is_absolute = Path::new(entry).is_absolute();
        let bases = match is_absolute {
            true => String::new(),
            false => {
                format!(", below {}", self.files.bases().iter().map(name).collect::<Vec<_>>().join(" or "))
            }
        };
        if !is_absolute && hint.is_empty() && Path::new(entry).exists() {
            hint = "; it is there from the current folder, but the paths of a list count from the list's own: write it there, \
                    or absolute paths"
                .to_owned();
        }
        DataError::MissingFile { list: list.into(), line, entry: entry.into(), bases, hint }
    }

    fn opened(mut self, notices: Vec<Notice>) -> Opened {
        self.files.shrink_to_fit();
        self.files.hold(self.archives);
        Opened { source: Box::new(self.files), classes: self.classes, notices }
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
    let path = |place: &Place<'_>| address::join(&bases[usize::from(place.base)], place.relative);
    let is_result =
        |place: &Option<Place<'_>>| place.as_ref().is_some_and(|place| around.is_result(&path(place)));
    let chunks: Vec<&[Option<Place<'_>>]> = found.chunks(lookup::CHUNK).collect();
    let of_chunks = parallel::map(&chunks, |chunk| chunk.iter().map(is_result).collect::<Vec<_>>());
    of_chunks.into_iter().flatten().collect()
}

/// The images that a list names more than once, in whatever spelling.
fn repeated(files: &Files) -> Option<Notice> {
    // Hashes, not paths: those of a million images would take more memory than the data set.
    let hash = |index: usize| {
        BuildHasherDefault::<DefaultHasher>::new().hash_one(place::spelled_out(&files.path(index)))
    };
    let mut seen = HashSet::with_capacity(files.len());
    let mut again = (0..files.len()).filter(|index| !seen.insert(hash(*index))).peekable();
    let example = files.name(*again.peek()?).to_owned();
    Some(Notice::Repeated { count: again.count(), example })
}

/// What is there and could be meant: people write labels, quotes and blanks beside paths.
fn hint(entry: &str, bases: &[PathBuf], archives: &Archives) -> String {
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
    let is_there =
        |path: &&&str| !path.is_empty() && lookup::first_base(Path::new(path), bases, archives).is_some();
    let found = candidates.iter().find(is_there);
    found
        .map_or_else(String::new, |path| format!("; `{path}` is there: a line holds a path and nothing else"))
}
