use super::Lanes;
use std::arch::aarch64::*;

impl Lanes for float32x4_t {
    const LEN: usize = 4;
    type Wide = [float64x2_t; 2];

    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        // SAFETY: the caller enables the instruction set, as for every method below.
        unsafe { vdupq_n_f32(value) }
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: `from` is valid for `LEN` values; no alignment is asked for.
        unsafe { vld1q_f32(from) }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: `to` is valid for `LEN` values; no alignment is asked for.
        unsafe { vst1q_f32(to, self) }
    }

    #[inline(always)]
    unsafe fn mul_add(self, factor: Self, addend: Self) -> Self {
        // SAFETY: as for `splat`.
        unsafe { vfmaq_f32(addend, self, factor) }
    }

    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        // SAFETY: as for `splat`.
        unsafe { vaddq_f32(self, other) }
    }

    #[inline(always)]
    unsafe fn sub(self, other: Self) -> Self {
        // SAFETY: as for `splat`.
        unsafe { vsubq_f32(self, other) }
    }

    #[inline(always)]
    unsafe fn mul(self, other: Self) -> Self {
        // SAFETY: as for `splat`.
        unsafe { vmulq_f32(self, other) }
    }

    #[inline(always)]
    unsafe fn div(self, other: Self) -> Self {
        // SAFETY: as for `splat`.
        unsafe { vdivq_f32(self, other) }
    }

    #[inline(always)]
    unsafe fn at_least(self, limit: Self) -> Self {
        // SAFETY: as for `splat`.
        unsafe { vbslq_f32(vcltq_f32(self, limit), limit, self) }
    }

    #[inline(always)]
    unsafe fn at_most(self, limit: Self) -> Self {
        // SAFETY: as for `splat`.
        unsafe { vbslq_f32(vcgtq_f32(self, limit), limit, self) }
    }

    #[inline(always)]
    unsafe fn where_positive(self, gate: Self) -> Self {
        // SAFETY: as for `splat`.
        unsafe { vbslq_f32(vcgtq_f32(gate, vdupq_n_f32(0.0)), self, vdupq_n_f32(0.0)) }
    }

    #[inline(always)]
    unsafe fn where_less(self, other: Self, yes: Self, no: Self) -> Self {
        // SAFETY: as for `splat`.
        unsafe { vbslq_f32(vcltq_f32(self, other), yes, no) }
    }

    #[inline(always)]
    unsafe fn where_nan(self, yes: Self, no: Self) -> Self {
        // SAFETY: as for `splat`.
        unsafe { vbslq_f32(vceqq_f32(self, self), no, yes) }
    }

    #[inline(always)]
    unsafe fn abs(self) -> Self {
        // SAFETY: as for `splat`.
        unsafe { vabsq_f32(self) }
    }

    #[inline(always)]
    unsafe fn exponent_in_last_bits(self) -> Self {
        // SAFETY: as for `splat`.
        unsafe { vreinterpretq_f32_s32(vshlq_n_s32::<23>(vreinterpretq_s32_f32(self))) }
    }

    #[inline(always)]
    unsafe fn widen(self) -> Self::Wide {
        // SAFETY: as for `splat`.
        unsafe { [vcvt_f64_f32(vget_low_f32(self)), vcvt_high_f64_f32(self)] }
    }

    #[inline(always)]
    unsafe fn wide_splat(value: f64) -> Self::Wide {
        // SAFETY: as for `splat`.
        unsafe { [vdupq_n_f64(value); 2] }
    }

    #[inline(always)]
    unsafe fn wide_mul_add([a, b]: Self::Wide, [c, d]: Self::Wide, sums: Self::Wide) -> Self::Wide {
        // SAFETY: as for `splat`.
        unsafe { [vfmaq_f64(sums[0], a, c), vfmaq_f64(sums[1], b, d)] }
    }

    #[inline(always)]
    unsafe fn wide_add([a, b]: Self::Wide, sums: Self::Wide) -> Self::Wide {
        // SAFETY: as for `splat`.
        unsafe { [vaddq_f64(sums[0], a), vaddq_f64(sums[1], b)] }
    }

    #[inline(always)]
    unsafe fn wide_store([a, b]: Self::Wide, to: *mut f64) {
        // SAFETY: `to` is valid for `LEN` sums.
        unsafe {
            vst1q_f64(to, a);
            vst1q_f64(to.add(2), b);
        }
    }
}
