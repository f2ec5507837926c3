use neuron_geometry::{ReceptiveField, Window};
use serde::{Deserialize, Serialize};

use super::host::{Backward, Forward, HostOp, Pool, Signal};
use super::moves::{self, Moves};
use super::op::{Op, Saves, grid_of};
use crate::error::ShapeError;
use crate::rule::Rule;
use crate::value::{Keep, Shape};

/// The channels of each `side x side` positions as those of one, row by row (torch's `PixelUnshuffle`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpaceToDepth {
    /// Rows and columns that become one.
    pub side: usize,
    /// Whether the places of one channel are neighbours, else the channels of one place.
    pub channels_first: bool,
}

impl Op for SpaceToDepth {
    fn shape(&self, inputs: &[Shape]) -> Result<Shape, ShapeError> {
        let (channels, [height, width]) = grid_of(inputs[0])?;
        let side = self.side;
        if side == 0 || !height.is_multiple_of(side) || !width.is_multiple_of(side) {
            return Err(ShapeError::Windows { side, height, width });
        }
        Ok(Shape::grid(channels * side * side, height / side, width / side))
    }

    fn channels(&self, inputs: &[usize]) -> usize {
        inputs.first().copied().unwrap_or(0).saturating_mul(self.side).saturating_mul(self.side)
    }

    fn field(&self, input: ReceptiveField) -> Option<ReceptiveField> {
        Some(input.then(Window::square(self.side, self.side, 0)))
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

impl Moves for SpaceToDepth {
    fn source(
        &self,
        input: [usize; 3],
        output: [usize; 3],
        position: usize,
        channel: usize,
    ) -> Option<(usize, usize)> {
        let (side, places) = (self.side, self.side * self.side);
        let (of, place) = if self.channels_first {
            (channel / places, channel % places)
        } else {
            (channel % input[2], channel / input[2])
        };
        let y = position / output[1] * side + place / side;
        let x = position % output[1] * side + place % side;
        Some((y * input[1] + x, of))
    }
}

impl HostOp for SpaceToDepth {
    fn forward(&self, call: &Forward<'_>, output: &mut [f32], _: Option<&mut [u8]>) {
        moves::forward(self, call, output);
    }

    fn backward(&self, call: &Backward<'_>, signal: Signal, pool: &mut Pool) -> Vec<Signal> {
        moves::backward(self, call, signal, pool)
    }
}
