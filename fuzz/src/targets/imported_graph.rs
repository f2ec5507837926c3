//! The graph in a file of a network that was imported before, with all the weights that it wants.

use neuron_import::Format;
use neuron_model::GraphRecord;

use crate::{exported, imported};

/// Elements of all weights together, above which none are there.
const MOST_ELEMENTS: usize = 1 << 14;

pub(super) fn read(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    let graph = GraphRecord::from_json(text).ok().and_then(|record| record.graph().ok());
    let tensors = graph.map(|graph| graph.expected_tensors()).unwrap_or_default();
    let elements = |shape: &[usize]| shape.iter().try_fold(1usize, |count, size| count.checked_mul(*size));
    let all = tensors.iter().try_fold(0usize, |sum, (_, shape)| sum.checked_add(elements(shape)?));
    let tensors = if all.is_some_and(|all| all <= MOST_ELEMENTS) { tensors } else { Vec::new() };
    imported::format(&exported::safetensors(text, &tensors)) == Some(Format::Neuron)
}
