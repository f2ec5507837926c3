//! From a tensor's description in a pickle to its numbers.

use std::collections::HashMap;

use super::pickle::Pickle;
use super::value::{Element, Id, Value};
use crate::error::TorchError;
use crate::weights::element::Float;
use crate::weights::tensors::WeightTensor;

/// torch itself allows no more axes.
const MAX_AXES: usize = 64;

/// Tensors in memory may be this many times as large as the file: f16 doubles, tied weights are counted twice.
const MAX_INFLATION: usize = 8;

/// The numbers of a checkpoint by storage key.
pub(super) type Storages<'a> = HashMap<String, &'a [u8]>;

/// What an entry is that is no tensor of floating-point numbers.
pub(super) fn kind(pickle: &Pickle<'_>, id: Id) -> String {
    let Value::Tensor(view) = pickle.get(id) else { return pickle.get(id).kind() };
    match pickle.get(view.storage) {
        Value::Storage(storage) => match storage.element {
            Element::Other { name, .. } => format!("a tensor of {name}"),
            Element::Float(_) => "a tensor".to_owned(),
        },
        Value::Object(object) => format!("a tensor of {}", object.class),
        _ => "a tensor of nothing".to_owned(),
    }
}

/// A tuple of axis lengths or strides.
pub(super) fn axes(pickle: &Pickle<'_>, id: Id) -> Option<Vec<usize>> {
    let Value::Tuple(axes) = pickle.get(id) else { return None };
    if axes.len() > MAX_AXES {
        return None;
    }
    let axis = |&id: &Id| match *pickle.get(id) {
        Value::Int(axis) => usize::try_from(axis).ok(),
        _ => None,
    };
    axes.iter().map(axis).collect()
}

/// Takes tensors out of their storages, within a budget of memory.
pub(super) struct Gather<'a> {
    storages: Storages<'a>,
    budget_bytes: usize,
}

impl<'a> Gather<'a> {
    /// `file_bytes` is the size of the whole file, unpacked.
    pub(super) fn new(storages: Storages<'a>, file_bytes: usize) -> Self {
        Self { storages, budget_bytes: file_bytes.saturating_mul(MAX_INFLATION) }
    }

    /// The numbers of a tensor that is called `name`.
    pub(super) fn tensor(
        &mut self,
        pickle: &Pickle<'_>,
        name: &str,
        id: Id,
    ) -> Result<WeightTensor, TorchError> {
        let outside = || TorchError::OutOfStorage { tensor: name.escape_debug().to_string() };
        let &Value::Tensor(view) = pickle.get(id) else { return Err(outside()) };
        let &Value::Storage(storage) = pickle.get(view.storage) else { return Err(outside()) };
        let Element::Float(float) = storage.element else { return Err(outside()) };
        let shape = axes(pickle, view.shape).ok_or_else(outside)?;
        let strides = axes(pickle, view.strides).ok_or_else(outside)?;
        let bytes = self.storages.get(storage.key).ok_or_else(|| TorchError::MissingStorage {
            tensor: name.escape_debug().to_string(),
            storage: storage.key.escape_debug().take(64).collect(),
        })?;
        let start = view.offset.checked_add(storage.offset);
        let region = start.and_then(|start| Region::new(&shape, &strides, start));
        let region = region.filter(|region| region.end <= bytes.len() / float.size_bytes());
        let region = region.ok_or_else(outside)?;
        let rest = self.budget_bytes.checked_sub(region.elements.saturating_mul(size_of::<f32>()));
        self.budget_bytes = rest.ok_or(TorchError::Inflated { limit: MAX_INFLATION })?;
        let data = region.gather(&shape, &strides, float, bytes);
        Ok(WeightTensor { shape, data })
    }
}

/// The elements of a storage that a strided tensor covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Region {
    start: usize,
    /// One past the last element that is read; 0 for a tensor without elements.
    end: usize,
    /// Elements of the tensor.
    elements: usize,
    /// Whether the elements follow each other in the storage as in the tensor.
    contiguous: bool,
}

impl Region {
    /// `None` if there are not as many strides as axes, or if an index does not fit in memory.
    fn new(shape: &[usize], strides: &[usize], start: usize) -> Option<Self> {
        if shape.len() != strides.len() {
            return None;
        }
        if shape.contains(&0) {
            return Some(Self { start: 0, end: 0, elements: 0, contiguous: true });
        }
        let (mut last, mut elements, mut contiguous) = (start, 1usize, true);
        for (&axis, &stride) in shape.iter().zip(strides).rev() {
            contiguous &= axis == 1 || stride == elements;
            elements = elements.checked_mul(axis)?;
            last = last.checked_add((axis - 1).checked_mul(stride)?)?;
        }
        Some(Self { start, end: last.checked_add(1)?, elements, contiguous })
    }

    /// The elements in the order of the tensor. `bytes` holds at least `end` elements.
    fn gather(self, shape: &[usize], strides: &[usize], float: Float, bytes: &[u8]) -> std::sync::Arc<[f32]> {
        let size = float.size_bytes();
        let covered = &bytes[self.start * size..self.end.max(self.start) * size];
        if self.contiguous {
            return float.decode(covered);
        }
        let mut ordered = Vec::with_capacity(self.elements * size);
        let mut index = vec![0; shape.len()];
        let mut at = 0;
        for _ in 0..self.elements {
            ordered.extend_from_slice(&covered[at * size..(at + 1) * size]);
            for axis in (0..shape.len()).rev() {
                index[axis] += 1;
                // Back to where it was, however far an axis of one place says that the next is.
                at = at.wrapping_add(strides[axis]);
                if index[axis] < shape[axis] {
                    break;
                }
                at = at.wrapping_sub(index[axis].wrapping_mul(strides[axis]));
                index[axis] = 0;
            }
        }
        float.decode(&ordered)
    }
}
