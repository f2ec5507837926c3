use std::sync::Arc;

use neuron_geometry::ReceptiveField;
use neuron_kernels::{View, stabilised};
use serde::{Deserialize, Serialize};

use super::host::{Backward, Forward, HostOp, Pool, Signal, Weighted};
use super::op::{Op, Saves, TensorSpec};
use crate::error::ShapeError;
use crate::rule::Rule;
use crate::value::{Keep, Shape};

/// Each position's mean of the values of another map, by how alike that map's keys are to its query: keys and values may be
/// fewer than queries, and of other widths (Wang et al., "PVT", ICCV 2021; Graham et al., "LeViT", ICCV 2021).
///
/// Inputs are queries, keys and values, head by head. With `places`, the tensor `bias` `[heads, queries, keys]` is added to what
/// they are alike, and fixes the size of the image.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct CrossAttention {
    /// Number of heads of queries.
    pub heads: usize,
    /// Number of heads of keys and values: as many, or one that all share.
    pub key_heads: usize,
    /// Width of a query and a key.
    pub width: usize,
    /// Width of a value.
    pub value_width: usize,
    /// Of scalar products.
    pub factor: f32,
    /// Positions of queries and of keys for which there is a bias.
    pub places: Option<[usize; 2]>,
}

const BIAS: &str = "bias";

impl CrossAttention {
    fn bias<'a>(&self, weights: Weighted<'a>) -> Option<&'a [f32]> {
        self.places.map(|_| weights.prepared.tensor(weights.owner, BIAS))
    }

    /// What of an item belongs to a head: `[positions, width]` in steps of the item's channels.
    fn key_head(&self, head: usize) -> usize {
        if self.key_heads == 1 { 0 } else { head }
    }

    /// The weights of one query: `[keys]`, which sum to 1.
    fn weights(&self, query: &[f32], keys: &Rows<'_>, bias: Option<&[f32]>) -> Vec<f32> {
        let mut scores: Vec<f32> = (0..keys.count)
            .map(|key| dot(query, keys.row(key)) * self.factor + bias.map_or(0.0, |bias| bias[key]))
            .collect();
        let highest = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        scores.iter_mut().for_each(|score| *score = libm::expf(*score - highest));
        let sum: f32 = scores.iter().sum();
        scores.iter_mut().for_each(|score| *score /= sum);
        scores
    }

    /// Calls `body` with every item, head and query: its place in `[items, positions, heads]`, the query, the keys and values of
    /// its head, and the query's weights.
    fn for_each(
        &self,
        [queries, keys, values]: [View<'_>; 3],
        bias: Option<&[f32]>,
        mut body: impl FnMut([usize; 3], &[f32], &Rows<'_>, &Rows<'_>, &[f32]),
    ) {
        for item in 0..queries.batch {
            for head in 0..self.heads {
                let of = self.key_head(head);
                let queries = Rows::of(queries, item, head * self.width, self.width);
                let keys = Rows::of(keys, item, of * self.width, self.width);
                let values = Rows::of(values, item, of * self.value_width, self.value_width);
                for at in 0..queries.count {
                    let row =
                        bias.map(|bias| &bias[(head * queries.count + at) * keys.count..][..keys.count]);
                    let weights = self.weights(queries.row(at), &keys, row);
                    body([item, at, head], queries.row(at), &keys, &values, &weights);
                }
            }
        }
    }
}

/// Rows of a part of a map's channels.
struct Rows<'a> {
    data: &'a [f32],
    channels: usize,
    first: usize,
    width: usize,
    count: usize,
}

impl<'a> Rows<'a> {
    fn of(view: View<'a>, item: usize, first: usize, width: usize) -> Self {
        let len = view.item_len();
        let count = view.height * view.width;
        Self { data: &view.data[item * len..][..len], channels: view.channels, first, width, count }
    }

    fn row(&self, at: usize) -> &'a [f32] {
        &self.data[at * self.channels + self.first..][..self.width]
    }
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

impl Op for CrossAttention {
    fn shape(&self, inputs: &[Shape]) -> Result<Shape, ShapeError> {
        let [queries, keys, values] = [inputs[0], inputs[1], inputs[2]];
        if self.key_heads != 1 && self.key_heads != self.heads {
            return Err(ShapeError::Groups { groups: self.key_heads, channels: self.heads });
        }
        let expected =
            [self.heads * self.width, self.key_heads * self.width, self.key_heads * self.value_width];
        for (input, expected) in inputs.iter().zip(expected) {
            if input.channels != expected {
                return Err(ShapeError::Channels { expected, found: input.channels });
            }
        }
        if keys.positions() != values.positions() {
            return Err(ShapeError::Different);
        }
        let found = [queries.positions(), keys.positions()];
        match self.places {
            Some(expected) if expected != found => Err(ShapeError::Grid { expected, found }),
            _ => Ok(Shape { channels: self.heads * self.value_width, ..queries }),
        }
    }

    fn channels(&self, _: &[usize]) -> usize {
        self.heads * self.value_width
    }

