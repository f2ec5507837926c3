//! Files that commands read whole: regular ones only, and never more than what was expected.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

/// The largest manifest or record: it may list every image of a data set that could not be read.
pub(crate) const JSON_BYTES: u64 = 256 << 20;

/// Opens a regular file. A pipe or a device could make a command wait for ever, or read without end.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    // Looked at before it is opened: to open a pipe is to wait for who writes to it.
    if fs::metadata(path)?.is_file() {
        File::open(path)
    } else {
        Err(io::Error::other("it is not a regular file"))
    }
}

/// Reads a regular file of at most `limit` bytes.
pub(crate) fn read(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    open(path)?.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        return Err(io::Error::other(format!("it is longer than {limit} bytes")));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_expected_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        fs::write(&path, b"1234").unwrap();
        assert_eq!(read(&path, 4).unwrap(), b"1234");
        assert!(read(&path, 3).unwrap_err().to_string().contains("longer"));
        assert!(read(folder.path(), 4).unwrap_err().to_string().contains("regular"));
        if cfg!(unix) {
            assert!(read(Path::new("/dev/zero"), 4).is_err());
        }
    }
}
