//! Where the reference data of the second tier of tests are; every test file that needs them includes this one.

use std::path::PathBuf;

/// The folder of the reference data: `$NEURON_SHARED`, else `shared` beside the repository.
///
/// # Panics
/// If it is not there. These tests are ignored unless somebody asks for them, and then they must not pass unrun.
pub(crate) fn folder() -> PathBuf {
    let beside = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared");
    let folder = std::env::var_os("NEURON_SHARED").map_or(beside, PathBuf::from);
    assert!(folder.is_dir(), "no reference data in {}: set NEURON_SHARED to their folder", folder.display());
    folder
}
