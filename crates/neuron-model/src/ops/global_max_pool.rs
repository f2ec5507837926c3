use std::sync::Arc;

use neuron_geometry::ReceptiveField;
use neuron_kernels::reduce_max;
use serde::{Deserialize, Serialize};

use super::host::{Backward, Forward, HostOp, Pool, Signal};
use super::op::{Op, Saves};
use crate::error::ShapeError;
use crate::rule::Rule;
use crate::value::{Keep, Shape};

/// Maximum over all positions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GlobalMaxPool;

impl Op for GlobalMaxPool {
    fn shape(&self, inputs: &[Shape]) -> Result<Shape, ShapeError> {
        Ok(Shape::grid(inputs[0].channels, 1, 1))
    }

    fn field(&self, _: ReceptiveField) -> Option<ReceptiveField> {
        None
    }

    fn is_non_negative(&self, inputs: &[bool]) -> bool {
        inputs[0]
    }

    /// Where the maxima were is found again.
    fn saves(&self, keep: Keep) -> Saves {
        Saves { inputs: keep != Keep::Taps, ..Saves::default() }
    }

    /// The first maximum gets the signal, whatever the rule.
    fn knows(&self, _: &Rule) -> bool {
        true
    }
}

impl HostOp for GlobalMaxPool {
    fn forward(&self, call: &Forward<'_>, output: &mut [f32], _: Option<&mut [u8]>) {
        let mut positions = vec![0; output.len()];
        reduce_max(call.input, output, &mut positions);
    }

    fn backward(&self, call: &Backward<'_>, signal: Signal, pool: &mut Pool) -> Vec<Signal> {
        let (input, size) = (call.input(0), call.sizes[0]);
        let (mut values, mut positions) = (vec![0.0; signal.len()], vec![0; signal.len()]);
        reduce_max(input, &mut values, &mut positions);
        let mut back = pool.take(size.len());
        back.fill(0.0);
        let item_len = size.len() / size.batch.max(1);
        for (at, (signal, position)) in signal.iter().zip(&positions).enumerate() {
            let (item, channel) = (at / size.channels, at % size.channels);
            back[item * item_len + *position as usize * size.channels + channel] = *signal;
        }
        pool.release(signal);
        vec![Arc::new(back)]
    }
}
