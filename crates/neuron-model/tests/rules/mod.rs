//! Weights and images that follow from names and indices: what the reference data on other networks than ResNet-50 were
//! computed with, so that they need neither files of weights nor photos.

#[allow(dead_code, reason = "some tests need the rule alone")]
pub(crate) mod designs;
#[allow(dead_code, reason = "some tests need the rule alone")]
pub(crate) mod golden;

use std::collections::BTreeMap;
use std::thread;

use neuron_model::weights::WeightTensor;
use neuron_model::{Graph, Weights};

/// Fowler, Noll and Vo's hash.
pub(crate) fn fnv1a64(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

/// The output function of SplitMix64 (Steele et al., "Fast Splittable Pseudorandom Number Generators", OOPSLA 2014).
pub(crate) fn splitmix64(x: u64) -> u64 {
    let z = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// A number in 0..1 of 24 bits.
fn fraction(start: u64, index: usize) -> f32 {
    (splitmix64(start.wrapping_add(index as u64)) >> 40) as f32 * 2f32.powi(-24)
}

/// What a tensor's name and shape make of a number in 0..1; every operation is rounded to f32.
fn value(name: &str, shape: &[usize], constant: f64) -> Box<dyn Fn(f32) -> f32 + Sync> {
    match name.rsplit('.').next() {
        Some("weight" | "in_proj_weight") if shape.len() >= 2 => {
            let fan_in: usize = shape[1..].iter().product();
            let bound = (constant / fan_in as f64).sqrt() as f32;
            Box::new(move |u| (2.0 * u - 1.0) * bound)
        }
        Some("weight" | "running_var" | "layer_scale") => Box::new(|u| 0.5 + u),
        Some("logit_scale") => Box::new(|u| 2.0 + 3.0 * u),
        _ => Box::new(|u| 0.2 * (2.0 * u - 1.0)),
    }
}

/// The tensor of that name and shape; the size of matrices is that of `constant`.
pub(crate) fn tensor(name: &str, shape: &[usize], constant: f64) -> Vec<f32> {
    let (start, value) = (fnv1a64(name.as_bytes()), value(name, shape, constant));
    let mut data = vec![0.0; shape.iter().product()];
    let part = data.len().div_ceil(thread::available_parallelism().map_or(1, Into::into)).max(1 << 16);
    thread::scope(|scope| {
        for (index, values) in data.chunks_mut(part).enumerate() {
            let value = &value;
            scope.spawn(move || {
                let numbered = (index * part..).zip(values);
                numbered.for_each(|(at, to)| *to = value(fraction(start, at)));
            });
        }
    });
    data
}

/// All tensors of a network.
pub(crate) fn weights(graph: &Graph, constant: f64, metadata: BTreeMap<String, String>) -> Weights {
    let tensors = graph.expected_tensors().into_iter().map(|(name, shape)| {
        let data = tensor(&name, &shape, constant);
        (name, WeightTensor::new(shape, data))
    });
    Weights::from_tensors(tensors.collect::<Vec<_>>(), metadata)
}

/// Image `index` of a seed, `[3, height, width]`: four octaves of value noise, in integers.
pub(crate) fn image(seed: u64, index: u64, [height, width]: [usize; 2]) -> Vec<u8> {
    let base = splitmix64(1000 * seed + index);
    let lattice = |octave: u64, colour: u64, row: usize, column: usize| {
        let colour = if octave == 0 { 0 } else { colour };
        let place = (octave << 48) + (colour << 40) + ((row as u64) << 20) + column as u64;
        i64::from((splitmix64(base.wrapping_add(place)) >> 56) as u8)
    };
    let mut image = Vec::with_capacity(3 * height * width);
    for (colour, y, x) in
        (0..3).flat_map(|c| (0..height).flat_map(move |y| (0..width).map(move |x| (c, y, x))))
    {
        let octave = |octave: u64| {
            let power = 6 - octave as usize;
            let (cell, row, column) = (1i64 << power, y >> power, x >> power);
            let (down, right) = ((y & ((1 << power) - 1)) as i64, (x & ((1 << power) - 1)) as i64);
            let corner = |j, i| lattice(octave, colour, row + j, column + i);
            let above = corner(0, 0) * (cell - right) + corner(0, 1) * right;
            let below = corner(1, 0) * (cell - right) + corner(1, 1) * right;
            (8 >> octave) * ((above * (cell - down) + below * down) >> (2 * power))
        };
        let sum: i64 = (0..4).map(octave).sum();
        image.push((2 * (sum / 15) - 128).clamp(0, 255) as u8);
    }
    image
}

/// What a network gets for an image: `(pixel / 255 - mean) / std`, `[3, height, width]`.
pub(crate) fn normalised(image: &[u8], mean: [f32; 3], std: [f32; 3]) -> Vec<f32> {
    let planes = image.chunks_exact(image.len() / 3).zip(mean).zip(std);
    let normalised = |pixel: &u8, mean: f32, std: f32| (f32::from(*pixel) / 255.0 - mean) / std;
    planes
        .flat_map(|((plane, mean), std)| plane.iter().map(move |pixel| normalised(pixel, mean, std)))
        .collect()
}