    fn arity(&self) -> usize {
        3
    }

    fn tensors(&self) -> Vec<TensorSpec> {
        let bias =
            |[queries, keys]: [usize; 2]| TensorSpec { suffix: BIAS, shape: vec![self.heads, queries, keys] };
        self.places.map(bias).into_iter().collect()
    }

    /// Each position sees what all others see.
    fn field(&self, _: ReceptiveField) -> Option<ReceptiveField> {
        None
    }

    fn cell(&self, input: ReceptiveField) -> Option<ReceptiveField> {
        Some(input)
    }

    /// Positions are those of the queries.
    fn looks_at(&self, input: usize) -> bool {
        input == 0
    }

    fn is_non_negative(&self, inputs: &[bool]) -> bool {
        inputs.get(2).is_some_and(|values| *values)
    }

    fn saves(&self, keep: Keep) -> Saves {
        Saves { inputs: keep != Keep::Taps, ..Saves::default() }
    }

    /// Relevance flows through the values, as at [`Attention`](super::Attention).
    fn knows(&self, rule: &Rule) -> bool {
        matches!(rule, Rule::Gradient | Rule::ZPlus { .. } | Rule::ZPlusSigned { .. } | Rule::Epsilon { .. })
    }
}

impl HostOp for CrossAttention {
    fn forward(&self, call: &Forward<'_>, output: &mut [f32], _: Option<&mut [u8]>) {
        let bias = self.bias(call.weights);
        let [queries, keys, values] = [call.input, call.others[0], call.others[1]];
        let channels = self.heads * self.value_width;
        let count = queries.height * queries.width;
        neuron_threads::for_each(output.chunks_mut(channels.max(1)), |index, output| {
            let (item, at) = (index / count, index % count);
            for (head, output) in output.chunks_exact_mut(self.value_width).enumerate() {
                let of = self.key_head(head);
                let query = Rows::of(queries, item, head * self.width, self.width);
                let keys = Rows::of(keys, item, of * self.width, self.width);
                let values = Rows::of(values, item, of * self.value_width, self.value_width);
                let row = bias.map(|bias| &bias[(head * count + at) * keys.count..][..keys.count]);
                let weights = self.weights(query.row(at), &keys, row);
                output.fill(0.0);
                for (key, weight) in weights.iter().enumerate() {
                    output.iter_mut().zip(values.row(key)).for_each(|(sum, value)| *sum += weight * value);
                }
            }
        });
    }

    fn backward(&self, call: &Backward<'_>, signal: Signal, pool: &mut Pool) -> Vec<Signal> {
        let views = [0, 1, 2].map(|index| call.input(index));
        let mut back = [0, 1, 2].map(|index| pool.take(call.sizes[index].len()));
        back.iter_mut().for_each(|back| back.fill(0.0));
        let [to_queries, to_keys, to_values] = &mut back;
        let lens = views.map(|view| view.item_len());
        let channels = self.heads * self.value_width;
        let count = views[0].height * views[0].width;
        self.for_each(views, self.bias(call.weights), |[item, at, head], query, keys, values, weights| {
            let of = self.key_head(head);
            let signal =
                &signal[(item * count + at) * channels + head * self.value_width..][..self.value_width];
            let value_at = |key: usize| item * lens[2] + key * views[2].channels + of * self.value_width;
            match *call.rule {
                Rule::ZPlus { eps } | Rule::ZPlusSigned { eps } | Rule::Epsilon { eps } => {
                    let is_epsilon = matches!(call.rule, Rule::Epsilon { .. });
                    let counted = |value: f32| if is_epsilon { value } else { value.abs() };
                    for (place, signal) in signal.iter().enumerate() {
                        let part = |key: usize| weights[key] * counted(values.row(key)[place]);
                        let whole = stabilised((0..keys.count).map(part).sum(), eps);
                        for key in 0..keys.count {
                            to_values[value_at(key) + place] += signal * part(key) / whole;
                        }
                    }
                }
                _ => {
                    let slopes: Vec<f32> = (0..keys.count).map(|key| dot(signal, values.row(key))).collect();
                    let mean: f32 = slopes.iter().zip(weights).map(|(slope, weight)| slope * weight).sum();
                    for key in 0..keys.count {
                        let to = &mut to_values[value_at(key)..][..self.value_width];
                        to.iter_mut().zip(signal).for_each(|(to, signal)| *to += weights[key] * signal);
                        let slope = weights[key] * (slopes[key] - mean) * self.factor;
                        let from = item * lens[0] + at * views[0].channels + head * self.width;
                        let to = &mut to_queries[from..][..self.width];
                        to.iter_mut().zip(keys.row(key)).for_each(|(to, key)| *to += slope * key);
                        let from = item * lens[1] + key * views[1].channels + of * self.width;
                        let to = &mut to_keys[from..][..self.width];
                        to.iter_mut().zip(query).for_each(|(to, query)| *to += slope * query);
                    }
                }
            }
        });
        pool.release(signal);
        back.into_iter().map(Arc::new).collect()
    }
}
