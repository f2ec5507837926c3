//! What attention does between its products: softmaxes and their gradients, vectors of length 1, and panels of columns.
//!
//! Sums are formed in the parts of [`normalise`](super::normalise): the same bits on every instruction set.
use super::activation::{LEAST, exp};
use super::lanes::{Lanes, each_vector};
use super::normalise::{MOST_VECTORS, PARTS, each_part, first_or, total};

/// What is added to the similarity of members of different regions.
const FAR: f32 = -100.0;
/// The least length that a vector is divided by.
const LEAST_LENGTH: f64 = 1e-12;

/// Products of some queries and all keys, a row a query, which become weights.
pub(super) struct Softmax {
    pub(super) rows: usize,
    pub(super) keys: usize,
    pub(super) values: *mut f32,
    pub(super) pitch: usize,
    pub(super) factor: f32,
    /// Which members of the group the queries are.
    pub(super) queries: *const usize,
    /// A row a member.
    pub(super) bias: Option<*const f32>,
    /// A number a member.
    pub(super) regions: Option<*const f32>,
}

/// Gradients of weights, which become those of the products.
pub(super) struct Slopes {
    pub(super) rows: usize,
    pub(super) keys: usize,
    pub(super) values: *mut f32,
    pub(super) weights: *const f32,
    pub(super) pitch: usize,
    pub(super) factor: f32,
}

/// Rows of `width` values.
pub(super) struct Units {
    pub(super) rows: usize,
    pub(super) width: usize,
    pub(super) values: *mut f32,
    pub(super) pitch: usize,
    /// Gradients of the rows, where they are passed on.
    pub(super) signal: *mut f32,
    pub(super) signal_pitch: usize,
    /// 1 / the length of each row.
    pub(super) shrink: *mut f32,
}

/// Rows of `depth` values, which become columns.
pub(super) struct Flip {
    pub(super) from: *const f32,
    pub(super) to: *mut f32,
    /// A multiple of 4.
    pub(super) rows: usize,
    pub(super) depth: usize,
}

/// # Safety
/// The machine has the instruction set, and the pointers are valid for what the fields say.
pub(super) struct Kernels {
    pub(super) softmax: unsafe fn(&Softmax),
    pub(super) slopes: unsafe fn(&Slopes),
    pub(super) units: unsafe fn(&Units),
    pub(super) through_units: unsafe fn(&Units),
    pub(super) flip: unsafe fn(&Flip),
}

/// The largest lane; what is NaN does not count.
///
/// # Safety
/// As for [`Lanes`].
#[inline(always)]
unsafe fn largest<S: Lanes>(most: [S; MOST_VECTORS]) -> f32 {
    let mut parts = [f32::NEG_INFINITY; PARTS];
    for (most, parts) in most.iter().zip(parts.chunks_exact_mut(S::LEN)) {
        // SAFETY: passed on to the caller; the parts are as many as lanes.
        unsafe { most.store(parts.as_mut_ptr()) };
    }
    let mut len = PARTS / 2;
    while len > 0 {
        for index in 0..len {
            parts[index] = if parts[index] < parts[index + len] { parts[index + len] } else { parts[index] };
        }
        len /= 2;
    }
    parts[0]
}

/// `exp(s - max) / sum` with `s = factor * value + bias`, less 100 between regions. A NaN makes its row NaN.
///
/// # Safety
/// As for [`Kernels`]; only to be inlined into a function that enables `S`.
#[inline(always)]
pub(super) unsafe fn softmax<S: Lanes>(s: &Softmax) {
    // SAFETY: passed on to the caller; a query is one of the keys' members.
    unsafe {
        let (factor, zero, lowest) = (S::splat(s.factor), S::splat(0.0), S::splat(f32::NEG_INFINITY));
        for row in 0..s.rows {
            let (values, query) = (s.values.add(row * s.pitch), *s.queries.add(row));
            let bias = s.bias.map(|bias| bias.add(query * s.keys));
            let regions = s.regions.map(|regions| (regions, S::splat(*regions.add(query))));
            let mut most = [lowest; MOST_VECTORS];
            each_part!(S, s.keys, at, count, part: {
                let bias = bias.map_or(zero, |bias| S::load_up_to(bias.add(at), count));
                let mut value = S::load_up_to(values.add(at), count).mul_add(factor, bias);
                if let Some((regions, own)) = regions {
                    let apart = S::load_up_to(regions.add(at), count).sub(own).abs();
                    value = apart.where_less(S::splat(0.5), value, value.add(S::splat(FAR)));
                }
                value.store_up_to(values.add(at), count);
                most[part] = most[part].at_least(first_or(value, count, lowest));
            });
            let (most, mut sums) = (S::splat(largest(most)), [zero; MOST_VECTORS]);
            each_part!(S, s.keys, at, count, part: {
                let value = S::load_up_to(values.add(at), count).sub(most);
                let power = exp(value.at_least(S::splat(LEAST)));
                power.store_up_to(values.add(at), count);
                sums[part] = sums[part].add(first_or(power, count, zero));
            });
            let share = S::splat((1.0 / total(sums)) as f32);
            each_vector!(S, s.keys, at, count: {
                S::load_up_to(values.add(at), count).mul(share).store_up_to(values.add(at), count);
            });
        }
    }
}

