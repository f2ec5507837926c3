use neuron_kernels::update;
use serde::{Deserialize, Serialize};

use super::host::{Backward, Forward, HostOp, Pool, Signal};
use super::op::{Op, Saves, TensorSpec};
use crate::error::ShapeError;
use crate::rule::Rule;
use crate::value::{Keep, Shape};

/// Every value times a weight of its own, such as the sines and cosines of rotary positions (Su et al., "RoFormer", 2021). It
/// fixes the size of the image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableProduct {
    /// Channels of every position.
    pub channels: usize,
    /// Positions before the grid.
    pub extra: usize,
    /// Height and width of the grid.
    pub grid: [usize; 2],
}

const FACTORS: &str = "factors";

impl TableProduct {
    fn multiply(&self, (owner, values): (super::Weighted<'_>, &mut [f32])) {
        let factors = owner.prepared.tensor(owner.owner, FACTORS);
        values.chunks_exact_mut(factors.len().max(1)).for_each(|item| update(item, factors, |a, b| a * b));
    }
}

impl Op for TableProduct {
    fn shape(&self, inputs: &[Shape]) -> Result<Shape, ShapeError> {
        let input = inputs[0];
        if input.channels != self.channels {
            return Err(ShapeError::Channels { expected: self.channels, found: input.channels });
        }
        if input.extra != self.extra {
            return Err(ShapeError::Extra { extra: input.extra });
        }
        let found = [input.height, input.width];
        if found == self.grid { Ok(input) } else { Err(ShapeError::Grid { expected: self.grid, found }) }
    }

    fn tensors(&self) -> Vec<TensorSpec> {
        let positions = self.grid[0].saturating_mul(self.grid[1]).saturating_add(self.extra);
        vec![TensorSpec { suffix: FACTORS, shape: vec![positions, self.channels] }]
    }

    fn only_grid(&self) -> Option<[usize; 2]> {
        Some(self.grid)
    }

    fn is_non_negative(&self, _: &[bool]) -> bool {
        false
    }

    fn saves(&self, _: Keep) -> Saves {
        Saves::default()
    }

    /// A constant takes nothing: relevance goes on as it is.
    fn knows(&self, rule: &Rule) -> bool {
        matches!(rule, Rule::Gradient | Rule::Identity)
    }
}

impl HostOp for TableProduct {
    fn forward(&self, call: &Forward<'_>, output: &mut [f32], _: Option<&mut [u8]>) {
        output.copy_from_slice(call.input.data);
        self.multiply((call.weights, output));
    }

    fn backward(&self, call: &Backward<'_>, mut signal: Signal, pool: &mut Pool) -> Vec<Signal> {
        if !matches!(call.rule, Rule::Identity) {
            self.multiply((call.weights, pool.own(&mut signal)));
        }
        vec![signal]
    }
}
