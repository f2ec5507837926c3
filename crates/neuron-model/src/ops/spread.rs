use serde::{Deserialize, Serialize};
use std::sync::Arc;

use super::host::{Backward, Forward, HostOp, Pool, Signal};
use super::op::{Op, Saves};
use crate::error::ShapeError;
use crate::rule::Rule;
use crate::value::{Keep, Shape};

/// A map of one position, or of one channel, repeated to the shape of another: input 0 is that other map, of which only the
/// shape is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spread;

impl Op for Spread {
    fn shape(&self, inputs: &[Shape]) -> Result<Shape, ShapeError> {
        let (to, from) = (inputs[0], inputs[1]);
        let same_positions = [to.height, to.width, to.extra] == [from.height, from.width, from.extra];
        let fits =
            (from.positions() == 1 || same_positions) && (from.channels == 1 || from.channels == to.channels);
        if fits { Ok(to) } else { Err(ShapeError::Different) }
    }

    fn arity(&self) -> usize {
        2
    }

    fn is_non_negative(&self, inputs: &[bool]) -> bool {
        inputs.get(1).is_some_and(|small| *small)
    }

    fn saves(&self, _: Keep) -> Saves {
        Saves::default()
    }

    /// What was repeated gets the sum, whatever the rule.
    fn knows(&self, _: &Rule) -> bool {
        true
    }
}

impl HostOp for Spread {
    fn forward(&self, call: &Forward<'_>, output: &mut [f32], _: Option<&mut [u8]>) {
        let small = call.others[0];
        let (channels, positions) = (call.shape.channels, call.shape.positions());
        let (item_len, len) = (small.item_len(), channels * positions);
        for (item, output) in output.chunks_exact_mut(len.max(1)).enumerate() {
            let small_item = &small.data[item * item_len..][..item_len];
            for (at, values) in output.chunks_exact_mut(channels).enumerate() {
                let at = if item_len == small.channels { 0 } else { at };
                let from = &small_item[at * small.channels..][..small.channels];
                if let [one] = from { values.fill(*one) } else { values.copy_from_slice(from) }
            }
        }
    }

    fn backward(&self, call: &Backward<'_>, signal: Signal, pool: &mut Pool) -> Vec<Signal> {
        let (to, small) = (call.sizes[0], call.sizes[1]);
        let mut back = pool.take(small.len());
        back.fill(0.0);
        let (len, item_len) = (to.len() / to.batch.max(1), small.len() / small.batch.max(1));
        for (signal, back) in signal.chunks_exact(len.max(1)).zip(back.chunks_exact_mut(item_len.max(1))) {
            for (at, values) in signal.chunks_exact(to.channels).enumerate() {
                let at = if item_len == small.channels { 0 } else { at };
                let back = &mut back[at * small.channels..][..small.channels];
                if let [one] = back {
                    *one += values.iter().sum::<f32>();
                } else {
                    back.iter_mut().zip(values).for_each(|(back, value)| *back += value);
                }
            }
        }
        // Its shape alone was read.
        let mut none = pool.take(to.len());
        none.fill(0.0);
        pool.release(signal);
        vec![Arc::new(none), Arc::new(back)]
    }
}
