//! What happens to finished sums, in vectors of AVX-512: for engines that have its instructions for bf16 numbers.
use super::number::{SMALLEST, Terms};
use super::packed::{PANEL, TILE_COLUMNS};
use super::task::Sink;
use std::arch::x86_64::*;

/// Asks for the memory that [`finish`] will read and write, so that it comes while the sums are formed.
#[inline]
pub(super) fn fetch(sink: &Sink, position: usize, column: usize) {
    let numbers = position * sink.terms.count() * sink.channels + sink.first + column;
    let values = position * sink.channels + sink.first + column;
    // SAFETY: a prefetch has no effect but on time, whatever the address.
    unsafe {
        for term in 0..sink.terms.count() {
            let numbers = numbers + term * sink.channels;
            if let Some(residual) = sink.residual {
                _mm_prefetch::<_MM_HINT_T0>(residual.wrapping_add(numbers).cast());
            }
            if let Some(rounded) = sink.rounded {
                _mm_prefetch::<_MM_HINT_ET0>(rounded.wrapping_add(numbers).cast());
            }
        }
        if let Some(full) = sink.full {
            _mm_prefetch::<_MM_HINT_ET0>(full.wrapping_add(values).cast());
            _mm_prefetch::<_MM_HINT_ET0>(full.wrapping_add(values + TILE_COLUMNS).cast());
        }
    }
}

/// As [`Sink::finish`], 32 columns in two vectors.
///
/// # Safety
/// No other task may have this position and these columns.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
#[inline]
pub(super) unsafe fn finish(sink: &Sink, position: usize, column: usize, first: __m512, second: __m512) {
    let count = PANEL.min(sink.columns - column);
    let all = u32::MAX >> (PANEL - count);
    let numbers = position * sink.terms.count() * sink.channels + sink.first + column;
    let values = position * sink.channels + sink.first + column;
    // SAFETY: masked lanes are not touched; the others lie inside of the outputs, which the caller checked.
    unsafe {
        for (half, sums) in [first, second].into_iter().enumerate() {
            let mask = (all >> (16 * half)) as u16;
            let mut sums = sums;
            if let Some(residual) = sink.residual {
                let from = residual.add(numbers).wrapping_add(16 * half);
                let mut addend = widen(mask, from);
                if sink.terms == Terms::Two {
                    addend = _mm512_add_ps(addend, widen(mask, from.wrapping_add(sink.channels)));
                }
                sums = _mm512_add_ps(sums, addend);
            }
            if sink.relu {
                // The second operand where one is NaN.
                sums = _mm512_max_ps(_mm512_setzero_ps(), sums);
            }
            if let Some(full) = sink.full {
                _mm512_mask_storeu_ps(full.add(values).wrapping_add(16 * half), mask, sums);
            }
            if let Some(rounded) = sink.rounded {
                let to = rounded.add(numbers).wrapping_add(16 * half);
                let high = round(sums);
                _mm256_mask_storeu_epi16(to.cast(), mask, high);
                if sink.terms == Terms::Two {
                    let rest_is_none = infinite(sums);
                    let rest = _mm512_sub_ps(sums, widened(high));
                    let low = round(_mm512_maskz_mov_ps(!rest_is_none, rest));
                    _mm256_mask_storeu_epi16(to.wrapping_add(sink.channels).cast(), mask, low);
                }
            }
        }
    }
}

/// Which lanes are infinite.
#[target_feature(enable = "avx512f")]
#[inline]
fn infinite(values: __m512) -> __mmask16 {
    _mm512_cmp_ps_mask::<_CMP_EQ_OQ>(_mm512_abs_ps(values), _mm512_set1_ps(f32::INFINITY))
}

/// The values of bf16 numbers in memory.
///
/// # Safety
/// The numbers of the mask must be readable.
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
#[inline]
unsafe fn widen(mask: __mmask16, from: *const u16) -> __m512 {
    // SAFETY: the caller's promise.
    widened(unsafe { _mm256_maskz_loadu_epi16(mask, from.cast()) })
}

#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
#[inline]
fn widened(numbers: __m256i) -> __m512 {
    _mm512_castsi512_ps(_mm512_slli_epi32::<16>(_mm512_cvtepu16_epi32(numbers)))
}

/// As [`round`](super::number::round).
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
#[inline]
fn round(values: __m512) -> __m256i {
    // Not less: NaN stays.
    let kept = _mm512_cmp_ps_mask::<_CMP_NLT_UQ>(_mm512_abs_ps(values), _mm512_set1_ps(SMALLEST));
    // SAFETY: both are 256 bits of bf16 numbers.
    unsafe { std::mem::transmute(_mm512_maskz_cvtneps_pbh(kept, values)) }
}
