//! TIFF in the forms that the `image` crate does not take: palettes, few or many bits, gray with alpha, YCbCr.

mod directory;
mod words;

use std::io::Cursor;

use image::error::UnsupportedErrorKind;
use tiff::decoder::{Decoder, DecodingResult, Limits as Bounds};
use tiff::tags::Tag;
use tiff::{ColorType, TiffError};

use self::directory::short_at;
pub(super) use self::directory::without_missing;
use super::{Extent, whole};
use crate::error::ImageError;
use crate::limits::Limits;

const FORMAT: &str = "TIFF";
/// Values of the tag that says what samples mean.
const BLACK_IS_ZERO: u8 = 1;
const PALETTE: u32 = 3;

/// Decodes the whole picture into `pixels`.
pub(super) fn decode(bytes: &[u8], limits: &Limits, pixels: &mut Vec<[u8; 4]>) -> Result<Extent, ImageError> {
    let mut decoder = open(bytes, limits)?;
    let number = |decoder: &mut Decoder<_>, tag| decoder.find_tag_unsigned::<u32>(tag).map_err(explain);
    let planar = number(&mut decoder, Tag::PlanarConfiguration)? == Some(2);
    let palette = match number(&mut decoder, Tag::PhotometricInterpretation)? {
        Some(PALETTE) => Some(decoder.get_tag_u16_vec(Tag::ColorMap).map_err(explain)?),
        _ => None,
    };
    // The decoder knows no palettes, but hands out the indices if it takes them for gray.
    let as_gray = palette.as_ref().map(|_| with_meaning(bytes, BLACK_IS_ZERO)).transpose()?;
    if let Some(gray) = &as_gray {
        decoder = open(gray, limits)?;
    }
    let (width, height) = decoder.dimensions().map_err(explain)?;
    let (height, width) = (height as usize, width as usize);
    limits.check(FORMAT, height, width)?;
    let colours = decoder.colortype().map_err(explain)?;
    if planar && colours.num_samples() > 1 {
        return Err(unsupported(format!("{} in planes", words::colours(colours))));
    }
    let subsampling = decoder.find_tag_unsigned_vec::<u16>(Tag::ChromaSubsampling).map_err(explain)?;
    let is_jpeg = number(&mut decoder, Tag::Compression)? == Some(7);
    if matches!(colours, ColorType::YCbCr(_)) && !is_jpeg && subsampling.as_deref() != Some(&[1, 1]) {
        return Err(unsupported("subsampled YCbCr that is not JPEG".into()));
    }
    if is_jpeg && colours.num_samples() == 2 {
        // The decoder below would take the alpha for a colour.
        return Err(unsupported("gray with alpha in JPEG compression".into()));
    }
    let samples = decoder.read_image().map_err(explain)?;
    let shape = Shape { height, width, colours };
    pixels.clear();
    match palette {
        Some(palette) => shape.look_up(&samples, &palette, pixels)?,
        None => shape.append(&samples, pixels)?,
    }
    if pixels.len() != height * width {
        return Err(ImageError::Truncated { format: FORMAT });
    }
    Ok(whole(height, width))
}

/// How the picture is to be turned, by its tag or, where there is none, by its XMP data; 1 is not at all.
pub(super) fn orientation(bytes: &[u8], limits: &Limits) -> u16 {
    const XMP: Tag = Tag::Unknown(700);
    let Ok(mut decoder) = open(bytes, limits) else { return 1 };
    match decoder.find_tag_unsigned(Tag::Orientation) {
        Ok(None) => decoder.get_tag_u8_vec(XMP).ok().and_then(|xmp| of_xmp(&xmp)).unwrap_or(1),
        found => found.ok().flatten().unwrap_or(1),
    }
}

/// The digit of `tiff:Orientation="6"` or `<tiff:Orientation>6<`.
fn of_xmp(xmp: &[u8]) -> Option<u16> {
    const NAME: &[u8] = b"tiff:Orientation";
    let rests = xmp.windows(NAME.len()).enumerate().filter(|(_, window)| *window == NAME);
    let mut digits = rests.filter_map(|(at, _)| {
        let rest = &xmp[at + NAME.len()..];
        let rest = rest.strip_prefix(b"=\"").or_else(|| rest.strip_prefix(b">"))?;
        rest.first().filter(|digit| digit.is_ascii_digit()).map(|digit| u16::from(digit - b'0'))
    });
    digits.next()
}

fn open<'b>(bytes: &'b [u8], limits: &Limits) -> Result<Decoder<Cursor<&'b [u8]>>, ImageError> {
    let mut bounds = Bounds::default();
    bounds.decoding_buffer_size = limits.max_pixels.saturating_mul(8);
    bounds.intermediate_buffer_size = bounds.decoding_buffer_size;
    Ok(Decoder::new(Cursor::new(bytes)).map_err(explain)?.with_limits(bounds))
}

/// A picture's size, and what its samples are.
struct Shape {
    height: usize,
    width: usize,
    colours: ColorType,
}

