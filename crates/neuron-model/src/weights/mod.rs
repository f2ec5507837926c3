//! Tensors of a checkpoint, by torchvision name.
//!
//! [`Weights::open`] reads safetensors and torch checkpoints (`.pth`), told apart by content, not by name.
//! Everything is f32 in memory and shared: a clone of [`Weights`] copies no tensor.

mod check;
mod element;
mod safetensors_file;
mod torch;

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

pub use check::{WeightsProblem, WeightsProblems, check};
use sha2::{Digest, Sha256};
pub use torch::TorchError;

use crate::ModelError;

/// No network this crate can run comes near: a larger file is a mistake, not a model.
const MAX_FILE_BYTES: u64 = 16 << 30;

/// One tensor of a checkpoint.
#[derive(Clone, PartialEq)]
pub struct WeightTensor {
    /// The length of every axis, in torch's order (a convolution: `[out, in / groups, height, width]`).
    pub shape: Vec<usize>,
    /// The elements, row-major; as many as the product of `shape`.
    pub data: Arc<[f32]>,
}

impl WeightTensor {
    /// A tensor of `shape` that holds `data`, row-major.
    pub fn new(shape: impl Into<Vec<usize>>, data: impl Into<Arc<[f32]>>) -> Self {
        Self { shape: shape.into(), data: data.into() }
    }
}

/// Its shape: the elements are too many to read.
impl fmt::Debug for WeightTensor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WeightTensor").field("shape", &self.shape).finish_non_exhaustive()
    }
}

/// Tensors of a checkpoint by torchvision name, f32, shared.
///
/// Tensors of integers (`num_batches_tracked` and the like) are never read by a network: they are left out and
/// listed by [`Weights::left_out`].
#[derive(Clone, Debug, Default)]
pub struct Weights {
    inner: Arc<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    tensors: BTreeMap<String, WeightTensor>,
    left_out: BTreeMap<String, String>,
    metadata: BTreeMap<String, String>,
    sha256: Option<String>,
}

/// What a reader of one file format hands back.
#[derive(Debug, Default)]
struct Contents {
    tensors: BTreeMap<String, WeightTensor>,
    /// Entries that are no floating-point tensors, with what they are instead.
    left_out: BTreeMap<String, String>,
    metadata: BTreeMap<String, String>,
}

impl Weights {
    /// Reads a weights file: safetensors, or a torch checkpoint in its zip or its legacy form.
    ///
    /// f32, f16 and bf16 tensors become f32. Of a checkpoint, the dictionary under `state_dict` or `model` is
    /// taken where there is one, and a `module.` before every name is dropped. Nothing in a checkpoint is ever
    /// executed, and memory is bounded by a small multiple of the file's size (and some 100 MB for its pickle).
    ///
    /// # Errors
    /// [`ModelError::ReadWeights`] if the file cannot be read, [`ModelError::NotWeights`],
    /// [`ModelError::Safetensors`] or [`ModelError::Torch`] if it does not hold weights,
    /// [`ModelError::UnsupportedDtype`] if a tensor is of another floating-point type.
    pub fn open(path: &Path) -> Result<Self, ModelError> {
        let bytes =
            read_file(path).map_err(|source| ModelError::ReadWeights { path: path.into(), source })?;
        let contents = if safetensors_file::recognise(&bytes) {
            safetensors_file::read(&bytes, path)?
        } else if torch::recognise(&bytes) {
            torch::read(&bytes, path)?
        } else {
            return Err(ModelError::NotWeights { path: path.into(), found: describe(&bytes) });
        };
        let Contents { tensors, left_out, metadata } = contents;
        let sha256 = Some(hex(&Sha256::digest(&bytes)));
        Ok(Self { inner: Arc::new(Inner { tensors, left_out, metadata, sha256 }) })
    }

    /// Weights made in memory.
    pub fn from_tensors(
        tensors: impl IntoIterator<Item = (String, WeightTensor)>,
        metadata: BTreeMap<String, String>,
    ) -> Self {
        let tensors = tensors.into_iter().collect();
        Self { inner: Arc::new(Inner { tensors, metadata, ..Inner::default() }) }
    }

    /// The same tensors with other metadata; no longer the bytes of a file, so without a hash.
    #[must_use]
    pub fn with_metadata(&self, metadata: BTreeMap<String, String>) -> Self {
        let Inner { tensors, left_out, .. } = &*self.inner;
        let (tensors, left_out) = (tensors.clone(), left_out.clone());
        Self { inner: Arc::new(Inner { tensors, left_out, metadata, sha256: None }) }
    }

    /// The tensor of that name.
    pub fn tensor(&self, name: &str) -> Option<&WeightTensor> {
        self.inner.tensors.get(name)
    }

