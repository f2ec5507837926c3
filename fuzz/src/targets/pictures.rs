//! Pictures of every format but JPEG, whole and as a crop: both ways have to come to the same.

use neuron_data::{CropDecoder, ImageError, Limits, Preprocessing, decode_rgb8};

/// Small, so that a header cannot ask for much.
const MOST_PIXELS: usize = 1 << 20;
/// The crop lies within a part of most pictures.
const RESIZE: usize = 24;
const CROP: usize = 16;

/// A panic of the crates that decode these formats is caught, and told as an error.
pub(super) fn read(bytes: &[u8]) -> bool {
    !bytes.starts_with(b"\xff\xd8\xff") && decode(bytes).0
}

/// Whether a picture was decoded, and whether the decoder panicked.
pub(super) fn decode(bytes: &[u8]) -> (bool, bool) {
    let limits = Limits::of_pixels(MOST_PIXELS);
    let whole = decode_rgb8(bytes, &limits);
    let preprocessing = Preprocessing { resize: RESIZE, crop: CROP, ..Preprocessing::default() };
    let mut found = vec![0; preprocessing.crop_bytes()];
    let cropped = CropDecoder::new(preprocessing.clone(), limits).decode_crop(bytes, &mut found);
    match (&whole, &cropped) {
        (Ok(image), Ok(_)) => {
            assert_eq!(image.pixels.len(), image.height * image.width * 3);
            assert!(image.height * image.width <= MOST_PIXELS, "a picture is larger than the limit");
            let mut expected = vec![0; preprocessing.crop_bytes()];
            preprocessing.crop_into(image, &mut expected);
            assert_eq!(found, expected, "a crop depends on how it is decoded");
        }
        (Err(whole), Err(cropped)) => assert_eq!(whole.to_string(), cropped.to_string()),
        (whole, cropped) => {
            let whole = whole.as_ref().map(|image| (image.height, image.width));
            panic!("decoded as a whole: {whole:?}, as a crop: {cropped:?}");
        }
    }
    (whole.is_ok(), matches!(whole, Err(ImageError::Panicked)))
}
