//! Torch checkpoints (`.pth`).

use std::path::Path;

use super::Contents;
use crate::ModelError;

/// What can be wrong with a torch checkpoint.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TorchError {
    /// The pickle asks for something that is not needed to hold tensors; it was not run.
    #[error(
        "it asks for the Python object {global}, which is not a tensor and was not run; save the state_dict alone"
    )]
    UnknownGlobal {
        /// `module.name`.
        global: String,
    },
}

pub(super) fn recognise(_bytes: &[u8]) -> bool {
    false
}

pub(super) fn read(_bytes: &[u8], path: &Path) -> Result<Contents, ModelError> {
    Err(ModelError::Torch { path: path.into(), source: TorchError::UnknownGlobal { global: String::new() } })
}