    /// The names of all tensors, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.inner.tensors.keys().map(String::as_str)
    }

    /// All tensors with their names, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &WeightTensor)> {
        self.inner.tensors.iter().map(|(name, tensor)| (name.as_str(), tensor))
    }

    /// Entries of the file that are no floating-point tensors: name and what each is, sorted by name.
    pub fn left_out(&self) -> impl Iterator<Item = (&str, &str)> {
        self.inner.left_out.iter().map(|(name, kind)| (name.as_str(), kind.as_str()))
    }

    /// What the file says about itself: `arch`, `mean`, `stride_in_1x1` and so on.
    pub fn metadata(&self) -> &BTreeMap<String, String> {
        &self.inner.metadata
    }

    /// The SHA-256 of the file's bytes in lower-case hex; `None` for weights made in memory.
    pub fn sha256(&self) -> Option<&str> {
        self.inner.sha256.as_deref()
    }

    /// Writes the tensors and the metadata as safetensors, all f32.
    ///
    /// The same weights give the same bytes. The file is written beside its place and renamed, so that `path`
    /// never holds half a file.
    ///
    /// # Errors
    /// [`ModelError::WriteWeights`] if it cannot be written, [`ModelError::ElementCount`] if a tensor's shape and
    /// elements disagree.
    pub fn save(&self, path: &Path) -> Result<(), ModelError> {
        safetensors_file::write(&self.inner.tensors, &self.inner.metadata, path)
    }

    fn kind_of_left_out(&self, name: &str) -> Option<&str> {
        self.inner.left_out.get(name).map(String::as_str)
    }
}

/// The bytes of a file, which must be a file of sensible size: a device would never end.
fn read_file(path: &Path) -> std::io::Result<Vec<u8>> {
    let file = File::open(path)?;
    let about = file.metadata()?;
    if !about.is_file() {
        return Err(std::io::Error::other("it is not a regular file"));
    }
    if about.len() > MAX_FILE_BYTES {
        let limit = MAX_FILE_BYTES >> 30;
        return Err(std::io::Error::other(format!("it is larger than the limit of {limit} GiB")));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(about.len()).map_err(std::io::Error::other)?);
    file.take(MAX_FILE_BYTES).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// What a file of unknown format looks like, for the error message.
fn describe(bytes: &[u8]) -> String {
    let start = bytes.get(..bytes.len().min(16)).unwrap_or_default();
    if bytes.is_empty() {
        "nothing".into()
    } else if start.trim_ascii_start().starts_with(b"<") {
        "a web page, perhaps an error page that was saved in its place".into()
    } else if start.starts_with(b"version https://") {
        "a Git LFS pointer (run `git lfs pull` where it came from)".into()
    } else if start.iter().all(|byte| byte.is_ascii_graphic() || byte.is_ascii_whitespace()) {
        format!("text beginning with {:?}", String::from_utf8_lossy(start))
    } else {
        format!("bytes beginning with {}", hex(&start[..start.len().min(8)]))
    }
}

/// Lower-case hex.
fn hex(bytes: &[u8]) -> String {
    use fmt::Write;
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn what_is_no_weights_file_is_described() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("w");
        for (bytes, found) in [
            (&b""[..], "nothing"),
            (b"\n <html>", "a web page, perhaps an error page that was saved in its place"),
            (
                b"version https://git-lfs.github.com/spec/v1",
                "a Git LFS pointer (run `git lfs pull` where it came from)",
            ),
            (b"hello world", "text beginning with \"hello world\""),
            (b"\x7fELF\x02\x01\x01\x00\x00\x00", "bytes beginning with 7f454c4602010100"),
        ] {
            fs::write(&path, bytes).unwrap();
            match Weights::open(&path).unwrap_err() {
                ModelError::NotWeights { found: described, .. } => assert_eq!(described, found),
                other => panic!("{other}"),
            }
        }
    }

    #[test]
    fn only_files_are_read() {
        let folder = tempfile::tempdir().unwrap();
        for path in [folder.path(), &folder.path().join("absent"), Path::new("/dev/zero")] {
            assert!(matches!(Weights::open(path), Err(ModelError::ReadWeights { .. })), "{}", path.display());
        }
    }

    #[test]
    fn the_hash_is_that_of_the_bytes_and_belongs_to_them_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("w");
        let bytes = b"\x02\0\0\0\0\0\0\0{}";
        fs::write(&path, bytes).unwrap();
        let weights = Weights::open(&path).unwrap();
        let expected: String = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(weights.sha256(), Some(expected.as_str()));
        assert_eq!(weights.with_metadata(BTreeMap::new()).sha256(), None);
    }

    #[test]
    fn debugging_shows_shapes_not_millions_of_numbers() {
        let tensor = WeightTensor::new([2, 3], vec![0.123_456; 6]);
        assert_eq!(format!("{tensor:?}"), "WeightTensor { shape: [2, 3], .. }");
    }
}
