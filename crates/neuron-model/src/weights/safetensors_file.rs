//! Reading and writing safetensors.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::Path;

use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

use super::element::Float;
use super::listing::{Dictionary, Entry, Source};
use super::tensors::WeightTensor;
use crate::error::ModelError;

/// A file begins with the header's length in this many bytes; then comes the header, a JSON object.
const HEADER_START: usize = 8;

/// Whether the bytes begin as safetensors do: eight bytes of header length, then `{`.
pub(super) fn recognise(bytes: &[u8]) -> bool {
    bytes.get(HEADER_START) == Some(&b'{')
}

/// The header of a safetensors file, and where its numbers lie.
///
/// # Errors
/// [`ModelError::Safetensors`] if the file is damaged.
pub(super) fn header<'a>(bytes: &'a [u8], path: &Path) -> Result<Header<'a>, ModelError> {
    let damaged = |source| ModelError::Safetensors { path: path.into(), source };
    let (_, header) = SafeTensors::read_metadata(bytes).map_err(damaged)?;
    let tensors = SafeTensors::deserialize(bytes).map_err(damaged)?;
    let metadata = header.metadata().iter().flatten().map(|(k, v)| (k.clone(), v.clone())).collect();
    Ok(Header { tensors, metadata })
}

/// What [`header`] found.
pub(super) struct Header<'a> {
    tensors: SafeTensors<'a>,
    pub(super) metadata: BTreeMap<String, String>,
}

/// The tensors of a safetensors file.
pub(super) struct File<'a> {
    views: Vec<TensorView<'a>>,
    /// One: the format knows no dictionaries in dictionaries.
    dictionaries: [Dictionary<'a>; 1],
}

impl<'a> File<'a> {
    /// The tensors by name; the format gives them no order of their own.
    pub(super) fn new(header: &'a Header<'_>) -> Self {
        let mut named: Vec<_> = header.tensors.iter().collect();
        named.sort_unstable_by_key(|(name, _)| *name);
        let entry = |(at, (name, view)): (usize, &(&'a str, TensorView<'a>))| Entry {
            name,
            at,
            is_tensor: float(view.dtype()).is_some(),
        };
        let entries = named.iter().enumerate().map(entry).collect();
        let dictionaries = [Dictionary { path: String::new(), entries }];
        Self { dictionaries, views: named.into_iter().map(|(_, view)| view).collect() }
    }
}

impl<'a> Source<'a> for File<'a> {
    fn dictionaries(&self) -> &[Dictionary<'a>] {
        &self.dictionaries
    }

    fn shape(&self, entry: &Entry<'a>) -> Option<Vec<usize>> {
        entry.is_tensor.then(|| self.views[entry.at].shape().to_vec())
    }

    fn kind(&self, entry: &Entry<'a>) -> String {
        format!("a tensor of {:?}", self.views[entry.at].dtype())
    }

    fn tensor(&mut self, entry: &Entry<'a>) -> Result<WeightTensor, ModelError> {
        let view = &self.views[entry.at];
        let data = float(view.dtype()).map(|float| float.decode(view.data())).unwrap_or_default();
        Ok(WeightTensor::new(view.shape(), data))
    }
}

/// How the numbers of a type are read; `None` for integers and what else no network here reads.
fn float(dtype: Dtype) -> Option<Float> {
    match dtype {
        Dtype::F64 => Some(Float::F64),
        Dtype::F32 => Some(Float::F32),
        Dtype::F16 => Some(Float::F16),
        Dtype::BF16 => Some(Float::Bf16),
        _ => None,
    }
}

/// Writes f32 safetensors, completely or not at all.
pub(super) fn write(
    tensors: &BTreeMap<String, WeightTensor>,
    metadata: &BTreeMap<String, String>,
    path: &Path,
) -> Result<(), ModelError> {
    for (name, WeightTensor { shape, data }) in tensors {
        if shape.iter().product::<usize>() != data.len() {
            let (tensor, shape, elements) = (name.clone(), shape.clone(), data.len());
            return Err(ModelError::ElementCount { tensor, shape, elements });
        }
    }
    let failed = |source| ModelError::WriteWeights { path: path.into(), source };
    let header = serde_json::to_vec(&NewHeader { tensors, metadata }).map_err(|e| failed(e.into()))?;
    neuron_files::write(path, |file| write_to(file, header, tensors)).map_err(failed)
}

/// The header, in a fixed order: the metadata, then the tensors, both by name.
///
/// The `safetensors` crate writes the metadata in the order of a hash map, which differs from run to run; here the
/// same weights give the same bytes.
struct NewHeader<'a> {
    tensors: &'a BTreeMap<String, WeightTensor>,
    metadata: &'a BTreeMap<String, String>,
}

impl Serialize for NewHeader<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        if !self.metadata.is_empty() {
            map.serialize_entry("__metadata__", self.metadata)?;
        }
        let mut begin = 0;
        for (name, WeightTensor { shape, data }) in self.tensors {
            let end = begin + size_of_val(&**data);
            map.serialize_entry(name, &NewEntry { dtype: "F32", shape, data_offsets: [begin, end] })?;
            begin = end;
        }
        map.end()
    }
}

/// One tensor in the header.
#[derive(Serialize)]
struct NewEntry<'a> {
    dtype: &'static str,
    shape: &'a [usize],
    data_offsets: [usize; 2],
}

