//! Finds the image files below a folder, in the order of torchvision's `ImageFolder`.
//!
//! Folders are read in parallel, level by level; every folder keeps its names in one string, so that a
//! million files cost a few allocations a folder and not several a file.

use std::fs::{self, DirEntry};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::{DataError, parallel};

/// What counts as an image: torchvision's list and GIF. Content decides how a file is decoded.
pub(crate) const ENDINGS: [&str; 10] =
    ["jpg", "jpeg", "png", "ppm", "bmp", "pgm", "tif", "tiff", "webp", "gif"];

/// The image files of one folder, by name.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Folder {
    /// Path below the root, with `/`; empty for the root itself.
    pub(crate) relative: String,
    names: String,
    /// Start and end of each name, in bytewise order.
    spans: Vec<(usize, usize)>,
    /// Files that are no images by their ending.
    pub(crate) other_files: usize,
}

impl Folder {
    /// File names, bytewise ascending.
    pub(crate) fn files(&self) -> impl ExactSizeIterator<Item = &str> {
        self.spans.iter().map(|&(start, end)| &self.names[start..end])
    }

    /// The first component of the path below the root: the class.
    pub(crate) fn class(&self) -> &str {
        self.relative.split('/').next().unwrap_or_default()
    }

    fn push(&mut self, name: &str) {
        let start = self.names.len();
        self.names.push_str(name);
        self.spans.push((start, self.names.len()));
    }

    fn sort(&mut self) {
        let names = &self.names;
        self.spans.sort_unstable_by(|a, b| names[a.0..a.1].cmp(&names[b.0..b.1]));
    }
}

/// All folders below `root`, `root` first, then by class and within it by path, bytewise.
pub(crate) fn walk(root: &Path) -> Result<Vec<Folder>, DataError> {
    let mut found = Vec::new();
    let mut level = vec![Pending { path: root.into(), relative: String::new(), jumps: None }];
    while !level.is_empty() {
        let mut next = Vec::new();
        for visited in parallel::map(&level, visit) {
            let (folder, below) = visited?;
            found.push(folder);
            next.extend(below);
        }
        level = next;
    }
    found.sort_unstable_by(|a, b| (a.class(), &a.relative).cmp(&(b.class(), &b.relative)));
    Ok(found)
}

/// A folder that is still to be read.
struct Pending {
    path: PathBuf,
    relative: String,
    jumps: Option<Arc<Jump>>,
}

/// A symbolic link that was followed on the way here: the real path of the folder that holds it.
struct Jump {
    from: PathBuf,
    before: Option<Arc<Jump>>,
}

fn visit(pending: &Pending) -> Result<(Folder, Vec<Pending>), DataError> {
    let read = |source| DataError::Read { path: pending.path.clone(), source };
    let mut folder = Folder { relative: pending.relative.clone(), ..Folder::default() };
    let mut below = Vec::new();
    for entry in fs::read_dir(&pending.path).map_err(read)? {
        let entry = entry.map_err(read)?;
        let name = entry.file_name();
        if name.as_encoded_bytes().starts_with(b".") {
            continue;
        }
        let kind = Kind::of(&entry).map_err(read)?;
        if kind == Kind::File && !is_image(Path::new(&name)) {
            folder.other_files += 1;
            continue;
        }
        let Some(name) = name.to_str().filter(|name| !name.contains(['\n', '\r'])) else {
            return Err(DataError::UnlistableName { path: entry.path() });
        };
        match kind {
            Kind::File => folder.push(name),
            Kind::Folder => below.push(pending.child(name, pending.jumps.clone())),
            Kind::Link => {
                if let Some(jump) = pending.follow(&entry.path()).map_err(read)? {
                    below.push(pending.child(name, Some(jump)));
                }
            }
        }
    }
    folder.sort();
    Ok((folder, below))
}

impl Pending {
    fn child(&self, name: &str, jumps: Option<Arc<Jump>>) -> Self {
        let separator = if self.relative.is_empty() { "" } else { "/" };
        Self { path: self.path.join(name), relative: format!("{}{separator}{name}", self.relative), jumps }
    }

