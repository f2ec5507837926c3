//! Tensors of a checkpoint, by torchvision name.
//!
//! Safetensors and torch checkpoints (`.pth`) are told apart by content, not by name. `file` reads them, `place` finds a
//! network's tensors among what else they hold, [`check`](check()) compares them with a network's.
//! Everything is f32 in memory and shared: a clone of [`Weights`] copies no tensor.

mod check;
mod element;
mod file;
mod folder;
mod foreign;
mod hex;
mod listing;
mod luminance;
mod origin;
mod place;
mod renaming;
mod safetensors_file;
mod shards;
mod tensors;
mod torch;
mod wrappers;

use std::path::Path;

pub use check::check;
pub(crate) use check::{check_modules, outermost};
pub(crate) use file::{from_bytes, open};
pub use luminance::LUMINANCE;
pub use origin::Origin;
pub(crate) use place::{Choice, Expected};
pub use tensors::{WeightTensor, Weights};

use crate::error::ModelError;
pub use crate::error::{TorchError, WeightsProblem, WeightsProblems};

impl Weights {
    /// Writes the tensors and the metadata as safetensors, all f32.
    ///
    /// The same weights give the same bytes. The file is written beside its place and renamed, so that `path`
    /// never holds half a file.
    ///
    /// # Errors
    /// [`ModelError::WriteWeights`] if it cannot be written, [`ModelError::ElementCount`] if a tensor's shape and
    /// elements disagree.
    pub fn save(&self, path: &Path) -> Result<(), ModelError> {
        safetensors_file::write(&self.inner.tensors, &self.inner.metadata, path)
    }
}
