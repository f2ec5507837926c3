//! From the objects of a pickle to named tensors.

use std::collections::{BTreeMap, HashMap};

use super::TorchError;
use super::pickle::Pickle;
use super::value::{Element, Id, Storage, Value, View};
use crate::weights::element::Float;
use crate::weights::{Contents, WeightTensor};

/// Where training scripts put the state_dict beside what else they save.
const WRAPPERS: [&str; 2] = ["state_dict", "model"];

/// What `DataParallel` puts before every name.
const PARALLEL_PREFIX: &str = "module.";

/// torch itself allows no more axes.
const MAX_AXES: usize = 64;

/// Longer names are not names; and comparing many of them would take long.
const MAX_NAME_BYTES: usize = 1024;

/// Tensors in memory may be this many times as large as the file: f16 doubles, tied weights are counted twice.
const MAX_INFLATION: usize = 8;

/// The numbers of a checkpoint by storage key.
pub(super) type Storages<'a> = HashMap<String, &'a [u8]>;

/// A tensor that could not be taken out of the checkpoint.
#[derive(Debug)]
pub(super) enum Refusal {
    Torch(TorchError),
    Unsupported { tensor: String, dtype: &'static str },
}

impl From<TorchError> for Refusal {
    fn from(error: TorchError) -> Self {
        Self::Torch(error)
    }
}

/// The tensors of the state_dict in `pickle`; `file_bytes` is the size of the whole file.
pub(super) fn extract(
    pickle: &Pickle<'_>,
    storages: &Storages<'_>,
    file_bytes: usize,
) -> Result<Contents, Refusal> {
    let entries = named_entries(pickle)?;
    let prefix =
        if entries.keys().all(|name| name.starts_with(PARALLEL_PREFIX)) { PARALLEL_PREFIX } else { "" };
    let mut gather = Gather { pickle, storages, budget_bytes: file_bytes.saturating_mul(MAX_INFLATION) };
    let mut contents = Contents::default();
    for (name, &id) in &entries {
        let tensor = name.strip_prefix(prefix).unwrap_or(name);
        match pickle.get(id) {
            &Value::Tensor(view) => match gather.storage(tensor, view)? {
                Storage { element: Element::Integer { name, .. }, .. } => {
                    contents.left_out.insert(tensor.into(), format!("a tensor of {name}"));
                }
                Storage { element: Element::Double, .. } => {
                    return Err(Refusal::Unsupported { tensor: tensor.into(), dtype: "F64" });
                }
                storage @ Storage { element: Element::Float(float), .. } => {
                    contents.tensors.insert(tensor.into(), gather.tensor(tensor, view, storage, float)?);
                }
            },
            other => {
                contents.left_out.insert(tensor.into(), other.kind().into());
            }
        }
    }
    if contents.tensors.is_empty() {
        return Err(TorchError::NoTensors { keys: some_of(&entries) }.into());
    }
    Ok(contents)
}

/// The entries of the state_dict: under a wrapper's name where there is one.
fn named_entries<'a>(pickle: &Pickle<'a>) -> Result<BTreeMap<&'a str, Id>, TorchError> {
    let outer = texts(pickle, pickle.root)?;
    let inner = WRAPPERS.iter().filter_map(|wrapper| outer.get(wrapper)).find(|&&id| {
        // A state_dict may itself have an entry called `model`; a wrapper is a dictionary.
        matches!(pickle.get(id), Value::Dict(_))
    });
    inner.map_or(Ok(outer.clone()), |&id| texts(pickle, id))
}

/// The entries of a dictionary whose keys are names; the last of equal names counts.
fn texts<'a>(pickle: &Pickle<'a>, id: Id) -> Result<BTreeMap<&'a str, Id>, TorchError> {
    let Value::Dict(entries) = pickle.get(id) else {
        return Err(TorchError::NotADictionary { found: pickle.get(id).kind() });
    };
    let mut names = BTreeMap::new();
    for &(key, value) in entries {
        match *pickle.get(key) {
            Value::Text(name) if name.len() <= MAX_NAME_BYTES => {
                names.insert(name, value);
            }
            Value::Text(_) => {
                return Err(TorchError::TooMany {
                    things: "bytes in a tensor's name",
                    limit: MAX_NAME_BYTES,
                });
            }
            _ => return Err(TorchError::NotADictionary { found: "a dictionary whose keys are no names" }),
        }
    }
    Ok(names)
}

/// The first names, for the message that none of them is a tensor.
fn some_of(entries: &BTreeMap<&str, Id>) -> String {
    const SHOWN: usize = 8;
    let mut names: Vec<String> =
        entries.keys().take(SHOWN).map(|name| name.escape_debug().to_string()).collect();
    if names.is_empty() {
        names.push("nothing by name".into());
    } else if entries.len() > SHOWN {
        names.push(format!("and {} more", entries.len() - SHOWN));
    }
    names.join(", ")
}

/// Takes tensors out of their storages, within a budget of memory.
struct Gather<'p, 'a> {
    pickle: &'p Pickle<'a>,
    storages: &'p Storages<'p>,
    budget_bytes: usize,
}

impl<'a> Gather<'_, 'a> {
    fn storage(&self, tensor: &str, view: View) -> Result<Storage<'a>, TorchError> {
        match self.pickle.get(view.storage) {
            Value::Storage(storage) => Ok(*storage),
            _ => Err(out_of_storage(tensor)),
        }
    }

    fn tensor(
        &mut self,
        tensor: &str,
        view: View,
        storage: Storage<'_>,
        float: Float,
    ) -> Result<WeightTensor, TorchError> {
        let shape = self.axes(view.shape).ok_or_else(|| out_of_storage(tensor))?;
        let strides = self.axes(view.strides).ok_or_else(|| out_of_storage(tensor))?;
        let bytes = self.storages.get(storage.key).ok_or_else(|| TorchError::MissingStorage {
            tensor: tensor.escape_debug().to_string(),
            storage: storage.key.escape_debug().take(64).collect(),
        })?;
        let start = view.offset.checked_add(storage.offset);
        let region = start.and_then(|start| Region::new(&shape, &strides, start));
        let region = region.filter(|region| region.end <= bytes.len() / float.size_bytes());
        let region = region.ok_or_else(|| out_of_storage(tensor))?;
        let rest = self.budget_bytes.checked_sub(region.elements.saturating_mul(size_of::<f32>()));
        self.budget_bytes = rest.ok_or(TorchError::Inflated { limit: MAX_INFLATION })?;
        let data = region.gather(&shape, &strides, float, bytes);
        Ok(WeightTensor { shape, data })
    }

    /// A tuple of axis lengths or strides.
    fn axes(&self, id: Id) -> Option<Vec<usize>> {
        let Value::Tuple(axes) = self.pickle.get(id) else { return None };
        if axes.len() > MAX_AXES {
            return None;
        }
        let axis = |&id: &Id| match *self.pickle.get(id) {
            Value::Int(axis) => usize::try_from(axis).ok(),
            _ => None,
        };
        axes.iter().map(axis).collect()
    }
}

fn out_of_storage(tensor: &str) -> TorchError {
    TorchError::OutOfStorage { tensor: tensor.escape_debug().to_string() }
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
                at += strides[axis];
                if index[axis] < shape[axis] {
                    break;
                }
                at -= index[axis] * strides[axis];
                index[axis] = 0;
            }
        }
        float.decode(&ordered)
    }
}
