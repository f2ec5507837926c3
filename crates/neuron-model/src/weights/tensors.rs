use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::origin::Origin;

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
/// listed by [`Weights::left_out`]. What lies elsewhere in a file is told by [`Weights::origin`].
#[derive(Clone, Debug, Default)]
pub struct Weights {
    pub(super) inner: Arc<Inner>,
}

#[derive(Debug, Default)]
pub(super) struct Inner {
    pub(super) tensors: BTreeMap<String, WeightTensor>,
    pub(super) left_out: BTreeMap<String, String>,
    pub(super) metadata: BTreeMap<String, String>,
    pub(super) origin: Origin,
    pub(super) sha256: Option<String>,
    pub(super) path: Option<PathBuf>,
}

/// What is taken of a file.
#[derive(Debug, Default)]
pub(super) struct Contents {
    pub(super) tensors: BTreeMap<String, WeightTensor>,
    /// Entries that are no floating-point tensors, with what they are instead.
    pub(super) left_out: BTreeMap<String, String>,
    pub(super) origin: Origin,
}

impl Weights {
    pub(super) fn of(inner: Inner) -> Self {
        Self { inner: Arc::new(inner) }
    }

    /// Weights made in memory.
    pub fn from_tensors(
        tensors: impl IntoIterator<Item = (String, WeightTensor)>,
        metadata: BTreeMap<String, String>,
    ) -> Self {
        let tensors = tensors.into_iter().collect();
        Self::of(Inner { tensors, metadata, ..Inner::default() })
    }

    /// Weights of a file that somebody else read: `sha256` is that of its bytes in lower-case hex.
    pub fn from_file(
        tensors: impl IntoIterator<Item = (String, WeightTensor)>,
        metadata: BTreeMap<String, String>,
        path: &Path,
        sha256: String,
    ) -> Self {
        let tensors = tensors.into_iter().collect();
        Self::of(Inner {
            tensors,
            metadata,
            path: Some(path.into()),
            sha256: Some(sha256),
            ..Inner::default()
        })
    }

    /// The same tensors with other metadata; no longer the bytes of a file, so without a hash.
    #[must_use]
    pub fn with_metadata(&self, metadata: BTreeMap<String, String>) -> Self {
        self.about(metadata, None)
    }

    /// The same weights of the same file, with metadata that something beside the file says; what the file says itself stays.
    #[must_use]
    pub fn told_beside(&self, more: BTreeMap<String, String>) -> Self {
        let metadata = more.into_iter().chain(self.inner.metadata.clone()).collect();
        self.about(metadata, self.inner.sha256.clone())
    }

    /// The same weights of the same file, with metadata that come before what the file says.
    #[must_use]
    pub fn told_instead(&self, more: BTreeMap<String, String>) -> Self {
        let metadata = self.inner.metadata.clone().into_iter().chain(more).collect();
        self.about(metadata, self.inner.sha256.clone())
    }

    /// The same tensors, with something else said about them.
    fn about(&self, metadata: BTreeMap<String, String>, sha256: Option<String>) -> Self {
        let Inner { tensors, left_out, origin, path, .. } = &*self.inner;
        let (tensors, left_out) = (tensors.clone(), left_out.clone());
        let (origin, path) = (origin.clone(), path.clone());
        Self::of(Inner { tensors, left_out, metadata, origin, sha256, path })
    }

    /// The weights of the same file, some of them in another form, with metadata that something beside the file says.
    pub(super) fn in_another_form(
        &self,
        forms: BTreeMap<String, WeightTensor>,
        more: BTreeMap<String, String>,
    ) -> Self {
        let Inner { tensors, left_out, metadata, origin, sha256, path } = &*self.inner;
        let (left_out, origin) = (left_out.clone(), origin.clone());
        let (sha256, path) = (sha256.clone(), path.clone());
        let tensors = tensors.clone().into_iter().chain(forms).collect();
        let metadata = more.into_iter().chain(metadata.clone()).collect();
        Self::of(Inner { tensors, left_out, metadata, origin, sha256, path })
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

    /// Where in the file they were found.
    pub fn origin(&self) -> &Origin {
        &self.inner.origin
    }

    /// The file they were read from: of several, the index; `None` for weights made in memory.
    pub fn path(&self) -> Option<&Path> {
        self.inner.path.as_deref()
    }

    /// The SHA-256 of the file's bytes in lower-case hex; `None` for weights made in memory.
    ///
    /// Of weights in several files: of the index and the files it names, one after the other, by name.
    pub fn sha256(&self) -> Option<&str> {
        self.inner.sha256.as_deref()
    }

    pub(super) fn kind_of_left_out(&self, name: &str) -> Option<&str> {
        self.inner.left_out.get(name).map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debugging_shows_shapes_not_millions_of_numbers() {
        let tensor = WeightTensor::new([2, 3], vec![0.123_456; 6]);
        assert_eq!(format!("{tensor:?}"), "WeightTensor { shape: [2, 3], .. }");
    }
}
