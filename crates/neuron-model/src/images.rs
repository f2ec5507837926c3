//! Where a pass reads its images from.

use std::ops::Range;

/// Images of one size, each written into the network's input buffer when its turn comes.
///
/// A pass works through a large batch a few items at a time; an implementation that decodes, normalises or cuts
/// its items on demand never needs the batch as floats.
pub trait Images: Sync {
    /// Number of images.
    fn count(&self) -> usize;

    /// Height and width of every image, in pixels.
    fn size(&self) -> (usize, usize);

    /// Writes image `index`.
    ///
    /// # Shapes
    /// * `pixels`: `[height, width, 3]`, normalised; must be overwritten completely
    fn write(&self, index: usize, pixels: &mut [f32]);

    /// Whether [`Images::write_lines`] takes no longer than its share of [`Images::write`]. Several threads write an image
    /// then.
    fn is_by_line(&self) -> bool {
        false
    }

    /// Writes lines of image `index`, from the `first` on.
    ///
    /// # Shapes
    /// * `pixels`: `[lines, width, 3]`, the same values as those of the whole image
    fn write_lines(&self, index: usize, first: usize, pixels: &mut [f32]) {
        let (height, width) = self.size();
        let mut whole = vec![0.0; 3 * height * width];
        self.write(index, &mut whole);
        pixels.copy_from_slice(&whole[3 * width * first..][..pixels.len()]);
    }

    /// The same images as bytes, where they are that: a GPU then gets a quarter of the data and looks the values up.
    fn bytes(&self) -> Option<ByteImages<'_>> {
        None
    }
}

/// Some neighbouring images of others.
#[derive(Clone)]
pub struct ImageRange<'a> {
    images: &'a dyn Images,
    range: Range<usize>,
}

impl<'a> ImageRange<'a> {
    /// # Panics
    /// If there are fewer than `range.end`, or the range is reversed.
    pub fn new(images: &'a dyn Images, range: Range<usize>) -> Self {
        assert!(range.start <= range.end && range.end <= images.count(), "images {range:?}");
        Self { images, range }
    }
}

impl Images for ImageRange<'_> {
    fn count(&self) -> usize {
        self.range.len()
    }

    fn size(&self) -> (usize, usize) {
        self.images.size()
    }

    fn write(&self, index: usize, pixels: &mut [f32]) {
        self.images.write(self.range.start + index, pixels);
    }

    fn is_by_line(&self) -> bool {
        self.images.is_by_line()
    }

    fn write_lines(&self, index: usize, first: usize, pixels: &mut [f32]) {
        self.images.write_lines(self.range.start + index, first, pixels);
    }

    fn bytes(&self) -> Option<ByteImages<'_>> {
        Some(self.images.bytes()?.slice(self.range.clone()))
    }
}

/// Images as decoders give them: each byte stands for a value of the network's input.
///
/// The crops of a batch that `neuron_data::Loader` gave are such images:
///
/// ```
/// use neuron_data::Preprocessing;
/// use neuron_model::{ByteImages, Images};
///
/// let preprocessing = Preprocessing::default();
/// let side = preprocessing.crop;
/// let crops = vec![128; 2 * preprocessing.crop_bytes()];
/// let images = ByteImages::new(&crops, side, side, preprocessing.lookup_table());
/// assert_eq!(images.count(), 2);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct ByteImages<'a> {
    pixels: &'a [u8],
    height: usize,
    width: usize,
    lookup: [[f32; 256]; 3],
}

impl<'a> ByteImages<'a> {
    /// Wraps `pixels`; a last incomplete image is left out.
    ///
    /// # Shapes
    /// * `pixels`: `[count, height, width, 3]`
    /// * `lookup`: what the network gets for each byte of red, green and blue
    pub fn new(pixels: &'a [u8], height: usize, width: usize, lookup: [[f32; 256]; 3]) -> Self {
        Self { pixels, height, width, lookup }
    }

    /// All bytes, `[count, height, width, 3]`.
    pub fn pixels(&self) -> &'a [u8] {
        self.pixels
    }

    /// What the network gets for each byte of red, green and blue.
    pub fn lookup(&self) -> &[[f32; 256]; 3] {
        &self.lookup
    }

    /// Some of the images.
    ///
    /// # Panics
    /// If there are fewer than `range.end`, or the range is reversed.
    #[must_use]
    pub fn slice(self, range: Range<usize>) -> Self {
        let len = self.image_len();
        Self { pixels: &self.pixels[range.start * len..range.end * len], ..self }
    }

    fn image_len(&self) -> usize {
        3 * self.height * self.width
    }
}

