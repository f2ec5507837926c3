//! What a file holds by name, before any number of it is decoded.

use super::tensors::WeightTensor;
use crate::error::ModelError;

/// A file whose tensors are known by name and are decoded when they are wanted.
pub(super) trait Source<'a> {
    /// The dictionaries that hold floating-point tensors, in the file's order.
    fn dictionaries(&self) -> &[Dictionary<'a>];

    /// The shape of an entry; `None` if it is no floating-point tensor.
    fn shape(&self, entry: &Entry<'a>) -> Option<Vec<usize>>;

    /// What an entry is that is no floating-point tensor, for messages.
    fn kind(&self, entry: &Entry<'a>) -> String;

    /// Decodes a floating-point tensor.
    fn tensor(&mut self, entry: &Entry<'a>) -> Result<WeightTensor, ModelError>;

    /// Why the file may not hold what is looked for, although it holds tensors.
    fn doubt(&self) -> Option<ModelError> {
        None
    }
}

/// Entries by name, side by side in a file.
#[derive(Clone, Debug, Default)]
pub(super) struct Dictionary<'a> {
    /// The names that lead to it, joined by dots (`model[0].net`); empty for the outermost.
    pub(super) path: String,
    /// In the file's order, no name twice.
    pub(super) entries: Vec<Entry<'a>>,
}

impl<'a> Dictionary<'a> {
    /// The entries that are floating-point tensors.
    pub(super) fn tensors(&self) -> impl Iterator<Item = &Entry<'a>> {
        self.entries.iter().filter(|entry| entry.is_tensor)
    }
}

/// One entry of a dictionary.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry<'a> {
    pub(super) name: &'a str,
    /// Where its source finds it.
    pub(super) at: usize,
    /// Whether it is a tensor of floating-point numbers.
    pub(super) is_tensor: bool,
}
