//! What averages over positions have in common: a signal passes them as it passes a product with equal weights.

use std::sync::Arc;

use neuron_kernels::{View, stabilised, update};

use super::host::{Backward, Forward, HostOp, Pool, Signal};
use super::op::{Op, Saves};
use crate::rule::Rule;
use crate::value::Keep;

/// An average, and its transpose.
pub(super) trait Mean: Op {
    fn average(&self, input: View<'_>, output: &mut [f32]);

    /// Shares each mean's signal out; `size` is that of the input.
    fn transpose(&self, signal: View<'_>, size: [usize; 2], output: &mut [f32]);
}

pub(super) fn saves(keep: Keep) -> Saves {
    Saves { inputs: keep == Keep::Relevance, ..Saves::default() }
}

pub(super) fn knows(rule: &Rule) -> bool {
    matches!(rule, Rule::Gradient | Rule::ZPlus { .. } | Rule::ZPlusSigned { .. } | Rule::Epsilon { .. })
}

impl<M: Mean> HostOp for M {
    fn forward(&self, call: &Forward<'_>, output: &mut [f32], _: Option<&mut [u8]>) {
        self.average(call.input, output);
    }

    fn backward(&self, call: &Backward<'_>, signal: Signal, pool: &mut Pool) -> Vec<Signal> {
        pass_back(self, call, signal, pool)
    }
}

fn pass_back(mean: &impl Mean, call: &Backward<'_>, signal: Signal, pool: &mut Pool) -> Vec<Signal> {
    let size = call.sizes[0];
    let mut output = pool.take(size.len());
    let shared = |quotient: &[f32], output: &mut [f32]| {
        mean.transpose(call.output_size.view(quotient), [size.height, size.width], output);
    };
    match *call.rule {
        Rule::ZPlus { eps } | Rule::Epsilon { eps } => {
            let input = call.input(0);
            let quotient = pool.scratch(signal.len());
            mean.average(input, quotient);
            match *call.rule {
                Rule::Epsilon { .. } => update(quotient, &signal, |z, signal| signal / stabilised(z, eps)),
                _ => update(quotient, &signal, |z, signal| signal / (z + eps)),
            }
            shared(quotient, &mut output);
            update(&mut output, input.data, |value, input| value * input);
        }
        // In proportion to magnitudes, as at a sum: inputs below 0 make up many means alone, and nothing is lost there.
        Rule::ZPlusSigned { eps } => {
            let input = call.input(0);
            let mut sizes = pool.take(size.len());
            update(&mut sizes, input.data, |_, value| value.abs());
            let quotient = pool.scratch(signal.len());
            mean.average(View { data: &sizes, ..input }, quotient);
            update(quotient, &signal, |z, signal| signal / (z + eps));
            shared(quotient, &mut output);
            update(&mut output, &sizes, |value, input| value * input);
            pool.give(sizes);
        }
        _ => shared(&signal, &mut output),
    }
    pool.release(signal);
    vec![Arc::new(output)]
}
