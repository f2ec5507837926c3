//! Where a pass reads its images from.

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

    /// The same images as bytes, where they are that: a GPU then gets a quarter of the data and looks the values up.
    fn levels(&self) -> Option<Levels<'_>> {
        None
    }
}

/// Images of which each value is one of 256 levels, as decoders give them.
#[derive(Clone, Copy, Debug)]
pub struct Levels<'a> {
    /// All images, `[count, height, width, 3]`.
    pub pixels: &'a [u8],
    /// What the network gets for each level, of red, green and blue.
    pub values: [[f32; 256]; 3],
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
        let positions = self.height * self.width;
        let image = &self.data[index * 3 * positions..][..3 * positions];
        let (red, rest) = image.split_at(positions);
        let (green, blue) = rest.split_at(positions);
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
        pixels.copy_from_slice(&self.data[index * pixels.len()..][..pixels.len()]);
    }
}
