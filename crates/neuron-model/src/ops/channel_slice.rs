use std::sync::Arc;

use neuron_kernels::{put_channels, take_channels};
use serde::{Deserialize, Serialize};

use super::host::{Backward, Forward, HostOp, Pool, Signal};
use super::op::{Op, Saves};
use crate::error::ShapeError;
use crate::rule::Rule;
use crate::value::{Keep, Shape};

/// Some neighbouring channels of a map.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChannelSlice {
    /// The first of them.
    pub first: usize,
    /// How many.
    pub count: usize,
}

impl Op for ChannelSlice {
    fn shape(&self, inputs: &[Shape]) -> Result<Shape, ShapeError> {
        let (needed, found) = (self.first + self.count, inputs[0].channels);
        if needed > found {
            return Err(ShapeError::Channels { expected: needed, found });
        }
        Ok(Shape { channels: self.count, ..inputs[0] })
    }

    fn channels(&self, _: &[usize]) -> usize {
        self.count
    }

    fn is_non_negative(&self, inputs: &[bool]) -> bool {
        inputs[0]
    }

    fn saves(&self, _: Keep) -> Saves {
        Saves::default()
    }

    /// The channels get their signal and the others none, whatever the rule.
    fn knows(&self, _: &Rule) -> bool {
        true
    }
}

impl HostOp for ChannelSlice {
    fn forward(&self, call: &Forward<'_>, output: &mut [f32], _: Option<&mut [u8]>) {
        take_channels(call.input, self.first, self.count, output);
    }

    fn backward(&self, call: &Backward<'_>, signal: Signal, pool: &mut Pool) -> Vec<Signal> {
        let whole = call.sizes[0];
        let mut output = pool.take(whole.len());
        put_channels(call.signal(&signal), self.first, whole.channels, &mut output);
        pool.release(signal);
        vec![Arc::new(output)]
    }
}
