use std::fs::{File, FileType};
use std::io::Read;
use std::path::Path;

use crate::address;
use crate::decode::decode_rgb8;
use crate::error::{DataError, ImageError};
use crate::limits::Limits;
use crate::remote;
use crate::rgb8::Rgb8Image;

/// Reads and decodes a file, see [`decode_rgb8`].
///
/// # Errors
/// [`DataError::Image`] with the reason.
pub fn read_rgb8(path: &Path, limits: &Limits) -> Result<Rgb8Image, DataError> {
    let mut bytes = Vec::new();
    read_file(path, limits, &mut bytes)
        .and_then(|()| decode_rgb8(&bytes, limits))
        .map_err(|source| DataError::Image { image: path.display().to_string(), source })
}

/// Replaces `bytes` by the content of a file, or of an object at an address.
///
/// Anything but a regular file is refused before it is opened: a pipe would wait for somebody to write.
pub(crate) fn read_file(path: &Path, limits: &Limits, bytes: &mut Vec<u8>) -> Result<(), ImageError> {
    if address::is_address(path) {
        let object = remote::read(path, limits)?;
        bytes.clear();
        bytes.extend_from_slice(&object);
        return Ok(());
    }
    let read = |source| ImageError::Read { source };
    let found = std::fs::metadata(path).map_err(read)?;
    if !found.is_file() {
        return Err(ImageError::NotRegular { kind: kind_of(found.file_type()) });
    }
    let too_large = |bytes| ImageError::FileTooLarge { bytes, limit: limits.max_file_bytes };
    if found.len() > limits.max_file_bytes {
        return Err(too_large(found.len()));
    }
    let file = File::open(path).map_err(read)?;
    bytes.clear();
    bytes.reserve(found.len() as usize);
    // A file that grows, or one of the system's, announces less than it holds.
    let read_bytes =
        file.take(limits.max_file_bytes.saturating_add(1)).read_to_end(bytes).map_err(read)? as u64;
    if read_bytes > limits.max_file_bytes {
        return Err(too_large(read_bytes));
    }
    Ok(())
}

/// Names what is no regular file.
fn kind_of(kind: FileType) -> &'static str {
    if kind.is_dir() {
        return "a folder";
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::FileTypeExt;
        if kind.is_fifo() {
            return "a pipe";
        }
        if kind.is_socket() {
            return "a socket";
        }
        if kind.is_char_device() || kind.is_block_device() {
            return "a device";
        }
    }
    "something else"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reason(path: &Path, limits: &Limits) -> String {
        read_file(path, limits, &mut Vec::new()).unwrap_err().to_string()
    }

    #[test]
    fn a_folder_is_no_file() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(reason(folder.path(), &Limits::default()), "not a regular file but a folder");
    }

    #[test]
    fn files_beyond_the_limit_are_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.png");
        std::fs::write(&path, [0; 11]).unwrap();
        let limits = |max_file_bytes| Limits { max_file_bytes, ..Limits::default() };
        assert_eq!(reason(&path, &limits(10)), "the file has 11 bytes, more than the limit of 10");
        read_file(&path, &limits(11), &mut Vec::new()).unwrap();
    }

    #[test]
    fn the_limit_of_a_file_follows_that_of_pixels() {
        assert_eq!(Limits::of_pixels(1000).max_file_bytes, 256 << 20);
        assert!(Limits::default().max_file_bytes > 8 * 178_956_970);
        assert_eq!(Limits::of_pixels(usize::MAX).max_file_bytes, u64::MAX);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn pipes_sockets_and_devices_are_named_and_never_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let (pipe, socket) = (folder.path().join("pipe.jpg"), folder.path().join("socket.jpg"));
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        for (path, expected) in
            [(&*pipe, "a pipe"), (&socket, "a socket"), (Path::new("/dev/zero"), "a device")]
        {
            assert_eq!(reason(path, &Limits::default()), format!("not a regular file but {expected}"));
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_file_that_holds_more_than_it_says_is_bounded() {
        let limits = Limits { max_file_bytes: 100, ..Limits::default() };
        assert!(reason(Path::new("/proc/cpuinfo"), &limits).contains("more than the limit of 100"));
    }
}
