use std::sync::Arc;

use neuron_geometry::ReceptiveField;
use neuron_kernels::{flatten_channels_first, unflatten_channels_first};
use serde::{Deserialize, Serialize};

use super::host::{Backward, Forward, HostOp, Pool, Signal};
use super::op::{Op, Saves};
use crate::error::ShapeError;
use crate::rule::Rule;
use crate::value::{Keep, Shape};

/// A map of a fixed size as the channels of one position, in the order of torch's `flatten`: all positions of the first
/// channel, then those of the second.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flatten {
    /// Height and width of the input.
    pub positions: [usize; 2],
}

impl Op for Flatten {
    fn shape(&self, inputs: &[Shape]) -> Result<Shape, ShapeError> {
        let Shape { channels, height, width, extra } = inputs[0];
        if extra > 0 {
            return Err(ShapeError::Extra { extra });
        }
        if [height, width] != self.positions {
            return Err(ShapeError::Grid { expected: self.positions, found: [height, width] });
        }
        Ok(Shape::grid(channels * height * width, 1, 1))
    }

    fn channels(&self, inputs: &[usize]) -> usize {
        let positions = self.positions[0].saturating_mul(self.positions[1]);
        inputs.first().copied().unwrap_or(0).saturating_mul(positions)
    }

    fn field(&self, _: ReceptiveField) -> Option<ReceptiveField> {
        None
    }

    /// Behind a pool whose output has that size, any image will do: it has no cells.
    fn only_grid(&self) -> Option<[usize; 2]> {
        Some(self.positions)
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

impl HostOp for Flatten {
    fn forward(&self, call: &Forward<'_>, output: &mut [f32], _: Option<&mut [u8]>) {
        flatten_channels_first(call.input, output);
    }

    fn backward(&self, call: &Backward<'_>, signal: Signal, pool: &mut Pool) -> Vec<Signal> {
        let size = call.sizes[0];
        let mut output = pool.take(size.len());
        unflatten_channels_first(&signal, size.height * size.width, size.channels, &mut output);
        pool.release(signal);
        vec![Arc::new(output)]
    }
}
