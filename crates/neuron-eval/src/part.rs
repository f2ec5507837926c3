use std::ops::Range;

use neuron_model::{ByteImages, Images};

/// Some neighbouring images of others.
pub(crate) struct Part<'a> {
    pub(crate) images: &'a dyn Images,
    pub(crate) range: Range<usize>,
}

impl Images for Part<'_> {
    fn count(&self) -> usize {
        self.range.len()
    }

    fn size(&self) -> (usize, usize) {
        self.images.size()
    }

    fn write(&self, index: usize, pixels: &mut [f32]) {
        self.images.write(self.range.start + index, pixels);
    }

    fn bytes(&self) -> Option<ByteImages<'_>> {
        Some(self.images.bytes()?.slice(self.range.clone()))
    }
}
