//! Addresses of stores, which stand where paths do: `s3://bucket/key`.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

/// Whether a path is the address of something in a store, and not the name of a file.
pub fn is_address(path: &Path) -> bool {
    let Some((scheme, _)) = path.to_str().and_then(|text| text.split_once("://")) else { return false };
    let is_part = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'+';
    // One letter is a drive.
    scheme.len() > 1
        && scheme.bytes().all(is_part)
        && scheme.as_bytes()[0].is_ascii_lowercase()
        && scheme != "file"
}

/// A name below a folder, unless it stands for itself: absolute paths and addresses do.
pub(crate) fn join(base: &Path, name: impl AsRef<Path>) -> PathBuf {
    let name = name.as_ref();
    if is_address(name) { name.to_owned() } else { base.join(name) }
}

/// An address without the slashes at its end, which say nothing.
pub(crate) fn plain(address: &Path) -> Cow<'_, Path> {
    match address.to_str() {
        Some(text) if text.ends_with('/') && !text.ends_with("://") => {
            Cow::Owned(text.trim_end_matches('/').into())
        }
        _ => Cow::Borrowed(address),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_have_a_scheme() {
        for address in ["s3://b", "hf://datasets/o/n", "az://c/k", "gopher://h"] {
            assert!(is_address(Path::new(address)), "{address}");
            assert_eq!(join(Path::new("d"), address), Path::new(address));
        }
        for path in ["s3:/b", "a/s3://b", "c://b", "file://a", "://b", "A-b://c", "x.png"] {
            assert!(!is_address(Path::new(path)), "{path}");
        }
        assert_eq!(join(Path::new("s3://b/k"), "a/1.png"), Path::new("s3://b/k/a/1.png"));
        assert_eq!(plain(Path::new("s3://b/k//")), Path::new("s3://b/k"));
    }
}
