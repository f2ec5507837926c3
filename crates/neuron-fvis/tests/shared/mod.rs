//! The reference data of the second tier of tests: real weights, photos and what the published implementation
//! computes on them.

#[path = "../../../../tests/reference.rs"]
mod reference;

use std::path::Path;
use std::sync::Arc;

use neuron_data::{Limits, Preprocessing, read_rgb8};
use neuron_model::{ByteImages, DeviceEvent, DeviceRequest, Network, Observer, Precision};

pub(crate) use reference::folder;

/// The real ResNet-50 on `threads` threads (0: one for each core), on `$NEURON_TEST_DEVICE`, else the CPU.
pub(crate) fn resnet50(folder: &Path, threads: usize) -> Network {
    let device = std::env::var("NEURON_TEST_DEVICE").unwrap_or_else(|_| "cpu".to_owned());
    let device: DeviceRequest = device.parse().expect("NEURON_TEST_DEVICE names a device");
    let silent: Observer = Arc::new(|_: &DeviceEvent| {});
    let device = device.open(Precision::F32, &silent).expect("the device opens");
    let weights = neuron_model::Weights::open(&folder.join("weights/resnet50-v1.safetensors"));
    Network::on(device, "resnet50", weights.expect("the reference weights open"), threads)
        .expect("the reference weights fit the network")
}

/// Photos as the network sees them.
pub(crate) struct Photos {
    /// `[photos, crop, crop, 3]`
    crops: Vec<u8>,
    preprocessing: Preprocessing,
}

impl Photos {
    pub(crate) fn read<'a>(folder: &Path, files: impl IntoIterator<Item = &'a str>) -> Self {
        let preprocessing = Preprocessing::default();
        let train = folder.join("imagenet-sample/train");
        let crop = |file: &str| {
            let image = read_rgb8(&train.join(file), &Limits::default()).expect("a reference photo decodes");
            let mut crop = vec![0; preprocessing.crop_bytes()];
            preprocessing.crop_into(&image, &mut crop);
            crop
        };
        Self { crops: files.into_iter().flat_map(crop).collect(), preprocessing }
    }
    /// What a session reads.
    pub(crate) fn images(&self) -> ByteImages<'_> {
        let Preprocessing { crop, .. } = self.preprocessing;
        ByteImages::new(&self.crops, crop, crop, self.preprocessing.lookup_table())
    }
}
