use neuron_geometry::ReceptiveField;
use serde::{Deserialize, Serialize};

use super::host::{Backward, Forward, HostOp, Pool, Signal};
use super::moves::{self, Moves};
use super::op::{Op, Saves, grid_of};
use crate::error::ShapeError;
use crate::rule::Rule;
use crate::value::{Keep, Shape};

/// Channels as `side x side` positions (torch's `PixelShuffle`; Shi et al., "Real-Time Single Image and Video
/// Super-Resolution Using an Efficient Sub-Pixel Convolutional Neural Network", CVPR 2016).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DepthToSpace {
    /// Rows and columns that one position becomes.
    pub side: usize,
}

impl Op for DepthToSpace {
    fn shape(&self, inputs: &[Shape]) -> Result<Shape, ShapeError> {
        let (channels, [height, width]) = grid_of(inputs[0])?;
        let places = self.side.saturating_mul(self.side);
        if places == 0 || !channels.is_multiple_of(places) {
            return Err(ShapeError::Groups { groups: places, channels });
        }
        Ok(Shape::grid(channels / places, height * self.side, width * self.side))
    }

    fn channels(&self, inputs: &[usize]) -> usize {
        inputs.first().copied().unwrap_or(0) / self.side.saturating_mul(self.side).max(1)
    }

    /// Neighbours see the same.
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

impl Moves for DepthToSpace {
    fn source(
        &self,
        input: [usize; 3],
        output: [usize; 3],
        position: usize,
        channel: usize,
    ) -> Option<(usize, usize)> {
        let side = self.side;
        let (y, x) = (position / output[1], position % output[1]);
        let place = y % side * side + x % side;
        Some((y / side * input[1] + x / side, channel * side * side + place))
    }
}

impl HostOp for DepthToSpace {
    fn forward(&self, call: &Forward<'_>, output: &mut [f32], _: Option<&mut [u8]>) {
        moves::forward(self, call, output);
    }

    fn backward(&self, call: &Backward<'_>, signal: Signal, pool: &mut Pool) -> Vec<Signal> {
        moves::backward(self, call, signal, pool)
    }
}
