//! Rules of an embedder's own, which pass every operation alike.

use std::sync::Arc;

use neuron_kernels::{Buffer, TransposeEpilogue, View, update};

use super::host::{Backward, Pool, Signal};
use super::product::Sliding;
use crate::prepared::Part;
use crate::rule::{CustomRule, Product, Site};

/// Passes a signal from the output of an operation to each input, in their order; `sliding` if it is a product.
pub(super) fn backward(
    rule: &dyn CustomRule,
    call: &Backward<'_>,
    sliding: Option<Sliding<'_>>,
    signal: Signal,
    pool: &mut Pool,
) -> Vec<Signal> {
    let mut outputs: Vec<Buffer> = call.sizes.iter().map(|size| pool.take(size.len())).collect();
    let product = sliding.map(|sliding| Crossed { sliding, call });
    let product = product.as_ref().map(|product| product as &dyn Product);
    let site = Site { inputs: call.inputs, output: call.output, product };
    let mut slices: Vec<&mut [f32]> = outputs.iter_mut().map(|output| &mut output[..]).collect();
    rule.pass(&site, call.signal(&signal), &mut slices);
    if let (Some(output), Some(addend)) = (outputs.first_mut(), &call.addend) {
        update(output, addend, |value, more| value + more);
    }
    pool.release(signal);
    outputs.into_iter().map(Arc::new).collect()
}

/// A product that a signal passes.
struct Crossed<'a, 'b> {
    sliding: Sliding<'a>,
    call: &'a Backward<'b>,
}

impl Product for Crossed<'_, '_> {
    fn forward(&self, part: Part, input: View<'_>) -> Vec<f32> {
        let mut output = vec![0.0; self.call.output_size.len()];
        self.sliding.product(part, input, &mut output);
        output
    }

    fn transpose(&self, part: Part, signal: View<'_>) -> Vec<f32> {
        let mut output = vec![0.0; self.call.sizes[0].len()];
        let choice = self.sliding.choice(part);
        let epilogue = TransposeEpilogue::default();
        self.sliding.transposed(self.call, choice, (signal.data, epilogue), &mut output);
        output
    }
}
