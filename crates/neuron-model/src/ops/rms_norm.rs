use serde::{Deserialize, Serialize};
use std::sync::Arc;

use super::host::{Backward, Forward, HostOp, Pool, Signal};
use super::op::{Op, Saves, TensorSpec};
use crate::error::ShapeError;
use crate::rule::Rule;
use crate::value::{Keep, Shape};

/// Each position's channels by the root of their mean square, `x / sqrt(mean(x^2) + eps) * weight` (Zhang and Sennrich, "Root
/// Mean Square Layer Normalization", NeurIPS 2019).
///
/// Tensors: `weight` `[channels]`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct RmsNorm {
    /// Channels of input and output.
    pub channels: usize,
    /// Added to the mean square.
    pub eps: f64,
}

impl RmsNorm {
    /// One over the root.
    fn factor(&self, position: &[f32]) -> f64 {
        let squares: f64 = position.iter().map(|value| f64::from(*value) * f64::from(*value)).sum();
        (squares / self.channels as f64 + self.eps).sqrt().recip()
    }
}

impl Op for RmsNorm {
    fn shape(&self, inputs: &[Shape]) -> Result<Shape, ShapeError> {
        let (expected, found) = (self.channels, inputs[0].channels);
        if expected == found { Ok(inputs[0]) } else { Err(ShapeError::Channels { expected, found }) }
    }

    fn tensors(&self) -> Vec<TensorSpec> {
        vec![TensorSpec { suffix: "weight", shape: vec![self.channels] }]
    }

    fn is_non_negative(&self, _: &[bool]) -> bool {
        false
    }

    fn saves(&self, keep: Keep) -> Saves {
        Saves { inputs: keep != Keep::Taps, ..Saves::default() }
    }

    /// Relevance passes it unchanged, as it passes a [`LayerNorm`](super::LayerNorm).
    fn knows(&self, rule: &Rule) -> bool {
        matches!(rule, Rule::Gradient | Rule::Identity)
    }
}

impl HostOp for RmsNorm {
    fn forward(&self, call: &Forward<'_>, output: &mut [f32], _: Option<&mut [u8]>) {
        let weight = call.weights.prepared.tensor(call.weights.owner, "weight");
        let channels = self.channels.max(1);
        neuron_threads::for_each(output.chunks_mut(channels), |position, output| {
            let input = &call.input.data[position * channels..][..channels];
            let factor = self.factor(input);
            output.iter_mut().zip(input.iter().zip(weight)).for_each(|(output, (value, weight))| {
                *output = (f64::from(*value) * factor * f64::from(*weight)) as f32;
            });
        });
    }

    fn backward(&self, call: &Backward<'_>, signal: Signal, pool: &mut Pool) -> Vec<Signal> {
        if let Rule::Identity = call.rule {
            return vec![signal];
        }
        let weight = call.weights.prepared.tensor(call.weights.owner, "weight");
        let (input, channels) = (call.input(0).data, self.channels.max(1));
        let mut back = pool.take(signal.len());
        neuron_threads::for_each(back.chunks_mut(channels), |position, back| {
            let range = position * channels..(position + 1) * channels;
            let (input, signal) = (&input[range.clone()], &signal[range]);
            let factor = self.factor(input);
            let weighed = |channel: usize| f64::from(signal[channel]) * f64::from(weight[channel]);
            let along: f64 = (0..channels).map(|channel| weighed(channel) * f64::from(input[channel])).sum();
            let along = along * factor.powi(3) / channels as f64;
            for (channel, back) in back.iter_mut().enumerate() {
                *back = (weighed(channel) * factor - along * f64::from(input[channel])) as f32;
            }
        });
        pool.release(signal);
        vec![Arc::new(back)]
    }
}
