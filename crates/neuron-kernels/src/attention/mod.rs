//! Attention: every position becomes a weighted mean of its neighbours' values.
//!
//! # The arithmetic
//!
//! A map holds queries, keys and values of all heads, `[.., 3 * channels]`: head `h` has the channels
//! `h * width..(h + 1) * width` of each third. Within a group, for each head:
//!
//! ```text
//! similarity[i, j] = factor * (q[i] . k[j]) + bias[h, i, j] (- 100 between regions)
//! weight[i, j]     = exp(similarity[i, j] - max) / sum over j
//! output[i]        = sum over j of weight[i, j] * v[j]
//! ```
//!
//! By cosine, `q` and `k` are divided by their lengths first.

mod neighbourhoods;

pub use neighbourhoods::Neighbourhoods;
use neighbourhoods::OUTSIDE;

use crate::shape::View;

/// How alike a query and a key are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Similarity<'a> {
    /// Their scalar product times a factor (usually 1 / the square root of a head's width).
    Dot {
        /// The factor.
        factor: f32,
    },
    /// The cosine of their angle times a factor of the head (Liu et al., "Swin Transformer V2", CVPR 2022).
    Cosine {
        /// `[heads]`
        factors: &'a [f32],
    },
}

/// What an attention computes beside its map.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Attention<'a> {
    /// Who attends to whom.
    pub neighbourhoods: &'a Neighbourhoods,
    /// Number of heads; the channels are shared out evenly.
    pub heads: usize,
    /// How alike a query and a key are.
    pub similarity: Similarity<'a>,
    /// Is added to similarities, `[heads, group, group]`.
    pub bias: Option<&'a [f32]>,
    /// Query, key and value of what is outside of the map, `[3 * channels]`; needed where the neighbourhoods have padding.
    pub outside: Option<&'a [f32]>,
    /// Is taken off every key, `[channels]`.
    pub key_offset: Option<&'a [f32]>,
}

/// What is added to the similarity of members of different regions.
const FAR: f32 = -100.0;
/// The least length that a vector is divided by.
const LEAST_LENGTH: f32 = 1e-12;

/// # Shapes
/// * `map`: `[batch, height, width, 3 * channels]`
/// * `output`: `[batch, height, width, channels]`
///
/// # Panics
/// If a length does not fit.
pub fn attention(map: View<'_>, attention: &Attention<'_>, output: &mut [f32]) {
    let channels = attention.check(map);
    assert_eq!(output.len() * 3, map.data.len(), "output of the attention");
    attention.for_each_item(map, (channels, output), |head, group, output| {
        let weights = head.weights(group);
        for (i, member) in group.members.iter().enumerate().filter(|(_, member)| **member != OUTSIDE) {
            let to = &mut output[*member as usize * channels + head.first..][..head.width];
            to.fill(0.0);
            for (j, weight) in weights[i * group.members.len()..][..group.members.len()].iter().enumerate() {
                to.iter_mut()
                    .zip(head.value(group, j))
                    .for_each(|(to, value)| *to = weight.mul_add(*value, *to));
            }
        }
    });
}

/// The gradient of [`attention`] with respect to its map, for that with respect to its output.
///
/// # Shapes
/// * `map`, `output`: `[batch, height, width, 3 * channels]`
/// * `signal`: `[batch, height, width, channels]`
///
/// # Panics
/// If a length does not fit.
pub fn attention_gradient(map: View<'_>, attention: &Attention<'_>, signal: &[f32], output: &mut [f32]) {
    let channels = attention.check(map);
    assert_eq!(output.len(), map.data.len(), "output of the gradient");
    assert_eq!(signal.len() * 3, map.data.len(), "signal of the attention");
    let signal_of = |item: usize| &signal[item * map.item_len() / 3..];
    attention.for_each_item(map, (3 * channels, output), |head, group, output| {
        head.gradient(group, (signal_of(group.item), channels), output);
    });
}

