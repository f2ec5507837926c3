//! Finds the image files below a folder, in the order of torchvision's `ImageFolder`.
//!
//! Folders are read in parallel, level by level; every folder keeps its names in one string, so that a
//! million files cost a few allocations a folder and not several a file.

mod results;
mod surroundings;

use std::ffi::OsStr;
use std::fs::{self, DirEntry};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::archives::kinds::is_archive;
use super::ending::{Promise, is_compressed_archive};
use super::tally::LeftOut;
use crate::error::DataError;
use crate::parallel;
use crate::unusable::{Problem, Unusable, escaped, listable};
use results::Marks;
pub(crate) use surroundings::Surroundings;

/// The image files of one folder, by name.
#[derive(Debug, Default)]
pub(crate) struct Folder {
    /// Path below the root, with `/`; empty for the root itself.
    pub(crate) relative: String,
    names: String,
    /// Start and end of each name, in bytewise order.
    spans: Vec<(usize, usize)>,
    /// What would hold images and cannot be used, by name: behind the files in every order.
    pub(crate) unusable: Vec<(String, Unusable)>,
    pub(crate) left_out: LeftOut,
}

impl Folder {
    /// File names, bytewise ascending.
    pub(crate) fn files(&self) -> impl ExactSizeIterator<Item = &str> + Clone {
        self.spans.iter().map(|span| self.name(*span))
    }

    /// Whether there is nothing that belongs to a data set.
    pub(crate) fn is_empty(&self) -> bool {
        self.spans.is_empty() && self.unusable.is_empty()
    }

    /// The first component of the path below the root: the class.
    pub(crate) fn class(&self) -> &str {
        self.relative.split('/').next().unwrap_or_default()
    }

    /// The path of something in this folder below the root.
    fn path_of(&self, name: &str) -> String {
        let separator = if self.relative.is_empty() { "" } else { "/" };
        format!("{}{separator}{name}", self.relative)
    }

    fn name(&self, (start, end): (usize, usize)) -> &str {
        &self.names[start..end]
    }

    fn has(&self, name: &str) -> bool {
        self.spans.binary_search_by(|span| self.name(*span).cmp(name)).is_ok()
    }

    fn push(&mut self, name: &str) {
        let start = self.names.len();
        self.names.push_str(name);
        self.spans.push((start, self.names.len()));
    }

    /// Counts a file that is no image by its name.
    fn leave_out(&mut self, name: &OsStr, kind: Kind, promise: Promise) {
        self.left_out.other_files += 1;
        if kind != Kind::DeadLink && promise == Promise::Nothing {
            if is_archive(name.as_ref()) {
                self.left_out.archives.add(&self.path_of(&escaped(name)));
            } else if is_compressed_archive(name.as_ref()) {
                self.left_out.compressed.add(&self.path_of(&escaped(name)));
            }
            return;
        }
        let shown = self.path_of(&escaped(name));
        match promise {
            Promise::OtherPicture(ending) if kind != Kind::DeadLink => {
                self.left_out.other_pictures.entry(ending).or_default().add(&shown);
            }
            _ => self.left_out.dead_links.add(&shown),
        }
    }

    fn push_unusable(&mut self, name: String, path: PathBuf, problem: Problem) {
        self.unusable.push((name, Unusable { path, problem }));
    }

    fn sort(&mut self) {
        let names = &self.names;
        self.spans.sort_unstable_by(|a, b| names[a.0..a.1].cmp(&names[b.0..b.1]));
        self.unusable.sort_unstable_by(|a, b| a.0.cmp(&b.0));
    }
}

/// All folders below `root`, `root` first, then by class and within it by path, bytewise.
///
/// A folder that cannot be read is an entry of its own that cannot be used; only without the root there is nothing.
pub(crate) fn walk(root: &Path) -> Result<Vec<Folder>, DataError> {
    let (first, mut level) = read_root(root)?;
    let mut found = vec![first];
    while !level.is_empty() {
        let mut next = Vec::new();
        for (folder, below) in parallel::map(&level, visit) {
            found.push(folder);
            next.extend(below);
        }
        level = next;
    }
    found.sort_unstable_by(|a, b| (a.class(), &a.relative).cmp(&(b.class(), &b.relative)));
    Ok(found)
}

