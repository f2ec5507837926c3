//! What lies at the place of a result.

use std::fs::{self, FileType};
use std::io;
use std::path::{Path, PathBuf};

/// As many links are followed as the system itself follows.
const MOST_LINKS: usize = 40;

/// What lies at the place of a result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// A regular file, or nothing yet: to be replaced as a whole. Links have been followed.
    File(PathBuf),
    /// A pipe or a character device, such as `/dev/null`: to be written into, never replaced.
    Stream(PathBuf),
}

impl Target {
    /// Looks at the place that `path` names.
    ///
    /// # Errors
    /// If it is a folder, a block device or a socket, or cannot be looked at.
    pub fn of(path: &Path) -> io::Result<Self> {
        match fs::metadata(path) {
            Ok(found) if found.is_file() => match fs::canonicalize(path) {
                Ok(file) => Ok(Self::File(file)),
                // An open file that has no name, behind `/dev/stdout` or `/dev/fd/3`.
                Err(_) => Ok(Self::Stream(path.to_owned())),
            },
            Ok(found) if is_stream(found.file_type()) => Ok(Self::Stream(path.to_owned())),
            Ok(found) => Err(io::Error::new(io::ErrorKind::InvalidInput, refusal(found.file_type()))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => follow(path).map(Self::File),
            Err(error) => Err(error),
        }
    }
}

/// Where a link that leads nowhere leads to; any other path as it is.
fn follow(path: &Path) -> io::Result<PathBuf> {
    let mut here = path.to_owned();
    for _ in 0..MOST_LINKS {
        match fs::read_link(&here) {
            Ok(next) => here = here.parent().unwrap_or(Path::new("")).join(next),
            Err(_) => return Ok(here),
        }
    }
    Err(io::Error::other("too many links lead to one another"))
}

#[cfg(unix)]
fn is_stream(kind: FileType) -> bool {
    use std::os::unix::fs::FileTypeExt;
    kind.is_fifo() || kind.is_char_device()
}

#[cfg(not(unix))]
fn is_stream(_kind: FileType) -> bool {
    false
}

fn refusal(kind: FileType) -> &'static str {
    if kind.is_dir() {
        "it is a folder; name a file in it"
    } else {
        "it is no regular file: name another place"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_no_place_for_a_file() {
        let folder = tempfile::tempdir().unwrap();
        assert!(Target::of(folder.path()).unwrap_err().to_string().contains("folder"));
        let inside = folder.path().join("new");
        assert_eq!(Target::of(&inside).unwrap(), Target::File(inside));
    }

    #[cfg(unix)]
    #[test]
    fn links_are_followed_also_to_what_is_not_there_yet() {
        use std::os::unix::fs::symlink;
        let folder = tempfile::tempdir().unwrap();
        let root = fs::canonicalize(folder.path()).unwrap();
        symlink("real", root.join("link")).unwrap();
        symlink("link", root.join("link to the link")).unwrap();
        assert_eq!(Target::of(&root.join("link to the link")).unwrap(), Target::File(root.join("real")));
        fs::write(root.join("real"), b"").unwrap();
        assert_eq!(Target::of(&root.join("link to the link")).unwrap(), Target::File(root.join("real")));
        symlink("circle", root.join("circle")).unwrap();
        assert!(Target::of(&root.join("circle")).is_err());
    }

    #[cfg(unix)]
    #[test]
    fn devices_are_streams() {
        let null = Path::new("/dev/null");
        assert_eq!(Target::of(null).unwrap(), Target::Stream(null.to_owned()));
    }
}
