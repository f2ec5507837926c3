//! What convolutions and fully connected layers have in common on the CPU: products of windows and weights.

use std::sync::Arc;

use neuron_kernels::{Algorithm, ConvGeometry, Epilogue, Gate, TransposeEpilogue, View, stabilised, update};

#[cfg(feature = "cuda")]
use super::Operation;
use super::host::{Backward, Forward, Pool, Signal, Weighted};
use super::op::Saves;
use crate::prepared::{Choice, Part};
use crate::rule::{Product, Rule};
use crate::value::Keep;

/// Relevance reads the inputs; the gradient of a product needs none of its values.
pub(super) fn saves(keep: Keep) -> Saves {
    Saves { inputs: keep == Keep::Relevance, ..Saves::default() }
}

pub(super) fn knows(rule: &Rule) -> bool {
    matches!(
        rule,
        Rule::Gradient
            | Rule::ZPlus { .. }
            | Rule::Epsilon { .. }
            | Rule::Gamma { .. }
            | Rule::AlphaBeta { .. }
            | Rule::WSquare { .. }
            | Rule::Flat { .. }
            | Rule::ZBox { .. }
            | Rule::Custom(_)
    )
}

#[cfg(feature = "cuda")]
impl Operation {
    /// How the weights of a convolution, or of a fully connected layer as one, slide; `None` for any other operation.
    pub(crate) fn sliding(&self) -> Option<ConvGeometry> {
        match self {
            Self::Convolution(convolution) => Some(convolution.geometry),
            Self::Linear(linear) => Some(linear.geometry()),
            _ => None,
        }
    }
}

/// Weights that slide over a map.
pub(super) struct Sliding<'a> {
    pub(super) weights: Weighted<'a>,
    pub(super) geometry: ConvGeometry,
}

/// One product of a rule that is a sum of products.
struct Term {
    values: Values,
    part: Part,
    /// Whether it is subtracted.
    minus: bool,
}

/// What weights are multiplied with.
#[derive(Clone, Copy)]
enum Values {
    Input,
    /// `max(a, 0)`
    Positive,
    /// `min(a, 0)`
    Negative,
    Ones,
    /// The same pixel everywhere.
    Pixel([f32; 3]),
}

/// `sum of +- v * w^T (factor * R / z)` with `z = sum of +- w v`.
struct Sum {
    terms: Vec<Term>,
    factor: f32,
    divisor: Divisor,
}

/// How a divisor is kept off 0.
#[derive(Clone, Copy)]
enum Divisor {
    /// `z + eps`
    Plus(f32),
    /// `z +- eps`, away from 0.
    Stabilised(f32),
}

impl<'a> Sliding<'a> {
    /// `relu?(product + bias + addend?)`
    pub(super) fn forward(&self, call: &Forward<'_>, choice: Choice<'_>, output: &mut [f32]) {
        let epilogue = Epilogue::Activation { residual: call.addend, relu: call.relu };
        let Weighted { prepared, owner, .. } = self.weights;
        prepared.convolution(owner, self.geometry, choice).forward(call.input, epilogue, output);
    }

