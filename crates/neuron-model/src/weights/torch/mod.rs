//! Torch checkpoints (`.pth`), read without running anything.
//!
//! A checkpoint is a pickle of Python objects and the numbers they refer to. [`archive`] takes the file apart,
//! [`pickle`] reads the objects with a closed list of operations and names, [`state_dict`] finds the tensors.
//! Format: `torch/serialization.py` of PyTorch 1.0 to 2.x.

mod archive;
mod error;
mod pickle;
mod state_dict;
mod value;

use std::path::Path;

pub use error::TorchError;

use self::archive::Parts;
use self::state_dict::Refusal;
use super::Contents;
use crate::ModelError;

/// A zip archive's first entry.
const ZIP_START: &[u8] = b"PK\x03\x04";

/// A pickle of protocol 2 or later: the operation that names the protocol.
const PICKLE_START: u8 = 0x80;

/// Whether the bytes begin as a torch checkpoint does.
pub(super) fn recognise(bytes: &[u8]) -> bool {
    bytes.starts_with(ZIP_START) || bytes.first() == Some(&PICKLE_START)
}

/// The tensors of a checkpoint.
pub(super) fn read(bytes: &[u8], path: &Path) -> Result<Contents, ModelError> {
    let refused = |source| ModelError::Torch { path: path.into(), source };
    let open = if bytes.starts_with(ZIP_START) { archive::open_zip } else { archive::open_legacy };
    let Parts { pickle, storages } = open(bytes).map_err(refused)?;
    state_dict::extract(&pickle, &storages, bytes.len()).map_err(|refusal| match refusal {
        Refusal::Torch(source) => refused(source),
        Refusal::Unsupported { tensor, dtype } => {
            ModelError::UnsupportedDtype { tensor: tensor.escape_debug().to_string(), dtype: dtype.into() }
        }
    })
}

#[cfg(test)]
mod tests;
