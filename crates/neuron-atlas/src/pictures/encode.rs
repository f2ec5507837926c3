use std::io::{self, Cursor};

use image::codecs::jpeg::JpegEncoder;
use image::codecs::webp::WebPEncoder;
use image::{ExtendedColorType, ImageEncoder, RgbaImage};
use neuron_data::{Interpolation, Rgb8Image, resize_rgb8};

/// Quality of JPEG files. No colour is subsampled, and at the sizes that are shown more cannot be seen.
const QUALITY: u8 = 64;

/// A picture that is no larger than `side` in either direction; it is never enlarged.
pub(super) fn fit(image: Rgb8Image, side: usize) -> Rgb8Image {
    let longest = image.height.max(image.width);
    if longest <= side {
        return image;
    }
    let scaled = |length: usize| ((length * side + longest / 2) / longest).max(1);
    resize_rgb8(&image, scaled(image.height), scaled(image.width), Interpolation::Bilinear)
}

/// The bytes of a JPEG file.
pub(super) fn jpeg(image: &Rgb8Image) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let encoder = JpegEncoder::new_with_quality(&mut bytes, QUALITY);
    let (width, height) = (image.width as u32, image.height as u32);
    let written = encoder.write_image(&image.pixels, width, height, ExtendedColorType::Rgb8);
    written.map_err(io::Error::other)?;
    Ok(bytes)
}

/// The bytes of a lossless WebP file; what cannot be seen is made the same everywhere, which is smaller.
pub(super) fn webp(mut image: RgbaImage) -> io::Result<Vec<u8>> {
    for pixel in image.pixels_mut() {
        if pixel.0[3] == 0 {
            pixel.0 = [0; 4];
        }
    }
    let mut bytes = Cursor::new(Vec::new());
    let encoder = WebPEncoder::new_lossless(&mut bytes);
    let written = encoder.write_image(&image, image.width(), image.height(), ExtendedColorType::Rgba8);
    written.map_err(io::Error::other)?;
    Ok(bytes.into_inner())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_shrink_to_fit_and_never_grow() {
        let image = |height, width| Rgb8Image { height, width, pixels: vec![7; height * width * 3] };
        let size = |image: Rgb8Image| (image.height, image.width);
        assert_eq!(size(fit(image(300, 400), 200)), (150, 200));
        assert_eq!(size(fit(image(30, 40), 200)), (30, 40));
        assert_eq!(size(fit(image(1, 1000), 100)), (1, 100));
    }
}
