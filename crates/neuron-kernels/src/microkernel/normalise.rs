//! Layer norm of one position after another: sums over its channels, then a pass that uses them.
//!
//! A sum is one of every [`PARTS`] channels at a time, in as many lanes of however many vectors, and the parts are added
//! up in one order: the same bits on every instruction set.
use super::lanes::{Lanes, each_vector};
use std::array::from_fn;

/// Partial sums: the lanes of the two to eight vectors that are added to in turn.
pub(super) const PARTS: usize = 32;
/// Vectors of a sum, at most.
pub(super) const MOST_VECTORS: usize = PARTS / 4;

/// Rows of `channels` values and the parameters of their channels.
pub(super) struct Norm {
    pub(super) rows: usize,
    pub(super) channels: usize,
    pub(super) input: *const f32,
    pub(super) weight: *const f32,
    /// Forward: a value a channel. Backward: the signal, laid out like the input.
    pub(super) other: *const f32,
    pub(super) output: *mut f32,
    /// Added to the variance.
    pub(super) eps: f64,
}

/// # Safety
/// The machine has the instruction set, and the pointers are valid for what the fields say.
pub(super) type Kernel = unsafe fn(&Norm);

/// Does `$body` for the vectors of `$channels` values: `$at` and `$count` are as for [`each_vector`], `$part` is the vector
/// of a sum that it is added to, a constant once the loops over it are unrolled.
macro_rules! each_part {
    ($lanes:ty, $channels:expr, $at:ident, $count:ident, $part:ident: $body:expr) => {{
        let channels: usize = $channels;
        let whole = channels - channels % PARTS;
        let mut start = 0;
        while start < whole {
            for $part in 0..PARTS / <$lanes>::LEN {
                let ($at, $count) = (start + $part * <$lanes>::LEN, <$lanes>::LEN);
                $body;
            }
            start += PARTS;
        }
        for $part in 0..PARTS / <$lanes>::LEN {
            let $at = whole + $part * <$lanes>::LEN;
            if $at < channels {
                let $count = (channels - $at).min(<$lanes>::LEN);
                $body;
            }
        }
    }};
}
pub(super) use each_part;

/// What a row is normalised by: `(x - mean - rest) * scale`.
#[derive(Clone, Copy)]
struct Moments<S> {
    mean: S,
    /// What rounding to f32 took from the mean.
    rest: S,
    scale: S,
}

impl<S: Lanes> Moments<S> {
    /// `share` is 1 / `channels`. In two passes: the squares are those of differences from the mean, so that nothing cancels.
    ///
    /// # Safety
    /// As for [`Lanes`]; `input` is valid for `channels` values.
    #[inline(always)]
    unsafe fn new(input: *const f32, (channels, share): (usize, f64), eps: f64) -> Self {
        // SAFETY: passed on to the caller.
        unsafe {
            let zero = S::splat(0.0);
            let mut sums = [zero; MOST_VECTORS];
            each_part!(S, channels, at, count, part: {
                sums[part] = sums[part].add(S::load_up_to(input.add(at), count));
            });
            let mean = (total(sums) * share) as f32;
            let (mut differences, mut squares) = ([zero; MOST_VECTORS], [zero; MOST_VECTORS]);
            each_part!(S, channels, at, count, part: {
                let difference = S::load_up_to(input.add(at), count).sub(S::splat(mean));
                let difference = first_or(difference, count, zero);
                differences[part] = differences[part].add(difference);
                squares[part] = difference.mul_add(difference, squares[part]);
            });
            let rest = total(differences) * share;
            let variance = total(squares) * share - rest * rest;
            let scale = 1.0 / (variance + eps).sqrt();
            Self { mean: S::splat(mean), rest: S::splat(rest as f32), scale: S::splat(scale as f32) }
        }
    }

    /// # Safety
    /// As for [`Lanes`].
    #[inline(always)]
    unsafe fn normal(&self, x: S) -> S {
        // SAFETY: passed on to the caller.
        unsafe { x.sub(self.mean).sub(self.rest).mul(self.scale) }
    }
}

