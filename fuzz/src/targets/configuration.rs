//! The configuration of the Hub's libraries beside weights, under all of its names.

use neuron_cli::fuzzing;

use crate::scratch;

/// Safetensors without a tensor.
const WEIGHTS: &[u8] = b"\x02\0\0\0\0\0\0\0{}";

pub(super) fn read(bytes: &[u8]) -> bool {
    let mut taken = false;
    for name in ["config.json", "open_clip_config.json", "preprocessor_config.json"] {
        let folder = scratch::folder(name.trim_end_matches(".json"), |folder| {
            scratch::write(&folder.join("model.safetensors"), WEIGHTS);
        });
        scratch::write(&folder.join(name), bytes);
        taken |= fuzzing::preprocessing(&folder.join("model.safetensors"));
    }
    taken
}