/// What lies in a folder directly, and its folders.
pub(crate) fn read_root(root: &Path) -> Result<(Folder, Vec<Pending>), DataError> {
    let around = Arc::new(Surroundings::of(&[root.into()]));
    let pending = Pending { path: root.into(), relative: String::new(), jumps: None, around, problem: None };
    read(&pending).map_err(|source| DataError::Read { path: root.into(), source })
}

/// Whether there is an image in a folder or anywhere below it; looks no further than the first.
pub(crate) fn holds_images(pending: Pending) -> bool {
    let mut level = vec![pending];
    while !level.is_empty() {
        let mut next = Vec::new();
        for pending in &level {
            let (folder, below) = visit(pending);
            if folder.files().len() > 0 {
                return true;
            }
            next.extend(below);
        }
        level = next;
    }
    false
}

/// Whether there is an image in a folder itself.
pub(crate) fn has_images_of_its_own(pending: &Pending) -> bool {
    visit(pending).0.files().len() > 0
}

/// A folder that is still to be read.
#[derive(Clone)]
pub(crate) struct Pending {
    path: PathBuf,
    pub(crate) relative: String,
    jumps: Option<Arc<Jump>>,
    /// Judges what links lead to.
    around: Arc<Surroundings>,
    /// Why it will not be.
    problem: Option<Problem>,
}

/// A symbolic link that was followed on the way here: the real path of the folder that holds it.
struct Jump {
    from: PathBuf,
    before: Option<Arc<Jump>>,
}

/// Reads a folder; one that cannot be read is said to be so in its place.
fn visit(pending: &Pending) -> (Folder, Vec<Pending>) {
    let failed = |problem| {
        let relative = pending.relative.clone();
        let unusable = vec![(relative.clone(), Unusable { path: pending.path.clone(), problem })];
        (Folder { relative, unusable, ..Folder::default() }, Vec::new())
    };
    match &pending.problem {
        Some(problem) => failed(problem.clone()),
        None => read(pending).unwrap_or_else(|error| failed(Problem::Folder(Arc::new(error)))),
    }
}

fn read(pending: &Pending) -> io::Result<(Folder, Vec<Pending>)> {
    let mut folder = Folder { relative: pending.relative.clone(), ..Folder::default() };
    let (mut below, mut marks) = (Vec::new(), Marks::default());
    for entry in fs::read_dir(&pending.path)? {
        let entry = match entry {
            Ok(entry) => entry,
            // What was read up to here stays.
            Err(error) => {
                let problem = Problem::Folder(Arc::new(error));
                folder.push_unusable(pending.relative.clone(), pending.path.clone(), problem);
                break;
            }
        };
        take(pending, &entry, (&mut folder, &mut below, &mut marks));
    }
    folder.sort();
    Ok(without_results(pending, folder, below, &marks))
}

/// Puts an entry of a folder where it belongs; hidden ones belong nowhere.
fn take(
    pending: &Pending,
    entry: &DirEntry,
    (folder, below, marks): (&mut Folder, &mut Vec<Pending>, &mut Marks),
) {
    let name = entry.file_name();
    if name.as_encoded_bytes().starts_with(b".") {
        return;
    }
    let text = listable(&name);
    let kind = Kind::of(entry);
    match (kind, Promise::of(Path::new(&name))) {
        (Kind::Folder, _) => below.push(match text {
            Some(text) => pending.child(text, pending.jumps.clone()),
            None => pending.lost(&entry.path(), &escaped(&name), Problem::Name),
        }),
        (Kind::FolderLink, _) => below.extend(linked(pending, entry, folder)),
        (Kind::FileLink, Promise::Image) if pending.around.leads_to_result(&entry.path()) => {
            folder.left_out.result_pictures.add(&folder.path_of(&escaped(&name)));
        }
        (Kind::File | Kind::FileLink | Kind::DeadLink, Promise::Image) => match text {
            Some(text) => folder.push(text),
            None => {
                let shown = folder.path_of(&escaped(&name));
                folder.push_unusable(shown, entry.path(), Problem::Name);
            }
        },
        (kind, promise) => {
            folder.leave_out(&name, kind, promise);
            if kind != Kind::DeadLink && promise == Promise::Nothing {
                marks.note(text.unwrap_or_default());
            }
        }
    }
}

