//! Pictures to train on: each is seen once, at a random scale and place.

use candle_core::{Device, Result, Tensor};
use neuron_data::{Interpolation, Preprocessing, Rgb8Image, resize_rgb8};
use neuron_demo::{Class, Dice, Picture};
use rayon::prelude::*;

/// The longest that a picture's shorter side gets, in crops: a crop then shows half of the picture.
const CLOSEST: f32 = 2.0;

/// One batch.
pub(crate) struct Batch {
    /// `[3, batch, crop, crop]`, normalised.
    pub(crate) images: Tensor,
    /// `[batch]`, numbers of classes.
    pub(crate) classes: Tensor,
}

/// The batch of a step: a picture for every item, the classes in turn.
pub(crate) fn batch(seed: u64, step: usize, len: usize, preprocessing: &Preprocessing) -> Result<Batch> {
    let first = step * len;
    let crops: Vec<Vec<u8>> =
        (first..first + len).into_par_iter().map(|item| crop(seed, item, preprocessing.crop)).collect();
    let crops = crops.concat();
    let mut values = vec![0f32; crops.len()];
    preprocessing.normalize_into(&crops, &mut values);
    let side = preprocessing.crop;
    let images = Tensor::from_vec(values, (len, side, side, 3), &Device::Cpu)?;
    let classes = (first..first + len).map(|item| class_of(item).number() as u32);
    Ok(Batch {
        images: images.permute((3, 0, 1, 2))?.contiguous()?,
        classes: Tensor::from_iter(classes, &Device::Cpu)?,
    })
}

fn class_of(item: usize) -> Class {
    Class::ALL[item % Class::ALL.len()]
}

/// A crop of a picture that no other item has, `[side, side, 3]`.
fn crop(seed: u64, item: usize, side: usize) -> Vec<u8> {
    let picture = Picture::draw(class_of(item), seed, item / Class::ALL.len());
    let image = Rgb8Image { height: picture.height, width: picture.width, pixels: picture.pixels };
    // Streams of pictures are far below: see `Picture::draw`.
    let mut dice = Dice::new(seed, (1 << 48) + item as u64);
    let shorter = side as f32 * CLOSEST.powf(dice.unit());
    let scale = shorter / image.height.min(image.width) as f32;
    let scaled = |length: usize| ((length as f32 * scale).round() as usize).max(side);
    let (height, width) = (scaled(image.height), scaled(image.width));
    let image = resize_rgb8(&image, height, width, Interpolation::Bilinear);
    let (top, left) = (dice.below(height - side + 1), dice.below(width - side + 1));
    let rows = (top..top + side).map(|row| &image.pixels[(row * width + left) * 3..][..side * 3]);
    rows.collect::<Vec<_>>().concat()
}
