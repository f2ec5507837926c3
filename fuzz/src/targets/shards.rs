//! The index of weights in several files, beside two of them.

use neuron_model::Weights;

use crate::scratch;

/// A tensor `a` of one number.
const SHARD: &[u8] =
    b"\x36\0\0\0\0\0\0\0{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}\0\0\x80\x3f";

pub(super) fn read(bytes: &[u8]) -> bool {
    let folder = scratch::folder("shards", |folder| {
        for name in ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"] {
            scratch::write(&folder.join(name), SHARD);
        }
    });
    let index = folder.join("model.safetensors.index.json");
    scratch::write(&index, bytes);
    match Weights::open(&index) {
        Ok(weights) => {
            assert!(weights.names().eq(["a"]));
            true
        }
        Err(error) => {
            assert!(!error.to_string().is_empty());
            false
        }
    }
}