    /// The jump into a linked folder, or `None` where the walk came from there: a link to a folder that holds
    /// it, directly or through other links, would never end.
    fn follow(&self, link: &Path) -> std::io::Result<Option<Arc<Jump>>> {
        let target = fs::canonicalize(link)?;
        let jump = Arc::new(Jump { from: fs::canonicalize(&self.path)?, before: self.jumps.clone() });
        let mut chain = std::iter::successors(Some(&jump), |jump| jump.before.as_ref());
        let came_from_there = chain.any(|jump| jump.from.starts_with(&target));
        Ok(if came_from_there { None } else { Some(jump) })
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    File,
    Folder,
    /// A symbolic link to a folder.
    Link,
}

impl Kind {
    /// A link that leads nowhere counts as a file: reading it will tell.
    fn of(entry: &DirEntry) -> std::io::Result<Self> {
        let kind = entry.file_type()?;
        Ok(match kind {
            kind if kind.is_dir() => Self::Folder,
            kind if kind.is_symlink() && fs::metadata(entry.path()).is_ok_and(|target| target.is_dir()) => {
                Self::Link
            }
            _ => Self::File,
        })
    }
}

/// Whether a path ends like an image.
fn is_image(path: &Path) -> bool {
    let ending = path.extension().and_then(|ending| ending.to_str());
    ending.is_some_and(|ending| ENDINGS.iter().any(|known| ending.eq_ignore_ascii_case(known)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(files: &[&str]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for file in files {
            let path = root.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, b"x").unwrap();
        }
        root
    }

    fn listed(root: &Path) -> Vec<String> {
        let folders = walk(root).unwrap();
        let with_folder = |folder: &Folder| {
            let relative = folder.relative.clone();
            folder
                .files()
                .map(|name| Path::new(&relative).join(name).to_str().unwrap().to_owned())
                .collect::<Vec<_>>()
        };
        folders.iter().flat_map(with_folder).collect()
    }

    #[test]
    fn the_order_is_that_of_image_folder() {
        // Within a class torchvision sorts the folders' paths as strings ('-' < '/'), and a folder's files
        // come before those of the folders in it; capitals come first.
        let expected = [
            "a/B.jpg",
            "a/b.jpg",
            "a/z.JPEG",
            "a/x/2.jpg",
            "a/x-y/1.jpg",
            "a/x/s/3.jpg",
            "a-b/0.jpg",
            "b/1.png",
        ];
        let mut shuffled = expected;
        shuffled.reverse();
        assert_eq!(listed(tree(&shuffled).path()), expected);
    }

    #[test]
    fn what_is_hidden_or_no_image_is_left_out() {
        let root = tree(&["a/1.png", "a/._1.png", ".git/2.png", "a/notes.txt", "a/README"]);
        assert_eq!(listed(root.path()), ["a/1.png"]);
        assert_eq!(walk(root.path()).unwrap().iter().map(|folder| folder.other_files).sum::<usize>(), 2);
    }

    #[cfg(unix)]
    #[test]
    fn links_are_followed_but_not_in_circles() {
        use std::os::unix::fs::symlink;
        let elsewhere = tree(&["deep/1.png"]);
        let root = tree(&["a/1.png", "b/2.png"]);
        symlink(elsewhere.path(), root.path().join("c")).unwrap();
        symlink(root.path(), root.path().join("a/up")).unwrap();
        // Two links that lead to each other's folder: each is followed once, not for ever.
        symlink(root.path().join("b"), root.path().join("a/x")).unwrap();
        symlink(root.path().join("a"), root.path().join("b/y")).unwrap();
        symlink("nowhere", root.path().join("b/broken.png")).unwrap();
        let expected = [
            "a/1.png",
            "a/x/2.png",
            "a/x/broken.png",
            "b/2.png",
            "b/broken.png",
            "b/y/1.png",
            "c/deep/1.png",
        ];
        assert_eq!(listed(root.path()), expected);
    }

    #[cfg(unix)]
    #[test]
    fn names_that_no_list_can_hold_are_errors() {
        let root = tree(&["a/1.png"]);
        fs::write(root.path().join("a/two\nlines.png"), b"x").unwrap();
        assert!(matches!(walk(root.path()), Err(DataError::UnlistableName { .. })));
    }
}
