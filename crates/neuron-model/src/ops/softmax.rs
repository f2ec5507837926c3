use serde::{Deserialize, Serialize};

use super::host::{Backward, Forward, HostOp, Pool, Signal};
use super::op::{Op, Saves};
use crate::error::ShapeError;
use crate::rule::Rule;
use crate::value::{Keep, Shape};

/// Each position's channels as parts of a whole, `exp(x) / sum(exp(x))`; or groups of them (Li et al., "Selective Kernel
/// Networks", CVPR 2019).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Softmax {
    /// How far apart the channels of a group are; 1 where all are one group.
    pub apart: usize,
}

impl Op for Softmax {
    fn shape(&self, inputs: &[Shape]) -> Result<Shape, ShapeError> {
        let (groups, channels) = (self.apart, inputs[0].channels);
        if groups == 0 || !channels.is_multiple_of(groups) {
            return Err(ShapeError::Groups { groups, channels });
        }
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
            for first in 0..self.apart {
                let group = || input[first..].iter().step_by(self.apart);
                let highest = group().copied().fold(f32::NEG_INFINITY, f32::max);
                let above = |value: f32| libm::exp(f64::from(value - highest));
                let sum: f64 = group().map(|value| above(*value)).sum();
                let values = values[first..].iter_mut().step_by(self.apart);
                values.zip(group()).for_each(|(value, input)| *value = (above(*input) / sum) as f32);
            }
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
            for first in 0..self.apart {
                let group = || values[first..].iter().step_by(self.apart);
                let terms = signal[first..].iter().step_by(self.apart).zip(group());
                let sum: f64 = terms.map(|(signal, value)| f64::from(*signal) * f64::from(*value)).sum();
                signal[first..].iter_mut().step_by(self.apart).zip(group()).for_each(|(signal, value)| {
                    *signal = ((f64::from(*signal) - sum) * f64::from(*value)) as f32;
                });
            }
        });
        vec![signal]
    }
}
