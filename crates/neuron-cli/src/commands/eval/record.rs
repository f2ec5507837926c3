//! What the record beside a picture says of it.

use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

use crate::input;
use crate::references::Kind;

/// What of a record of `fvis` is read here.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Record {
    pub(super) arch: String,
    pub(super) weights_sha256: Option<String>,
    pub(super) layer: String,
    pub(super) channel: usize,
    pub(super) references: Vec<String>,
    references_are: String,
    pub(super) finished: bool,
}

impl Record {
    /// The record beside a picture; `None` if there is none, or if the file is another program's.
    ///
    /// # Errors
    /// Why one that is there says nothing.
    pub(crate) fn beside(picture: &Path) -> Result<Option<Self>, String> {
        let path = picture.with_extension("json");
        if !path.is_file() {
            return Ok(None);
        }
        let told = |reason: String| format!("its record {} cannot be used: {reason}", path.display());
        let bytes = input::read(&path, input::JSON_BYTES).map_err(|error| told(error.to_string()))?;
        let value: Value = serde_json::from_slice(&bytes).map_err(|error| told(error.to_string()))?;
        if value.get("neuron_version").is_none() || value.get("references_are").is_none() {
            return Ok(None);
        }
        if value.get("layer").is_none() {
            return Err(told("the run that writes it has not ended yet".to_owned()));
        }
        serde_json::from_value(value).map(Some).map_err(|error| told(error.to_string()))
    }

    /// What the references are made of.
    pub(super) fn kind(&self) -> Kind {
        let kinds = [Kind::Patches, Kind::Class];
        kinds.into_iter().find(|kind| kind.name() == self.references_are).unwrap_or(Kind::Images)
    }
}
