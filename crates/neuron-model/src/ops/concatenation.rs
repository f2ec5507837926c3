use std::sync::Arc;

use neuron_kernels::{View, concatenate, take_channels};
use serde::{Deserialize, Serialize};

use super::host::{Backward, Forward, HostOp, Pool, Signal};
use super::op::{Op, Saves};
use crate::error::ShapeError;
use crate::rule::Rule;
use crate::value::{Keep, Shape};

/// The channels of several maps, one map's after the other's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Concatenation {
    /// Number of maps.
    pub inputs: usize,
}

impl Op for Concatenation {
    fn shape(&self, inputs: &[Shape]) -> Result<Shape, ShapeError> {
        let channels = inputs.iter().map(|input| input.channels).sum();
        let joined = |input: &Shape| Shape { channels, ..*input };
        let all = joined(&inputs[0]);
        if inputs.iter().all(|input| joined(input) == all) { Ok(all) } else { Err(ShapeError::Different) }
    }

    fn channels(&self, inputs: &[usize]) -> usize {
        inputs.iter().fold(0, |sum, input| sum.saturating_add(*input))
    }

    fn arity(&self) -> usize {
        self.inputs
    }

    fn is_non_negative(&self, inputs: &[bool]) -> bool {
        inputs.iter().all(|input| *input)
    }

    fn saves(&self, _: Keep) -> Saves {
        Saves::default()
    }

    /// Every input gets its channels, whatever the rule.
    fn knows(&self, _: &Rule) -> bool {
        true
    }
}

impl HostOp for Concatenation {
    fn forward(&self, call: &Forward<'_>, output: &mut [f32], _: Option<&mut [u8]>) {
        let inputs: Vec<View<'_>> = [call.input].into_iter().chain(call.others.iter().copied()).collect();
        concatenate(&inputs, output);
    }

    fn backward(&self, call: &Backward<'_>, signal: Signal, pool: &mut Pool) -> Vec<Signal> {
        let mut first = 0;
        let mut part = |channels: usize, len: usize| {
            let mut part = pool.take(len);
            take_channels(call.signal(&signal), first, channels, &mut part);
            first += channels;
            Arc::new(part)
        };
        let parts = call.sizes.iter().map(|size| part(size.channels, size.len())).collect();
        pool.release(signal);
        parts
    }
}
