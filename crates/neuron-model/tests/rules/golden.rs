//! The reference data on a network with weights and images by the rule.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use neuron_model::{Architecture, Network, Weights};
use safetensors::SafeTensors;
use serde::de::DeserializeOwned;

use super::{fnv1a64, image, normalised, weights};

#[path = "../../../../tests/reference.rs"]
mod reference;

/// Where these files are.
pub(crate) fn folder() -> PathBuf {
    reference::folder().join("goldens/architectures")
}

/// A tensor as it is in the file.
#[derive(Clone, Debug)]
pub(crate) struct Values {
    pub(crate) shape: Vec<usize>,
    pub(crate) data: Vec<f32>,
}

impl Values {
    pub(crate) fn largest(&self) -> f64 {
        self.data.iter().fold(0.0, |largest, value| largest.max(f64::from(value.abs())))
    }

    /// The largest difference relative to the largest value here.
    pub(crate) fn error(&self, found: &[f64]) -> f64 {
        self.error_on(self.largest(), found)
    }

    /// The largest difference on some scale; as it is if that is 0.
    pub(crate) fn error_on(&self, scale: f64, found: &[f64]) -> f64 {
        assert_eq!(found.len(), self.data.len(), "as many values as in the file");
        let differences = found.iter().zip(&self.data).map(|(found, want)| (found - f64::from(*want)).abs());
        // Of a NaN, `max` would know nothing.
        let worst = differences.fold(0.0, |worst, error| if error <= worst { worst } else { error });
        if scale > 0.0 { worst / scale } else { worst }
    }
}

/// A file of tensors, with what its metadata say of them.
pub(crate) struct Golden {
    tensors: BTreeMap<String, Values>,
    metadata: HashMap<String, String>,
}

impl Golden {
    /// The file of that name.
    pub(crate) fn open(name: &str) -> Self {
        Self::read(&folder().join(format!("{name}.safetensors")))
    }

    /// A file.
    pub(crate) fn read(path: &Path) -> Self {
        let bytes = std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let (_, header) = SafeTensors::read_metadata(&bytes).expect("a safetensors file");
        let file = SafeTensors::deserialize(&bytes).expect("a safetensors file");
        let tensors = file.tensors().into_iter().map(|(name, tensor)| {
            assert_eq!(tensor.dtype(), safetensors::Dtype::F32, "{name}");
            let data = tensor.data().chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]));
            (name, Values { shape: tensor.shape().to_vec(), data: data.collect() })
        });
        let metadata = header.metadata().clone().expect("the files have metadata");
        Self { tensors: tensors.collect(), metadata }
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.tensors.keys().map(String::as_str)
    }

    pub(crate) fn tensor(&self, name: &str) -> &Values {
        self.tensors.get(name).unwrap_or_else(|| panic!("the file has no tensor {name}"))
    }

    /// An entry of the metadata that is plain text.
    pub(crate) fn text(&self, key: &str) -> &str {
        self.metadata.get(key).unwrap_or_else(|| panic!("the file's metadata have no {key}"))
    }

    /// An entry of the metadata.
    pub(crate) fn get<T: DeserializeOwned>(&self, key: &str) -> T {
        serde_json::from_str(self.text(key)).unwrap_or_else(|error| panic!("{key}: {error}"))
    }

    /// As [`Golden::get`], of an entry that some files do not have.
    pub(crate) fn find<T: DeserializeOwned>(&self, key: &str) -> Option<T> {
        self.metadata.contains_key(key).then(|| self.get(key))
    }

    /// The network of an architecture's file, with its weights.
    pub(crate) fn network(&self) -> Network {
        let name = self.text("arch");
        // What the weights' metadata decide: the range of pixels, and what is done with them first.
        let keys = ["mean", "std", "transform_input"];
        let metadata: BTreeMap<String, String> =
            keys.iter().map(|key| ((*key).to_owned(), self.text(key).to_owned())).collect();
        let description = Weights::from_tensors(std::iter::empty(), metadata.clone());
        let graph = Architecture::from_name(name).expect("a known network").graph(&description);
        let weights = weights(&graph, self.get("constant"), metadata);
        Network::new(name, weights, 0).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// An image as bytes, with its hash.
    fn bytes(&self, index: u64, size: [usize; 2]) -> (Vec<u8>, String) {
        let image = image(self.get("image_seed"), index, size);
        let hash = format!("{:016x}", fnv1a64(&image));
        (image, hash)
    }

    /// Some images of an architecture's file, normalised, `[images, 3, height, width]`.
    ///
    /// # Panics
    /// If they are not those of the file.
    pub(crate) fn images(&self, size: [usize; 2], hashes: &[String]) -> Vec<f32> {
        let (mean, std) = (self.get("mean"), self.get("std"));
        let one = |(index, want): (u64, &String)| {
            let (image, hash) = self.bytes(index, size);
            assert_eq!(hash, *want, "{}: image {index}", self.text("arch"));
            normalised(&image, mean, std)
        };
        (0..).zip(hashes).flat_map(one).collect()
    }
}
