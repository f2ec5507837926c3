use neuron_geometry::ReceptiveField;
use serde::{Deserialize, Serialize};

use super::host::{Backward, Forward, HostOp, Pool, Signal};
use super::moves::{self, Moves};
use super::op::{Op, Saves, grid_of};
use crate::error::ShapeError;
use crate::rule::Rule;
use crate::value::{Keep, Shape};

/// A map with zeros between its positions: with a convolution behind it, a transposed convolution (Zeiler et al.,
/// "Deconvolutional Networks", CVPR 2010).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scatter {
    /// Distance of positions that were neighbours.
    pub stride: [usize; 2],
    /// Zeros below and at the right.
    pub after: [usize; 2],
}

impl Op for Scatter {
    fn shape(&self, inputs: &[Shape]) -> Result<Shape, ShapeError> {
        let (channels, size) = grid_of(inputs[0])?;
        let [height, width] = [0, 1].map(|axis| {
            (size[axis].max(1) - 1).saturating_mul(self.stride[axis]).saturating_add(1 + self.after[axis])
        });
        Ok(Shape::grid(channels, height, width))
    }

    /// Neighbours see different parts, or nothing.
    fn field(&self, _: ReceptiveField) -> Option<ReceptiveField> {
        None
    }

    fn is_non_negative(&self, inputs: &[bool]) -> bool {
        inputs[0]
    }

    fn saves(&self, _: Keep) -> Saves {
        Saves::default()
    }

    /// Every value gets its signal back, whatever the rule.
    fn knows(&self, _: &Rule) -> bool {
        true
    }
}

impl Moves for Scatter {
    fn source(
        &self,
        input: [usize; 3],
        output: [usize; 3],
        position: usize,
        channel: usize,
    ) -> Option<(usize, usize)> {
        let along = |axis: usize, at: usize| {
            let (from, stride) = (at / self.stride[axis], self.stride[axis]);
            (at.is_multiple_of(stride) && from < input[axis]).then_some(from)
        };
        let (y, x) = (along(0, position / output[1])?, along(1, position % output[1])?);
        Some((y * input[1] + x, channel))
    }
}

impl HostOp for Scatter {
    fn forward(&self, call: &Forward<'_>, output: &mut [f32], _: Option<&mut [u8]>) {
        moves::forward(self, call, output);
    }

    fn backward(&self, call: &Backward<'_>, signal: Signal, pool: &mut Pool) -> Vec<Signal> {
        moves::backward(self, call, signal, pool)
    }
}
