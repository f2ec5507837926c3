//! Rounding and widening 32 values at a time, with the instructions of AVX-512 for bf16 numbers.
use super::number::SMALLEST;
use super::packed::{PANEL, TILE_COLUMNS};
use std::arch::x86_64::*;

/// As [`round_all`](super::rounding::round_all).
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

/// As [`split_pixels`](super::rounding::split_pixels).
///
/// # Safety
/// The machine must have the instructions.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
pub(super) unsafe fn split_pixels(values: &[f32], channels: usize, numbers: &mut [u16]) {
    if channels > FEW_CHANNELS {
        for (values, numbers) in values.chunks_exact(channels).zip(numbers.chunks_exact_mut(2 * channels)) {
            let (high, low) = numbers.split_at_mut(channels);
            // SAFETY: the caller's promise.
            unsafe { split_all(values, high, low) };
        }
        return;
    }
    let pixels = Pixels::new(channels);
    for (values, numbers) in values.chunks(pixels.values).zip(numbers.chunks_mut(2 * pixels.values)) {
        let (there, [first, second]) = (u32::MAX >> (PANEL - values.len()), halves(numbers.len()));
        // SAFETY: masked values are not touched.
        unsafe {
            let [high, low] = split(load(values.as_ptr(), there));
            for (half, there) in [first, second].into_iter().enumerate() {
                let order = _mm512_loadu_epi16(pixels.side_by_side[half].as_ptr().cast());
                let mixed = _mm512_permutex2var_epi16(high, order, low);
                _mm512_mask_storeu_epi16(
                    numbers.as_mut_ptr().wrapping_add(half * PANEL).cast(),
                    there,
                    mixed,
                );
            }
        }
    }
}

/// As [`part_pixels`](super::rounding::part_pixels), of up to [`FEW_CHANNELS`].
///
/// # Safety
/// The machine must have the instructions.
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
pub(super) unsafe fn part_pixels(numbers: &[u16], channels: usize, high: &mut [u16], low: &mut [u16]) {
    let pixels = Pixels::new(channels);
    let terms = high.chunks_mut(pixels.values).zip(low.chunks_mut(pixels.values));
    for (numbers, (high, low)) in numbers.chunks(2 * pixels.values).zip(terms) {
        let (there, [first, second]) = (u32::MAX >> (PANEL - high.len()), halves(numbers.len()));
        // SAFETY: masked numbers are not touched.
        unsafe {
            let left = _mm512_maskz_loadu_epi16(first, numbers.as_ptr().cast());
            let right = _mm512_maskz_loadu_epi16(second, numbers.as_ptr().wrapping_add(PANEL).cast());
            for (to, order) in [high, low].into_iter().zip(&pixels.apart) {
                let order = _mm512_loadu_epi16(order.as_ptr().cast());
                let term = _mm512_permutex2var_epi16(left, order, right);
                _mm512_mask_storeu_epi16(to.as_mut_ptr().cast(), there, term);
            }
        }
    }
}

/// Positions of so many channels are taken several at a time.
pub(super) const FEW_CHANNELS: usize = PANEL / 2;

/// Where the terms of as many whole positions as fit 32 values lie: side by side in 64 numbers, and apart.
struct Pixels {
    values: usize,
    /// Of each number: which of the high terms, or of the low ones behind them, it is.
    side_by_side: [[u16; PANEL]; 2],
    /// Of each high and each low term: which number it is.
    apart: [[u16; PANEL]; 2],
}

impl Pixels {
    fn new(channels: usize) -> Self {
        let values = PANEL / channels * channels;
        let mut pixels = Self { values, side_by_side: [[0; PANEL]; 2], apart: [[0; PANEL]; 2] };
        for value in 0..values {
            let (position, channel) = (value / channels, value % channels);
            for term in 0..2 {
                let at = (2 * position + term) * channels + channel;
                pixels.side_by_side[at / PANEL][at % PANEL] = (term * PANEL + value) as u16;
                pixels.apart[term][value] = at as u16;
            }
        }
        pixels
    }
}

/// Masks of the first and the second 32 of up to 64 numbers.
fn halves(len: usize) -> [u32; 2] {
    let there = u64::MAX >> (2 * PANEL - len);
    [there as u32, (there >> PANEL) as u32]
}

/// As [`split_all`](super::rounding::split_all).
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
            let [rounded, rests] = split(load(values.as_ptr(), there));
            _mm512_mask_storeu_epi16(high.as_mut_ptr().cast(), there, rounded);
            _mm512_mask_storeu_epi16(low.as_mut_ptr().cast(), there, rests);
        }
    }
}

/// As [`split`](super::number::split).
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
#[inline]
fn split(values: [__m512; 2]) -> [__m512i; 2] {
    let high = round(values);
    let wide = widened(high);
    [high, round([0, 1].map(|half| rest(values[half], wide[half])))]
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

/// As [`widened`], of numbers in memory: fewer instructions than loading all of them at once takes.
///
/// # Safety
/// 32 numbers must be readable.
#[target_feature(enable = "avx512f")]
#[inline]
pub(super) unsafe fn widened_at(numbers: *const u16) -> [__m512; 2] {
    // SAFETY: the caller's promise.
    let halves = [0, TILE_COLUMNS].map(|at| unsafe { _mm256_loadu_si256(numbers.wrapping_add(at).cast()) });
    halves.map(|half| widened_half(half))
}

#[target_feature(enable = "avx512f")]
#[inline]
fn widened_half(numbers: __m256i) -> __m512 {
    _mm512_castsi512_ps(_mm512_slli_epi32::<16>(_mm512_cvtepu16_epi32(numbers)))
}

/// The values of 32 bf16 numbers.
#[target_feature(enable = "avx512f")]
#[inline]
pub(super) fn widened(numbers: __m512i) -> [__m512; 2] {
    let halves = [_mm512_castsi512_si256(numbers), _mm512_extracti64x4_epi64::<1>(numbers)];
    halves.map(|half| widened_half(half))
}

/// As [`round`](super::number::round).
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
#[inline]
pub(super) fn round(values: [__m512; 2]) -> __m512i {
    // SAFETY: both are 512 bits of bf16 numbers.
    let numbers =
        unsafe { std::mem::transmute::<__m512bh, __m512i>(_mm512_cvtne2ps_pbh(values[1], values[0])) };
    let magnitudes = _mm512_and_si512(numbers, _mm512_set1_epi16(i16::MAX));
    let kept = _mm512_cmpge_epu16_mask(magnitudes, _mm512_set1_epi16(SMALLEST as i16));
    _mm512_maskz_mov_epi16(kept, numbers)
}
