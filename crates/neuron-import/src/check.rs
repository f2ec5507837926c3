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
    /// The largest difference in units of the largest recorded magnitude; `None` if the shapes differ.
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
    let greatest = |tensor: &Tensor| tensor.abs()?.flatten_all()?.max(0)?.to_scalar::<f32>().map(f64::from);
    let difference = greatest(&(found - &arranged)?)?;
    Ok(Some(difference / greatest(&arranged)?.max(f64::from(f32::MIN_POSITIVE))))
}
