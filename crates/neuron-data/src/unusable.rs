//! Entries of a data set that are known to give no picture before anybody reads them.

use std::ffi::OsStr;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use crate::error::ImageError;

/// An entry that keeps its place in the order, and fails when its turn comes.
#[derive(Clone, Debug)]
pub(crate) struct Unusable {
    pub(crate) path: PathBuf,
    pub(crate) problem: Problem,
}

/// What is wrong with an entry.
#[derive(Clone, Debug)]
pub(crate) enum Problem {
    /// No line of text can hold its name.
    Name,
    /// It is a folder that cannot be read.
    Folder(Arc<io::Error>),
    /// Its name leads out of the archive that holds it.
    Unsafe,
    /// The archive holds another of the same name.
    Repeated,
    /// The archive is damaged there.
    Damaged(Arc<str>),
    /// The archive holds it in a form that is not read.
    Unsupported(Arc<str>),
}

impl Problem {
    /// Why there is no picture.
    pub(crate) fn reason(&self) -> ImageError {
        match self {
            Self::Name => ImageError::UnlistableName,
            Self::Folder(source) => ImageError::UnreadableFolder { source: Arc::clone(source) },
            Self::Unsafe => ImageError::UnsafeName,
            Self::Repeated => ImageError::RepeatedName,
            Self::Damaged(problem) => ImageError::DamagedArchive { problem: problem.to_string() },
            Self::Unsupported(what) => ImageError::UnsupportedMember { what: what.to_string() },
        }
    }
}

impl Unusable {
    /// Why there is no picture.
    pub(crate) fn reason(&self) -> ImageError {
        self.problem.reason()
    }
}

/// A name as text, if a list of lines can hold it.
pub(crate) fn listable(name: &OsStr) -> Option<&str> {
    name.to_str().filter(|name| !name.contains(['\n', '\r']))
}

/// Any name in one line of text: bytes that are no UTF-8 become `\xE9`, line breaks `\n` and `\r`.
pub(crate) fn escaped(name: &OsStr) -> String {
    escape_bytes(name.as_encoded_bytes())
}

/// As [`escaped`], for a name that the file system does not know.
pub(crate) fn escape_bytes(name: &[u8]) -> String {
    let mut text = String::new();
    for chunk in name.utf8_chunks() {
        text += &chunk.valid().replace('\n', "\\n").replace('\r', "\\r");
        text.extend(chunk.invalid().iter().map(|byte| format!("\\x{byte:02X}")));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_name_fits_into_a_line() {
        assert_eq!(listable(OsStr::new("#1 é.png")), Some("#1 é.png"));
        assert_eq!(listable(OsStr::new("a\rb.png")), None);
        assert_eq!(escaped(OsStr::new("two\nlines\r.png")), "two\\nlines\\r.png");
    }

    #[cfg(unix)]
    #[test]
    fn bytes_that_are_no_text_are_spelled_out() {
        use std::os::unix::ffi::OsStrExt;
        let name = OsStr::from_bytes(b"caf\xe9.png");
        assert_eq!(listable(name), None);
        assert_eq!(escaped(name), "caf\\xE9.png");
    }
}
