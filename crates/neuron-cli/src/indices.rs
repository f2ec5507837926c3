//! Where it is kept what tells where the images of archives in stores lie: beside the results.

use std::path::Path;

use crate::global::Global;

/// Uses what lies in a folder of results, such as `<out>/<arch>`, and keeps there what is learnt.
pub(crate) fn beside(results: &Path, global: &Global) {
    match global.dry_run {
        true => neuron_data::use_indices(results),
        false => neuron_data::keep_indices(results),
    }
}

/// Uses what lies beside the lists of a layer, and keeps there what is learnt.
pub(crate) fn beside_lists(layer: &Path, global: &Global) {
    beside(layer.parent().unwrap_or(Path::new("")), global);
}

/// Uses what lies in any results in a folder.
pub(crate) fn below(folder: &Path) {
    neuron_data::use_indices(folder);
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.path().is_dir() {
            neuron_data::use_indices(&entry.path());
        }
    }
}
