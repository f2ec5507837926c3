use super::Lanes;
use std::arch::x86_64::*;

impl Lanes for __m512 {
    const LEN: usize = 16;
    type Wide = [__m512d; 2];

    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        // SAFETY: the caller enables the instruction set, as for every method below.
        unsafe { _mm512_set1_ps(value) }
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: `from` is valid for `LEN` values; no alignment is asked for.
        unsafe { _mm512_loadu_ps(from) }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: `to` is valid for `LEN` values; no alignment is asked for.
        unsafe { _mm512_storeu_ps(to, self) }
    }

    #[inline(always)]
    unsafe fn mul_add(self, factor: Self, addend: Self) -> Self {
        // SAFETY: as for `splat`.
        unsafe { _mm512_fmadd_ps(self, factor, addend) }
    }

    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        // SAFETY: as for `splat`.
        unsafe { _mm512_add_ps(self, other) }
    }

    #[inline(always)]
    unsafe fn sub(self, other: Self) -> Self {
        // SAFETY: as for `splat`.
        unsafe { _mm512_sub_ps(self, other) }
    }

    #[inline(always)]
    unsafe fn mul(self, other: Self) -> Self {
        // SAFETY: as for `splat`.
        unsafe { _mm512_mul_ps(self, other) }
    }

    #[inline(always)]
    unsafe fn div(self, other: Self) -> Self {
        // SAFETY: as for `splat`.
        unsafe { _mm512_div_ps(self, other) }
    }

    #[inline(always)]
    unsafe fn at_least(self, limit: Self) -> Self {
        // `maxps` answers its second operand where one is NaN, and where both are zeros; `minps` as well.
        // SAFETY: as for `splat`.
        unsafe { _mm512_max_ps(limit, self) }
    }

    #[inline(always)]
    unsafe fn at_most(self, limit: Self) -> Self {
        // SAFETY: as for `splat`.
        unsafe { _mm512_min_ps(limit, self) }
    }

    #[inline(always)]
    unsafe fn where_positive(self, gate: Self) -> Self {
        // SAFETY: as for `splat`.
        unsafe { _mm512_maskz_mov_ps(_mm512_cmp_ps_mask::<_CMP_GT_OQ>(gate, _mm512_setzero_ps()), self) }
    }

    #[inline(always)]
    unsafe fn widen(self) -> Self::Wide {
        // SAFETY: as for `splat`.
        unsafe { widened(self) }
    }

    #[inline(always)]
    unsafe fn wide_splat(value: f64) -> Self::Wide {
        // SAFETY: as for `splat`.
        unsafe { [_mm512_set1_pd(value); 2] }
    }

    #[inline(always)]
    unsafe fn wide_mul_add([a, b]: Self::Wide, [c, d]: Self::Wide, sums: Self::Wide) -> Self::Wide {
        // SAFETY: as for `splat`.
        unsafe { [_mm512_fmadd_pd(a, c, sums[0]), _mm512_fmadd_pd(b, d, sums[1])] }
    }

    #[inline(always)]
    unsafe fn wide_add([a, b]: Self::Wide, sums: Self::Wide) -> Self::Wide {
        // SAFETY: as for `splat`.
        unsafe { [_mm512_add_pd(sums[0], a), _mm512_add_pd(sums[1], b)] }
    }

    #[inline(always)]
    unsafe fn wide_store([a, b]: Self::Wide, to: *mut f64) {
        // SAFETY: `to` is valid for `LEN` sums.
        unsafe {
            _mm512_storeu_pd(to, a);
            _mm512_storeu_pd(to.add(8), b);
        }
    }

    #[inline(always)]
    unsafe fn load_first(from: *const f32, count: usize) -> Self {
        // SAFETY: lanes outside of the mask are not read.
        unsafe { _mm512_maskz_loadu_ps((1 << count) - 1, from) }
    }

    #[inline(always)]
    unsafe fn where_less(self, other: Self, yes: Self, no: Self) -> Self {
        // SAFETY: as for `splat`.
        unsafe { _mm512_mask_blend_ps(_mm512_cmp_ps_mask::<_CMP_LT_OQ>(self, other), no, yes) }
    }

    #[inline(always)]
    unsafe fn where_nan(self, yes: Self, no: Self) -> Self {
        // SAFETY: as for `splat`.
        unsafe { _mm512_mask_blend_ps(_mm512_cmp_ps_mask::<_CMP_UNORD_Q>(self, self), no, yes) }
    }

    #[inline(always)]
    unsafe fn abs(self) -> Self {
        // SAFETY: as for `splat`.
        unsafe { _mm512_abs_ps(self) }
    }

    #[inline(always)]
    unsafe fn exponent_in_last_bits(self) -> Self {
        // SAFETY: as for `splat`.
        unsafe { _mm512_castsi512_ps(_mm512_slli_epi32::<23>(_mm512_castps_si512(self))) }
    }

    #[inline(always)]
    unsafe fn store_first(self, to: *mut f32, count: usize) {
        // SAFETY: lanes outside of the mask are not written.
        unsafe { _mm512_mask_storeu_ps(to, (1 << count) - 1, self) }
    }
}

/// # Safety
/// As for [`Lanes`].
#[inline(always)]
unsafe fn widened(values: __m512) -> [__m512d; 2] {
    // SAFETY: passed on to the caller.
    unsafe {
        let high = _mm256_castpd_ps(_mm512_extractf64x4_pd::<1>(_mm512_castps_pd(values)));
        [_mm512_cvtps_pd(_mm512_castps512_ps256(values)), _mm512_cvtps_pd(high)]
    }
}
