//! Networks of grey images, whose first convolution has one channel: they read the luminance of coloured ones.

use std::collections::BTreeMap;

use super::place::Expected;
use super::tensors::{WeightTensor, Weights};

/// Shares of red, green and blue in the luminance (ITU-R BT.601), by which Pillow and torchvision make images grey.
pub const LUMINANCE: [f32; 3] = [0.299, 0.587, 0.114];

/// The metadata's key of how many channels the images have that weights were made for, where these are not 3.
const CHANNELS: &str = "image_channels";

impl WeightTensor {
    /// The weights of a convolution of grey images as those of one that reads the luminance of coloured ones; `None` if they are
    /// of others. Of images whose colours are alike, the sums are the same.
    ///
    /// # Shapes
    /// * the weights: `[out, 1, height, width]`
    /// * returns: `[out, 3, height, width]`
    pub fn of_luminance(&self) -> Option<Self> {
        let &[out, 1, height, width] = &self.shape[..] else { return None };
        let filters = self.data.chunks_exact((height * width).max(1));
        let shares = |filter: &[f32]| {
            LUMINANCE.map(|share| filter.iter().map(move |weight| share * weight).collect::<Vec<_>>())
        };
        let data: Vec<f32> = filters.flat_map(shares).flatten().collect();
        Some(Self::new([out, 3, height, width], data))
    }
}

impl Weights {
    /// Whether the network was made for grey images, and reads no more than the luminance of coloured ones.
    pub fn reads_luminance(&self) -> bool {
        self.metadata().get(CHANNELS).is_some_and(|channels| channels == "1")
    }

    /// What [`Weights::reads_luminance`] tells weights of such a network by.
    pub fn luminance_metadata() -> BTreeMap<String, String> {
        BTreeMap::from([(CHANNELS.to_owned(), "1".to_owned())])
    }

    /// Lets convolutions of one channel read the luminance where a network's convolution of three is expected.
    pub(crate) fn in_colours(self, expected: &[Expected]) -> Self {
        let wanted = expected.iter().flat_map(|expected| &expected.tensors);
        let in_colours: BTreeMap<String, WeightTensor> = wanted
            .filter(|(_, shape)| matches!(shape[..], [_, 3, _, _]))
            .filter_map(|(name, shape)| {
                let tensor = self.tensor(name)?.of_luminance()?;
                (tensor.shape == *shape).then(|| (name.clone(), tensor))
            })
            .collect();
        if in_colours.is_empty() {
            return self;
        }
        self.in_another_form(in_colours, Self::luminance_metadata())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grey_images_give_the_same_sums() {
        let weight = WeightTensor::new([2, 1, 1, 2], [1.0, -2.0, 0.5, 4.0]);
        let wide = weight.of_luminance().unwrap();
        assert_eq!(wide.shape, [2, 3, 1, 2]);
        for (filter, grey) in wide.data.chunks_exact(6).zip(weight.data.chunks_exact(2)) {
            for (at, grey) in grey.iter().enumerate() {
                let sum: f32 = [0, 2, 4].iter().map(|colour| filter[colour + at]).sum();
                assert!((sum - grey).abs() < 1e-6, "{sum} is not {grey}");
            }
        }
        assert_eq!(wide.data[2], LUMINANCE[1]);
    }

    #[test]
    fn other_weights_are_none() {
        for shape in [&[2, 3, 1, 2][..], &[12], &[12, 1, 1], &[2, 1, 1, 2, 3]] {
            assert!(WeightTensor::new(shape, [0.0; 12]).of_luminance().is_none(), "{shape:?}");
        }
    }
}
