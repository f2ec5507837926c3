use super::Lanes;
use std::arch::x86_64::*;

impl Lanes for __m256 {
    const LEN: usize = 8;
    type Wide = [__m256d; 2];

    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        // SAFETY: the caller enables the instruction set, as for every method below.
        unsafe { _mm256_set1_ps(value) }
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: `from` is valid for `LEN` values; no alignment is asked for.
        unsafe { _mm256_loadu_ps(from) }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: `to` is valid for `LEN` values; no alignment is asked for.
        unsafe { _mm256_storeu_ps(to, self) }
    }

    #[inline(always)]
    unsafe fn mul_add(self, factor: Self, addend: Self) -> Self {
        // SAFETY: as for `splat`.
        unsafe { _mm256_fmadd_ps(self, factor, addend) }
    }

    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        // SAFETY: as for `splat`.
        unsafe { _mm256_add_ps(self, other) }
    }

    #[inline(always)]
    unsafe fn sub(self, other: Self) -> Self {
        // SAFETY: as for `splat`.
        unsafe { _mm256_sub_ps(self, other) }
    }

    #[inline(always)]
    unsafe fn mul(self, other: Self) -> Self {
        // SAFETY: as for `splat`.
        unsafe { _mm256_mul_ps(self, other) }
    }

    #[inline(always)]
    unsafe fn div(self, other: Self) -> Self {
        // SAFETY: as for `splat`.
        unsafe { _mm256_div_ps(self, other) }
    }

    #[inline(always)]
    unsafe fn at_least(self, limit: Self) -> Self {
        // `maxps` answers its second operand where one is NaN, and where both are zeros; `minps` as well.
        // SAFETY: as for `splat`.
        unsafe { _mm256_max_ps(limit, self) }
    }

    #[inline(always)]
    unsafe fn at_most(self, limit: Self) -> Self {
        // SAFETY: as for `splat`.
        unsafe { _mm256_min_ps(limit, self) }
    }

    #[inline(always)]
    unsafe fn where_positive(self, gate: Self) -> Self {
        // SAFETY: as for `splat`.
        unsafe { _mm256_and_ps(self, _mm256_cmp_ps::<_CMP_GT_OQ>(gate, _mm256_setzero_ps())) }
    }

    #[inline(always)]
    unsafe fn where_less(self, other: Self, yes: Self, no: Self) -> Self {
        // SAFETY: as for `splat`.
        unsafe { _mm256_blendv_ps(no, yes, _mm256_cmp_ps::<_CMP_LT_OQ>(self, other)) }
    }

    #[inline(always)]
    unsafe fn where_nan(self, yes: Self, no: Self) -> Self {
        // SAFETY: as for `splat`.
        unsafe { _mm256_blendv_ps(no, yes, _mm256_cmp_ps::<_CMP_UNORD_Q>(self, self)) }
    }

    #[inline(always)]
    unsafe fn abs(self) -> Self {
        // SAFETY: as for `splat`.
        unsafe { _mm256_andnot_ps(_mm256_set1_ps(-0.0), self) }
    }

    #[inline(always)]
    unsafe fn exponent_in_last_bits(self) -> Self {
        // SAFETY: as for `splat`.
        unsafe { _mm256_castsi256_ps(_mm256_slli_epi32::<23>(_mm256_castps_si256(self))) }
    }

    #[inline(always)]
    unsafe fn widen(self) -> Self::Wide {
        // SAFETY: as for `splat`.
        unsafe { widened(self) }
    }

    #[inline(always)]
    unsafe fn wide_splat(value: f64) -> Self::Wide {
        // SAFETY: as for `splat`.
        unsafe { [_mm256_set1_pd(value); 2] }
    }

    #[inline(always)]
    unsafe fn wide_mul_add([a, b]: Self::Wide, [c, d]: Self::Wide, sums: Self::Wide) -> Self::Wide {
        // SAFETY: as for `splat`.
        unsafe { [_mm256_fmadd_pd(a, c, sums[0]), _mm256_fmadd_pd(b, d, sums[1])] }
    }

    #[inline(always)]
    unsafe fn wide_add([a, b]: Self::Wide, sums: Self::Wide) -> Self::Wide {
        // SAFETY: as for `splat`.
        unsafe { [_mm256_add_pd(sums[0], a), _mm256_add_pd(sums[1], b)] }
    }

    #[inline(always)]
    unsafe fn wide_store([a, b]: Self::Wide, to: *mut f64) {
        // SAFETY: `to` is valid for `LEN` sums.
        unsafe {
            _mm256_storeu_pd(to, a);
            _mm256_storeu_pd(to.add(4), b);
        }
    }

    #[inline(always)]
    unsafe fn load_first(from: *const f32, count: usize) -> Self {
        // SAFETY: lanes outside of the mask are not read.
        unsafe { _mm256_maskload_ps(from, first(count)) }
    }

    #[inline(always)]
    unsafe fn store_first(self, to: *mut f32, count: usize) {
        // SAFETY: lanes outside of the mask are not written.
        unsafe { _mm256_maskstore_ps(to, first(count), self) }
    }
}

/// # Safety
/// As for [`Lanes`].
#[inline(always)]
unsafe fn widened(values: __m256) -> [__m256d; 2] {
    // SAFETY: passed on to the caller.
    unsafe {
        let high = _mm256_extractf128_ps::<1>(values);
        [_mm256_cvtps_pd(_mm256_castps256_ps128(values)), _mm256_cvtps_pd(high)]
    }
}

/// Ones in the first `count <= 8` lanes.
///
/// # Safety
/// As for [`Lanes`].
#[inline(always)]
unsafe fn first(count: usize) -> __m256i {
    const ONES_THEN_ZEROS: [i32; 16] = [-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0];
    // SAFETY: eight numbers from one of the first nine on.
    unsafe { _mm256_loadu_si256(ONES_THEN_ZEROS[8 - count..][..8].as_ptr().cast()) }
}
