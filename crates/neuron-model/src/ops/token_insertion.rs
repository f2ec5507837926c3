use std::sync::Arc;

use neuron_geometry::ReceptiveField;
use neuron_kernels::{insert_positions, take_positions};
use serde::{Deserialize, Serialize};

use super::host::{Backward, Forward, HostOp, Pool, Signal};
use super::op::{Op, Saves, TensorSpec};
use crate::error::ShapeError;
use crate::rule::Rule;
use crate::value::{Keep, Shape};

/// Learned vectors as extra positions before the grid: class tokens (Dosovitskiy et al., "An Image is Worth 16x16 Words",
/// ICLR 2021), registers (Darcet et al., "Vision Transformers Need Registers", ICLR 2024).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenInsertion {
    /// Channels of every position.
    pub channels: usize,
    /// How many there are.
    pub count: usize,
    /// Extra positions that stay before them.
    pub at: usize,
    /// The last part of the tensor's name.
    #[serde(deserialize_with = "super::names::deserialize")]
    pub tensor: super::Suffix,
    /// Whether the tensor is `[1, count, channels]`, else `[channels]`, of one token.
    pub has_batch: bool,
}

impl Op for TokenInsertion {
    fn shape(&self, inputs: &[Shape]) -> Result<Shape, ShapeError> {
        let (expected, input) = (self.channels, inputs[0]);
        if expected != input.channels {
            return Err(ShapeError::Channels { expected, found: input.channels });
        }
        if input.extra < self.at {
            return Err(ShapeError::Extra { extra: input.extra });
        }
        Ok(Shape { extra: input.extra + self.count, ..input })
    }

    fn tensors(&self) -> Vec<TensorSpec> {
        let shape = if self.has_batch { vec![1, self.count, self.channels] } else { vec![self.channels] };
        vec![TensorSpec { suffix: self.tensor, shape }]
    }

    /// Of the grid's positions.
    fn field(&self, input: ReceptiveField) -> Option<ReceptiveField> {
        Some(input)
    }

    fn is_non_negative(&self, _: &[bool]) -> bool {
        false
    }

    fn saves(&self, _: Keep) -> Saves {
        Saves::default()
    }

    /// A constant takes nothing.
    fn knows(&self, _: &Rule) -> bool {
        true
    }
}

impl HostOp for TokenInsertion {
    fn forward(&self, call: &Forward<'_>, output: &mut [f32], _: Option<&mut [u8]>) {
        let tokens = call.weights.prepared.tensor(call.weights.owner, self.tensor);
        insert_positions(call.input, self.at, tokens, output);
    }

    fn backward(&self, call: &Backward<'_>, signal: Signal, pool: &mut Pool) -> Vec<Signal> {
        let mut output = pool.take(call.sizes[0].len());
        let kept = [0..self.at, self.at + self.count..call.output_size.height * call.output_size.width];
        take_positions(call.signal(&signal), &kept, &mut output);
        pool.release(signal);
        vec![Arc::new(output)]
    }
}
