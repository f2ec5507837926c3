//! From the bytes of a file to 8-bit RGB, whatever the file is called.

mod jpeg;
mod other;
mod png;
mod sniff;
mod tiff;
mod turning;

use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::error::ImageError;
use crate::limits::Limits;
use crate::resize::Raster;
use crate::rgb8::Rgb8Image;
use sniff::Format;
pub(crate) use sniff::describe;

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
