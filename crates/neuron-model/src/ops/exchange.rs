use neuron_geometry::ReceptiveField;
use serde::{Deserialize, Serialize};

use super::host::{Backward, Forward, HostOp, Pool, Signal};
use super::moves::{self, Moves};
use super::op::{Op, Saves, grid_of};
use crate::error::ShapeError;
use crate::rule::Rule;
use crate::value::{Keep, Shape};

/// Positions as channels and channels as positions, for layers along positions (Tolstikhin et al., "MLP-Mixer", NeurIPS 2021).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exchange {
    /// Height and width of the map that comes in; it fixes the size of the image.
    pub from: [usize; 2],
    /// Height and width of the map that comes out: as many positions as channels come in.
    pub to: [usize; 2],
}

impl Op for Exchange {
    fn shape(&self, inputs: &[Shape]) -> Result<Shape, ShapeError> {
        let (channels, found) = grid_of(inputs[0])?;
        let [from, to] = [self.from, self.to].map(|[height, width]| height * width);
        if channels != to {
            return Err(ShapeError::Channels { expected: to, found: channels });
        }
        if found != self.from {
            return Err(ShapeError::Grid { expected: self.from, found });
        }
        Ok(Shape::grid(from, self.to[0], self.to[1]))
    }

    fn channels(&self, _: &[usize]) -> usize {
        self.from[0] * self.from[1]
    }

    fn field(&self, _: ReceptiveField) -> Option<ReceptiveField> {
        None
    }

    fn only_grid(&self) -> Option<[usize; 2]> {
        Some(self.from)
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

impl Moves for Exchange {
    fn source(
        &self,
        _: [usize; 3],
        _: [usize; 3],
        position: usize,
        channel: usize,
    ) -> Option<(usize, usize)> {
        Some((channel, position))
    }
}

impl HostOp for Exchange {
    fn forward(&self, call: &Forward<'_>, output: &mut [f32], _: Option<&mut [u8]>) {
        moves::forward(self, call, output);
    }

    fn backward(&self, call: &Backward<'_>, signal: Signal, pool: &mut Pool) -> Vec<Signal> {
        moves::backward(self, call, signal, pool)
    }
}