/// `factor * weight * (value - mean)`, where the mean is that of the values by the weights.
///
/// # Safety
/// As for [`softmax`].
#[inline(always)]
pub(super) unsafe fn slopes<S: Lanes>(s: &Slopes) {
    // SAFETY: passed on to the caller.
    unsafe {
        let factor = S::splat(s.factor);
        for row in 0..s.rows {
            let (values, weights) = (s.values.add(row * s.pitch), s.weights.add(row * s.pitch));
            let mut sums = [S::splat(0.0); MOST_VECTORS];
            // Lanes beyond the row are 0.
            each_part!(S, s.keys, at, count, part: {
                let weight = S::load_up_to(weights.add(at), count);
                sums[part] = weight.mul_add(S::load_up_to(values.add(at), count), sums[part]);
            });
            let mean = S::splat(total(sums) as f32);
            each_vector!(S, s.keys, at, count: {
                let weight = S::load_up_to(weights.add(at), count).mul(factor);
                let slope = S::load_up_to(values.add(at), count).sub(mean).mul(weight);
                slope.store_up_to(values.add(at), count);
            });
        }
    }
}

/// Divides rows by their lengths.
///
/// # Safety
/// As for [`softmax`].
#[inline(always)]
pub(super) unsafe fn units<S: Lanes>(units: &Units) {
    for row in 0..units.rows {
        // SAFETY: passed on to the caller.
        unsafe {
            let values = units.values.add(row * units.pitch);
            let mut squares = [S::splat(0.0); MOST_VECTORS];
            each_part!(S, units.width, at, count, part: {
                let value = S::load_up_to(values.add(at), count);
                squares[part] = value.mul_add(value, squares[part]);
            });
            let shrink = (1.0 / total(squares).sqrt().max(LEAST_LENGTH)) as f32;
            *units.shrink.add(row) = shrink;
            each_vector!(S, units.width, at, count: {
                let value = S::load_up_to(values.add(at), count).mul(S::splat(shrink));
                value.store_up_to(values.add(at), count);
            });
        }
    }
}

/// The gradient of [`units`]: of a signal, what lies across its unit, divided by the length.
///
/// # Safety
/// As for [`softmax`].
#[inline(always)]
pub(super) unsafe fn through_units<S: Lanes>(units: &Units) {
    for row in 0..units.rows {
        // SAFETY: passed on to the caller.
        unsafe {
            let (unit, signal) =
                (units.values.add(row * units.pitch), units.signal.add(row * units.signal_pitch));
            let mut sums = [S::splat(0.0); MOST_VECTORS];
            each_part!(S, units.width, at, count, part: {
                let unit = S::load_up_to(unit.add(at), count);
                sums[part] = unit.mul_add(S::load_up_to(signal.add(at), count), sums[part]);
            });
            let (back, shrink) = (S::splat(-total(sums) as f32), S::splat(*units.shrink.add(row)));
            each_vector!(S, units.width, at, count: {
                let along = S::load_up_to(unit.add(at), count);
                let across = along.mul_add(back, S::load_up_to(signal.add(at), count));
                across.mul(shrink).store_up_to(signal.add(at), count);
            });
        }
    }
}

/// # Safety
/// As for [`softmax`].
#[inline(always)]
pub(super) unsafe fn flip(f: &Flip) {
    const SIDE: usize = 4;
    for row in (0..f.rows).step_by(SIDE) {
        // SAFETY: passed on to the caller.
        unsafe {
            let rows: [*const f32; SIDE] = std::array::from_fn(|index| f.from.add((row + index) * f.depth));
            let to = f.to.add(row);
            let whole = f.depth - f.depth % SIDE;
            // Squares, which take vector instructions.
            for step in (0..whole).step_by(SIDE) {
                let square = rows.map(|row| row.add(step).cast::<[f32; SIDE]>().read_unaligned());
                for column in 0..SIDE {
                    let flipped = square.map(|row| row[column]);
                    to.add((step + column) * f.rows).cast::<[f32; SIDE]>().write_unaligned(flipped);
                }
            }
            for step in whole..f.depth {
                let flipped = rows.map(|row| *row.add(step));
                to.add(step * f.rows).cast::<[f32; SIDE]>().write_unaligned(flipped);
            }
        }
    }
}
