//! The reference data of the second tier of tests: real weights, photos and what the published implementation
//! computes on them.

use std::path::PathBuf;

use candle_core::safetensors::MmapedSafetensors;
use neuron_model::Network;

/// The folder of the reference data: `$NEURON_SHARED`, else `shared` beside the workspace; `None`, with a line
/// that says so, where there is neither.
pub fn folder() -> Option<PathBuf> {
    let beside = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared");
    let folder = std::env::var_os("NEURON_SHARED").map_or(beside, PathBuf::from);
    if !folder.is_dir() {
        println!("left out: no reference data (set NEURON_SHARED to its folder)");
        return None;
    }
    Some(folder)
}

/// A file of reference tensors.
pub fn golden(name: &str) -> Option<MmapedSafetensors> {
    let path = folder()?.join("goldens").join(name).with_extension("safetensors");
    // SAFETY: nobody writes to the reference data while tests run.
    Some(unsafe { MmapedSafetensors::new(path) }.expect("a reference file opens"))
}

/// The real ResNet-50.
pub fn resnet50() -> Option<Network> {
    let path = folder()?.join("weights/resnet50-v1.safetensors");
    Some(Network::open("resnet50", &path).expect("the reference weights fit the network"))
}
