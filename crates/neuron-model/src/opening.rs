//! Weights from files, found among what else a file holds with the help of the networks that are known.

use std::path::Path;
use std::sync::LazyLock;

use crate::error::ModelError;
use crate::families::Architecture;
use crate::graph::Graph;
use crate::weights::{self, Choice, Expected, Weights};

impl Weights {
    /// Reads a weights file: safetensors, or a torch checkpoint in its zip or its legacy form; of weights in several
    /// files, their index or any of them.
    ///
    /// f64, f32, f16 and bf16 tensors become f32. Tensors may lie in dictionaries of a checkpoint and behind a prefix
    /// of their names, beside others: they are found where a known network's are, by name and shape
    /// ([`Weights::origin`]). If no known network's are there, all of the largest dictionary are taken, without the
    /// words (`module`, `_orig_mod`) that torch's own wrappers put into names. Tensors of a known network that older
    /// versions of torchvision called otherwise get today's names.
    ///
    /// Nothing in a checkpoint is ever executed, and memory is bounded by a small multiple of the file's size (of what
    /// it unpacks to, which is at most 16 times its size or 64 MB; and some 200 MB for its pickle).
    ///
    /// # Errors
    /// [`ModelError::ReadWeights`] if the file cannot be read, [`ModelError::WeightsFolder`] if it is a folder, [`ModelError::NotWeights`],
    /// [`ModelError::Safetensors`] or [`ModelError::Torch`] if it does not hold weights, [`ModelError::Shard`] or
    /// [`ModelError::Index`] if other files are needed that are not there.
    pub fn open(path: &Path) -> Result<Self, ModelError> {
        weights::open(path, &Choice { known: known(), ..Choice::default() })
    }

    /// As [`Weights::open`], for a file that holds several networks: `key` is the name of the dictionary to take
    /// (`state_dict_ema`), or of what its tensors' names begin with (`encoder_k`).
    ///
    /// # Errors
    /// Those of [`Weights::open`]; [`ModelError::UnknownKey`] with the names that are there.
    pub fn open_key(path: &Path, key: &str) -> Result<Self, ModelError> {
        weights::open(path, &Choice { key: Some(key), known: known(), ..Choice::default() })
    }

    /// As [`Weights::open`], for the bytes of one file; `path` is for messages and to be asked for.
    ///
    /// # Errors
    /// Those of [`Weights::open`].
    pub fn from_bytes(bytes: &[u8], path: &Path) -> Result<Self, ModelError> {
        weights::from_bytes(bytes, path, &Choice { known: known(), ..Choice::default() })
    }
}

impl Architecture {
    /// As [`Weights::open`] and [`Weights::open_key`], for weights of this network where a file holds several.
    ///
    /// They may still be another's: [`Architecture::fit`] says so. Those that were made for grey images read the luminance
    /// of coloured ones ([`Weights::reads_luminance`]).
    ///
    /// # Errors
    /// Those of [`Weights::open_key`].
    pub fn open(&self, path: &Path, key: Option<&str>) -> Result<Weights, ModelError> {
        let expected = self.expected();
        let weights = weights::open(path, &Choice { key, wanted: &expected, known: known() })?;
        Ok(weights.in_colours(&expected))
    }

    /// Weights that were opened without a network as [`Architecture::open`] gives them for this one: those that were made for
    /// grey images read the luminance of coloured ones.
    #[must_use]
    pub fn in_colours(&self, weights: &Weights) -> Weights {
        weights.clone().in_colours(&self.expected())
    }

    /// The tensors of this network, in every spelling of their names.
    fn expected(&self) -> Vec<Expected> {
        let architecture = *self;
        let expected = |graph: Graph| {
            let current_name = move |tensor: &str| architecture.current_name(tensor);
            Expected { tensors: graph.expected_tensors(), current_name: Box::new(current_name) }
        };
        self.spellings().into_iter().map(expected).collect()
    }
}

/// The tensors of every known network, made when they are first asked for.
fn known() -> &'static [Expected] {
    static KNOWN: LazyLock<Vec<Expected>> =
        LazyLock::new(|| Architecture::all().flat_map(|architecture| architecture.expected()).collect());
    &KNOWN
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::weights::WeightTensor;

    #[test]
    fn weights_for_grey_images_read_the_luminance() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("grey.safetensors");
        let architecture = Architecture::from_name("resnet10_demo").unwrap();
        let tensors = architecture.expected().swap_remove(0).tensors.into_iter().map(|(name, mut shape)| {
            if name == "conv1.weight" {
                assert_eq!(shape[1], 3);
                shape[1] = 1;
            }
            let elements = shape.iter().product();
            (name, WeightTensor::new(shape, vec![0.5; elements]))
        });
        Weights::from_tensors(tensors, BTreeMap::new()).save(&path).unwrap();
        let weights = architecture.open(&path, None).unwrap();
        assert!(weights.reads_luminance());
        assert_eq!(weights.tensor("conv1.weight").unwrap().shape[1], 3);
        architecture.fit(&weights).unwrap();
        // Without the network, nobody knows that it is its first convolution.
        let alone = Weights::open(&path).unwrap();
        assert!(!alone.reads_luminance());
        assert!(architecture.in_colours(&alone).reads_luminance());
        assert!(!Architecture::from_name("densenet121").unwrap().in_colours(&alone).reads_luminance());
    }
}
