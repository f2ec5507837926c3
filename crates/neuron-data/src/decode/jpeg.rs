use std::ops::Range;

use zune_core::bytestream::ZCursor;
use zune_core::colorspace::ColorSpace;
use zune_core::options::DecoderOptions;
use zune_jpeg::JpegDecoder;

use super::Extent;
use crate::{ImageError, Limits};

pub(super) fn decode(
    bytes: &[u8],
    limits: &Limits,
    _wanted: impl FnOnce(usize, usize) -> (Range<usize>, Range<usize>),
    pixels: &mut Vec<u8>,
) -> Result<Extent, ImageError> {
    let corrupt = |error: zune_jpeg::errors::DecodeErrors| ImageError::Corrupt {
        format: "JPEG",
        reason: error.to_string(),
    };
    let options = DecoderOptions::new_fast()
        .set_strict_mode(true)
        .jpeg_set_out_colorspace(ColorSpace::RGB)
        .set_max_width(65535)
        .set_max_height(65535);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    decoder.decode_headers().map_err(corrupt)?;
    let (width, height) = decoder.dimensions().unwrap_or((0, 0));
    limits.check("JPEG", height, width)?;
    pixels.resize(height * width * 3, 0);
    decoder.decode_into(pixels).map_err(corrupt)?;
    Ok(((height, width), (0..height, 0..width)))
}
