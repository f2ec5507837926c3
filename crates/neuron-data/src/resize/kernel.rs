//! The two inner loops, written so that the compiler vectorises them, and compiled twice: with AVX2 and without.

use super::Taps;
use super::filter::WEIGHT_BITS;

/// Half of the last bit that is kept: rounds to nearest.
const HALF: i32 = 1 << (WEIGHT_BITS - 1);

fn to_level(sum: i32) -> u8 {
    (sum >> WEIGHT_BITS).clamp(0, 255) as u8
}

/// Resizes one row: `out[x] = sum of weight * row[x']`.
///
/// # Shapes
/// * `row`: `[>= taps.source().len(), 3]`, starting at `taps.source().start`
/// * `out`: `[taps.len(), 3]`
pub(super) fn across(row: &[u8], taps: &Taps, out: &mut [u8]) {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx2") {
        // SAFETY: AVX2 was found a line above.
        return unsafe { across_avx2(row, taps, out) };
    }
    across_body(row, taps, out);
}

/// Adds weighted rows: `out[x] = sum over y of weights[y] * rows[y][x]`.
///
/// # Shapes
/// * `rows`: `[weights.len(), out.len()]`
pub(super) fn down(rows: &[u8], weights: &[i32], out: &mut [u8]) {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx2") {
        // SAFETY: AVX2 was found a line above.
        return unsafe { down_avx2(rows, weights, out) };
    }
    down_body(rows, weights, out);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn across_avx2(row: &[u8], taps: &Taps, out: &mut [u8]) {
    across_body(row, taps, out);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn down_avx2(rows: &[u8], weights: &[i32], out: &mut [u8]) {
    down_body(rows, weights, out);
}

#[inline(always)]
fn across_body(row: &[u8], taps: &Taps, out: &mut [u8]) {
    for (x, out) in out.chunks_exact_mut(3).enumerate() {
        let (start, weights) = taps.of(x);
        let mut sums = [HALF; 3];
        for (rgb, &weight) in row[start * 3..].chunks_exact(3).zip(weights) {
            for (sum, &level) in sums.iter_mut().zip(rgb) {
                *sum += i32::from(level) * weight;
            }
        }
        for (out, sum) in out.iter_mut().zip(sums) {
            *out = to_level(sum);
        }
    }
}

/// Columns summed at once: their sums stay in registers over all rows.
const STRIP: usize = 32;

#[inline(always)]
fn down_body(rows: &[u8], weights: &[i32], out: &mut [u8]) {
    let stride = out.len();
    let whole = stride - stride % STRIP;
    for (at, out) in (0..whole).step_by(STRIP).zip(out.chunks_exact_mut(STRIP)) {
        let mut sums = [HALF; STRIP];
        for (row, &weight) in rows.chunks_exact(stride).zip(weights) {
            let levels: &[u8; STRIP] = row[at..].first_chunk().expect("a strip lies inside the row");
            for (sum, &level) in sums.iter_mut().zip(levels) {
                *sum += i32::from(level) * weight;
            }
        }
        for (out, sum) in out.iter_mut().zip(sums) {
            *out = to_level(sum);
        }
    }
    for (at, out) in (whole..).zip(&mut out[whole..]) {
        let column = rows.chunks_exact(stride).zip(weights);
        *out = to_level(column.fold(HALF, |sum, (row, &weight)| sum + i32::from(row[at]) * weight));
    }
}
