//! Rules of layer-wise relevance propagation that are sums of products of inputs and weights: what each of them says.

use neuron_kernels::{View, stabilised, update};

use crate::prepared::Part;
use crate::rule::Rule;

/// `factor * sum of +- v w^T (R / z)` with `z = sum of +- (w v + b)`, at some values of the output.
pub(super) struct Sum {
    pub(super) terms: Vec<Term>,
    pub(super) factor: f32,
    pub(super) divisor: Divisor,
    pub(super) at: Where,
}

/// One product of a sum.
pub(super) struct Term {
    pub(super) values: Values,
    pub(super) part: Part,
    /// Which part of the bias is in the divisor; that of whole weights comes with their product.
    bias: Option<Part>,
    /// Whether it is subtracted.
    minus: bool,
}

/// What weights are multiplied with.
#[derive(Clone, Copy)]
pub(super) enum Values {
    Input,
    /// `max(a, 0)`
    Positive,
    /// `min(a, 0)`
    Negative,
    Ones,
    /// The same pixel everywhere.
    Pixel([f32; 3]),
}

/// How a divisor is kept off 0.
#[derive(Clone, Copy)]
pub(super) enum Divisor {
    /// `z + eps`
    Plus(f32),
    /// `z +- eps`, away from 0.
    Stabilised(f32),
}

/// At which values of the output a sum is computed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Where {
    Everywhere,
    /// Above 0.
    Positive,
    /// Below 0.
    Negative,
}

/// What a rule says of products of inputs and weights; nothing if it is not a rule for these.
///
/// The sums are those of zennit, biases included: a bias takes its share of a divisor, and nothing flows into it.
pub(super) fn sums(rule: &Rule) -> Vec<Sum> {
    match *rule {
        Rule::Epsilon { eps } => vec![one(Values::Input, Part::Raw, eps)],
        Rule::WSquare { eps } => vec![one(Values::Ones, Part::Squared, eps)],
        Rule::Flat { eps } => {
            let ones = Term { bias: None, ..term(Values::Ones, Part::Ones) };
            vec![Sum { terms: vec![ones], ..one(Values::Ones, Part::Ones, eps) }]
        }
        Rule::AlphaBeta { alpha, beta, eps } => {
            let sums = [
                Sum { factor: alpha, ..by_sign(Part::Positive, Part::Negative, eps) },
                Sum { factor: -beta, ..by_sign(Part::Negative, Part::Positive, eps) },
            ];
            sums.into_iter().filter(|sum| sum.factor != 0.0).collect()
        }
        Rule::Gamma { gamma, eps } => {
            let (favoured, opposed) = (Part::favoured(gamma), Part::opposed(gamma));
            vec![
                Sum { at: Where::Positive, ..by_sign(favoured, opposed, eps) },
                Sum { at: Where::Negative, ..by_sign(opposed, favoured, eps) },
            ]
        }
        // `z = (w x + b) - (w+ l + b+) - (w- h + b-) + eps` for the lowest and highest pixels l and h.
        Rule::ZBox { pixels, eps } => {
            let less = |pixel, part| Term { minus: true, ..term(Values::Pixel(pixel), part) };
            let terms = vec![
                term(Values::Input, Part::Raw),
                less(pixels.lowest, Part::Positive),
                less(pixels.highest, Part::Negative),
            ];
            vec![Sum { terms, factor: 1.0, divisor: Divisor::Plus(eps), at: Where::Everywhere }]
        }
        Rule::ZPlusSigned { eps } => {
            let unbiased = |values, part| Term { bias: None, ..term(values, part) };
            let terms =
                vec![unbiased(Values::Positive, Part::Positive), unbiased(Values::Negative, Part::Negative)];
            vec![Sum { terms, factor: 1.0, divisor: Divisor::Plus(eps), at: Where::Everywhere }]
        }
        Rule::ZPlusBias { eps } => {
            let biased = Term { bias: Some(Part::Raw), ..term(Values::Input, Part::Positive) };
            vec![Sum { terms: vec![biased], factor: 1.0, divisor: Divisor::Plus(eps), at: Where::Everywhere }]
        }
        _ => Vec::new(),
    }
}

fn term(values: Values, part: Part) -> Term {
    Term { values, part, bias: (part != Part::Raw).then_some(part), minus: false }
}

fn one(values: Values, part: Part, eps: f32) -> Sum {
    let divisor = Divisor::Stabilised(eps);
    Sum { terms: vec![term(values, part)], factor: 1.0, divisor, at: Where::Everywhere }
}

/// One part of the weights where inputs are positive, and another, without bias, where they are negative.
fn by_sign(positive: Part, negative: Part, eps: f32) -> Sum {
    let negative = Term { bias: None, ..term(Values::Negative, negative) };
    Sum { terms: vec![term(Values::Positive, positive), negative], ..one(Values::Input, Part::Raw, eps) }
}

impl Term {
    pub(super) fn sign(&self) -> f32 {
        if self.minus { -1.0 } else { 1.0 }
    }

    /// The part of the bias that is to be added to the product; that of whole weights is in it.
    pub(super) fn bias(&self) -> Option<Part> {
        self.bias
    }
}

impl Values {
    pub(super) fn of(self, input: View<'_>) -> Vec<f32> {
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

impl Divisor {
    /// `z = factor * signal / z`, kept off 0. What is added to every divisor is in `z` already.
    pub(super) fn divide(self, factor: f32, signal: &[f32], z: &mut [f32]) {
        match self {
            Self::Plus(_) => update(z, signal, |z, signal| factor * signal / z),
            Self::Stabilised(eps) => {
                update(z, signal, |z, signal| factor * signal / stabilised(z, eps));
            }
        }
    }
}

impl Where {
    pub(super) fn holds(self, output: f32) -> bool {
        match self {
            Self::Everywhere => true,
            Self::Positive => output > 0.0,
            Self::Negative => output < 0.0,
        }
    }
}
