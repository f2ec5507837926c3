//! Rounding and widening 32 values at a time, with the instructions of AVX-512 for bf16 numbers.
use super::number::SMALLEST;
use super::packed::{PANEL, TILE_COLUMNS};
use std::arch::x86_64::*;

/// As [`round_all`](super::number::round_all).
///
/// # Safety
/// The machine must have the instructions.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
pub(super) unsafe fn round_all(values: &[f32], numbers: &mut [u16]) {
    for (values, numbers) in values.chunks(PANEL).zip(numbers.chunks_mut(PANEL)) {
        let there = u32::MAX >> (PANEL - values.len());
        // SAFETY: masked values are not touched.
        unsafe {
            let values = load(values.as_ptr(), there);
            _mm512_mask_storeu_epi16(numbers.as_mut_ptr().cast(), there, round(values));
        }
    }
}

/// As [`split_pixels`](super::number::split_pixels).
///
/// # Safety
/// The machine must have the instructions.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
pub(super) unsafe fn split_pixels(values: &[f32], channels: usize, numbers: &mut [u16]) {
    for (values, numbers) in values.chunks_exact(channels).zip(numbers.chunks_exact_mut(2 * channels)) {
        let (high, low) = numbers.split_at_mut(channels);
        // SAFETY: the caller's promise.
        unsafe { split_all(values, high, low) };
    }
}

/// As [`split_all`](super::number::split_all).
///
/// # Safety
/// The machine must have the instructions.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
pub(super) unsafe fn split_all(values: &[f32], high: &mut [u16], low: &mut [u16]) {
    let terms = high.chunks_mut(PANEL).zip(low.chunks_mut(PANEL));
    for (values, (high, low)) in values.chunks(PANEL).zip(terms) {
        let there = u32::MAX >> (PANEL - values.len());
        // SAFETY: masked values are not touched.
        unsafe {
            let values = load(values.as_ptr(), there);
            let rounded = round(values);
            _mm512_mask_storeu_epi16(high.as_mut_ptr().cast(), there, rounded);
            let rounded = widened(rounded);
            let rests = round([0, 1].map(|half| rest(values[half], rounded[half])));
            _mm512_mask_storeu_epi16(low.as_mut_ptr().cast(), there, rests);
        }
    }
}

/// # Safety
/// Values of the mask must be readable.
#[target_feature(enable = "avx512f")]
#[inline]
unsafe fn load(from: *const f32, there: u32) -> [__m512; 2] {
    // SAFETY: the caller's promise.
    unsafe {
        [
            _mm512_maskz_loadu_ps(there as u16, from),
            _mm512_maskz_loadu_ps((there >> TILE_COLUMNS) as u16, from.wrapping_add(TILE_COLUMNS)),
        ]
    }
}

/// What is left of values beyond their high terms: nothing of infinite ones.
#[target_feature(enable = "avx512f")]
#[inline]
pub(super) fn rest(values: __m512, high: __m512) -> __m512 {
    let finite = _mm512_cmp_ps_mask::<_CMP_NEQ_UQ>(_mm512_abs_ps(values), _mm512_set1_ps(f32::INFINITY));
    _mm512_maskz_sub_ps(finite, values, high)
}

/// The values of 32 bf16 numbers.
#[target_feature(enable = "avx512f")]
#[inline]
pub(super) fn widened(numbers: __m512i) -> [__m512; 2] {
    let halves = [_mm512_castsi512_si256(numbers), _mm512_extracti64x4_epi64::<1>(numbers)];
    halves.map(|half| _mm512_castsi512_ps(_mm512_slli_epi32::<16>(_mm512_cvtepu16_epi32(half))))
}

/// As [`round`](super::number::round).
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
#[inline]
pub(super) fn round(values: [__m512; 2]) -> __m512i {
    // Not less: NaN stays.
    let [left, right] = values.map(|values| {
        u32::from(_mm512_cmp_ps_mask::<_CMP_NLT_UQ>(_mm512_abs_ps(values), _mm512_set1_ps(SMALLEST)))
    });
    // SAFETY: both are 512 bits of bf16 numbers.
    unsafe {
        let kept = _mm512_kunpackw(right, left);
        std::mem::transmute(_mm512_maskz_cvtne2ps_pbh(kept, values[1], values[0]))
    }
}
