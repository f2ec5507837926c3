//! Reading and writing safetensors.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use safetensors::{Dtype, SafeTensors};
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

use super::element::Float;
use super::{Contents, WeightTensor};
use crate::ModelError;

/// A file begins with the header's length in this many bytes; then comes the header, a JSON object.
const HEADER_START: usize = 8;

/// Whether the bytes begin as safetensors do: eight bytes of header length, then `{`.
pub(super) fn recognise(bytes: &[u8]) -> bool {
    bytes.get(HEADER_START) == Some(&b'{')
}

/// The tensors and the metadata of a safetensors file.
pub(super) fn read(bytes: &[u8], path: &Path) -> Result<Contents, ModelError> {
    let damaged = |source| ModelError::Safetensors { path: path.into(), source };
    let (_, header) = SafeTensors::read_metadata(bytes).map_err(damaged)?;
    let file = SafeTensors::deserialize(bytes).map_err(damaged)?;
    let mut contents = Contents {
        metadata: header.metadata().iter().flatten().map(|(k, v)| (k.clone(), v.clone())).collect(),
        ..Contents::default()
    };
    for (name, view) in file.iter() {
        let float = match view.dtype() {
            Dtype::F32 => Float::F32,
            Dtype::F16 => Float::F16,
            Dtype::BF16 => Float::Bf16,
            integer @ (Dtype::BOOL
            | Dtype::U8
            | Dtype::I8
            | Dtype::U16
            | Dtype::I16
            | Dtype::U32
            | Dtype::I32
            | Dtype::U64
            | Dtype::I64) => {
                contents.left_out.insert(name.into(), format!("a tensor of {integer:?}"));
                continue;
            }
            other => {
                return Err(ModelError::UnsupportedDtype {
                    tensor: name.into(),
                    dtype: format!("{other:?}"),
                });
            }
        };
        contents.tensors.insert(name.into(), WeightTensor::new(view.shape(), float.decode(view.data())));
    }
    Ok(contents)
}

/// Writes f32 safetensors: beside `path`, then renamed.
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
    let header = serde_json::to_vec(&Header { tensors, metadata }).map_err(|e| failed(e.into()))?;
    let temporary = temporary_sibling(path).map_err(failed)?;
    let written = write_to(&temporary, header, tensors).and_then(|()| fs::rename(&temporary, path));
    written.map_err(|source| {
        // That the write failed is the news; a temporary file that cannot be removed adds nothing to it.
        let _ = fs::remove_file(&temporary);
        failed(source)
    })
}

/// The header, in a fixed order: the metadata, then the tensors, both by name.
///
/// The `safetensors` crate writes the metadata in the order of a hash map, which differs from run to run; here the
/// same weights give the same bytes.
struct Header<'a> {
    tensors: &'a BTreeMap<String, WeightTensor>,
    metadata: &'a BTreeMap<String, String>,
}

impl Serialize for Header<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        if !self.metadata.is_empty() {
            map.serialize_entry("__metadata__", self.metadata)?;
        }
        let mut begin = 0;
        for (name, WeightTensor { shape, data }) in self.tensors {
            let end = begin + size_of_val(&**data);
            map.serialize_entry(name, &Entry { dtype: "F32", shape, data_offsets: [begin, end] })?;
            begin = end;
        }
        map.end()
    }
}

/// One tensor in the header.
#[derive(Serialize)]
struct Entry<'a> {
    dtype: &'static str,
    shape: &'a [usize],
    data_offsets: [usize; 2],
}

/// Writes header and data, and sees them to the disk.
fn write_to(file: &Path, mut header: Vec<u8>, tensors: &BTreeMap<String, WeightTensor>) -> io::Result<()> {
    // The format wants the data to begin at a multiple of eight.
    header.resize(header.len().next_multiple_of(HEADER_START), b' ');
    let mut out = BufWriter::with_capacity(1 << 20, File::create(file)?);
    out.write_all(&(header.len() as u64).to_le_bytes())?;
    out.write_all(&header)?;
    for tensor in tensors.values() {
        for value in &*tensor.data {
            out.write_all(&value.to_le_bytes())?;
        }
    }
    out.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()
}

/// A name beside `path` that no other process and no other call uses.
fn temporary_sibling(path: &Path) -> io::Result<PathBuf> {
    static CALLS: AtomicUsize = AtomicUsize::new(0);
    let name = path.file_name().ok_or_else(|| io::Error::other("the path does not end in a file name"))?;
    let call = CALLS.fetch_add(1, Ordering::Relaxed);
    let process = std::process::id();
    Ok(path.with_file_name(format!(".{}.{process}-{call}.tmp", name.to_string_lossy())))
}

#[cfg(test)]
mod tests {
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
    fn other_floating_point_types_are_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("w.safetensors");
        let header = br#"{"w":{"dtype":"F64","shape":[1],"data_offsets":[0,8]}}  "#;
        let bytes = [&(header.len() as u64).to_le_bytes()[..], header, &[0; 8]].concat();
        fs::write(&path, bytes).unwrap();
        let message = Weights::open(&path).unwrap_err().to_string();
        assert_eq!(message, "tensor w is stored as F64; save it as float32, float16 or bfloat16");
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
