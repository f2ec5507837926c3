//! What a zip archive is, by the names of its entries.

use std::borrow::Cow;

use crate::error::TorchError;

/// The name of the entry that holds a checkpoint's objects.
///
/// # Errors
/// What the archive is instead, if it is not one of `torch.save`.
pub(super) fn pickle<'n>(names: &'n [Cow<'_, str>]) -> Result<&'n str, TorchError> {
    let is = |file: &str| names.iter().any(|name| name.rsplit('/').next() == Some(file));
    let has_folder = |folder: &str| names.iter().any(|name| name.contains(folder));
    // torch.jit.save keeps constants and the program's code beside the objects.
    if is("constants.pkl") || has_folder("code/__torch__") {
        return Err(TorchError::TorchScript);
    }
    // The first is of torch 2.7 and later, the second of those before.
    if is("archive_format") || is("serialized_exported_program.json") {
        return Err(TorchError::Exported);
    }
    let pickles = names.iter().filter(|name| name.rsplit('/').next() == Some("data.pkl"));
    let first = pickles.min_by_key(|name| (name.len(), &**name));
    first.map(|name| &**name).ok_or_else(|| without_pickle(names))
}

/// What a zip archive without torch's pickle is.
fn without_pickle(names: &[Cow<'_, str>]) -> TorchError {
    let has = |end: &str| names.iter().any(|name| name.ends_with(end));
    let what = if has("model.weights.h5") {
        "a model of Keras; this command reads what torch saves"
    } else if has(".npy") {
        "arrays of NumPy (.npz); save them as safetensors (safetensors.numpy.save_file)"
    } else if has(".data/extern_modules") {
        "an archive of torch.package; in Python, save its model's tensors alone: \
         torch.save(model.state_dict(), file)"
    } else if has(".pt") || has(".pth") || has(".safetensors") || has(".bin") {
        "an archive that holds weights files; unpack it"
    } else {
        "a zip archive without the data.pkl that torch.save writes"
    };
    TorchError::NoPickle { what }
}
