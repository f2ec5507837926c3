//! The reference data of the second tier of tests: real weights, photos and what the published implementation
//! computes on them.

use std::path::PathBuf;

use candle_core::safetensors::MmapedSafetensors;
use candle_core::{DType, Device, Tensor};
use neuron_model::Network;

const MEAN: [f32; 3] = [0.485, 0.456, 0.406];
const STD: [f32; 3] = [0.229, 0.224, 0.225];

/// The folder of the reference data: `$NEURON_SHARED`, else `shared` beside the workspace; `None`, with a line
/// that says so, where there is neither.
pub(crate) fn folder() -> Option<PathBuf> {
    let beside = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared");
    let folder = std::env::var_os("NEURON_SHARED").map_or(beside, PathBuf::from);
    if !folder.is_dir() {
        println!("left out: no reference data (set NEURON_SHARED to its folder)");
        return None;
    }
    Some(folder)
}

/// A file of reference tensors.
pub(crate) fn golden(name: &str) -> Option<MmapedSafetensors> {
    let path = folder()?.join("goldens").join(name).with_extension("safetensors");
    // SAFETY: nobody writes to the reference data while tests run.
    Some(unsafe { MmapedSafetensors::new(path) }.expect("a reference file opens"))
}

/// The real ResNet-50.
pub(crate) fn resnet50() -> Option<Network> {
    let path = folder()?.join("weights/resnet50-v1.safetensors");
    Some(Network::open("resnet50", &path).expect("the reference weights fit the network"))
}

/// The reference's own crops, normalised: `[13, 3, 224, 224]`.
pub(crate) fn crops(file: &MmapedSafetensors) -> candle_core::Result<Tensor> {
    let pixels = file.load("crops_u8", &Device::Cpu)?.to_dtype(DType::F32)?;
    let pixels = (pixels.permute((0, 3, 1, 2))? / 255.0)?;
    let mean = Tensor::new(&MEAN, &Device::Cpu)?.reshape((1, 3, 1, 1))?;
    let std = Tensor::new(&STD, &Device::Cpu)?.reshape((1, 3, 1, 1))?;
    pixels.broadcast_sub(&mean)?.broadcast_div(&std)
}
