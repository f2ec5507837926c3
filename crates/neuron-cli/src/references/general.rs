use std::sync::Arc;

use neuron_data::{Dataset, Loader, LoaderOptions, Preprocessing};
use neuron_model::ByteImages;

use super::reader::Reader;
use crate::scan::crops;

/// Images that stand for images in general: some of a data set, evenly spaced; those that cannot be read are left out.
pub(crate) struct General {
    dataset: Arc<Dataset>,
    /// `[images, crop, crop, 3]`
    pixels: Vec<u8>,
    /// Of each image in the data set.
    indices: Vec<usize>,
    preprocessing: Preprocessing,
}

impl General {
    /// At most `count` images.
    pub(crate) fn load(dataset: &Arc<Dataset>, count: usize, reader: &Reader<'_>) -> anyhow::Result<Self> {
        let len = dataset.len();
        let count = len.min(count);
        let limits = reader.global.limits();
        let options = LoaderOptions { batch_size: count.max(1), limits, ..LoaderOptions::default() };
        let (mut pixels, mut indices) = (Vec::new(), Vec::new());
        let chosen = (0..count).map(move |at| at * len / count);
        for batch in Loader::new(Arc::clone(dataset), chosen, reader.preprocessing, &options)? {
            pixels.extend_from_slice(batch.pixels());
            indices.extend_from_slice(&batch.items);
        }
        let preprocessing = reader.preprocessing.clone();
        Ok(Self { dataset: Arc::clone(dataset), pixels, indices, preprocessing })
    }

    /// As a network reads them.
    pub(crate) fn images(&self) -> ByteImages<'_> {
        crops(&self.pixels, &self.preprocessing)
    }

    /// What lists call one of them.
    pub(crate) fn name(&self, at: usize) -> String {
        self.dataset.entry(self.indices[at])
    }
}
