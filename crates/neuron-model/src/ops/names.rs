//! Names of tensors in operations that are read from files.

use serde::de::Error;
use serde::{Deserialize, Deserializer};

/// The last part of a tensor's name.
pub type Suffix = &'static str;

/// The names that operations have: where a network was imported, its tensors have got these.
const KNOWN: &[&str] = &["weight", "table", "tokens", "gamma", "proj", "matrix", "layer_scale"];

/// One of the names that are known.
pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<&'static str, D::Error> {
    let name = String::deserialize(deserializer)?;
    let known = KNOWN.iter().find(|known| **known == name);
    known.copied().ok_or_else(|| D::Error::custom(format!("no operation has a tensor called {name}")))
}