    pub(super) fn backward(&self, call: &Backward<'_>, signal: Signal, pool: &mut Pool) -> Vec<Signal> {
        let mut output = pool.take(call.sizes[0].len());
        let addend = call.addend.as_ref().map(|addend| &addend[..]);
        match call.rule {
            Rule::Gradient => self.gradient(call, &signal, addend, &mut output),
            Rule::ZPlus { eps } => self.z_plus(call, &signal, addend, (*eps, pool), &mut output),
            Rule::Custom(_) => {
                pool.give(output);
                let product = Crossed { sliding: self, call };
                let mut signals = call.custom(signal, Some(&product), pool).unwrap_or_default();
                if let (Some(signal), Some(addend)) = (signals.first_mut(), addend) {
                    update(pool.own(signal), addend, |value, more| value + more);
                }
                return signals;
            }
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

    fn transposed(
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
        let Weighted { prepared, owner, .. } = self.weights;

        let mut term_of = vec![0.0; signal.len()];
        let quotient = pool.scratch(signal.len());
        quotient.fill(if let Divisor::Plus(eps) = sum.divisor { eps } else { 0.0 });
        for (term, values) in sum.terms.iter().zip(&values) {
            let epilogue = Epilogue::Activation { residual: None, relu: false };
            let values = View { data: values, ..input };
            let convolution = prepared.convolution(owner, self.geometry, self.choice(term.part));
            convolution.forward(values, epilogue, &mut term_of);
            update(quotient, &term_of, |z, product| z + term.sign() * product);
        }
        let factor = sum.factor;
        match sum.divisor {
            Divisor::Plus(_) => update(quotient, signal, |z, signal| factor * signal / z),
            Divisor::Stabilised(eps) => {
                update(quotient, signal, |z, signal| factor * signal / stabilised(z, eps));
            }
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

    /// A part of the weights, past the norm above if that is computed in the same step.
    fn choice(&self, part: Part) -> Choice<'a> {
        Choice { fold: self.weights.fold, ..Choice::part(part) }
    }
}

/// What a rule says of products of inputs and weights.
fn sums(rule: &Rule) -> Vec<Sum> {
    let term = |values, part| Term { values, part, minus: false };
    let one = |values, part, eps| Sum {
        terms: vec![term(values, part)],
        factor: 1.0,
        divisor: Divisor::Stabilised(eps),
    };
    match *rule {
        Rule::Epsilon { eps } => vec![one(Values::Input, Part::Raw, eps)],
        Rule::Gamma { gamma, eps } => vec![one(Values::Input, Part::gamma(gamma), eps)],
        Rule::WSquare { eps } => vec![one(Values::Ones, Part::Squared, eps)],
        Rule::Flat { eps } => vec![one(Values::Ones, Part::Ones, eps)],
        Rule::AlphaBeta { alpha, beta, eps } => {
            let branch = |same, other, factor| Sum {
                terms: vec![term(Values::Positive, same), term(Values::Negative, other)],
                factor,
                divisor: Divisor::Stabilised(eps),
            };
            let for_and_against = [
                branch(Part::Positive, Part::Negative, alpha),
                branch(Part::Negative, Part::Positive, -beta),
            ];
            for_and_against.into_iter().filter(|sum| sum.factor != 0.0).collect()
        }
        // `z = conv(x, w) - conv(l, w+) - conv(h, w-) + eps` for the lowest and highest pixels l and h.
        Rule::ZBox { pixels, eps } => {
            let less = |pixel, part| Term { values: Values::Pixel(pixel), part, minus: true };
            vec![Sum {
                terms: vec![
                    term(Values::Input, Part::Raw),
                    less(pixels.lowest, Part::Positive),
                    less(pixels.highest, Part::Negative),
                ],
                factor: 1.0,
                divisor: Divisor::Plus(eps),
            }]
        }
        _ => Vec::new(),
    }
}

impl Term {
    fn sign(&self) -> f32 {
        if self.minus { -1.0 } else { 1.0 }
    }
}

impl Values {
    fn of(self, input: View<'_>) -> Vec<f32> {
        let changed = |change: fn(f32) -> f32| input.data.iter().map(|value| change(*value)).collect();
        match self {
            Self::Input => input.data.to_vec(),
            Self::Positive => changed(|value| value.max(0.0)),
            Self::Negative => changed(|value| value.min(0.0)),
            Self::Ones => vec![1.0; input.data.len()],
            Self::Pixel(pixel) => pixel.repeat(input.data.len() / 3),
        }
    }
}

/// A product that a signal passes, for a rule of an embedder's.
struct Crossed<'a, 'b> {
    sliding: &'a Sliding<'b>,
    call: &'a Backward<'b>,
}

impl Product for Crossed<'_, '_> {
    fn forward(&self, part: Part, input: View<'_>) -> Vec<f32> {
        let Weighted { prepared, owner, .. } = self.sliding.weights;
        let mut output = vec![0.0; self.call.output_size.len()];
        let epilogue = Epilogue::Activation { residual: None, relu: false };
        let convolution = prepared.convolution(owner, self.sliding.geometry, self.sliding.choice(part));
        convolution.forward(input, epilogue, &mut output);
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
