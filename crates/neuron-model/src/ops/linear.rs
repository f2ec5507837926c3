use neuron_geometry::Window;
use neuron_kernels::{Bf16Output, ConvGeometry};
use serde::{Deserialize, Serialize};

use super::host::{Backward, Bf16Forward, Forward, HostOp, Pool, Signal};
use super::op::{Op, Saves, TensorSpec};
use super::product::{self, Sliding};
use crate::error::ShapeError;
use crate::prepared::{Choice, Part};
use crate::rule::Rule;
use crate::value::{Keep, Shape};

/// A fully connected layer, at every position by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Linear {
    /// Channels of the input.
    pub in_features: usize,
    /// Channels of the output.
    pub out_features: usize,
    /// Its tensors.
    pub stored: Stored,
}

/// How weights hold a fully connected layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Stored {
    /// As `weight` `[out_features, in_features]` and `bias` `[out_features]`.
    WithBias,
    /// As `weight` `[out_features, in_features]` alone.
    WithoutBias,
    /// As a matrix `[in_features, out_features]` whose name ends so, without bias.
    Transposed(#[serde(deserialize_with = "super::names::deserialize")] super::Suffix),
}

impl Linear {
    /// One with a bias.
    pub fn new(in_features: usize, out_features: usize) -> Self {
        Self { in_features, out_features, stored: Stored::WithBias }
    }

    /// The convolution that it is.
    fn geometry(&self) -> ConvGeometry {
        let (in_channels, out_channels) = (self.in_features, self.out_features);
        ConvGeometry { in_channels, out_channels, groups: 1, window: Window::square(1, 1, 0) }
    }
}

impl Op for Linear {
    fn shape(&self, inputs: &[Shape]) -> Result<Shape, ShapeError> {
        let (expected, found) = (self.in_features, inputs[0].channels);
        if expected != found {
            return Err(ShapeError::Channels { expected, found });
        }
        Ok(Shape { channels: self.out_features, ..inputs[0] })
    }

    fn channels(&self, _: &[usize]) -> usize {
        self.out_features
    }

    fn tensors(&self) -> Vec<TensorSpec> {
        let weight = TensorSpec { suffix: "weight", shape: vec![self.out_features, self.in_features] };
        match self.stored {
            Stored::WithBias => vec![weight, TensorSpec { suffix: "bias", shape: vec![self.out_features] }],
            Stored::WithoutBias => vec![weight],
            Stored::Transposed(suffix) => {
                vec![TensorSpec { suffix, shape: vec![self.in_features, self.out_features] }]
            }
        }
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
        Some(self.geometry())
    }
}

impl HostOp for Linear {
    fn forward(&self, call: &Forward<'_>, output: &mut [f32], _: Option<&mut [u8]>) {
        Sliding { weights: call.weights, geometry: self.geometry() }.forward(
            call,
            Choice::part(Part::Raw),
            output,
        );
    }

    fn forward_in_bf16(&self, call: &Bf16Forward<'_>, output: Bf16Output<'_>) {
        Sliding { weights: call.weights, geometry: self.geometry() }.forward_in_bf16(call, output);
    }

    fn backward(&self, call: &Backward<'_>, signal: Signal, pool: &mut Pool) -> Vec<Signal> {
        Sliding { weights: call.weights, geometry: self.geometry() }.backward(call, signal, pool)
    }
}