/// Shares a signal at the output out to the values by the weights, which count as constants; queries and keys get 0.
///
/// # Shapes
/// As for [`attention_gradient`].
///
/// # Panics
/// If a length does not fit.
pub fn attention_transpose(map: View<'_>, attention: &Attention<'_>, signal: &[f32], output: &mut [f32]) {
    let channels = attention.check(map);
    assert_eq!(output.len(), map.data.len(), "output of the transpose");
    assert_eq!(signal.len() * 3, map.data.len(), "signal of the attention");
    let signal_of = |item: usize| &signal[item * map.item_len() / 3..];
    attention.for_each_item(map, (3 * channels, output), |head, group, output| {
        let (weights, len) = (head.weights(group), group.members.len());
        let signal = signal_of(group.item);
        for (j, member) in group.members.iter().enumerate().filter(|(_, member)| **member != OUTSIDE) {
            let to = &mut output[*member as usize * 3 * channels + head.first..];
            to[..head.width].fill(0.0);
            to[channels..][..head.width].fill(0.0);
            let to = &mut to[2 * channels..][..head.width];
            to.fill(0.0);
            for (i, from) in group.members.iter().enumerate().filter(|(_, from)| **from != OUTSIDE) {
                let (weight, from) =
                    (weights[i * len + j], &signal[*from as usize * channels + head.first..]);
                to.iter_mut().zip(from).for_each(|(to, value)| *to = weight.mul_add(*value, *to));
            }
        }
    });
}

/// A head of an item.
struct Head<'a> {
    attention: &'a Attention<'a>,
    index: usize,
    /// `[positions, 3 * channels]`
    item: &'a [f32],
    channels: usize,
    /// Its channels.
    first: usize,
    width: usize,
}

/// A group of an item.
struct Group<'a> {
    item: usize,
    members: &'a [u32],
    regions: Option<&'a [u8]>,
}

impl Attention<'_> {
    /// The channels of the output.
    fn check(&self, map: View<'_>) -> usize {
        map.check();
        let (channels, group) = (map.channels / 3, self.neighbourhoods.group_len());
        assert_eq!(channels * 3, map.channels, "a map of queries, keys and values");
        assert!(
            self.heads > 0 && channels.is_multiple_of(self.heads),
            "{channels} channels of {} heads",
            self.heads
        );
        assert_eq!(map.height * map.width, self.neighbourhoods.positions(), "positions of the attention");
        let bias = self.bias.map_or(self.heads * group * group, <[f32]>::len);
        assert_eq!(bias, self.heads * group * group, "a bias of [heads, group, group]");
        let outside = self.outside.map_or(0, <[f32]>::len);
        assert!(outside == map.channels || !self.neighbourhoods.has_padding(), "what is outside of the map");
        assert_eq!(self.key_offset.map_or(channels, <[f32]>::len), channels, "an offset of the keys");
        if let Similarity::Cosine { factors } = self.similarity {
            assert_eq!(factors.len(), self.heads, "a factor of each head");
        }
        channels
    }

    /// Calls `body` with each head and group of each item, and the item's part of the output.
    fn for_each_item(
        &self,
        map: View<'_>,
        (channels, output): (usize, &mut [f32]),
        body: impl Fn(&Head<'_>, &Group<'_>, &mut [f32]) + Sync,
    ) {
        let positions = self.neighbourhoods.positions();
        if output.is_empty() {
            return;
        }
        neuron_threads::for_each(output.chunks_mut(positions * channels), |item, output| {
            let width = map.channels / 3 / self.heads;
            for index in 0..self.heads {
                let head = Head {
                    attention: self,
                    index,
                    item: &map.data[item * map.item_len()..][..map.item_len()],
                    channels: map.channels / 3,
                    first: index * width,
                    width,
                };
                for (members, regions) in self.neighbourhoods.groups() {
                    body(&head, &Group { item, members, regions }, output);
                }
            }
        });
    }
}