/// The folder that a link leads to, if it is to be read.
fn linked(pending: &Pending, entry: &DirEntry, folder: &mut Folder) -> Option<Pending> {
    let (name, path) = (entry.file_name(), entry.path());
    let shown = escaped(&name);
    match (pending.follow(&path), listable(&name)) {
        (Ok(Followed::InCircles), _) => None,
        (Ok(Followed::IntoResults), _) => {
            folder.left_out.result_folders.add(&folder.path_of(&shown));
            None
        }
        (_, None) => Some(pending.lost(&path, &shown, Problem::Name)),
        (Ok(Followed::To(jump)), Some(text)) => Some(pending.child(text, Some(jump))),
        (Err(error), Some(text)) => Some(pending.lost(&path, text, Problem::Folder(Arc::new(error)))),
    }
}

/// Takes out what `neuron` wrote. The root is not taken out as a whole: it was named by whoever wants it.
fn without_results(
    pending: &Pending,
    mut folder: Folder,
    mut below: Vec<Pending>,
    marks: &Marks,
) -> (Folder, Vec<Pending>) {
    if !pending.relative.is_empty() && marks.whole_folder(&pending.path) {
        let mut left_out = LeftOut::default();
        left_out.result_folders.add(&folder.relative);
        return (Folder { relative: folder.relative, left_out, ..Folder::default() }, Vec::new());
    }
    let written = marks.written(&pending.path, folder.files(), |name| folder.has(name));
    if !written.pictures.is_empty() {
        for picture in &written.pictures {
            let shown = folder.path_of(picture);
            folder.left_out.result_pictures.add(&shown);
        }
        let Folder { names, spans, .. } = &mut folder;
        spans.retain(|(start, end)| !written.pictures.contains(&names[*start..*end]));
    }
    below.retain(|child| {
        let name = child.relative.rsplit('/').next().unwrap_or_default();
        let of_results = written.holds_folder(name);
        if of_results {
            folder.left_out.result_folders.add(&child.relative);
        }
        !of_results
    });
    (folder, below)
}

impl Pending {
    fn child(&self, name: &str, jumps: Option<Arc<Jump>>) -> Self {
        let separator = if self.relative.is_empty() { "" } else { "/" };
        let relative = format!("{}{separator}{name}", self.relative);
        let around = Arc::clone(&self.around);
        Self { path: self.path.join(name), relative, jumps, around, problem: None }
    }

    /// A folder that cannot be used.
    fn lost(&self, path: &Path, name: &str, problem: Problem) -> Self {
        Self { path: path.into(), problem: Some(problem), ..self.child(name, None) }
    }

    /// Where a link to a folder leads.
    fn follow(&self, link: &Path) -> io::Result<Followed> {
        let target = fs::canonicalize(link)?;
        if self.around.is_in_results(&target) {
            return Ok(Followed::IntoResults);
        }
        let jump = Arc::new(Jump { from: fs::canonicalize(&self.path)?, before: self.jumps.clone() });
        let mut chain = std::iter::successors(Some(&jump), |jump| jump.before.as_ref());
        let came_from_there = chain.any(|jump| jump.from.starts_with(&target));
        Ok(if came_from_there { Followed::InCircles } else { Followed::To(jump) })
    }
}

/// Where a link to a folder leads.
enum Followed {
    To(Arc<Jump>),
    /// To a folder that the walk came from: a link to a folder that holds it, directly or through other links, would
    /// never end.
    InCircles,
    /// To results, or what lies in them.
    IntoResults,
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    /// Anything but a folder: reading it will tell.
    File,
    Folder,
    /// A symbolic link to a folder.
    FolderLink,
    /// A symbolic link to anything else.
    FileLink,
    /// A symbolic link that leads nowhere.
    DeadLink,
}

impl Kind {
    fn of(entry: &DirEntry) -> Self {
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => Self::Folder,
            Ok(kind) if kind.is_symlink() => match fs::metadata(entry.path()) {
                Ok(target) if target.is_dir() => Self::FolderLink,
                Ok(_) => Self::FileLink,
                Err(_) => Self::DeadLink,
            },
            _ => Self::File,
        }
    }
}

#[cfg(test)]
mod tests;
