//! What a TIFF holds, in plain words.

use tiff::decoder::DecodingResult;
use tiff::tags::{CompressionMethod, PhotometricInterpretation};
use tiff::{ColorType, TiffUnsupportedError};

/// `gray of 16 bits`.
pub(super) fn colours(colours: ColorType) -> String {
    let kind = match colours {
        ColorType::Gray(_) => "gray",
        ColorType::RGB(_) => "RGB",
        ColorType::Palette(_) => "a palette",
        ColorType::GrayA(_) => "gray with alpha",
        ColorType::RGBA(_) => "RGB with alpha",
        ColorType::CMYK(_) => "CMYK",
        ColorType::CMYKA(_) => "CMYK with alpha",
        ColorType::YCbCr(_) => "YCbCr",
        ColorType::Lab(_) => "CIELab",
        ColorType::Multiband { bit_depth, num_samples } => {
            return format!("{num_samples} samples of {bit_depth} bits a pixel");
        }
        _ => return "colours of an unknown kind".to_owned(),
    };
    format!("{kind} of {} bits", colours.bit_depth())
}

/// What samples are, as in `gray of 16 bits as floats`.
pub(super) fn kind(samples: &DecodingResult) -> &'static str {
    match samples {
        DecodingResult::F16(_) | DecodingResult::F32(_) | DecodingResult::F64(_) => " as floats",
        DecodingResult::I8(_) | DecodingResult::I16(_) | DecodingResult::I32(_) | DecodingResult::I64(_) => {
            " with a sign"
        }
        _ => "",
    }
}

/// What a decoder does not take.
pub(super) fn unsupported(error: &TiffUnsupportedError) -> String {
    use TiffUnsupportedError as Error;
    match error {
        Error::FloatingPointPredictor(of) | Error::HorizontalPredictor(of) => {
            format!("a predictor for {}", colours(*of))
        }
        Error::UnsupportedColorType(of) => colours(*of),
        Error::InconsistentBitsPerSample(bits) => format!("samples of {} bits", listed(bits)),
        Error::InterpretationWithBits(of, bits) => format!("{} of {} bits", meaning(*of), listed(bits)),
        Error::UnsupportedInterpretation(of) => meaning(*of).to_owned(),
        Error::UnsupportedCompressionMethod(method) => compression(*method),
        Error::UnknownCompressionMethod => "an unknown compression".to_owned(),
        Error::UnknownInterpretation => "colours of an unknown kind".to_owned(),
        Error::UnsupportedSampleDepth(samples) => format!("{samples} samples a pixel"),
        Error::UnsupportedSampleFormat(_) => "samples of several or unknown kinds".to_owned(),
        Error::UnsupportedBitsPerChannel(bits) => format!("{bits} bits a sample"),
        Error::UnsupportedPlanarConfig(_) => "an unknown order of planes".to_owned(),
        Error::UnsupportedDataType => "an unknown type of numbers".to_owned(),
        Error::ChromaSubsampling => "subsampled YCbCr".to_owned(),
        Error::MisalignedTileBoundaries => "tiles whose rows do not begin with a byte".to_owned(),
        _ => "a feature that is not known here".to_owned(),
    }
}

fn meaning(meaning: PhotometricInterpretation) -> &'static str {
    use PhotometricInterpretation as Meaning;
    match meaning {
        Meaning::WhiteIsZero => "inverted gray",
        Meaning::BlackIsZero => "gray",
        Meaning::RGB => "RGB",
        Meaning::RGBPalette => "a palette",
        Meaning::TransparencyMask => "a mask of transparency",
        Meaning::CMYK => "CMYK",
        Meaning::YCbCr => "YCbCr",
        Meaning::CIELab | Meaning::IccLab | Meaning::ItuLab => "CIELab",
        _ => "colours of an unknown kind",
    }
}

fn compression(method: CompressionMethod) -> String {
    let name = match method.to_u16() {
        2 => "group 3 (Huffman)",
        3 => "group 3 fax",
        4 => "group 4 fax",
        6 => "old-style JPEG",
        34_661 => "JBIG",
        34_712 => "JPEG 2000",
        34_887 => "LERC",
        34_925 => "LZMA",
        50_000 => "ZSTD",
        50_001 => "WebP",
        50_002 => "JPEG XL",
        other => return format!("compression number {other}"),
    };
    format!("{name} compression")
}

/// `8`, or `8, 8, 4`.
fn listed(bits: &[u8]) -> String {
    let alike = bits.windows(2).all(|pair| pair[0] == pair[1]);
    let shown = if alike { &bits[..bits.len().min(1)] } else { bits };
    shown.iter().map(u8::to_string).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_supported_is_told_in_words() {
        let method = CompressionMethod::from_u16_exhaustive;
        for (error, expected) in [
            (TiffUnsupportedError::UnsupportedCompressionMethod(method(34_925)), "LZMA compression"),
            (TiffUnsupportedError::UnsupportedCompressionMethod(method(3)), "group 3 fax compression"),
            (TiffUnsupportedError::UnsupportedCompressionMethod(method(777)), "compression number 777"),
            (TiffUnsupportedError::InconsistentBitsPerSample(vec![5, 6, 5]), "samples of 5, 6, 5 bits"),
            (
                TiffUnsupportedError::InterpretationWithBits(PhotometricInterpretation::CIELab, vec![8; 3]),
                "CIELab of 8 bits",
            ),
            (
                TiffUnsupportedError::UnsupportedColorType(ColorType::Multiband {
                    bit_depth: 8,
                    num_samples: 2,
                }),
                "2 samples of 8 bits a pixel",
            ),
        ] {
            assert_eq!(unsupported(&error), expected);
        }
    }
}
