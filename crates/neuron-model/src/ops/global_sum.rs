use std::sync::Arc;

use neuron_geometry::ReceptiveField;
use neuron_kernels::stabilised;
use serde::{Deserialize, Serialize};

use super::host::{Backward, Forward, HostOp, Pool, Signal};
use super::op::{Op, Saves};
use crate::error::ShapeError;
use crate::rule::Rule;
use crate::value::{Keep, Shape};

/// Sum over all positions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GlobalSum;

impl Op for GlobalSum {
    fn shape(&self, inputs: &[Shape]) -> Result<Shape, ShapeError> {
        Ok(Shape::grid(inputs[0].channels, 1, 1))
    }

    fn field(&self, _: ReceptiveField) -> Option<ReceptiveField> {
        None
    }

    fn is_non_negative(&self, inputs: &[bool]) -> bool {
        inputs[0]
    }

    /// Relevance is shared out by the input.
    fn saves(&self, keep: Keep) -> Saves {
        Saves { inputs: keep == Keep::Relevance, ..Saves::default() }
    }

    /// Relevance is shared out as at a mean.
    fn knows(&self, rule: &Rule) -> bool {
        matches!(rule, Rule::Gradient | Rule::ZPlus { .. } | Rule::ZPlusSigned { .. } | Rule::Epsilon { .. })
    }
}

impl HostOp for GlobalSum {
    fn forward(&self, call: &Forward<'_>, output: &mut [f32], _: Option<&mut [u8]>) {
        let (channels, item_len) = (call.input.channels.max(1), call.input.item_len().max(1));
        neuron_threads::for_each(output.chunks_mut(channels), |item, output| {
            let mut sums = vec![0.0f64; channels];
            for position in call.input.data[item * item_len..][..item_len].chunks_exact(channels) {
                sums.iter_mut().zip(position).for_each(|(sum, value)| *sum += f64::from(*value));
            }
            output.iter_mut().zip(sums).for_each(|(output, sum)| *output = sum as f32);
        });
    }

    fn backward(&self, call: &Backward<'_>, signal: Signal, pool: &mut Pool) -> Vec<Signal> {
        let size = call.sizes[0];
        let (channels, item_len) = (size.channels.max(1), (size.len() / size.batch.max(1)).max(1));
        let mut back = pool.take(size.len());
        for (item, back) in back.chunks_exact_mut(item_len).enumerate() {
            let signal = &signal[item * channels..][..channels];
            if let Rule::ZPlus { eps } | Rule::ZPlusSigned { eps } | Rule::Epsilon { eps } = *call.rule {
                let input = &call.input(0).data[item * item_len..][..item_len];
                let is_epsilon = matches!(call.rule, Rule::Epsilon { .. });
                let counted = |value: f32| if is_epsilon { value } else { value.abs() };
                let mut whole = vec![0.0; channels];
                for position in input.chunks_exact(channels) {
                    whole.iter_mut().zip(position).for_each(|(whole, value)| *whole += counted(*value));
                }
                for (at, (back, value)) in back.iter_mut().zip(input).enumerate() {
                    *back = signal[at % channels] * counted(*value) / stabilised(whole[at % channels], eps);
                }
            } else {
                back.chunks_exact_mut(channels).for_each(|position| position.copy_from_slice(signal));
            }
        }
        pool.release(signal);
        vec![Arc::new(back)]
    }
}
