//! Torch checkpoints as whole files, in both of their forms.

use super::safetensors;

pub(super) fn read(bytes: &[u8]) -> bool {
    bytes.get(8) != Some(&b'{') && safetensors::weights(bytes)
}
