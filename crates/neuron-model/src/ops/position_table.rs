use neuron_kernels::add_to_items;

use super::host::{Backward, Forward, HostOp, Pool, Signal};
use super::op::{Op, Saves, TensorSpec};
use crate::error::ShapeError;
use crate::rule::Rule;
use crate::value::{Keep, Shape};

/// A learned vector for every position, added to it (Dosovitskiy et al., ICLR 2021). It fixes the size of the image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PositionTable {
    /// Channels of every position.
    pub channels: usize,
    /// Extra positions that it holds, too.
    pub extra: usize,
    /// Height and width of its grid.
    pub grid: [usize; 2],
    /// The last part of the tensor's name.
    pub tensor: &'static str,
    /// Whether the tensor is `[1, positions, channels]`, else `[positions, channels]`.
    pub has_batch: bool,
}

impl Op for PositionTable {
    fn shape(&self, inputs: &[Shape]) -> Result<Shape, ShapeError> {
        let (expected, input) = (self.channels, inputs[0]);
        if expected != input.channels {
            return Err(ShapeError::Channels { expected, found: input.channels });
        }
        if input.extra != self.extra {
            return Err(ShapeError::Extra { extra: input.extra });
        }
        let found = [input.height, input.width];
        if found == self.grid { Ok(input) } else { Err(ShapeError::Grid { expected: self.grid, found }) }
    }

    fn tensors(&self) -> Vec<TensorSpec> {
        let table = vec![self.extra + self.grid[0] * self.grid[1], self.channels];
        let shape = if self.has_batch { [vec![1], table].concat() } else { table };
        vec![TensorSpec { suffix: self.tensor, shape }]
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

impl HostOp for PositionTable {
    fn forward(&self, call: &Forward<'_>, output: &mut [f32], _: Option<&mut [u8]>) {
        let table = call.weights.prepared.tensor(call.weights.owner, self.tensor);
        add_to_items(call.input, table, output);
    }

    fn backward(&self, _: &Backward<'_>, signal: Signal, _: &mut Pool) -> Vec<Signal> {
        vec![signal]
    }
}
