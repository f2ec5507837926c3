use neuron_geometry::ReceptiveField;
use serde::{Deserialize, Serialize};

use super::host::{Backward, Forward, HostOp, Pool, Signal};
use super::moves::{self, Moves};
use super::op::{Op, Saves};
use crate::error::ShapeError;
use crate::rule::Rule;
use crate::value::{Keep, Shape};

/// The positions of a grid without the extra ones before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GridSelection {
    /// How many extra ones there are.
    pub extra: usize,
}

impl Op for GridSelection {
    fn shape(&self, inputs: &[Shape]) -> Result<Shape, ShapeError> {
        let Shape { channels, height, width, extra } = inputs[0];
        if extra == self.extra {
            Ok(Shape::grid(channels, height, width))
        } else {
            Err(ShapeError::Extra { extra })
        }
    }

    fn field(&self, input: ReceptiveField) -> Option<ReceptiveField> {
        Some(input)
    }

    fn is_non_negative(&self, inputs: &[bool]) -> bool {
        inputs[0]
    }

    fn saves(&self, _: Keep) -> Saves {
        Saves::default()
    }

    /// Every position gets its signal and the others none, whatever the rule.
    fn knows(&self, _: &Rule) -> bool {
        true
    }
}

impl Moves for GridSelection {
    fn source(
        &self,
        _: [usize; 3],
        _: [usize; 3],
        position: usize,
        channel: usize,
    ) -> Option<(usize, usize)> {
        Some((position + self.extra, channel))
    }
}

impl HostOp for GridSelection {
    fn forward(&self, call: &Forward<'_>, output: &mut [f32], _: Option<&mut [u8]>) {
        moves::forward(self, call, output);
    }

    fn backward(&self, call: &Backward<'_>, signal: Signal, pool: &mut Pool) -> Vec<Signal> {
        moves::backward(self, call, signal, pool)
    }
}
