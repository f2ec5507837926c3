//! Parameters, buffers and constants of an archive, by name.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use serde::Deserialize;

use super::archive::Archive;
use super::element;
use super::schema::{Size, TensorMeta};
use crate::error::ImportError;
use crate::program::Parameter;

/// Folder and list of each kind.
const KINDS: [(&str, &str); 2] = [
    ("data/weights/", "data/weights/model_weights_config.json"),
    ("data/constants/", "data/constants/model_constants_config.json"),
];

#[derive(Deserialize)]
struct Listing {
    config: BTreeMap<String, Entry>,
}

#[derive(Deserialize)]
struct Entry {
    path_name: String,
    #[serde(default)]
    use_pickle: bool,
    #[serde(default)]
    tensor_meta: Option<TensorMeta>,
}

/// Every tensor. Tied ones share their bytes.
pub(super) fn parameters(archive: &Archive) -> Result<HashMap<String, Parameter>, ImportError> {
    let mut parameters = HashMap::new();
    for (folder, list) in KINDS {
        if archive.has(&format!("{folder}model.pt")) {
            return Err(archive.unsupported(
                "its weights are pickled, as early versions of torch wrote them; load it and save it again with a newer torch: \
                 torch.export.save(torch.export.load(FILE), FILE)",
            ));
        }
        if !archive.has(list) {
            continue;
        }
        let Listing { config } = archive.json(list)?;
        for (name, entry) in config {
            let Entry { path_name, use_pickle, tensor_meta } = entry;
            // What is no tensor is no weight either.
            let Some(meta) = tensor_meta else { continue };
            if use_pickle {
                return Err(archive.unsupported(format!(
                    "{name} is pickled, which happens to tensors of a class of their own; export the network with plain \
                     tensors"
                )));
            }
            let element = element::of(meta.dtype).ok_or_else(|| {
                archive.unsupported(format!("{name} has elements of an unknown kind ({})", meta.dtype))
            })?;
            let list = |sizes: &[Size]| sizes.iter().map(Size::hint).collect::<Option<Vec<usize>>>();
            let (shape, strides) = list(&meta.sizes)
                .zip(list(&meta.strides))
                .filter(|(shape, strides)| shape.len() == strides.len())
                .ok_or_else(|| archive.damaged(format!("the shape of {name} is unknown")))?;
            let offset = meta.storage_offset.as_ref().and_then(Size::hint).unwrap_or(0);
            let payload = Arc::new(archive.range(&format!("{folder}{path_name}"))?);
            let parameter = Parameter { name: name.clone(), element, shape, strides, offset, payload };
            parameters.insert(name, parameter);
        }
    }
    Ok(parameters)
}
