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
//!
//! # The way it is computed
//!
//! A task has a head of a group of an item. It gathers the keys and values and packs them as the right sides of products,
//! then takes [`BLOCK`] queries at a time: their products with all keys, the softmax of these, and its product with the
//! values. All weights at once are never there; a task's memory is that of `BLOCK * group` similarities (twice for
//! gradients) and of a few copies of a head's queries, keys and values.
//!
//! Products are chains in the order of the channels, keys or queries, softmaxes are sums in fixed parts: neither the
//! number of items or threads nor the instruction set changes a bit. A NaN in a query is one in its output, a NaN in a key
//! or a value one in those of the group.

mod backward;
mod forward;
mod head;
mod neighbourhoods;
#[cfg(test)]
mod tests;

pub use neighbourhoods::Neighbourhoods;

use crate::microkernel::Isa;
use crate::shape::View;

/// Queries at a time: their similarities stay in the second-level cache, and few panels of keys and values are read often.
const BLOCK: usize = 56;

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

/// What every position's neighbours hold, by how alike their keys are to its query. A weight of less than `exp(-88)` of the
/// largest is 0.
///
/// A thread's memory does not depend on the batch and heads: it is that of 56 queries' similarities, which are as many as a
/// group has members, and of three copies of a head's keys and values.
///
/// # Shapes
/// * `map`: `[batch, height, width, 3 * channels]`
/// * `output`: `[batch, height, width, channels]`
///
/// # Panics
/// If a length does not fit.
pub fn attention(map: View<'_>, attention: &Attention<'_>, output: &mut [f32]) {
    forward::forward(Isa::detected(), map, attention, output);
}

/// The gradient of [`attention`] with respect to its map, for that with respect to its output.
///
/// The weights are computed again. A thread's memory is about twice that of [`attention`].
///
/// # Shapes
/// * `map`, `output`: `[batch, height, width, 3 * channels]`
/// * `signal`: `[batch, height, width, channels]`
///
/// # Panics
/// If a length does not fit.
pub fn attention_gradient(map: View<'_>, attention: &Attention<'_>, signal: &[f32], output: &mut [f32]) {
    backward::gradient(Isa::detected(), map, attention, signal, output);
}

/// Shares a signal at the output out to the values by the weights, which count as constants; queries and keys get 0.
///
/// # Shapes
/// As for [`attention_gradient`].
///
/// # Panics
/// If a length does not fit.
pub fn attention_transpose(map: View<'_>, attention: &Attention<'_>, signal: &[f32], output: &mut [f32]) {
    backward::transpose(Isa::detected(), map, attention, signal, output);
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
}
