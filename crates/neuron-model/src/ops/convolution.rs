use std::sync::Arc;

use neuron_geometry::ReceptiveField;
use neuron_kernels::{Algorithm, Bf16Output, ConvGeometry};
use serde::{Deserialize, Serialize};

use super::host::{Backward, Bf16Forward, Forward, HostOp, Pool, Signal, Weighted};
use super::op::{Op, Saves, TensorSpec, grid_of};
use super::product::{self, Sliding};
use super::thinning::Thinning;
use crate::error::ShapeError;
use crate::prepared::{Choice, Part};
use crate::rule::Rule;
use crate::value::{Keep, Shape};

/// A convolution, in groups and with a bias where it says so.
///
/// Tensors: `weight` `[out_channels, in_channels / groups, kernel, kernel]`, `bias` `[out_channels]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Convolution {
    /// Its channels, and how it slides.
    pub geometry: ConvGeometry,
    /// Whether it has a bias.
    pub bias: bool,
}

impl Op for Convolution {
    fn shape(&self, inputs: &[Shape]) -> Result<Shape, ShapeError> {
        let (found, size) = grid_of(inputs[0])?;
        let ConvGeometry { in_channels: expected, out_channels, groups, window } = self.geometry;
        if expected != found {
            return Err(ShapeError::Channels { expected, found });
        }
        for channels in [expected, out_channels] {
            if groups == 0 || !channels.is_multiple_of(groups) {
                return Err(ShapeError::Groups { groups, channels });
            }
        }
        if window.ceil_mode {
            return Err(ShapeError::CeilMode);
        }
        let [height, width] = window.positions(size);
        Ok(Shape::grid(self.geometry.out_channels, height, width))
    }

    fn channels(&self, _: &[usize]) -> usize {
        self.geometry.out_channels
    }

    fn tensors(&self) -> Vec<TensorSpec> {
        let weight = TensorSpec { suffix: "weight", shape: self.geometry.weight_shape().to_vec() };
        let bias = TensorSpec { suffix: "bias", shape: vec![self.geometry.out_channels] };
        [Some(weight), self.bias.then_some(bias)].into_iter().flatten().collect()
    }

    fn field(&self, input: ReceptiveField) -> Option<ReceptiveField> {
        Some(input.then(self.geometry.window))
    }

    fn is_non_negative(&self, _: &[bool]) -> bool {
        false
    }

    fn saves(&self, keep: Keep) -> Saves {
        product::saves(keep)
    }

    fn knows(&self, rule: &Rule) -> bool {
        product::knows(rule)
    }

    fn sliding(&self) -> Option<ConvGeometry> {
        Some(self.geometry)
    }
}

impl Convolution {
    /// The kernel of a forward pass.
    pub(crate) fn prepared(
        &self,
        weights: Weighted<'_>,
        algorithm: Algorithm,
        thinning: Thinning,
    ) -> Arc<neuron_kernels::Convolution> {
        let Weighted { prepared, owner, .. } = weights;
        prepared.convolution(owner, thinning.of(self.geometry), self.choice(weights, algorithm))
    }

    fn choice<'a>(&self, weights: Weighted<'a>, algorithm: Algorithm) -> Choice<'a> {
        match weights.fold {
            // A value that is looked at below its norm, and always computed alike.
            None if !self.bias && algorithm != Algorithm::Wide => Choice::part(Part::Raw),
            fold => Choice { part: Part::Raw, fold, algorithm },
        }
    }
}

impl HostOp for Convolution {
    fn forward(&self, call: &Forward<'_>, output: &mut [f32], _: Option<&mut [u8]>) {
        let choice = self.choice(call.weights, call.algorithm);
        let geometry = call.thinning.of(self.geometry);
        Sliding { weights: call.weights, geometry }.forward(call, choice, output);
    }

    fn forward_in_bf16(&self, call: &Bf16Forward<'_>, output: Bf16Output<'_>) {
        let geometry = call.thinning.of(self.geometry);
        Sliding { weights: call.weights, geometry }.forward_in_bf16(call, output);
    }

    fn backward(&self, call: &Backward<'_>, signal: Signal, pool: &mut Pool) -> Vec<Signal> {
        Sliding { weights: call.weights, geometry: self.geometry }.backward(call, signal, pool)
    }
}
