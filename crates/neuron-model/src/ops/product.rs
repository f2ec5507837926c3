//! What convolutions and fully connected layers have in common on the CPU: products of windows and weights.

use std::sync::Arc;

use neuron_kernels::{
    Activation, Algorithm, Bf16Epilogue, Bf16Output, ConvGeometry, Epilogue, Gate, TransposeEpilogue, View,
    activate, round_into, update,
};

use super::host::{Backward, Bf16Forward, Forward, Pool, Signal, Weighted};
use super::op::Saves;
use super::sums::{Divisor, Sum, Where, sums};
use crate::prepared::{Choice, Part};
use crate::rule::Rule;
use crate::value::Keep;

/// Relevance reads the inputs; the gradient of a product needs none of its values.
pub(super) fn saves(keep: Keep) -> Saves {
    Saves { inputs: keep == Keep::Relevance, ..Saves::default() }
}

pub(super) fn knows(rule: &Rule) -> bool {
    matches!(rule, Rule::Gradient | Rule::ZPlus { .. }) || !sums(rule).is_empty()
}

/// Weights that slide over a map.
pub(super) struct Sliding<'a> {
    pub(super) weights: Weighted<'a>,
    pub(super) geometry: ConvGeometry,
}

impl<'a> Sliding<'a> {
    /// `activation?(product + bias + addend?)`, of the input or of `input * gate`.
    pub(super) fn forward(&self, call: &Forward<'_>, choice: Choice<'_>, output: &mut [f32]) {
        let epilogue = Epilogue::Activation { residual: call.addend, activation: call.activation };
        let Weighted { prepared, owner, .. } = self.weights;
        let convolution = prepared.convolution(owner, self.geometry, choice);
        match call.gate {
            None => convolution.forward(call.input, epilogue, output),
            Some(gate) => convolution.forward_gated((call.input, gate), epilogue, output),
        }
    }

