use neuron_geometry::{ReceptiveField, Window};
use serde::{Deserialize, Serialize};

use super::host::{Backward, Forward, HostOp, Pool, Signal};
use super::moves::{self, Moves};
use super::op::{Op, Saves, grid_of};
use crate::error::ShapeError;
use crate::rule::Rule;
use crate::value::{Keep, Shape};

/// Rows and columns added around a map, as a layer of its own: where windows cannot add them themselves, because they differ
/// on both sides (TensorFlow's SAME), or are no zeros.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pad {
    /// Rows above and columns at the left.
    pub before: [usize; 2],
    /// Rows below and columns at the right.
    pub after: [usize; 2],
    /// What they hold.
    pub filling: Filling,
}

/// What is added around a map.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Filling {
    /// One value.
    Value(#[serde(with = "super::numbers")] f32),
    /// The map in a mirror at its outermost rows and columns, which are not repeated.
    Mirror,
    /// The outermost rows and columns.
    Edge,
}

impl Op for Pad {
    fn shape(&self, inputs: &[Shape]) -> Result<Shape, ShapeError> {
        let (channels, size) = grid_of(inputs[0])?;
        let fits = |axis: usize| self.before[axis].max(self.after[axis]) < size[axis];
        if self.filling == Filling::Mirror && !(0..2).all(fits) {
            return Err(ShapeError::TooSmall);
        }
        let [height, width] = [0, 1].map(|axis| size[axis] + self.before[axis] + self.after[axis]);
        Ok(Shape::grid(channels, height, width))
    }

    fn field(&self, input: ReceptiveField) -> Option<ReceptiveField> {
        // As windows of one place that begin outside of the map.
        Some(input.then(Window { padding: self.before, ..Window::square(1, 1, 0) }))
    }

    fn is_non_negative(&self, inputs: &[bool]) -> bool {
        inputs[0] && !matches!(self.filling, Filling::Value(value) if value < 0.0)
    }

    fn saves(&self, _: Keep) -> Saves {
        Saves::default()
    }

    /// Every place gets its signal, whatever the rule; what was added takes its own away.
    fn knows(&self, _: &Rule) -> bool {
        true
    }
}

impl Moves for Pad {
    fn source(
        &self,
        input: [usize; 3],
        output: [usize; 3],
        position: usize,
        channel: usize,
    ) -> Option<(usize, usize)> {
        let along = |axis: usize, at: usize| {
            let (size, before) = (input[axis], self.before[axis]);
            match (at.checked_sub(before), self.filling) {
                (Some(at), _) if at < size => Some(at),
                (_, Filling::Value(_)) => None,
                (None, Filling::Mirror) => Some(before - at),
                (Some(at), Filling::Mirror) => Some(2 * (size - 1) - at),
                (None, Filling::Edge) => Some(0),
                (Some(_), Filling::Edge) => Some(size - 1),
            }
        };
        let (y, x) = (along(0, position / output[1])?, along(1, position % output[1])?);
        Some((y * input[1] + x, channel))
    }

    fn constant(&self) -> f32 {
        match self.filling {
            Filling::Value(value) => value,
            _ => 0.0,
        }
    }
}

impl HostOp for Pad {
    fn forward(&self, call: &Forward<'_>, output: &mut [f32], _: Option<&mut [u8]>) {
        moves::forward(self, call, output);
    }

    fn backward(&self, call: &Backward<'_>, signal: Signal, pool: &mut Pool) -> Vec<Signal> {
        moves::backward(self, call, signal, pool)
    }
}
