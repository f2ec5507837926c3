//! The two inner loops.

use super::Taps;
use super::filter::WEIGHT_BITS;
use crate::simd::by_processor;

/// Half of the last bit that is kept: rounds to nearest.
const HALF: i32 = 1 << (WEIGHT_BITS - 1);

#[inline(always)]
fn to_level(sum: i32) -> u8 {
    (sum >> WEIGHT_BITS).clamp(0, 255) as u8
}

by_processor! {
    /// Resizes one row: `out[x] = sum over x' of weights[x, x'] * row[x']`.
    ///
    /// # Shapes
    /// * `row`: `[taps.source().len(), 4]`, starting at `taps.source().start`; three of a pixel's four bytes count
    /// * `out`: `[taps.len(), 3]`
    pub(super) fn across(row: &[[u8; 4]], taps: &Taps, out: &mut [u8]) {
        wide: across_avx2, portable: portable_across
    }
}

fn portable_across(row: &[[u8; 4]], taps: &Taps, out: &mut [u8]) {
    for ((span, weights), out) in taps.iter().zip(out.chunks_exact_mut(3)) {
        let mut sums = [HALF; 3];
        for (pixel, &weight) in row[span].iter().zip(weights) {
            for (sum, &level) in sums.iter_mut().zip(pixel) {
                *sum = sum.wrapping_add(i32::from(level).wrapping_mul(weight));
            }
        }
        out.copy_from_slice(&sums.map(to_level));
    }
}

/// Two taps at a time, four colours each, in one register.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,bmi2")]
fn across_avx2(row: &[[u8; 4]], taps: &Taps, out: &mut [u8]) {
    use std::arch::x86_64::*;
    let number = |pixel: [u8; 4]| i32::from_le_bytes(pixel);
    let weigh = |pixels: __m128i, first: i32, second: i32| {
        let weights = _mm256_blend_epi32::<0xf0>(_mm256_set1_epi32(first), _mm256_set1_epi32(second));
        _mm256_mullo_epi32(_mm256_cvtepu8_epi32(pixels), weights)
    };
    for ((span, weights), out) in taps.iter().zip(out.chunks_exact_mut(3)) {
        let (pixels, last_pixel) = row[span].as_chunks::<2>();
        let (weights, last_weight) = weights.as_chunks::<2>();
        let mut sums = _mm256_setzero_si256();
        for (&[a, b], &[first, second]) in pixels.iter().zip(weights) {
            let both = _mm_setr_epi32(number(a), number(b), 0, 0);
            sums = _mm256_add_epi32(sums, weigh(both, first, second));
        }
        for (&pixel, &weight) in last_pixel.iter().zip(last_weight) {
            sums = _mm256_add_epi32(sums, weigh(_mm_cvtsi32_si128(number(pixel)), weight, 0));
        }
        let sum = _mm_add_epi32(_mm256_castsi256_si128(sums), _mm256_extracti128_si256::<1>(sums));
        let levels = _mm_srai_epi32::<{ WEIGHT_BITS as i32 }>(_mm_add_epi32(sum, _mm_set1_epi32(HALF)));
        // Both packings clamp, the second one to 0..=255.
        let bytes = _mm_packus_epi16(_mm_packs_epi32(levels, levels), levels);
        let [red, green, blue, _] = _mm_cvtsi128_si32(bytes).to_le_bytes();
        out.copy_from_slice(&[red, green, blue]);
    }
}

/// Columns summed at once: their sums stay in registers over all rows.
const STRIP: usize = 32;

by_processor! {
    /// Adds weighted rows: `out[x] = sum over y of weights[y] * rows[y][x]`.
    ///
    /// # Shapes
    /// * `rows`: `[weights.len(), >= out.len()]`, rows `stride` apart
    pub(super) fn down(rows: &[u8], stride: usize, weights: &[i32], out: &mut [u8]) {
        wide: portable_down, portable: portable_down
    }
}

#[inline(always)]
fn portable_down(rows: &[u8], stride: usize, weights: &[i32], out: &mut [u8]) {
    let (strips, rest) = out.as_chunks_mut::<STRIP>();
    let whole = strips.len() * STRIP;
    for (at, out) in (0..).step_by(STRIP).zip(strips) {
        let mut sums = [HALF; STRIP];
        for (row, &weight) in rows.chunks(stride).zip(weights) {
            for (sum, &level) in sums.iter_mut().zip(&row[at..at + STRIP]) {
                *sum = sum.wrapping_add(i32::from(level).wrapping_mul(weight));
            }
        }
        *out = sums.map(to_level);
    }
    for (at, out) in (whole..).zip(rest) {
        let column = rows.chunks(stride).zip(weights);
        let sum = column
            .fold(HALF, |sum, (row, &weight)| sum.wrapping_add(i32::from(row[at]).wrapping_mul(weight)));
        *out = to_level(sum);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Interpolation;

    #[test]
    fn the_portable_path_equals_the_dispatched_one() {
        let level = |i: usize| (i as u32).wrapping_mul(2_654_435_761).to_le_bytes();
        for (from, to) in [(40, 13), (13, 40), (41, 40), (300, 7), (1, 5), (3, 2), (5, 1)] {
            let row: Vec<[u8; 4]> = (0..from).map(level).collect();
            for interpolation in [Interpolation::Bilinear, Interpolation::Bicubic] {
                let taps = Taps::new(from, to, 0..to, interpolation);
                let (mut dispatched, mut portable) = (vec![0; to * 3], vec![0; to * 3]);
                across(&row, &taps, &mut dispatched);
                portable_across(&row, &taps, &mut portable);
                assert_eq!(dispatched, portable, "{from} to {to}");
            }
        }
    }
}