/// Writes header and data.
fn write_to(
    out: &mut impl Write,
    mut header: Vec<u8>,
    tensors: &BTreeMap<String, WeightTensor>,
) -> io::Result<()> {
    // The format wants the data to begin at a multiple of eight.
    header.resize(header.len().next_multiple_of(HEADER_START), b' ');
    out.write_all(&(header.len() as u64).to_le_bytes())?;
    out.write_all(&header)?;
    for tensor in tensors.values() {
        for value in &*tensor.data {
            out.write_all(&value.to_le_bytes())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::weights::Weights;

    fn sample() -> Weights {
        let tensors = [
            (
                "fc.weight".to_string(),
                WeightTensor::new([2, 3], vec![0.0, 1.5, -2.0, f32::MIN_POSITIVE, 1e30, -0.0]),
            ),
            ("fc.bias".to_string(), WeightTensor::new([2], vec![0.25, 4.0])),
            ("scalar".to_string(), WeightTensor::new([], vec![7.0])),
            ("empty".to_string(), WeightTensor::new([0, 3], vec![])),
        ];
        let metadata = ["zebra", "arch", "mean", "std"].map(|key| (key.to_string(), format!("{key} \"é\"")));
        Weights::from_tensors(tensors, metadata.into())
    }

    #[test]
    fn what_is_saved_is_read_back_bit_for_bit() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("w.safetensors");
        let weights = sample();
        weights.save(&path).unwrap();
        let again = Weights::open(&path).unwrap();
        assert!(weights.names().eq(again.names()));
        for name in weights.names() {
            let (a, b) = (weights.tensor(name).unwrap(), again.tensor(name).unwrap());
            assert_eq!(a.shape, b.shape, "{name}");
            assert!(a.data.iter().map(|v| v.to_bits()).eq(b.data.iter().map(|v| v.to_bits())), "{name}");
        }
        assert_eq!(weights.metadata(), again.metadata());
        assert_eq!(again.sha256().unwrap().len(), 64);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "no temporary file stays");
    }

    #[test]
    fn the_same_weights_give_the_same_bytes_in_order_of_names() {
        let dir = tempfile::tempdir().unwrap();
        let [first, second] = ["a", "b"].map(|name| {
            let path = dir.path().join(name);
            sample().save(&path).unwrap();
            fs::read(&path).unwrap()
        });
        assert_eq!(first, second);
        let header = String::from_utf8_lossy(&first);
        let at = |name: &str| header.find(&format!("\"{name}\":")).unwrap();
        assert!(at("__metadata__") < at("arch") && at("arch") < at("mean") && at("mean") < at("zebra"));
        assert!(at("zebra") < at("empty") && at("empty") < at("fc.bias") && at("fc.bias") < at("fc.weight"));
    }

    #[test]
    fn a_shape_that_disagrees_is_refused_before_anything_is_written() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("w.safetensors");
        let bad = [("w".to_string(), WeightTensor::new([2, 2], vec![1.0; 3]))];
        let error = Weights::from_tensors(bad, BTreeMap::new()).save(&path).unwrap_err();
        assert_eq!(error.to_string(), "tensor w has shape [2, 2] but 3 elements");
        assert!(!path.exists());
    }

    #[test]
    fn a_failed_write_leaves_nothing_behind() {
        let dir = tempfile::tempdir().unwrap();
        let occupied = dir.path().join("w.safetensors");
        fs::create_dir_all(occupied.join("child")).unwrap();
        assert!(matches!(sample().save(&occupied).unwrap_err(), ModelError::WriteWeights { .. }));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn every_truncation_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("w.safetensors");
        sample().save(&path).unwrap();
        let bytes = fs::read(&path).unwrap();
        for length in 0..bytes.len() {
            fs::write(&path, &bytes[..length]).unwrap();
            assert!(Weights::open(&path).is_err(), "the first {length} bytes");
        }
    }

    #[test]
    fn doubles_are_rounded_and_types_that_no_network_reads_are_listed() {
        let header = br#"{"d":{"dtype":"F64","shape":[1],"data_offsets":[0,8]},"e":{"dtype":"F8_E4M3","shape":[1],"data_offsets":[8,9]}}"#;
        let numbers = [&0.1f64.to_le_bytes()[..], &[0]].concat();
        let bytes = [&(header.len() as u64).to_le_bytes()[..], header, &numbers].concat();
        let weights = Weights::from_bytes(&bytes, "w".as_ref()).unwrap();
        assert_eq!(&*weights.tensor("d").unwrap().data, [0.1f32]);
        assert_eq!(weights.left_out().collect::<Vec<_>>(), [("e", "a tensor of F8_E4M3")]);
    }

    #[test]
    fn integers_are_left_out_and_listed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("w.safetensors");
        let header = br#"{"n":{"dtype":"I64","shape":[],"data_offsets":[0,8]}}"#;
        fs::write(&path, [&(header.len() as u64).to_le_bytes()[..], header, &[0; 8]].concat()).unwrap();
        let weights = Weights::open(&path).unwrap();
        assert_eq!(weights.names().count(), 0);
        assert_eq!(weights.left_out().collect::<Vec<_>>(), [("n", "a tensor of I64")]);
    }
}