impl Shape {
    /// Converts as Pillow's `convert("RGB")`: levels beyond 0..=255 are clipped.
    fn append(&self, samples: &DecodingResult, out: &mut Vec<[u8; 4]>) -> Result<(), ImageError> {
        let gray = |level: u8| [level; 4];
        match (self.colours, samples) {
            (ColorType::Gray(bits @ (1 | 2 | 4)), DecodingResult::U8(packed)) => {
                let step = 255 / ((1 << bits) - 1);
                out.extend(self.unpack(packed, bits).map(|level| gray(level * step)));
            }
            (ColorType::Gray(_), DecodingResult::U8(levels)) => {
                out.extend(levels.iter().map(|level| gray(*level)));
            }
            (ColorType::Gray(_), DecodingResult::F32(levels)) => {
                out.extend(levels.iter().map(|level| gray(*level as u8)));
            }
            (ColorType::Gray(_), DecodingResult::F64(levels)) => {
                out.extend(levels.iter().map(|level| gray(*level as u8)));
            }
            (ColorType::Gray(_), DecodingResult::I32(levels)) => {
                out.extend(levels.iter().map(|level| gray((*level).clamp(0, 255) as u8)));
            }
            (ColorType::Gray(_), DecodingResult::I16(levels)) => {
                out.extend(levels.iter().map(|level| gray((*level).clamp(0, 255) as u8)));
            }
            (ColorType::Gray(_), DecodingResult::U32(levels)) => {
                out.extend(levels.iter().map(|level| gray((*level).min(255) as u8)));
            }
            (
                ColorType::GrayA(8) | ColorType::Multiband { bit_depth: 8, num_samples: 2 },
                DecodingResult::U8(levels),
            ) => out.extend(levels.chunks_exact(2).map(|pair| gray(pair[0]))),
            (ColorType::YCbCr(8), DecodingResult::U8(levels)) => {
                out.extend(levels.chunks_exact(3).map(|ycc| of_ycc([ycc[0], ycc[1], ycc[2]])));
            }
            (colours, samples) => {
                return Err(unsupported(words::colours(colours) + words::kind(samples)));
            }
        }
        Ok(())
    }

    /// Looks indices up; a palette holds all reds, then all greens, then all blues, in 16 bits.
    fn look_up(
        &self,
        samples: &DecodingResult,
        palette: &[u16],
        out: &mut Vec<[u8; 4]>,
    ) -> Result<(), ImageError> {
        let (DecodingResult::U8(packed), ColorType::Gray(bits @ (1 | 2 | 4 | 8))) = (samples, self.colours)
        else {
            return Err(unsupported(format!("a palette for {}", words::colours(self.colours))));
        };
        let colours = 1 << bits;
        if palette.len() < 3 * colours {
            return Err(ImageError::Corrupt { format: FORMAT, reason: "the palette is too short".into() });
        }
        let level = |at: usize| (palette[at] >> 8) as u8;
        let colour = |index: u8| {
            let index = usize::from(index);
            [level(index), level(colours + index), level(2 * colours + index), 0]
        };
        out.extend(self.unpack(packed, bits).map(colour));
        Ok(())
    }

    /// Samples of `bits` each, of which the first is in the highest bits; rows begin with a byte.
    fn unpack<'p>(&self, packed: &'p [u8], bits: u8) -> impl Iterator<Item = u8> + 'p {
        let (width, of_byte) = (self.width, usize::from(8 / bits));
        let mask = u8::MAX >> (8 - bits);
        let rows = packed.chunks_exact(width.div_ceil(of_byte)).take(self.height);
        rows.flat_map(move |row| {
            let shift = move |at: usize| (of_byte - 1 - at % of_byte) * usize::from(bits);
            (0..width).map(move |at| (row[at / of_byte] >> shift(at)) & mask)
        })
    }
}

/// JFIF's conversion, from full-range YCbCr.
fn of_ycc([y, cb, cr]: [u8; 3]) -> [u8; 4] {
    let (y, cb, cr) = (f32::from(y), f32::from(cb) - 128.0, f32::from(cr) - 128.0);
    // Casts to unsigned saturate.
    let level = |value: f32| (value + 0.5) as u8;
    [level(y + 1.402 * cr), level(y - 0.344_136 * cb - 0.714_136 * cr), level(y + 1.772 * cb), 0]
}

/// The file with another meaning of its samples.
fn with_meaning(bytes: &[u8], meaning: u8) -> Result<Vec<u8>, ImageError> {
    let mut changed = bytes.to_vec();
    let value = short_at(bytes, Tag::PhotometricInterpretation.to_u16())
        .filter(|value| value.start < value.end && value.end <= bytes.len());
    let Some(value) = value else { return Err(ImageError::Truncated { format: FORMAT }) };
    let last = if bytes.starts_with(b"MM") { value.end - 1 } else { value.start };
    changed[value].fill(0);
    changed[last] = meaning;
    Ok(changed)
}

fn unsupported(feature: String) -> ImageError {
    ImageError::Unsupported { format: FORMAT, feature }
}

/// Names what the `image` crate does not take.
pub(super) fn feature(kind: &UnsupportedErrorKind) -> String {
    match kind {
        UnsupportedErrorKind::Color(colours) => format!("{colours:?} pixels"),
        UnsupportedErrorKind::GenericFeature(text) => plain(text),
        other => format!("{other:?}"),
    }
}

/// A description without a verdict behind it.
fn plain(text: &str) -> String {
    text.trim_end_matches(" is unsupported").trim_end_matches(" is not supported").to_owned()
}

fn explain(error: TiffError) -> ImageError {
    match error {
        TiffError::IoError(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
            ImageError::Truncated { format: FORMAT }
        }
        TiffError::UnsupportedError(error) => unsupported(words::unsupported(&error)),
        error => ImageError::Corrupt { format: FORMAT, reason: error.to_string() },
    }
}