impl Images for ByteImages<'_> {
    fn count(&self) -> usize {
        self.pixels.len() / self.image_len().max(1)
    }

    fn size(&self) -> (usize, usize) {
        (self.height, self.width)
    }

    fn write(&self, index: usize, pixels: &mut [f32]) {
        self.write_lines(index, 0, pixels);
    }

    fn is_by_line(&self) -> bool {
        true
    }

    fn write_lines(&self, index: usize, first: usize, pixels: &mut [f32]) {
        let bytes = &self.pixels[index * self.image_len() + 3 * self.width * first..][..pixels.len()];
        for (pixel, rgb) in pixels.chunks_exact_mut(3).zip(bytes.chunks_exact(3)) {
            for ((value, &byte), of_colour) in pixel.iter_mut().zip(rgb).zip(&self.lookup) {
                *value = of_colour[usize::from(byte)];
            }
        }
    }

    fn bytes(&self) -> Option<ByteImages<'_>> {
        Some(*self)
    }
}

/// Normalised images in torch's layout, `[batch, 3, height, width]`.
#[derive(Clone, Copy, Debug)]
pub struct ChannelsFirst<'a> {
    data: &'a [f32],
    height: usize,
    width: usize,
}

impl<'a> ChannelsFirst<'a> {
    /// Wraps `data`; a last incomplete image is left out.
    pub fn new(data: &'a [f32], height: usize, width: usize) -> Self {
        Self { data, height, width }
    }
}

impl Images for ChannelsFirst<'_> {
    fn count(&self) -> usize {
        self.data.len() / (3 * self.height * self.width).max(1)
    }

    fn size(&self) -> (usize, usize) {
        (self.height, self.width)
    }

    fn write(&self, index: usize, pixels: &mut [f32]) {
        self.write_lines(index, 0, pixels);
    }

    fn is_by_line(&self) -> bool {
        true
    }

    fn write_lines(&self, index: usize, first: usize, pixels: &mut [f32]) {
        let positions = self.height * self.width;
        let image = &self.data[index * 3 * positions..][..3 * positions];
        let colour = |colour: usize| &image[colour * positions + first * self.width..];
        let [red, green, blue] = [colour(0), colour(1), colour(2)];
        for (at, pixel) in pixels.chunks_exact_mut(3).enumerate() {
            pixel.copy_from_slice(&[red[at], green[at], blue[at]]);
        }
    }
}

/// Normalised images in the network's own layout, `[batch, height, width, 3]`.
#[derive(Clone, Copy, Debug)]
pub struct ChannelsLast<'a> {
    data: &'a [f32],
    height: usize,
    width: usize,
}

impl<'a> ChannelsLast<'a> {
    /// Wraps `data`; a last incomplete image is left out.
    pub fn new(data: &'a [f32], height: usize, width: usize) -> Self {
        Self { data, height, width }
    }
}

impl Images for ChannelsLast<'_> {
    fn count(&self) -> usize {
        self.data.len() / (3 * self.height * self.width).max(1)
    }

    fn size(&self) -> (usize, usize) {
        (self.height, self.width)
    }

    fn write(&self, index: usize, pixels: &mut [f32]) {
        self.write_lines(index, 0, pixels);
    }

    fn is_by_line(&self) -> bool {
        true
    }

    fn write_lines(&self, index: usize, first: usize, pixels: &mut [f32]) {
        let start = 3 * self.width * (index * self.height + first);
        pixels.copy_from_slice(&self.data[start..][..pixels.len()]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_looked_up_by_colour() {
        let pixels: Vec<u8> = (0..3 * 2 * 3 * 3).map(|at| (at * 37 % 256) as u8).collect();
        let lookup = std::array::from_fn(|colour| std::array::from_fn(|byte| (1000 * colour + byte) as f32));
        let images = ByteImages::new(&pixels, 2, 3, lookup);
        assert_eq!((images.count(), images.size()), (3, (2, 3)));
        let written = |images: &ByteImages, index| {
            let mut out = vec![0.0; 18];
            images.write(index, &mut out);
            out
        };
        let expected = |at: usize| (1000 * (at % 3)) as f32 + f32::from(pixels[at]);
        assert_eq!(written(&images, 1), (18..36).map(expected).collect::<Vec<_>>());
        let last = images.slice(1..3);
        assert_eq!((last.count(), written(&last, 1)), (2, written(&images, 2)));
        assert_eq!(images.bytes().map(|bytes| bytes.pixels().len()), Some(54));
        assert_eq!(ByteImages::new(&pixels[..20], 2, 3, lookup).count(), 1);
    }
}
