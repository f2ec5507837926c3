//! From the bytes of a file to 8-bit RGB, whatever the file is called.

mod jpeg;
mod other;
mod png;
mod sniff;
mod tiff;
mod turning;

use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::ImageError;
use crate::resize::Raster;
use sniff::Format;
pub(crate) use sniff::describe;

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

/// What a single file may cost; beyond it the file is an error, found before the memory is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Largest file that is read. Default 1.4 GB, see [`Limits::of_pixels`].
    pub max_file_bytes: u64,
    /// Largest picture that is decoded, in pixels. Default 178,956,970, beyond which Pillow takes a file for a
    /// decompression bomb. Decoding takes up to 16 bytes a pixel.
    pub max_pixels: usize,
}

impl Limits {
    /// Room for pictures of so many pixels, whatever their format: eight bytes a pixel, as in 16-bit RGBA that is
    /// not compressed, and never less than 256 MiB.
    pub fn of_pixels(max_pixels: usize) -> Self {
        const LEAST_BYTES: u64 = 256 << 20;
        const HEADER_BYTES: u64 = 1 << 20;
        let bytes = (max_pixels as u64).saturating_mul(8).saturating_add(HEADER_BYTES);
        Self { max_file_bytes: bytes.max(LEAST_BYTES), max_pixels }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self::of_pixels(178_956_970)
    }
}

impl Limits {
    /// Checks the size that a file's header announces.
    fn check(&self, format: &'static str, height: usize, width: usize) -> Result<(), ImageError> {
        if height == 0 || width == 0 {
            return Err(ImageError::Corrupt { format, reason: "the picture has no pixels".into() });
        }
        if height.checked_mul(width).is_none_or(|pixels| pixels > self.max_pixels) {
            return Err(ImageError::TooManyPixels { height, width, limit: self.max_pixels });
        }
        Ok(())
    }
}

/// Decodes JPEG, PNG, WebP, TIFF, BMP, GIF (first frame) or PNM, recognised by content, to 8-bit RGB.
///
/// Gray is replicated, palettes are looked up, alpha is dropped, of 16 bits the high byte is kept, CMYK is
/// converted, of 32 bits and floats what lies outside of 0..=255 is clipped; EXIF orientation (but
/// that of TIFF) and colour profiles are not applied. This is what Pillow's `convert("RGB")` does, but for gray of 16 bits, which it clips.
///
/// # Errors
/// Any [`ImageError`] but `Read` and `FileTooLarge`.
pub fn decode_rgb8(bytes: &[u8], limits: &Limits) -> Result<Rgb8Image, ImageError> {
    let mut decoder = Decoder::default();
    let decoded = decoder.decode(bytes, limits, |height, width| (0..height, 0..width))?;
    let (height, width) = decoded.whole;
    let colours = |&[red, green, blue, _]: &[u8; 4]| [red, green, blue];
    Ok(Rgb8Image { height, width, pixels: decoded.raster.pixels.iter().flat_map(colours).collect() })
}

/// Decodes one picture after the other into the same memory.
#[derive(Default)]
pub(crate) struct Decoder {
    pixels: Vec<[u8; 4]>,
    jpeg: jpeg::Scratch,
}

/// A decoded picture, or the part of it that was wanted.
pub(crate) struct Decoded<'a> {
    /// Height and width of the whole picture.
    pub(crate) whole: (usize, usize),
    /// At least the part that was wanted.
    pub(crate) raster: Raster<'a>,
}

impl Decoder {
    /// Decodes at least the rows and columns that `wanted(height, width)` asks for.
    pub(crate) fn decode(
        &mut self,
        bytes: &[u8],
        limits: &Limits,
        wanted: impl FnOnce(usize, usize) -> (Range<usize>, Range<usize>),
    ) -> Result<Decoded<'_>, ImageError> {
        let format = Format::of(bytes)?;
        // The buffers hold plain numbers: whatever a panic left in them, the next picture overwrites.
        let decode = AssertUnwindSafe(|| match format {
            Format::Jpeg => jpeg::decode(bytes, limits, wanted, &mut self.jpeg, &mut self.pixels),
            Format::Other(format) => other::decode(bytes, format, limits, &mut self.pixels),
        });
        let (whole, (rows, columns)) = catch_unwind(decode).unwrap_or(Err(ImageError::Panicked))?;
        Ok(Decoded { whole, raster: Raster { pixels: &self.pixels, rows, columns } })
    }
}

/// Size of a whole picture and the part of it that was decoded.
type Extent = ((usize, usize), (Range<usize>, Range<usize>));

/// The extent of a picture that was decoded as a whole.
fn whole(height: usize, width: usize) -> Extent {
    ((height, width), (0..height, 0..width))
}
