use serde::{Deserialize, Serialize};
use std::sync::Arc;

use neuron_kernels::stabilised;

use super::host::{Backward, Forward, HostOp, Pool, Signal};
use super::op::{Op, Saves};
use crate::error::ShapeError;
use crate::rule::Rule;
use crate::value::{Keep, Shape};

/// Each position's channels as one number (Woo et al., "CBAM", ECCV 2018, for the gates of positions).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ChannelReduction {
    /// Their mean.
    Mean,
    /// Their sum.
    Sum,
    /// The greatest.
    Max,
}

impl ChannelReduction {
    /// How much each channel counts in a sum.
    fn share(self, channels: usize) -> f32 {
        if self == Self::Mean { 1.0 / channels as f32 } else { 1.0 }
    }
}

/// The greater one; what is no number is greater than any.
fn greater(a: f32, b: f32) -> f32 {
    if b > a || b.is_nan() { b } else { a }
}

impl Op for ChannelReduction {
    fn shape(&self, inputs: &[Shape]) -> Result<Shape, ShapeError> {
        Ok(Shape { channels: 1, ..inputs[0] })
    }

    fn channels(&self, _: &[usize]) -> usize {
        1
    }

    fn is_non_negative(&self, inputs: &[bool]) -> bool {
        inputs[0]
    }

    /// Its shares are functions of the input.
    fn saves(&self, keep: Keep) -> Saves {
        Saves { inputs: keep != Keep::Taps, ..Saves::default() }
    }

    /// Relevance: the maximum gets it, and what is summed up shares it as what is averaged over positions does.
    fn knows(&self, rule: &Rule) -> bool {
        matches!(rule, Rule::Gradient | Rule::ZPlus { .. } | Rule::ZPlusSigned { .. } | Rule::Epsilon { .. })
    }
}

impl HostOp for ChannelReduction {
    fn forward(&self, call: &Forward<'_>, output: &mut [f32], _: Option<&mut [u8]>) {
        let channels = call.input.channels.max(1);
        for (value, position) in output.iter_mut().zip(call.input.data.chunks_exact(channels)) {
            let sum = || position.iter().map(|value| f64::from(*value)).sum::<f64>();
            *value = match self {
                Self::Mean => (sum() / channels as f64) as f32,
                Self::Sum => sum() as f32,
                Self::Max => position.iter().copied().reduce(greater).unwrap_or(f32::NEG_INFINITY),
            };
        }
    }

    fn backward(&self, call: &Backward<'_>, signal: Signal, pool: &mut Pool) -> Vec<Signal> {
        let (input, size) = (call.input(0), call.sizes[0]);
        let channels = size.channels.max(1);
        let mut back = pool.take(size.len());
        let positions = back.chunks_exact_mut(channels).zip(input.data.chunks_exact(channels));
        for ((back, input), signal) in positions.zip(signal.iter()) {
            match (self, call.rule) {
                (Self::Max, _) => {
                    back.fill(0.0);
                    let mut greatest = 0;
                    for (channel, value) in input.iter().enumerate() {
                        if *value > input[greatest] {
                            greatest = channel;
                        }
                    }
                    back[greatest] = *signal;
                }
                (_, Rule::Gradient) => back.fill(self.share(channels) * signal),
                (_, Rule::ZPlus { eps } | Rule::ZPlusSigned { eps }) => {
                    let z = self.share(channels) * input.iter().map(|value| value.abs()).sum::<f32>();
                    let quotient = self.share(channels) * signal / (z + eps);
                    back.iter_mut().zip(input).for_each(|(back, value)| *back = value.abs() * quotient);
                }
                (_, Rule::Epsilon { eps }) => {
                    let z = self.share(channels) * input.iter().sum::<f32>();
                    let quotient = self.share(channels) * signal / stabilised(z, *eps);
                    back.iter_mut().zip(input).for_each(|(back, value)| *back = value * quotient);
                }
                _ => back.fill(0.0),
            }
        }
        pool.release(signal);
        vec![Arc::new(back)]
    }
}
