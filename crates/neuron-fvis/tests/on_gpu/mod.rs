//! The first GPU, and the network that comes with the repository on any device.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use neuron_model::{Device, DeviceEvent, DeviceRequest, Network, Observer, Precision, Weights};

pub(crate) fn gpu() -> Device {
    let silent: Observer = Arc::new(|_: &DeviceEvent| {});
    DeviceRequest::Cuda(vec![0]).open(Precision::F32, &silent).unwrap_or_else(|error| panic!("{error}"))
}

/// With the repository's weights, or `$NEURON_DEMO_WEIGHTS` where the test was carried to another machine.
pub(crate) fn network(device: Device) -> Network {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../weights/demo.safetensors");
    let weights = std::env::var_os("NEURON_DEMO_WEIGHTS").map_or(repository, PathBuf::from);
    Network::on(device, "resnet10_demo", Weights::open(&weights).unwrap(), 2).unwrap()
}
