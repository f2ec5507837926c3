//! From the bytes of a file to 8-bit RGB, whatever the file is called.

mod jpeg;
mod other;
mod sniff;

use std::io::Read;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use crate::resize::Raster;
use crate::{DataError, ImageError};
use sniff::Format;

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
    /// Largest file that is read. Default 256 MiB.
    pub max_file_bytes: u64,
    /// Largest picture that is decoded, in pixels. Default 89,478,485, where Pillow starts to warn of
    /// decompression bombs. Decoding takes up to 16 bytes a pixel.
    pub max_pixels: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_file_bytes: 256 << 20, max_pixels: 89_478_485 }
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
/// converted; EXIF orientation and colour profiles are not applied. This is what Pillow's `convert("RGB")`
/// does.
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

/// Reads and decodes a file, see [`decode_rgb8`].
///
/// # Errors
/// [`DataError::Image`] with the reason.
pub fn read_rgb8(path: &Path, limits: &Limits) -> Result<Rgb8Image, DataError> {
    let mut bytes = Vec::new();
    read_file(path, limits, &mut bytes)
        .and_then(|()| decode_rgb8(&bytes, limits))
        .map_err(|source| DataError::Image { path: path.into(), source })
}

/// Replaces `bytes` by the content of a file.
pub(crate) fn read_file(path: &Path, limits: &Limits, bytes: &mut Vec<u8>) -> Result<(), ImageError> {
    let read = |source| ImageError::Read { source };
    let file = std::fs::File::open(path).map_err(read)?;
    let announced = file.metadata().map_err(read)?.len();
    let too_large = |bytes| ImageError::FileTooLarge { bytes, limit: limits.max_file_bytes };
    if announced > limits.max_file_bytes {
        return Err(too_large(announced));
    }
    bytes.clear();
    bytes.reserve(announced as usize);
    // A pipe or a growing file announces less than it holds.
    let found = file.take(limits.max_file_bytes.saturating_add(1)).read_to_end(bytes).map_err(read)?;
    if found as u64 > limits.max_file_bytes {
        return Err(too_large(found as u64));
    }
    Ok(())
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
