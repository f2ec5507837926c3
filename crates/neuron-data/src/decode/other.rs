//! Everything that is not a JPEG, through the `image` crate.

use std::borrow::Cow;
use std::io::{Cursor, ErrorKind};

use image::error::ImageError as DecoderError;
use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader};

use super::{Extent, png, tiff, turning, whole};
use crate::error::ImageError;
use crate::limits::Limits;

/// Name of a format that is decoded here, `None` for any other.
pub(super) fn name(format: ImageFormat) -> Option<&'static str> {
    match format {
        ImageFormat::Png => Some("PNG"),
        ImageFormat::WebP => Some("WebP"),
        ImageFormat::Tiff => Some("TIFF"),
        ImageFormat::Bmp => Some("BMP"),
        ImageFormat::Gif => Some("GIF"),
        ImageFormat::Pnm => Some("PNM"),
        _ => None,
    }
}

/// Decodes the whole picture into `pixels`.
pub(super) fn decode(
    bytes: &[u8],
    format: ImageFormat,
    limits: &Limits,
    pixels: &mut Vec<[u8; 4]>,
) -> Result<Extent, ImageError> {
    if format == ImageFormat::Tiff {
        return decode_tiff(bytes, limits, pixels);
    }
    match (format, decode_as_is(bytes, format, limits, pixels)) {
        (ImageFormat::Png, Err(error @ (ImageError::Truncated { .. } | ImageError::Corrupt { .. }))) => {
            match png::mended(bytes).filter(|mended| mended != bytes) {
                Some(mended) => decode_as_is(&mended, format, limits, pixels).map_err(|_| error),
                None => Err(error),
            }
        }
        (_, decoded) => decoded,
    }
}

fn decode_tiff(bytes: &[u8], limits: &Limits, pixels: &mut Vec<[u8; 4]>) -> Result<Extent, ImageError> {
    let held = tiff::without_missing(bytes);
    let decoded = match decode_as_is(&held, ImageFormat::Tiff, limits, pixels) {
        Err(ImageError::Unsupported { .. }) => tiff::decode(&held, limits, pixels),
        decoded => decoded,
    };
    match (&held, decoded) {
        (Cow::Owned(_), Err(_)) => Err(ImageError::Truncated { format: "TIFF" }),
        // As Pillow does for this format alone.
        (_, decoded) => {
            decoded.map(|(size, _)| turning::turn(tiff::orientation(&held, limits), size, pixels))
        }
    }
}

fn decode_as_is(
    bytes: &[u8],
    format: ImageFormat,
    limits: &Limits,
    pixels: &mut Vec<[u8; 4]>,
) -> Result<Extent, ImageError> {
    let name = name(format).unwrap_or("image");
    let explain = |error| explain(name, error);
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    let mut bounds = image::Limits::no_limits();
    // The most that a picture within the limit can take: 16-bit RGBA twice, once decoded and once on the way.
    bounds.max_alloc = Some((limits.max_pixels as u64).saturating_mul(16));
    reader.limits(bounds);
    let decoder = reader.into_decoder().map_err(explain)?;
    let (width, height) = decoder.dimensions();
    let (height, width) = (height as usize, width as usize);
    limits.check(name, height, width)?;
    let image = DynamicImage::from_decoder(decoder).map_err(explain)?;
    pixels.clear();
    append(&image, name, pixels)?;
    Ok(whole(height, width))
}

/// Converts as Pillow's `convert("RGB")`: alpha is dropped, of 16 bits the high byte is kept.
fn append(image: &DynamicImage, format: &'static str, out: &mut Vec<[u8; 4]>) -> Result<(), ImageError> {
    let high = |level: u16| (level >> 8) as u8;
    match image {
        DynamicImage::ImageRgb8(image) => out.extend(image.pixels().map(|p| [p[0], p[1], p[2], 0])),
        DynamicImage::ImageRgba8(image) => out.extend(image.pixels().map(|p| p.0)),
        DynamicImage::ImageLuma8(image) => out.extend(image.pixels().map(|p| [p[0]; 4])),
        DynamicImage::ImageLumaA8(image) => out.extend(image.pixels().map(|p| [p[0]; 4])),
        DynamicImage::ImageLuma16(image) => out.extend(image.pixels().map(|p| [high(p[0]); 4])),
        DynamicImage::ImageLumaA16(image) => out.extend(image.pixels().map(|p| [high(p[0]); 4])),
        DynamicImage::ImageRgb16(image) => {
            out.extend(image.pixels().map(|p| [high(p[0]), high(p[1]), high(p[2]), 0]));
        }
        DynamicImage::ImageRgba16(image) => out.extend(image.pixels().map(|p| p.0.map(high))),
        other => {
            return Err(ImageError::Unsupported { format, feature: format!("{:?} pixels", other.color()) });
        }
    }
    Ok(())
}

fn explain(format: &'static str, error: DecoderError) -> ImageError {
    match error {
        DecoderError::IoError(error) if error.kind() == ErrorKind::UnexpectedEof => {
            ImageError::Truncated { format }
        }
        DecoderError::Unsupported(error) => {
            ImageError::Unsupported { format, feature: tiff::feature(&error.kind()) }
        }
        error => ImageError::Corrupt { format, reason: error.to_string() },
    }
}
