/// A picture in 8-bit RGB.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rgb8Image {
    /// Height in pixels, at least 1.
    pub height: usize,
    /// Width in pixels, at least 1.
    pub width: usize,
    /// `[height, width, 3]`, red, green, blue.
    pub pixels: Vec<u8>,
}

impl Rgb8Image {
    /// The pixels with a fourth byte each.
    pub(crate) fn padded(&self) -> Vec<[u8; 4]> {
        self.pixels.chunks_exact(3).map(|rgb| [rgb[0], rgb[1], rgb[2], 0]).collect()
    }
}
