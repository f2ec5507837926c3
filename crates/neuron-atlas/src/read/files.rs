use std::fs::File;
use std::io::Read;
use std::path::Path;

use serde::de::DeserializeOwned;

use crate::error::AtlasError;

/// The largest list that is read: one of every image of ImageNet has a third of it.
const MOST_TEXT_BYTES: usize = 256 << 20;
/// The largest JSON file that is read; as values it takes up to ten times as much memory.
const MOST_JSON_BYTES: usize = 64 << 20;

/// Reads a text file; bytes that are no UTF-8 are replaced.
pub(super) fn text(path: &Path) -> Result<String, AtlasError> {
    Ok(String::from_utf8_lossy(&bytes(path, MOST_TEXT_BYTES)?).into_owned())
}

/// Reads a JSON file.
pub(super) fn json<T: DeserializeOwned>(path: &Path) -> Result<T, AtlasError> {
    let bytes = bytes(path, MOST_JSON_BYTES)?;
    serde_json::from_slice(&bytes).map_err(|source| AtlasError::Json { path: path.to_owned(), source })
}

/// Reads a file of at most so many bytes.
fn bytes(path: &Path, limit: usize) -> Result<Vec<u8>, AtlasError> {
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(AtlasError::read(path))?;
    file.take(limit as u64 + 1).read_to_end(&mut bytes).map_err(AtlasError::read(path))?;
    if bytes.len() > limit {
        return Err(AtlasError::TooLarge { path: path.to_owned(), what: "bytes", limit });
    }
    Ok(bytes)
}
