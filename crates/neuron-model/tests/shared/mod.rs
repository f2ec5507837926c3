//! The reference data of the second tier of tests: real weights, photos and what the published implementation
//! computes on them.

#[path = "../../../../tests/reference.rs"]
mod reference;

use std::sync::Arc;

use candle_core::safetensors::MmapedSafetensors;
use candle_core::{DType, Device, Tensor};
use neuron_model::{DeviceEvent, DeviceRequest, Network, Observer, Precision, Weights};

const MEAN: [f32; 3] = [0.485, 0.456, 0.406];
const STD: [f32; 3] = [0.229, 0.224, 0.225];

pub(crate) use reference::folder;

/// A file of reference tensors.
pub(crate) fn golden(name: &str) -> MmapedSafetensors {
    let path = folder().join("goldens").join(name).with_extension("safetensors");
    // SAFETY: nobody writes to the reference data while tests run.
    unsafe { MmapedSafetensors::new(path) }.expect("a reference file opens")
}

/// The real ResNet-50, on `$NEURON_TEST_DEVICE` (else the CPU) and as exact as `$NEURON_TEST_PRECISION`.
pub(crate) fn resnet50() -> Network {
    let path = folder().join("weights/resnet50-v1.safetensors");
    let device: DeviceRequest = variable("NEURON_TEST_DEVICE", "cpu").parse().expect("a device");
    let silent: Observer = Arc::new(|_: &DeviceEvent| {});
    let device = device.open(precision(), &silent).expect("the device opens");
    let weights = Weights::open(&path).expect("the reference weights open");
    Network::on(device, "resnet50", weights, 0).expect("the reference weights fit the network")
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