impl Head<'_> {
    /// One of queries (0), keys (1) and values (2) of a member.
    fn third(&self, group: &Group<'_>, third: usize, member: usize) -> &[f32] {
        let at = third * self.channels + self.first;
        match group.members[member] {
            OUTSIDE => &self.attention.outside.expect("checked: padding has values")[at..][..self.width],
            position => &self.item[position as usize * 3 * self.channels + at..][..self.width],
        }
    }

    fn value(&self, group: &Group<'_>, member: usize) -> &[f32] {
        self.third(group, 2, member)
    }

    /// The key without its offset.
    fn key(&self, group: &Group<'_>, member: usize) -> Vec<f32> {
        let key = self.third(group, 1, member);
        match self.attention.key_offset {
            None => key.to_vec(),
            Some(offset) => key.iter().zip(&offset[self.first..]).map(|(key, offset)| key - offset).collect(),
        }
    }

    /// What a query and a key are multiplied by: `factor`, and by cosine 1 / their lengths.
    fn factors(&self, [query, key]: [&[f32]; 2]) -> (f32, [f32; 2]) {
        match self.attention.similarity {
            Similarity::Dot { factor } => (factor, [1.0; 2]),
            Similarity::Cosine { factors } => {
                let shrink = |values: &[f32]| 1.0 / dot(values, values).sqrt().max(LEAST_LENGTH);
                (factors[self.index], [shrink(query), shrink(key)])
            }
        }
    }

    /// `[group, group]`
    fn weights(&self, group: &Group<'_>) -> Vec<f32> {
        let len = group.members.len();
        let keys: Vec<Vec<f32>> = (0..len).map(|j| self.key(group, j)).collect();
        let mut weights = vec![0.0; len * len];
        for (i, row) in weights.chunks_exact_mut(len).enumerate() {
            let query = self.third(group, 0, i);
            for (j, (weight, key)) in row.iter_mut().zip(&keys).enumerate() {
                let (factor, [a, b]) = self.factors([query, key]);
                let mut similarity = dot(query, key) * (factor * a * b);
                if let Some(bias) = self.attention.bias {
                    similarity += bias[(self.index * len + i) * len + j];
                }
                if group.regions.is_some_and(|regions| regions[i] != regions[j]) {
                    similarity += FAR;
                }
                *weight = similarity;
            }
            let most = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            row.iter_mut().for_each(|value| *value = (*value - most).exp());
            let sum = row.iter().sum::<f32>();
            row.iter_mut().for_each(|value| *value /= sum);
        }
        weights
    }

    fn gradient(&self, group: &Group<'_>, (signal, channels): (&[f32], usize), output: &mut [f32]) {
        let (len, weights) = (group.members.len(), self.weights(group));
        let signal_of = |i: usize| match group.members[i] {
            OUTSIDE => None,
            position => Some(&signal[position as usize * channels + self.first..][..self.width]),
        };
        // Of the similarities.
        let mut slopes = vec![0.0; len * len];
        for i in 0..len {
            let Some(signal) = signal_of(i) else { continue };
            let row = &mut slopes[i * len..][..len];
            row.iter_mut().enumerate().for_each(|(j, slope)| *slope = dot(signal, self.value(group, j)));
            let weights = &weights[i * len..][..len];
            let mean = dot(row, weights);
            row.iter_mut().zip(weights).for_each(|(slope, weight)| *slope = weight * (*slope - mean));
        }
        for (at, member) in group.members.iter().enumerate().filter(|(_, member)| **member != OUTSIDE) {
            let (own_query, own_key) = (self.third(group, 0, at), self.key(group, at));
            let (mut query, mut key, mut value) =
                (vec![0.0; self.width], vec![0.0; self.width], vec![0.0; self.width]);
            let add = |to: &mut [f32], factor: f32, from: &[f32]| {
                to.iter_mut().zip(from).for_each(|(to, from)| *to = factor.mul_add(*from, *to));
            };
            for other in 0..len {
                let other_key = self.key(group, other);
                let (factor, [a, b]) = self.factors([own_query, &other_key]);
                let _ = a;
                add(&mut query, slopes[at * len + other] * factor * b, &other_key);
                let other_query = self.third(group, 0, other);
                let (factor, [a, _]) = self.factors([other_query, &own_key]);
                add(&mut key, slopes[other * len + at] * factor * a, other_query);
                if let Some(signal) = signal_of(other) {
                    add(&mut value, weights[other * len + at], signal);
                }
            }
            if let Similarity::Cosine { .. } = self.attention.similarity {
                through_length(own_query, &mut query);
                through_length(&own_key, &mut key);
            }
            let to = &mut output[*member as usize * 3 * channels + self.first..];
            to[..self.width].copy_from_slice(&query);
            to[channels..][..self.width].copy_from_slice(&key);
            to[2 * channels..][..self.width].copy_from_slice(&value);
        }
    }
}

/// The gradient past `x / |x|`.
fn through_length(x: &[f32], signal: &mut [f32]) {
    let shrink = 1.0 / dot(x, x).sqrt().max(LEAST_LENGTH);
    let along = dot(x, signal) * shrink * shrink;
    signal.iter_mut().zip(x).for_each(|(signal, x)| *signal = shrink * (*signal - along * x));
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).fold(0.0, |sum, (a, b)| a.mul_add(*b, sum))
}
