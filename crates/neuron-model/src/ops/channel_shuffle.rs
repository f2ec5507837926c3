use std::sync::Arc;

use neuron_kernels::shuffle_channels;
use serde::{Deserialize, Serialize};

use super::host::{Backward, Forward, HostOp, Pool, Signal};
use super::op::{Op, Saves};
use crate::error::ShapeError;
use crate::rule::Rule;
use crate::value::{Keep, Shape};

/// Channels in groups, dealt out one of each group in turn (Zhang et al., "ShuffleNet", CVPR 2018).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChannelShuffle {
    /// Number of groups, which divides the channels.
    pub groups: usize,
}

impl Op for ChannelShuffle {
    fn shape(&self, inputs: &[Shape]) -> Result<Shape, ShapeError> {
        let channels = inputs[0].channels;
        if self.groups > 0 && channels.is_multiple_of(self.groups) {
            return Ok(inputs[0]);
        }
        Err(ShapeError::Groups { groups: self.groups, channels })
    }

    fn is_non_negative(&self, inputs: &[bool]) -> bool {
        inputs[0]
    }

    fn saves(&self, _: Keep) -> Saves {
        Saves::default()
    }

    /// Every channel gets its signal back, whatever the rule.
    fn knows(&self, _: &Rule) -> bool {
        true
    }
}

impl HostOp for ChannelShuffle {
    fn forward(&self, call: &Forward<'_>, output: &mut [f32], _: Option<&mut [u8]>) {
        shuffle_channels(call.input, self.groups, output);
    }

    /// The other number of groups deals them back.
    fn backward(&self, call: &Backward<'_>, signal: Signal, pool: &mut Pool) -> Vec<Signal> {
        let size = call.sizes[0];
        let mut output = pool.take(size.len());
        shuffle_channels(call.signal(&signal), size.channels / self.groups, &mut output);
        pool.release(signal);
        vec![Arc::new(output)]
    }
}
