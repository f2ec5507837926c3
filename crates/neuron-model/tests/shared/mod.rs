//! The reference data of the second tier of tests: real weights, photos and what the published implementation
//! computes on them.

use std::path::PathBuf;
use std::sync::Arc;

use candle_core::safetensors::MmapedSafetensors;
use candle_core::{DType, Device, Tensor};
use neuron_model::{DeviceEvent, DeviceRequest, Network, Observer, Precision, Weights};

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

/// The real ResNet-50, on `$NEURON_TEST_DEVICE` (else the CPU) and as exact as `$NEURON_TEST_PRECISION`.
pub(crate) fn resnet50() -> Option<Network> {
    let path = folder()?.join("weights/resnet50-v1.safetensors");
    let device: DeviceRequest = variable("NEURON_TEST_DEVICE", "cpu").parse().expect("a device");
    let silent: Observer = Arc::new(|_: &DeviceEvent| {});
    let device = device.open(precision(), &silent).expect("the device opens");
    let weights = Weights::open(&path).expect("the reference weights open");
    Some(Network::on(device, "resnet50", weights, 0).expect("the reference weights fit the network"))
}

/// How exactly a GPU computes.
pub(crate) fn precision() -> Precision {
    variable("NEURON_TEST_PRECISION", "f32").parse().expect("a precision")
}

fn variable(name: &str, otherwise: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| otherwise.to_owned())
}

/// The reference's own crops, normalised: `[13, 3, 224, 224]`.
pub(crate) fn crops(file: &MmapedSafetensors) -> candle_core::Result<Tensor> {
    let pixels = file.load("crops_u8", &Device::Cpu)?.to_dtype(DType::F32)?;
    let pixels = (pixels.permute((0, 3, 1, 2))? / 255.0)?;
    let mean = Tensor::new(&MEAN, &Device::Cpu)?.reshape((1, 3, 1, 1))?;
    let std = Tensor::new(&STD, &Device::Cpu)?.reshape((1, 3, 1, 1))?;
    pixels.broadcast_sub(&mean)?.broadcast_div(&std)
}