/// # Safety
/// As for [`Lanes`].
#[inline(always)]
pub(super) unsafe fn total<S: Lanes>(sums: [S; MOST_VECTORS]) -> f64 {
    let mut parts = [0f32; PARTS];
    for (sums, parts) in sums.iter().zip(parts.chunks_exact_mut(S::LEN)) {
        // SAFETY: passed on to the caller; the parts are as many as lanes.
        unsafe { sums.store(parts.as_mut_ptr()) };
    }
    // In halves, as one sum after the other would take longer than a row.
    let parts: [f32; 16] = from_fn(|index| parts[index] + parts[index + 16]);
    let parts: [f32; 8] = from_fn(|index| parts[index] + parts[index + 8]);
    let [a, b, c, d]: [f64; 4] = from_fn(|index| f64::from(parts[index]) + f64::from(parts[index + 4]));
    (a + c) + (b + d)
}

/// `beyond` in all but the first `count` lanes.
///
/// # Safety
/// As for [`Lanes`].
#[inline(always)]
pub(super) unsafe fn first_or<S: Lanes>(value: S, count: usize, beyond: S) -> S {
    if count == S::LEN {
        return value;
    }
    let lanes: [f32; 16] = from_fn(|lane| lane as f32);
    // SAFETY: passed on to the caller; a vector has at most 16 lanes.
    unsafe { S::load(lanes.as_ptr()).where_less(S::splat(count as f32), value, beyond) }
}

/// # Safety
/// As for [`Kernel`]; only to be inlined into a function that enables `S`.
#[inline(always)]
pub(super) unsafe fn forward<S: Lanes>(norm: &Norm) {
    let share = 1.0 / norm.channels as f64;
    for row in 0..norm.rows {
        let from = row * norm.channels;
        // SAFETY: passed on to the caller; the row is one of `rows`.
        unsafe {
            let (input, output) = (norm.input.add(from), norm.output.add(from));
            let moments = Moments::<S>::new(input, (norm.channels, share), norm.eps);
            each_vector!(S, norm.channels, at, count: {
                let normal = moments.normal(S::load_up_to(input.add(at), count));
                let weight = S::load_up_to(norm.weight.add(at), count);
                let bias = S::load_up_to(norm.other.add(at), count);
                normal.mul_add(weight, bias).store_up_to(output.add(at), count);
            });
        }
    }
}

/// `scale * (g - mean(g) - n * mean(g * n))` with `g = weight * signal` and the normalised input `n`.
///
/// # Safety
/// As for [`Kernel`]; only to be inlined into a function that enables `S`.
#[inline(always)]
pub(super) unsafe fn backward<S: Lanes>(norm: &Norm) {
    let share = 1.0 / norm.channels as f64;
    for row in 0..norm.rows {
        let from = row * norm.channels;
        // SAFETY: passed on to the caller; the row is one of `rows`.
        unsafe {
            let (input, output) = (norm.input.add(from), norm.output.add(from));
            let signal = norm.other.add(from);
            let moments = Moments::<S>::new(input, (norm.channels, share), norm.eps);
            let (mut sums, mut products) = ([S::splat(0.0); MOST_VECTORS], [S::splat(0.0); MOST_VECTORS]);
            // Lanes beyond the row have a weight of 0.
            each_part!(S, norm.channels, at, count, part: {
                let weight = S::load_up_to(norm.weight.add(at), count);
                let weighted = S::load_up_to(signal.add(at), count).mul(weight);
                let normal = moments.normal(S::load_up_to(input.add(at), count));
                sums[part] = sums[part].add(weighted);
                products[part] = weighted.mul_add(normal, products[part]);
            });
            let mean = |sums| S::splat((total(sums) * share) as f32);
            let (offset, slope) = (mean(sums), mean(products));
            each_vector!(S, norm.channels, at, count: {
                let weight = S::load_up_to(norm.weight.add(at), count);
                let weighted = S::load_up_to(signal.add(at), count).mul(weight);
                let normal = moments.normal(S::load_up_to(input.add(at), count));
                let along = S::splat(0.0).sub(normal).mul_add(slope, weighted.sub(offset));
                along.mul(moments.scale).store_up_to(output.add(at), count);
            });
        }
    }
}
