//! The objects of a torch checkpoint: bytes as a pickle, in sound files of both forms around it.

use super::safetensors;
use crate::checkpoint;

pub(super) fn read(bytes: &[u8]) -> bool {
    let in_zip = safetensors::weights(&checkpoint::zip(bytes));
    let in_legacy = safetensors::weights(&checkpoint::legacy(bytes));
    in_zip || in_legacy
}
