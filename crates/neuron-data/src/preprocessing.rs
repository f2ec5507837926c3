use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::error::DataError;
use crate::geometry::CropGeometry;
use crate::resize::Interpolation;

/// How a picture becomes the input of a network; belongs to the weights, which were trained with it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Preprocessing {
    /// Length of the shorter side after the resize, in pixels. Default 256.
    pub resize: usize,
    /// Side of the square cut from the centre, in pixels; at most `resize`. Default 224.
    pub crop: usize,
    /// Filter of the resize. Default bilinear.
    pub interpolation: Interpolation,
    /// Subtracted from each colour (red, green, blue; from 0 to 1). Default (0.485, 0.456, 0.406).
    pub mean: [f32; 3],
    /// Divides each colour after that; above 0, at most 1. Default (0.229, 0.224, 0.225).
    pub std: [f32; 3],
}

impl Default for Preprocessing {
    fn default() -> Self {
        Self {
            resize: 256,
            crop: 224,
            interpolation: Interpolation::Bilinear,
            mean: [0.485, 0.456, 0.406],
            std: [0.229, 0.224, 0.225],
        }
    }
}

impl Preprocessing {
    /// The metadata's keys that a preprocessing is made of.
    pub const KEYS: [&'static str; 5] = ["resize", "crop", "interpolation", "mean", "std"];

    /// Those of [`Preprocessing::KEYS`] that the metadata do not say: their defaults are assumed.
    pub fn missing_from(metadata: &BTreeMap<String, String>) -> Vec<&'static str> {
        Self::KEYS.into_iter().filter(|key| !metadata.contains_key(*key)).collect()
    }

    /// Reads `resize`, `crop`, `interpolation`, `mean` and `std` from a safetensors file's metadata.
    ///
    /// Numbers are decimal, lists are JSON arrays or comma-separated; what is absent keeps its default.
    ///
    /// # Errors
    /// [`DataError::Metadata`] if a value cannot be understood, a mean or a divisor is not in units of 0..1, or the
    /// crop exceeds the resize.
    pub fn from_metadata(metadata: &BTreeMap<String, String>) -> Result<Self, DataError> {
        let mut preprocessing = Self::default();
        if let Some(value) = metadata.get("resize") {
            preprocessing.resize = parse_side("resize", value)?;
        }
        if let Some(value) = metadata.get("crop") {
            preprocessing.crop = parse_side("crop", value)?;
        }
        if preprocessing.crop > preprocessing.resize {
            let value = format!("{} (resize {})", preprocessing.crop, preprocessing.resize);
            return Err(DataError::Metadata { key: "crop", value, expected: "at most resize" });
        }
        if let Some(value) = metadata.get("interpolation") {
            preprocessing.interpolation = Interpolation::parse(value).ok_or_else(|| DataError::Metadata {
                key: "interpolation",
                value: value.clone(),
                expected: "bilinear or bicubic",
            })?;
        }
        if let Some(value) = metadata.get("mean") {
            preprocessing.mean = parse_colours("mean", value, |mean| (0.0..=1.0).contains(&mean))?;
        }
        if let Some(value) = metadata.get("std") {
            preprocessing.std = parse_colours("std", value, |std| std > 0.0 && std <= 1.0)?;
        }
        Ok(preprocessing)
    }

    /// The metadata that [`Preprocessing::from_metadata`] reads it from.
    pub fn metadata(&self) -> BTreeMap<String, String> {
        let list = |values: &[f32; 3]| values.map(|value| value.to_string()).join(",");
        let values = [
            self.resize.to_string(),
            self.crop.to_string(),
            self.interpolation.name().to_owned(),
            list(&self.mean),
            list(&self.std),
        ];
        Self::KEYS.iter().map(|key| (*key).to_owned()).zip(values).collect()
    }

    /// Where the crop lies in a picture of this size.
    ///
    /// # Panics
    /// If a side is 0.
    pub fn geometry(&self, height: usize, width: usize) -> CropGeometry {
        CropGeometry::new(height, width, self.resize, self.crop)
    }

    /// Bytes of one crop: `crop * crop * 3`.
    pub fn crop_bytes(&self) -> usize {
        self.crop * self.crop * 3
    }

    /// What [`Preprocessing::normalize_into`] writes for each byte of red, green and blue.
    pub fn lookup_table(&self) -> [[f32; 256]; 3] {
        let values = |channel: usize| {
            std::array::from_fn(|byte| (byte as f32 / 255.0 - self.mean[channel]) / self.std[channel])
        };
        std::array::from_fn(values)
    }

