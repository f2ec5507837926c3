//! A network's values beside recorded ones.

use std::collections::HashMap;
use std::path::Path;

use candle_core::{DType, Tensor};
use neuron_model::Network;

use crate::error::ImportError;

/// The image among recorded values.
const INPUT: &str = "input";

/// How far a layer's values are from recorded ones.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// The layer.
    pub layer: String,
    /// The largest difference in units of the largest recorded magnitude, infinite where one of two values is not finite; `None`
    /// if the shapes differ.
    pub largest: Option<f64>,
}

/// Runs a network on a recorded input, and compares what it computes with the other tensors of the file, which have the
/// names of taps.
///
/// # Shapes
/// * `input`: `[items, 3, height, width]`, as the network reads it; grey images may have one channel
/// * the others: as the network's author has them; channels may be last, or the only axis beside that of items
///
/// # Errors
/// [`ImportError::NotRecorded`] if the file is no safetensors file with an `input`, [`ImportError::Model`] if the network
/// cannot be run on it.
pub fn check(network: &Network, path: &Path) -> Result<Vec<Difference>, ImportError> {
    let wrong = |what: String| ImportError::NotRecorded { path: path.into(), what };
    let words =
        |error: candle_core::Error| wrong(error.to_string().lines().next().unwrap_or_default().to_owned());
    let mut values = candle_core::safetensors::load(path, &candle_core::Device::Cpu).map_err(words)?;
    let input = values.remove(INPUT).ok_or_else(|| wrong(format!("it holds no tensor called {INPUT}")))?;
    let input = input.to_dtype(DType::F32).and_then(in_colours).map_err(words)?;
    let mut names: Vec<&String> = values.keys().filter(|name| network.tap(name).is_ok()).collect();
    names.sort();
    if names.is_empty() {
        return Err(wrong("none of its tensors is called as a layer, or `output`".to_owned()));
    }
    let found = network.activations(&input, &names.iter().map(|name| name.as_str()).collect::<Vec<_>>())?;
    let found: HashMap<&String, Tensor> = names.iter().copied().zip(found).collect();
    let difference = |name: &&String| Difference {
        layer: (**name).clone(),
        largest: largest(&values[*name], &found[*name]).ok().flatten(),
    };
    Ok(names.iter().map(difference).collect())
}

/// How far two values are apart: without an end where only one of them is a number, or is finite.
fn distance(expected: f32, found: f32) -> f64 {
    let are_same = expected == found || expected.is_nan() && found.is_nan();
    let apart = f64::from(expected) - f64::from(found);
    match are_same {
        true => 0.0,
        false if apart.is_finite() => apart.abs(),
        false => f64::INFINITY,
    }
}

/// Grey images as coloured ones, whose channels are alike.
fn in_colours(images: Tensor) -> candle_core::Result<Tensor> {
    match *images.dims() {
        [items, 1, height, width] => images.broadcast_as((items, 3, height, width))?.contiguous(),
        _ => Ok(images),
    }
}

/// The largest difference in units of the largest magnitude; `None` if the shapes cannot be brought together.
fn largest(expected: &Tensor, found: &Tensor) -> candle_core::Result<Option<f64>> {
    let dims = found.dims().to_vec();
    let expected = expected.to_dtype(DType::F32)?;
    // Positions that an author arranges in windows are in another order, even where there are as many.
    let of_items = expected.dims().first() == dims.first();
    let arranged = match expected.dims() {
        same if same == dims => expected,
        [_, _, _, _] => expected.permute((0, 3, 1, 2))?,
        [_, _, _] if of_items => expected.transpose(1, 2)?.contiguous()?.reshape(dims.clone())?,
        [_, _] if of_items => expected.reshape(dims.clone())?,
        _ => return Ok(None),
    };
    if arranged.dims() != dims {
        return Ok(None);
    }
    let numbers = |tensor: &Tensor| tensor.flatten_all()?.to_vec1::<f32>();
    let (expected, found) = (numbers(&arranged)?, numbers(found)?);
    let finite = expected.iter().map(|value| f64::from(value.abs())).filter(|value| value.is_finite());
    let magnitude = finite.fold(f64::from(f32::MIN_POSITIVE), f64::max);
    let apart = expected.iter().zip(&found).map(|(expected, found)| distance(*expected, *found));
    Ok(Some(apart.fold(0.0, f64::max) / magnitude))
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;

    #[test]
    fn what_is_not_finite_is_as_far_as_can_be() {
        let tensor = |values: [f32; 3]| Tensor::new(&values, &Device::Cpu).unwrap();
        let between = |expected, found| largest(&tensor(expected), &tensor(found)).unwrap().unwrap();
        assert_eq!(between([4.0, -8.0, 0.0], [4.0, -7.0, 0.0]), 0.125);
        assert_eq!(between([1.0, 2.0, 3.0], [f32::NAN, 2.0, 3.0]), f64::INFINITY);
        assert_eq!(between([f32::NAN, 2.0, 3.0], [1.0, 2.0, 3.0]), f64::INFINITY);
        assert_eq!(between([1.0, 2.0, f32::INFINITY], [1.0, 2.0, 3.0]), f64::INFINITY);
        assert_eq!(between([f32::NAN, 2.0, 4.0], [f32::NAN, 2.0, 3.0]), 0.25);
    }
}
