//! The operators of an ONNX file, described as JSON: a change of a message's bytes hardly ever leaves a message.

use neuron_import::Format;

use crate::{exported, imported};

pub(super) fn read(bytes: &[u8]) -> bool {
    let description = serde_json::from_slice(bytes).ok();
    let file = description.and_then(|description| exported::onnx(&description));
    file.is_some_and(|file| imported::format(&file) == Some(Format::Onnx))
}
