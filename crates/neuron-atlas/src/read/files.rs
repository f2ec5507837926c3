use std::fs::File;
use std::io::Read;
use std::path::Path;

use serde::de::DeserializeOwned;

use crate::AtlasError;

/// The largest text file among results that is read.
const MAX_BYTES: u64 = 256 << 20;

/// Reads a text file; bytes that are no UTF-8 are replaced.
pub(super) fn text(path: &Path) -> Result<String, AtlasError> {
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(AtlasError::read(path))?;
    file.take(MAX_BYTES).read_to_end(&mut bytes).map_err(AtlasError::read(path))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Reads a JSON file.
pub(super) fn json<T: DeserializeOwned>(path: &Path) -> Result<T, AtlasError> {
    serde_json::from_str(&text(path)?).map_err(|source| AtlasError::Json { path: path.to_owned(), source })
}
