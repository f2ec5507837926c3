use serde::{Deserialize, Serialize};

use super::host::{Backward, Forward, HostOp, Pool, Signal};
use super::op::{Op, Saves};
use crate::error::ShapeError;
use crate::rule::Rule;
use crate::value::{Keep, Shape};

/// Each position's channels as parts of a whole, `exp(x) / sum(exp(x))`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Softmax;

impl Op for Softmax {
    fn shape(&self, inputs: &[Shape]) -> Result<Shape, ShapeError> {
        Ok(inputs[0])
    }

    fn is_non_negative(&self, _: &[bool]) -> bool {
        true
    }

    /// The slope is a function of the output.
    fn saves(&self, keep: Keep) -> Saves {
        Saves { output: keep != Keep::Taps, ..Saves::default() }
    }

    fn knows(&self, rule: &Rule) -> bool {
        matches!(rule, Rule::Gradient | Rule::Identity)
    }
}

impl HostOp for Softmax {
    fn forward(&self, call: &Forward<'_>, output: &mut [f32], _: Option<&mut [u8]>) {
        let channels = call.input.channels.max(1);
        neuron_threads::for_each(output.chunks_mut(channels), |position, values| {
            let input = &call.input.data[position * channels..][..channels];
            let highest = input.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            let above = |value: f32| libm::exp(f64::from(value - highest));
            let sum: f64 = input.iter().map(|value| above(*value)).sum();
            values.iter_mut().zip(input).for_each(|(value, input)| *value = (above(*input) / sum) as f32);
        });
    }

    fn backward(&self, call: &Backward<'_>, mut signal: Signal, pool: &mut Pool) -> Vec<Signal> {
        if let Rule::Identity = call.rule {
            return vec![signal];
        }
        let output = call.output.expect("a pass checks that the session keeps what its rules read");
        let channels = output.channels.max(1);
        neuron_threads::for_each(pool.own(&mut signal).chunks_mut(channels), |position, signal| {
            let values = &output.data[position * channels..][..channels];
            let sum: f64 = signal.iter().zip(values).map(|(signal, value)| f64::from(*signal) * f64::from(*value)).sum();
            signal.iter_mut().zip(values).for_each(|(signal, value)| {
                *signal = ((f64::from(*signal) - sum) * f64::from(*value)) as f32;
            });
        });
        vec![signal]
    }
}
