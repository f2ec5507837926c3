use std::sync::Arc;

use neuron_geometry::ReceptiveField;
use neuron_kernels::stabilised;
use serde::{Deserialize, Serialize};

use super::host::{Backward, Forward, HostOp, Pool, Signal};
use super::op::{Op, Saves};
use crate::error::ShapeError;
use crate::rule::Rule;
use crate::value::{Keep, Shape};

/// Products of matrices that the network computes: how alike channels are (El-Nouby et al., "XCiT", NeurIPS 2021), or sums by
/// weights that are more than a softmax of similarities.
///
/// Inputs are `[batches * rows, inner]` and `[batches * columns, inner]`, as positions and channels; what comes out is
/// `[batches * rows, columns]`, a grid of `batches x rows`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MatrixProduct {
    /// How many products there are; they fix the size of the image.
    pub batches: usize,
    /// Rows of each first matrix.
    pub rows: usize,
    /// Rows of each second matrix, which is there with rows and columns exchanged.
    pub columns: usize,
    /// Over how many products each sum is.
    pub inner: usize,
    /// Whether the first are weights that a softmax made: relevance belongs to the second alone, as at
    /// [`Attention`](super::Attention).
    pub weighs: bool,
}

/// Sums that run beside one another, so that processors can add several at once.
const LANES: usize = 8;

/// A scalar product, always in the same order.
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0.0f32; LANES];
    let (a, b) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let rest: f32 = a.remainder().iter().zip(b.remainder()).map(|(a, b)| a * b).sum();
    for (a, b) in a.zip(b) {
        sums.iter_mut().zip(a.iter().zip(b)).for_each(|(sum, (a, b))| *sum += a * b);
    }
    sums.iter().sum::<f32>() + rest
}

impl MatrixProduct {
    /// Adds to each row of `to` the rows of `from` by the numbers in `by`, `[rows of to, rows of from]` in such steps.
    fn add_rows(&self, to: &mut [f32], from: &[f32], by: impl Fn(usize, usize) -> f32) {
        for (row, to) in to.chunks_exact_mut(self.inner).enumerate() {
            for (other, from) in from.chunks_exact(self.inner).enumerate() {
                let by = by(row, other);
                to.iter_mut().zip(from).for_each(|(to, from)| *to += by * from);
            }
        }
    }

    /// Relevance in proportion to each term of a sum, to both factors alike unless the first are weights.
    fn share(&self, [a, b, signal]: [&[f32]; 3], [to_a, to_b]: [&mut [f32]; 2], rule: &Rule, eps: f32) {
        let is_epsilon = matches!(rule, Rule::Epsilon { .. });
        let counted = |value: f32| if is_epsilon { value } else { value.abs() };
        let share = if self.weighs { 1.0 } else { 0.5 };
        for row in 0..self.rows {
            for column in 0..self.columns {
                let term = |at: usize| counted(a[row * self.inner + at] * b[column * self.inner + at]);
                let whole = stabilised((0..self.inner).map(term).sum(), eps);
                let by = share * signal[row * self.columns + column] / whole;
                for at in 0..self.inner {
                    let part = by * term(at);
                    to_b[column * self.inner + at] += part;
                    if !self.weighs {
                        to_a[row * self.inner + at] += part;
                    }
                }
            }
        }
    }
}

impl Op for MatrixProduct {
    fn shape(&self, inputs: &[Shape]) -> Result<Shape, ShapeError> {
        let Self { batches, rows, columns, inner, .. } = *self;
        for (input, count) in inputs.iter().zip([rows, columns]) {
            if input.channels != inner {
                return Err(ShapeError::Channels { expected: inner, found: input.channels });
            }
            if batches.checked_mul(count) != Some(input.positions()) {
                let found = [input.height, input.width];
                return Err(ShapeError::Grid { expected: [batches, count], found });
            }
        }
        Ok(Shape::grid(columns, batches, rows))
    }

    fn channels(&self, _: &[usize]) -> usize {
        self.columns
    }

    fn arity(&self) -> usize {
        2
    }

    /// Each position sees what all others see.
    fn field(&self, _: ReceptiveField) -> Option<ReceptiveField> {
        None
    }

    /// Its positions are no longer those of either.
    fn looks_at(&self, input: usize) -> bool {
        input == 0
    }

    fn is_non_negative(&self, inputs: &[bool]) -> bool {
        inputs.iter().all(|input| *input)
    }

    fn saves(&self, keep: Keep) -> Saves {
        Saves { inputs: keep != Keep::Taps, ..Saves::default() }
    }

    /// In proportion to the terms of every sum (Achtibat et al., "AttnLRP", ICML 2024).
    fn knows(&self, rule: &Rule) -> bool {
        matches!(rule, Rule::Gradient | Rule::ZPlus { .. } | Rule::ZPlusSigned { .. } | Rule::Epsilon { .. })
    }
}

impl HostOp for MatrixProduct {
    fn forward(&self, call: &Forward<'_>, output: &mut [f32], _: Option<&mut [u8]>) {
        let Self { rows, columns, inner, .. } = *self;
        let (a, b) = (call.input.data, call.others[0].data);
        neuron_threads::for_each(output.chunks_mut(columns.max(1)), |index, output| {
            let a = &a[index * inner..][..inner];
            let b = &b[index / rows * columns * inner..][..columns * inner];
            output.iter_mut().zip(b.chunks_exact(inner)).for_each(|(value, b)| *value = dot(a, b));
        });
    }

    fn backward(&self, call: &Backward<'_>, signal: Signal, pool: &mut Pool) -> Vec<Signal> {
        let Self { rows, columns, inner, .. } = *self;
        let [a, b] = [0, 1].map(|index| call.input(index).data);
        let mut back = [0, 1].map(|index| pool.take(call.sizes[index].len()));
        let [to_a, to_b] = &mut back;
        let pairs = to_a.chunks_mut(rows * inner).zip(to_b.chunks_mut(columns * inner));
        neuron_threads::for_each(pairs, |batch, (to_a, to_b)| {
            let a = &a[batch * rows * inner..][..rows * inner];
            let b = &b[batch * columns * inner..][..columns * inner];
            let signal = &signal[batch * rows * columns..][..rows * columns];
            to_a.fill(0.0);
            to_b.fill(0.0);
            match *call.rule {
                Rule::ZPlus { eps } | Rule::ZPlusSigned { eps } | Rule::Epsilon { eps } => {
                    self.share([a, b, signal], [to_a, to_b], call.rule, eps);
                }
                _ => {
                    self.add_rows(to_a, b, |row, column| signal[row * columns + column]);
                    self.add_rows(to_b, a, |column, row| signal[row * columns + column]);
                }
            }
        });
        pool.release(signal);
        back.into_iter().map(Arc::new).collect()
    }
}