    /// As [`Sliding::forward`], on maps of bf16 numbers.
    pub(super) fn forward_in_bf16(&self, call: &Bf16Forward<'_>, output: Bf16Output<'_>) {
        let terms = call.inputs[0].rounded.terms;
        let sum = |relu, output: Bf16Output<'_>| {
            self.sum_in_bf16(call, Bf16Epilogue { residual: call.addend, relu }, output);
        };
        match call.activation {
            None => sum(false, output),
            Some(Activation::Relu) => sum(true, output),
            // Other functions follow by themselves, on sums that were not rounded.
            Some(function) => {
                let rounded = || output.rounded.as_ref().map_or(0, |rounded| rounded.len() / terms.count());
                let len = output.full.as_ref().map_or_else(rounded, |full| full.len());
                let mut sums = vec![0.0; len];
                sum(false, Bf16Output { rounded: None, full: Some(&mut sums) });
                let mut own = Vec::new();
                let values = output.full.unwrap_or_else(|| {
                    own.resize(len, 0.0);
                    &mut own
                });
                activate(function, &sums, values);
                if let Some(rounded) = output.rounded {
                    round_into(values, call.shape.channels, terms, rounded);
                }
            }
        }
    }

    /// The product, of two maps if a second convolution is computed along.
    fn sum_in_bf16(&self, call: &Bf16Forward<'_>, epilogue: Bf16Epilogue<'_>, output: Bf16Output<'_>) {
        let Weighted { prepared, owner, fold } = self.weights;
        let input = call.inputs[0].rounded;
        match &call.shortcut {
            None => {
                prepared.in_bf16(owner, self.geometry, (fold, input.terms)).forward(input, epilogue, output);
            }
            Some(shortcut) => {
                let both = [(owner, fold), (shortcut.weights.owner, shortcut.weights.fold)];
                let convolution = prepared.side_by_side_in_bf16(both, (shortcut.geometry, input.terms));
                convolution.forward_of_two([input, shortcut.input], epilogue, output);
            }
        }
    }

    pub(super) fn backward(&self, call: &Backward<'_>, signal: Signal, pool: &mut Pool) -> Vec<Signal> {
        let mut output = pool.take(call.sizes[0].len());
        let addend = call.addend.as_ref().map(|addend| &addend[..]);
        match call.rule {
            Rule::Gradient => self.gradient(call, &signal, addend, &mut output),
            Rule::ZPlus { eps } => self.z_plus(call, &signal, addend, (*eps, pool), &mut output),
            rule => {
                for (index, sum) in sums(rule).iter().enumerate() {
                    self.sum(call, sum, (&signal, index == 0), pool, &mut output);
                }
                if let Some(addend) = addend {
                    update(&mut output, addend, |value, more| value + more);
                }
            }
        }
        pool.release(signal);
        vec![Arc::new(output)]
    }

    /// The gradient with respect to the input, past the norm above and the ReLU below where the call holds them.
    fn gradient(&self, call: &Backward<'_>, signal: &[f32], addend: Option<&[f32]>, output: &mut [f32]) {
        let gate = match call.gate {
            None => Gate::Open,
            Some((values, Rule::Guided)) => Gate::GuidedRelu(values),
            Some((values, _)) => Gate::Relu(values),
        };
        let choice = Choice { part: Part::Raw, fold: self.weights.fold, algorithm: Algorithm::Auto };
        self.transposed(call, choice, (signal, TransposeEpilogue { addend, gate }), output);
    }

    /// In two calls of kernels, which take the quotient and the product along.
    fn z_plus(
        &self,
        call: &Backward<'_>,
        signal: &[f32],
        addend: Option<&[f32]>,
        (eps, pool): (f32, &mut Pool),
        output: &mut [f32],
    ) {
        let input = call.input(0);
        let quotient = pool.scratch(signal.len());
        let epilogue = Epilogue::Quotient { numerator: signal, eps };
        let Weighted { prepared, owner, .. } = self.weights;
        let choice = self.choice(Part::Positive);
        prepared.convolution(owner, self.geometry, choice).forward(input, epilogue, quotient);
        let epilogue = TransposeEpilogue { addend, gate: Gate::Product(input.data) };
        self.transposed(call, choice, (quotient, epilogue), output);
    }

    pub(super) fn transposed(
        &self,
        call: &Backward<'_>,
        choice: Choice<'_>,
        (signal, epilogue): (&[f32], TransposeEpilogue<'_>),
        output: &mut [f32],
    ) {
        let (size, Weighted { prepared, owner, .. }) = (call.sizes[0], self.weights);
        let transpose = prepared.transpose(owner, self.geometry, choice);
        transpose.forward(call.output_size.view(signal), [size.height, size.width], epilogue, output);
    }

    /// Writes one sum of products, or adds it to the ones before.
    fn sum(
        &self,
        call: &Backward<'_>,
        sum: &Sum,
        (signal, is_first): (&[f32], bool),
        pool: &mut Pool,
        output: &mut [f32],
    ) {
        let input = call.input(0);
        let values: Vec<Vec<f32>> = sum.terms.iter().map(|term| term.values.of(input)).collect();
        let mut product = vec![0.0; signal.len()];
        let quotient = pool.scratch(signal.len());
        quotient.fill(if let Divisor::Plus(eps) = sum.divisor { eps } else { 0.0 });
        for (term, values) in sum.terms.iter().zip(&values) {
            self.product(term.part, View { data: values, ..input }, &mut product);
            update(quotient, &product, |z, product| z + term.sign() * product);
            self.add_bias(term.bias().map(|part| (part, term.sign())), quotient);
        }
        sum.divisor.divide(sum.factor, signal, quotient);
        if sum.at != Where::Everywhere {
            self.product(Part::Raw, input, &mut product);
            update(quotient, &product, |quotient, z| if sum.at.holds(z) { quotient } else { 0.0 });
        }

        if is_first {
            output.fill(0.0);
        }
        let mut back = vec![0.0; output.len()];
        for (term, values) in sum.terms.iter().zip(&values) {
            let epilogue = TransposeEpilogue { addend: None, gate: Gate::Product(values) };
            self.transposed(call, self.choice(term.part), (quotient, epilogue), &mut back);
            update(output, &back, |sum, back| sum + term.sign() * back);
        }
    }

    /// The product of any input of its shape and a part of the weights; whole weights come with their bias.
    pub(super) fn product(&self, part: Part, input: View<'_>, output: &mut [f32]) {
        let Weighted { prepared, owner, .. } = self.weights;
        let epilogue = Epilogue::Activation { residual: None, activation: None };
        prepared.convolution(owner, self.geometry, self.choice(part)).forward(input, epilogue, output);
    }

    /// Adds a part of the bias, with its sign, to every position.
    fn add_bias(&self, part: Option<(Part, f32)>, output: &mut [f32]) {
        let Weighted { prepared, owner, fold } = self.weights;
        let Some(((part, sign), bias)) = part.zip(prepared.bias(owner, fold)) else { return };
        for position in output.chunks_exact_mut(bias.len()) {
            position.iter_mut().zip(&bias).for_each(|(value, bias)| *value += sign * part.of(*bias));
        }
    }

    /// A part of the weights, past the norm above if that is computed in the same step.
    pub(super) fn choice(&self, part: Part) -> Choice<'a> {
        Choice { fold: self.weights.fold, ..Choice::part(part) }
    }
}