    /// As [`Preprocessing::normalize_into`], into memory of its own.
    ///
    /// # Panics
    /// If the length is no multiple of 3.
    pub fn normalize(&self, pixels: &[u8]) -> Vec<f32> {
        let mut out = vec![0.0; pixels.len()];
        self.normalize_into(pixels, &mut out);
        out
    }

    /// `(pixel / 255 - mean) / std`, in f32 and in this order of operations, as torchvision computes it.
    ///
    /// # Shapes
    /// * `pixels`: `[.., 3]` RGB, interleaved
    /// * `out`: the same number of values
    ///
    /// # Panics
    /// If the lengths differ or are no multiple of 3.
    pub fn normalize_into(&self, pixels: &[u8], out: &mut [f32]) {
        assert_eq!(pixels.len(), out.len(), "one value for each byte");
        assert_eq!(pixels.len() % 3, 0, "three colours for each pixel");
        let tables = self.lookup_table();
        for (out, rgb) in out.chunks_exact_mut(3).zip(pixels.chunks_exact(3)) {
            for ((out, &byte), table) in out.iter_mut().zip(rgb).zip(&tables) {
                *out = table[usize::from(byte)];
            }
        }
    }
}

fn parse_side(key: &'static str, value: &str) -> Result<usize, DataError> {
    let side = value.trim().parse().ok().filter(|side| (1..=MAX_SIDE).contains(side));
    side.ok_or_else(|| DataError::Metadata {
        key,
        value: value.into(),
        expected: "a number of pixels, 1 to 16384",
    })
}

/// Keeps every product of lengths far from overflow.
const MAX_SIDE: usize = 16_384;

fn parse_colours(key: &'static str, value: &str, valid: fn(f32) -> bool) -> Result<[f32; 3], DataError> {
    let numbers = value.trim().trim_matches(['[', ']', '(', ')']).split(',');
    let numbers: Option<Vec<f32>> =
        numbers.map(|number| number.trim().parse().ok().filter(|&number| valid(number))).collect();
    let colours = numbers.and_then(|numbers| match numbers[..] {
        [grey] => Some([grey; 3]),
        ref colours => <[f32; 3]>::try_from(colours).ok(),
    });
    colours.ok_or_else(|| DataError::Metadata {
        key,
        value: value.into(),
        expected: "three numbers from 0 to 1 (`std` above 0), such as 0.5,0.5,0.5, or one for all colours; divide those of \
                   0..255 by 255",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metadata(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|&(key, value)| (key.to_owned(), value.to_owned())).collect()
    }

    #[test]
    fn absent_keys_keep_their_default() {
        let found = Preprocessing::from_metadata(&metadata(&[("arch", "resnet50")])).unwrap();
        assert_eq!(found, Preprocessing::default());
        let missing =
            Preprocessing::missing_from(&metadata(&[("mean", "0,0,0"), ("resize", "256"), ("x", "y")]));
        assert_eq!(missing, ["crop", "interpolation", "std"]);
    }

    #[test]
    fn both_ways_to_write_a_list_are_read() {
        let written = [("mean", "[0.5, 0.25, 0.125]"), ("std", "0.25"), ("crop", "288"), ("resize", "320")];
        let found = Preprocessing::from_metadata(&metadata(&written)).unwrap();
        assert_eq!((found.mean, found.std), ([0.5, 0.25, 0.125], [0.25; 3]));
        assert_eq!((found.crop, found.resize), (288, 320));
    }

    #[test]
    fn nonsense_is_an_error_that_names_the_key() {
        let cases = [
            ("mean", "0.5,0.5"),
            ("std", "1,0,1"),
            ("std", "1,nan,1"),
            ("mean", "127.5,127.5,127.5"),
            ("mean", "-0.5,0.5,0.5"),
            ("mean", "nan,0,0"),
            ("std", "58.395,57.12,57.375"),
            ("crop", "0"),
            ("crop", "300"),
            ("resize", "many"),
            ("interpolation", "magic"),
        ];
        for (key, value) in cases {
            let error = Preprocessing::from_metadata(&metadata(&[(key, value)])).unwrap_err();
            assert!(error.to_string().contains(key), "{error}");
        }
    }

    #[test]
    fn normalisation_follows_the_definition() {
        let preprocessing = Preprocessing::default();
        let mut out = [0.0; 6];
        preprocessing.normalize_into(&[0, 128, 255, 7, 8, 9], &mut out);
        assert_eq!(out[0], (0.0 - 0.485) / 0.229);
        assert_eq!(out[1], (128.0 / 255.0 - 0.456) / 0.224);
        assert_eq!(out[2], (1.0 - 0.406) / 0.225);
        assert_eq!(out[5], (9.0 / 255.0 - 0.406) / 0.225);
    }
}
