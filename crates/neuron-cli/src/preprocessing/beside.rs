//! The configurations that the Hub's libraries keep beside weights.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::error::{ConfigurationError, Problem};
use super::{timm, transformers};

/// A configuration longer than this is something else.
const MAX_BYTES: u64 = 1 << 20;

/// Preprocessing as a weights file's metadata says it.
type Metadata = BTreeMap<String, String>;

/// What a reader makes of a configuration: metadata, or nothing if it is another's.
type Reader = fn(&Value) -> Result<Option<Metadata>, Problem>;

/// The first is asked first.
const CONFIGURATIONS: [(&str, Reader); 2] =
    [("config.json", timm::metadata), ("preprocessor_config.json", transformers::metadata)];

/// The preprocessing of the first configuration beside the weights that has one, as metadata, and its path.
///
/// # Errors
/// [`ConfigurationError`] if a configuration is damaged, or wants what is not supported.
pub(super) fn read(weights: &Path) -> Result<Option<(PathBuf, Metadata)>, ConfigurationError> {
    for (name, reader) in CONFIGURATIONS {
        let path = weights.with_file_name(name);
        if !path.is_file() {
            continue;
        }
        let bytes = bytes(&path).map_err(|source| ConfigurationError::Read { path: path.clone(), source })?;
        let parsed = serde_json::from_slice(&bytes).map_err(Problem::from);
        match parsed.and_then(|value| reader(&value)) {
            Ok(Some(metadata)) => return Ok(Some((path, metadata))),
            Ok(None) => {}
            Err(Problem::Type(source)) => return Err(ConfigurationError::Parse { path, source }),
            Err(Problem::Unsupported(what)) => return Err(ConfigurationError::Unsupported { path, what }),
        }
    }
    Ok(None)
}

fn bytes(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(MAX_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(io::Error::other("it is longer than any configuration"));
    }
    Ok(bytes)
}
