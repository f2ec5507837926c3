//! The inverse cosine transform, bit-identical to libjpeg's accurate integer one (`jidctint.c`, "islow").
//!
//! Loeffler, Ligtenberg and Moschytz, "Practical fast 1-D DCT algorithms with 11 multiplications" (ICASSP
//! 1989). Constants have 13 fractional bits, columns keep 2 of them for the rows.

use crate::simd::by_processor;

#[cfg(target_arch = "x86_64")]
mod avx2;

const CONSTANT_BITS: u32 = 13;
const BETWEEN_BITS: u32 = 2;

/// Eight numbers side by side.
type Lanes = [i32; 8];

by_processor! {
    /// Transforms a block of dequantised coefficients to samples.
    ///
    /// # Shapes
    /// * `block`: `[8, 8]`, row by row
    /// * `out`: 8 rows of 8 samples, `stride` apart
    pub(super) fn block(block: &[i32; 64], out: &mut [u8], stride: usize) {
        wide: avx2::block, portable: portable_block
    }
}

/// The samples of a block that holds nothing but its mean.
pub(super) fn flat(mean: i32, out: &mut [u8], stride: usize) {
    let between = mean.wrapping_shl(BETWEEN_BITS);
    let level = to_sample(between.wrapping_add(1 << (BETWEEN_BITS + 2)) >> (BETWEEN_BITS + 3));
    for row in out.chunks_mut(stride).take(8) {
        row[..8].fill(level);
    }
}

fn portable_block(block: &[i32; 64], out: &mut [u8], stride: usize) {
    let mut rows = [[0; 8]; 8];
    for (row, coefficients) in rows.iter_mut().zip(block.chunks_exact(8)) {
        row.copy_from_slice(coefficients);
    }
    // All columns at once, then all rows at once.
    let columns = transpose(&transform(&rows, CONSTANT_BITS - BETWEEN_BITS));
    let samples = transpose(&transform(&columns, CONSTANT_BITS + BETWEEN_BITS + 3));
    for (line, samples) in out.chunks_mut(stride).zip(&samples) {
        line[..8].copy_from_slice(&samples.map(to_sample));
    }
}

#[inline(always)]
fn to_sample(centred: i32) -> u8 {
    (centred + 128).clamp(0, 255) as u8
}

/// The one-dimensional transform of eight vectors, lane by lane, rounded to drop `shift` bits.
#[inline(always)]
fn transform(x: &[Lanes; 8], shift: u32) -> [Lanes; 8] {
    // Names and order as in jidctint.c. Sums wrap where nonsense in a file makes them overflow.
    let z1 = scale(add(x[2], x[6]), 4433);
    let tmp2 = add(z1, scale(x[6], -15137));
    let tmp3 = add(z1, scale(x[2], 6270));
    let tmp0 = scale(add(x[0], x[4]), 1 << CONSTANT_BITS);
    let tmp1 = scale(sub(x[0], x[4]), 1 << CONSTANT_BITS);
    let even = [add(tmp0, tmp3), add(tmp1, tmp2), sub(tmp1, tmp2), sub(tmp0, tmp3)];

    let z5 = scale(add(add(x[7], x[3]), add(x[5], x[1])), 9633);
    let z1 = scale(add(x[7], x[1]), -7373);
    let z2 = scale(add(x[5], x[3]), -20995);
    let z3 = add(scale(add(x[7], x[3]), -16069), z5);
    let z4 = add(scale(add(x[5], x[1]), -3196), z5);
    let odd = [
        add(scale(x[1], 12299), add(z1, z4)),
        add(scale(x[3], 25172), add(z2, z3)),
        add(scale(x[5], 16819), add(z2, z4)),
        add(scale(x[7], 2446), add(z1, z3)),
    ];

    let mut out = [[0; 8]; 8];
    for i in 0..4 {
        out[i] = round(add(even[i], odd[i]), shift);
        out[7 - i] = round(sub(even[i], odd[i]), shift);
    }
    out
}

#[inline(always)]
fn add(a: Lanes, b: Lanes) -> Lanes {
    std::array::from_fn(|i| a[i].wrapping_add(b[i]))
}

#[inline(always)]
fn sub(a: Lanes, b: Lanes) -> Lanes {
    std::array::from_fn(|i| a[i].wrapping_sub(b[i]))
}

#[inline(always)]
fn scale(a: Lanes, factor: i32) -> Lanes {
    a.map(|a| a.wrapping_mul(factor))
}

#[inline(always)]
fn round(a: Lanes, shift: u32) -> Lanes {
    a.map(|a| a.wrapping_add(1 << (shift - 1)) >> shift)
}

#[inline(always)]
fn transpose(rows: &[Lanes; 8]) -> [Lanes; 8] {
    std::array::from_fn(|x| std::array::from_fn(|y| rows[y][x]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::f64::consts::{FRAC_1_SQRT_2, PI};

    /// The definition (T.81, A.3.3).
    fn by_definition(block: &[i32; 64]) -> [f64; 64] {
        let norm = |k: usize| if k == 0 { FRAC_1_SQRT_2 } else { 1.0 };
        let wave = |k: usize, at: usize| ((2 * at + 1) as f64 * k as f64 * PI / 16.0).cos();
        std::array::from_fn(|at| {
            let (y, x) = (at / 8, at % 8);
            let term = |k: usize| {
                let (v, u) = (k / 8, k % 8);
                norm(u) * norm(v) * f64::from(block[k]) * wave(u, x) * wave(v, y)
            };
            (0..64).map(term).sum::<f64>() / 4.0 + 128.0
        })
    }

    fn noise(seed: u32, range: i32) -> [i32; 64] {
        std::array::from_fn(|i| {
            let mixed = (i as u32 + 1).wrapping_mul(seed).wrapping_mul(2_654_435_761);
            (mixed >> 16) as i32 % (2 * range + 1) - range
        })
    }

    #[test]
    fn follows_the_definition() {
        for seed in 1..200 {
            let coefficients = noise(seed * 2 + 1, 60);
            let mut out = [0; 8 * 11];
            block(&coefficients, &mut out, 11);
            for (at, exact) in by_definition(&coefficients).iter().enumerate() {
                let found = f64::from(out[at / 8 * 11 + at % 8]);
                assert!((found - exact.clamp(0.0, 255.0)).abs() < 0.6, "{found} for {exact}");
            }
        }
    }

    #[test]
    fn the_portable_path_equals_the_dispatched_one() {
        for seed in 1..if cfg!(miri) { 3 } else { 200 } {
            let coefficients = noise(seed * 2 + 1, 900);
            let (mut dispatched, mut portable) = ([0; 64], [0; 64]);
            block(&coefficients, &mut dispatched, 8);
            portable_block(&coefficients, &mut portable, 8);
            assert_eq!(dispatched, portable);
        }
    }

    #[test]
    fn a_flat_block_needs_no_transform() {
        for mean in -1100..1100 {
            let mut coefficients = [0; 64];
            coefficients[0] = mean;
            let (mut whole, mut short) = ([0; 64], [0; 64]);
            block(&coefficients, &mut whole, 8);
            flat(mean, &mut short, 8);
            assert_eq!(whole, short);
        }
    }
}
