use serde::{Deserialize, Serialize};
use std::sync::Arc;

use super::host::{Backward, Forward, HostOp, Pool, Signal};
use super::op::{Op, Saves, TensorSpec};
use crate::error::ShapeError;
use crate::rule::Rule;
use crate::value::{Keep, Shape};

/// Groups of channels by the mean and variance of all their positions, `(x - mean) / sqrt(variance + eps) * weight + bias` (Wu
/// and He, "Group Normalization", ECCV 2018). With as many groups as channels it is an instance norm.
///
/// Tensors: `weight`, `bias`, each `[channels]`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct GroupNorm {
    /// Channels of input and output.
    pub channels: usize,
    /// Groups, which divide the channels.
    pub groups: usize,
    /// Added to the variance.
    pub eps: f64,
}

impl GroupNorm {
    /// Mean, and one over the deviation, of each group of an item.
    fn moments(&self, item: &[f32]) -> Vec<(f64, f64)> {
        let wide = self.channels / self.groups;
        let count = (item.len() / self.groups) as f64;
        let sums = |of: &dyn Fn(usize, f64) -> f64| {
            let mut sums = vec![0.0; self.groups];
            for position in item.chunks_exact(self.channels) {
                for (group, values) in position.chunks_exact(wide).enumerate() {
                    sums[group] += values.iter().map(|value| of(group, f64::from(*value))).sum::<f64>();
                }
            }
            sums
        };
        let means: Vec<f64> = sums(&|_, value| value).into_iter().map(|sum| sum / count).collect();
        let squares = sums(&|group, value| (value - means[group]) * (value - means[group]));
        let factors = squares.into_iter().map(|sum| (sum / count + self.eps).sqrt().recip());
        means.iter().copied().zip(factors).collect()
    }
}

impl Op for GroupNorm {
    fn shape(&self, inputs: &[Shape]) -> Result<Shape, ShapeError> {
        let (expected, found, groups) = (self.channels, inputs[0].channels, self.groups);
        if expected != found {
            return Err(ShapeError::Channels { expected, found });
        }
        if groups == 0 || !found.is_multiple_of(groups) {
            return Err(ShapeError::Groups { groups, channels: found });
        }
        Ok(inputs[0])
    }

    fn tensors(&self) -> Vec<TensorSpec> {
        ["weight", "bias"].map(|suffix| TensorSpec { suffix, shape: vec![self.channels] }).to_vec()
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

impl HostOp for GroupNorm {
    fn forward(&self, call: &Forward<'_>, output: &mut [f32], _: Option<&mut [u8]>) {
        let tensor = |suffix| call.weights.prepared.tensor(call.weights.owner, suffix);
        let (weight, bias, item_len) = (tensor("weight"), tensor("bias"), call.input.item_len().max(1));
        let wide = self.channels / self.groups;
        neuron_threads::for_each(output.chunks_mut(item_len), |item, output| {
            let input = &call.input.data[item * item_len..][..item_len];
            let moments = self.moments(input);
            for (at, (output, value)) in output.iter_mut().zip(input).enumerate() {
                let channel = at % self.channels;
                let (mean, factor) = moments[channel / wide];
                let normed = (f64::from(*value) - mean) * factor;
                *output = (normed * f64::from(weight[channel]) + f64::from(bias[channel])) as f32;
            }
        });
    }

    fn backward(&self, call: &Backward<'_>, signal: Signal, pool: &mut Pool) -> Vec<Signal> {
        if let Rule::Identity = call.rule {
            return vec![signal];
        }
        let weight = call.weights.prepared.tensor(call.weights.owner, "weight");
        let input = call.input(0);
        let (item_len, wide) = (input.item_len().max(1), self.channels / self.groups);
        let mut back = pool.take(signal.len());
        neuron_threads::for_each(back.chunks_mut(item_len), |item, back| {
            let range = item * item_len..(item + 1) * item_len;
            let (input, signal) = (&input.data[range.clone()], &signal[range]);
            let moments = self.moments(input);
            let count = (item_len / self.groups) as f64;
            let parts = |at: usize| {
                let channel = at % self.channels;
                let (mean, factor) = moments[channel / wide];
                let weighed = f64::from(signal[at]) * f64::from(weight[channel]);
                (channel / wide, weighed, (f64::from(input[at]) - mean) * factor, factor)
            };
            let mut sums = vec![(0.0, 0.0); self.groups];
            for at in 0..item_len {
                let (group, weighed, normed, _) = parts(at);
                sums[group].0 += weighed;
                sums[group].1 += weighed * normed;
            }
            for (at, back) in back.iter_mut().enumerate() {
                let (group, weighed, normed, factor) = parts(at);
                let (sum, along) = sums[group];
                *back = (factor * (weighed - sum / count - normed * along / count)) as f32;
            }
        });
        pool.release(signal);
        vec![Arc::new(back)]
    }
}
