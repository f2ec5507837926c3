//! Folders and files as settings remember them.

use std::ffi::OsString;
use std::ops::Deref;
use std::path::{Path, PathBuf};

use neuron_data::is_same_place;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

/// A path as it was typed.
///
/// In JSON it is text; one that is not UTF-8 is `{"bytes": [..]}`, so that it can be read back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place(PathBuf);

impl Place {
    pub(crate) fn new(path: &Path) -> Self {
        Self(path.to_owned())
    }

    /// Reads what a manifest or a checkpoint remembers.
    pub(crate) fn from_json(value: &Value) -> Option<Self> {
        serde_json::from_value(value.clone()).ok()
    }

    /// Whether two spellings (`d`, `d/`, `./d`, relative or absolute) name one place.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        is_same_place(&self.0, &other.0)
    }
}

impl Deref for Place {
    type Target = Path;

    fn deref(&self) -> &Path {
        &self.0
    }
}

impl AsRef<Path> for Place {
    fn as_ref(&self) -> &Path {
        &self.0
    }
}

impl Serialize for Place {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0.to_str() {
            Some(text) => serializer.serialize_str(text),
            None => Raw { bytes: self.0.as_os_str().as_encoded_bytes().to_vec() }.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Place {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Stored::deserialize(deserializer)? {
            Stored::Text(text) => Ok(Self(text.into())),
            Stored::Raw(Raw { bytes }) => {
                os_string(bytes).map(|name| Self(name.into())).ok_or_else(|| D::Error::custom("no path"))
            }
        }
    }
}

#[derive(Serialize, Deserialize)]
struct Raw {
    bytes: Vec<u8>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Stored {
    Text(String),
    Raw(Raw),
}

#[cfg(unix)]
fn os_string(bytes: Vec<u8>) -> Option<OsString> {
    use std::os::unix::ffi::OsStringExt;
    Some(OsString::from_vec(bytes))
}

/// Elsewhere other bytes than those of text cannot be made into a name safely.
#[cfg(not(unix))]
fn os_string(bytes: Vec<u8>) -> Option<OsString> {
    String::from_utf8(bytes).ok().map(Into::into)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn any_path_can_be_remembered() {
        use std::os::unix::ffi::OsStrExt;
        for path in [&b"photos"[..], b"b\xe9", b""] {
            let place = Place::new(Path::new(std::ffi::OsStr::from_bytes(path)));
            let json = serde_json::to_value(&place).unwrap();
            assert_eq!(Place::from_json(&json), Some(place));
        }
    }
}
