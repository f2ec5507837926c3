use std::sync::Arc;

use neuron_kernels::View;
use serde::{Deserialize, Serialize};

use super::host::{Backward, Forward, HostOp, Pool, Signal};
use super::op::{Op, Saves};
use crate::error::ShapeError;
use crate::rule::Rule;
use crate::value::{Keep, Shape};

/// The positions of input 1 as extra ones before those of input 0: class tokens that were computed apart from the grid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenJoin;

impl Op for TokenJoin {
    fn shape(&self, inputs: &[Shape]) -> Result<Shape, ShapeError> {
        let (grid, tokens) = (inputs[0], inputs[1]);
        if grid.channels != tokens.channels {
            return Err(ShapeError::Channels { expected: grid.channels, found: tokens.channels });
        }
        Ok(Shape { extra: grid.extra + tokens.positions(), ..grid })
    }

    fn arity(&self) -> usize {
        2
    }

    /// Tokens have no place of their own.
    fn looks_at(&self, input: usize) -> bool {
        input == 0
    }

    fn is_non_negative(&self, inputs: &[bool]) -> bool {
        inputs.iter().all(|input| *input)
    }

    fn saves(&self, _: Keep) -> Saves {
        Saves::default()
    }

    /// Every position gets its signal, whatever the rule.
    fn knows(&self, _: &Rule) -> bool {
        true
    }
}

impl HostOp for TokenJoin {
    fn forward(&self, call: &Forward<'_>, output: &mut [f32], _: Option<&mut [u8]>) {
        let (grid, tokens) = (call.input, call.others[0]);
        let lens = [tokens, grid].map(|view| view.item_len());
        let item = |view: View<'_>, item: usize| item * view.item_len()..(item + 1) * view.item_len();
        for (index, output) in output.chunks_exact_mut((lens[0] + lens[1]).max(1)).enumerate() {
            let (first, rest) = output.split_at_mut(lens[0]);
            first.copy_from_slice(&tokens.data[item(tokens, index)]);
            rest.copy_from_slice(&grid.data[item(grid, index)]);
        }
    }

    fn backward(&self, call: &Backward<'_>, signal: Signal, pool: &mut Pool) -> Vec<Signal> {
        let [grid, tokens] = [call.sizes[0], call.sizes[1]];
        let lens = [tokens, grid].map(|size| size.len() / size.batch.max(1));
        let (mut to_grid, mut to_tokens) = (pool.take(grid.len()), pool.take(tokens.len()));
        for (index, signal) in signal.chunks_exact((lens[0] + lens[1]).max(1)).enumerate() {
            let (first, rest) = signal.split_at(lens[0]);
            to_tokens[index * lens[0]..][..lens[0]].copy_from_slice(first);
            to_grid[index * lens[1]..][..lens[1]].copy_from_slice(rest);
        }
        pool.release(signal);
        vec![Arc::new(to_grid), Arc::new(to_tokens)]
    }
}
