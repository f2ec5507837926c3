use neuron_data::Preprocessing;
use neuron_model::{Images, Levels};

/// The crops of a loaded batch, normalised as the network takes them.
pub(crate) struct Crops<'a> {
    pixels: &'a [u8],
    preprocessing: &'a Preprocessing,
}

impl<'a> Crops<'a> {
    /// # Shapes
    /// * `pixels`: `[batch, crop, crop, 3]`
    pub(crate) fn new(pixels: &'a [u8], preprocessing: &'a Preprocessing) -> Self {
        Self { pixels, preprocessing }
    }
}

impl Images for Crops<'_> {
    fn count(&self) -> usize {
        self.pixels.len() / self.preprocessing.crop_bytes()
    }

    fn size(&self) -> (usize, usize) {
        (self.preprocessing.crop, self.preprocessing.crop)
    }

    fn write(&self, index: usize, pixels: &mut [f32]) {
        let len = self.preprocessing.crop_bytes();
        self.preprocessing.normalize_into(&self.pixels[index * len..][..len], pixels);
    }

    fn levels(&self) -> Option<Levels<'_>> {
        Some(Levels { pixels: self.pixels, values: self.preprocessing.values_of_levels() })
    }
}
