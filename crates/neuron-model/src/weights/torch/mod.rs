//! Torch checkpoints (`.pth`), read without running anything.
//!
//! A checkpoint is a pickle of Python objects and the numbers they refer to. [`archive`] takes the file apart,
//! [`pickle`] reads the objects, [`dictionaries`] finds those that hold tensors by name, [`tensors`] takes the
//! numbers out. Format: `torch/serialization.py` of PyTorch 1.0 to 2.x.

mod archive;
mod contents;
mod dictionaries;
mod pickle;
mod tensors;
mod value;

use std::path::{Path, PathBuf};

use self::archive::Parts;
pub(super) use self::archive::Unpacked;
use self::dictionaries::Found;
use self::pickle::Pickle;
use self::tensors::Gather;
use self::value::{Id, Value};
use super::WeightTensor;
use super::listing::{Dictionary, Entry, Source};
use crate::error::{ModelError, TorchError};

/// A pickle of protocol 2 or later: the operation that names the protocol.
const PICKLE_START: u8 = 0x80;

/// Whether the bytes begin as a torch checkpoint does.
pub(super) fn recognise(bytes: &[u8]) -> bool {
    bytes.starts_with(archive::ZIP_START) || bytes.first() == Some(&PICKLE_START)
}

/// Unpacks a checkpoint where it is packed.
///
/// # Errors
/// [`ModelError::Torch`] if its archive is damaged or none of torch's.
pub(super) fn unpack<'a>(bytes: &'a [u8], path: &Path) -> Result<Unpacked<'a>, ModelError> {
    Unpacked::read(bytes).map_err(|source| ModelError::Torch { path: path.into(), source })
}

/// A checkpoint whose objects were read.
pub(super) struct Checkpoint<'a> {
    path: PathBuf,
    pickle: Pickle<'a>,
    gather: Gather<'a>,
    found: Found<'a>,
}

impl<'a> Checkpoint<'a> {
    /// Reads the objects of a checkpoint.
    ///
    /// # Errors
    /// [`ModelError::Torch`] if it is damaged, or holds no tensor by name.
    pub(super) fn open(unpacked: &'a Unpacked<'_>, path: &Path) -> Result<Self, ModelError> {
        let refused = |source| ModelError::Torch { path: path.into(), source };
        let Parts { pickle, storages } = archive::open(unpacked).map_err(refused)?;
        let found = dictionaries::find(&pickle);
        if found.dictionaries.is_empty() {
            return Err(refused(nothing(&pickle, &found)));
        }
        Ok(Self { path: path.into(), pickle, gather: Gather::new(storages, unpacked.length()), found })
    }
}

impl<'a> Source<'a> for Checkpoint<'a> {
    fn dictionaries(&self) -> &[Dictionary<'a>] {
        &self.found.dictionaries
    }

    fn shape(&self, entry: &Entry<'a>) -> Option<Vec<usize>> {
        match self.pickle.get(id(entry)) {
            Value::Tensor(view) if entry.is_tensor => tensors::axes(&self.pickle, view.shape),
            _ => None,
        }
    }

    fn kind(&self, entry: &Entry<'a>) -> String {
        tensors::kind(&self.pickle, id(entry))
    }

    fn tensor(&mut self, entry: &Entry<'a>) -> Result<WeightTensor, ModelError> {
        let tensor = self.gather.tensor(&self.pickle, entry.name, id(entry));
        tensor.map_err(|source| ModelError::Torch { path: self.path.clone(), source })
    }

    fn doubt(&self) -> Option<ModelError> {
        let class = self.found.module?.to_string();
        Some(ModelError::Torch { path: self.path.clone(), source: TorchError::WholeModule { class } })
    }
}

fn id(entry: &Entry<'_>) -> Id {
    Id(entry.at as u32)
}

/// What a checkpoint without tensors by name is instead.
fn nothing(pickle: &Pickle<'_>, found: &Found<'_>) -> TorchError {
    if let Some(class) = found.module {
        return TorchError::WholeModule { class: class.to_string() };
    }
    if let Some(entry) = &found.unread {
        let name = entry.name.escape_debug().to_string();
        return TorchError::UnreadNumbers { name, found: tensors::kind(pickle, id(entry)) };
    }
    match pickle.get(pickle.root) {
        Value::Dict(entries) => {
            let is_name = |id| matches!(pickle.get(id), Value::Text(_));
            let has = |name| pickle.entry(pickle.root, name).is_some();
            if has("param_groups") && has("state") {
                TorchError::OptimizerOnly
            } else if !entries.is_empty() && !entries.iter().any(|&(key, _)| is_name(key)) {
                TorchError::NotADictionary { found: "a dictionary whose keys are no names".to_owned() }
            } else {
                TorchError::NoTensors { keys: dictionaries::some_names(pickle) }
            }
        }
        other => TorchError::NotADictionary { found: other.kind() },
    }
}

#[cfg(test)]
mod tests;
