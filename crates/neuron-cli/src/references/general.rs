use std::collections::HashSet;
use std::sync::Arc;

use neuron_data::{Dataset, Loader, LoaderOptions, Preprocessing};
use neuron_model::{ByteImages, Images};

use super::reader::{Reader, References};
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

    /// Which of them are among these references, by their names or by their pixels: beside them, a unit's pictures are
    /// seen as beside images in general only if the best of its own are not among these.
    pub(crate) fn shared_with(&self, references: &References) -> Vec<usize> {
        let len = self.preprocessing.crop_bytes();
        let names: HashSet<&str> = references.names().iter().map(String::as_str).collect();
        let pixels = references.bytes().map(|images| images.pixels()).unwrap_or_default();
        let known: HashSet<&[u8]> = pixels.chunks_exact(len).collect();
        let is_shared = |at: &usize| {
            names.contains(self.name(*at).as_str()) || known.contains(&self.pixels[at * len..][..len])
        };
        (0..self.indices.len()).filter(is_shared).collect()
    }

    /// Some of them, by their index.
    ///
    /// # Shapes
    /// * returns: `[images, crop, crop, 3]`
    pub(crate) fn pixels_of(&self, images: &[usize]) -> Vec<u8> {
        let len = self.preprocessing.crop_bytes();
        images.iter().flat_map(|at| &self.pixels[at * len..][..len]).copied().collect()
    }

    /// As a network reads them.
    pub(crate) fn images(&self) -> ByteImages<'_> {
        crops(&self.pixels, &self.preprocessing)
    }

    /// By which they were read.
    pub(crate) fn preprocessing(&self) -> &Preprocessing {
        &self.preprocessing
    }

    /// What lists call one of them.
    pub(crate) fn name(&self, at: usize) -> String {
        self.dataset.entry(self.indices[at])
    }
}
