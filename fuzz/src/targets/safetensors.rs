//! Weights as safetensors, and the preprocessing that their metadata tell.

use std::path::Path;

use neuron_data::Preprocessing;
use neuron_model::Weights;

pub(super) fn read(bytes: &[u8]) -> bool {
    bytes.get(8) == Some(&b'{') && weights(bytes)
}

/// Reads weights of any format and checks that they are what they say.
pub(super) fn weights(bytes: &[u8]) -> bool {
    let weights = match Weights::from_bytes(bytes, Path::new("weights")) {
        Err(error) => {
            assert!(!error.to_string().is_empty());
            return false;
        }
        Ok(weights) => weights,
    };
    for (name, tensor) in weights.iter() {
        assert_eq!(tensor.shape.iter().product::<usize>(), tensor.data.len(), "{name}");
    }
    if let Ok(preprocessing) = Preprocessing::from_metadata(weights.metadata()) {
        let bytes = preprocessing.crop.checked_mul(preprocessing.crop).and_then(|area| area.checked_mul(3));
        assert_eq!(bytes, Some(preprocessing.crop_bytes()));
    }
    true
}
