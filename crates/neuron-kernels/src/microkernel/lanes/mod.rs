//! Vectors of `f32` lanes: one small vocabulary, one implementation an instruction set.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "aarch64")]
mod neon;
mod portable;

pub(super) use portable::Portable;

/// A vector of `f32`. Every operation rounds once and means the same in every implementation, NaN and -0 included.
///
/// # Safety
/// The methods use instructions that the machine may lack: they may only be reached from functions that enable the
/// implementation's instruction set. Pointers must be valid for `LEN` values (`count` where there is one).
pub(super) trait Lanes: Copy {
    /// Number of lanes.
    const LEN: usize;
    /// As many values in f64.
    type Wide: Copy;

    unsafe fn splat(value: f32) -> Self;
    unsafe fn load(from: *const f32) -> Self;
    unsafe fn store(self, to: *mut f32);
    /// `self * factor + addend`, rounded once.
    unsafe fn mul_add(self, factor: Self, addend: Self) -> Self;
    unsafe fn add(self, other: Self) -> Self;
    unsafe fn sub(self, other: Self) -> Self;
    unsafe fn mul(self, other: Self) -> Self;
    unsafe fn div(self, other: Self) -> Self;
    /// `if self < limit { limit } else { self }`: NaN stays NaN.
    unsafe fn at_least(self, limit: Self) -> Self;
    /// `if self > limit { limit } else { self }`: NaN stays NaN.
    unsafe fn at_most(self, limit: Self) -> Self;
    /// `if gate > 0 { self } else { 0 }`
    unsafe fn where_positive(self, gate: Self) -> Self;
    /// `if self < other { yes } else { no }`
    unsafe fn where_less(self, other: Self, yes: Self, no: Self) -> Self;
    /// `if self is NaN { yes } else { no }`
    unsafe fn where_nan(self, yes: Self, no: Self) -> Self;
    unsafe fn abs(self) -> Self;
    /// The number whose sign and exponent are the last nine bits of this one: `2^n` of `2^23 + 2^22 + 127 + n`, for whole
    /// numbers `n` from -126 to 127.
    unsafe fn exponent_in_last_bits(self) -> Self;

    unsafe fn widen(self) -> Self::Wide;
    unsafe fn wide_splat(value: f64) -> Self::Wide;
    /// `values * factors + sums`. Of f32 values and factors, the product is exact.
    unsafe fn wide_mul_add(values: Self::Wide, factors: Self::Wide, sums: Self::Wide) -> Self::Wide;
    unsafe fn wide_add(values: Self::Wide, sums: Self::Wide) -> Self::Wide;
    unsafe fn wide_store(values: Self::Wide, to: *mut f64);

    /// `if self < 0 { 0 } else { self }`: NaN stays NaN, as in PyTorch.
    #[inline(always)]
    unsafe fn relu(self) -> Self {
        // SAFETY: passed on to the caller.
        unsafe { self.at_least(Self::splat(0.0)) }
    }

    /// The first `count < LEN` lanes from memory, 0 in the others.
    #[inline(always)]
    unsafe fn load_first(from: *const f32, count: usize) -> Self {
        debug_assert!(count < Self::LEN && Self::LEN <= 16);
        let mut lanes = [0f32; 16];
        // SAFETY: `from` is valid for `count` values, fewer than the array holds; the array for `LEN`.
        unsafe {
            lanes.as_mut_ptr().copy_from_nonoverlapping(from, count);
            Self::load(lanes.as_ptr())
        }
    }

    /// The first `count < LEN` lanes to memory.
    #[inline(always)]
    unsafe fn store_first(self, to: *mut f32, count: usize) {
        debug_assert!(count < Self::LEN && Self::LEN <= 16);
        let mut lanes = [0f32; 16];
        // SAFETY: as for `load_first`.
        unsafe {
            self.store(lanes.as_mut_ptr());
            to.copy_from_nonoverlapping(lanes.as_ptr(), count);
        }
    }

    /// The first `count <= LEN` lanes from memory, 0 in the others.
    #[inline(always)]
    unsafe fn load_up_to(from: *const f32, count: usize) -> Self {
        // SAFETY: passed on to the caller.
        unsafe { if count == Self::LEN { Self::load(from) } else { Self::load_first(from, count) } }
    }

    /// The first `count <= LEN` lanes to memory.
    #[inline(always)]
    unsafe fn store_up_to(self, to: *mut f32, count: usize) {
        // SAFETY: passed on to the caller.
        unsafe { if count == Self::LEN { self.store(to) } else { self.store_first(to, count) } }
    }
}

/// Does `$body` for the vectors of `$len` values: `$at` is where each begins, `$count` how many lanes it has, a constant
/// for all but a shorter last one.
macro_rules! each_vector {
    ($lanes:ty, $len:expr, $at:ident, $count:ident: $body:expr) => {{
        let len: usize = $len;
        let whole = len - len % <$lanes>::LEN;
        let mut $at = 0;
        while $at < whole {
            let $count = <$lanes>::LEN;
            $body;
            $at += <$lanes>::LEN;
        }
        if whole < len {
            let ($at, $count) = (whole, len - whole);
            $body;
        }
    }};
}
pub(super) use each_vector;

/// [`prefetch`] into the first cache level.
pub(super) const L1: u8 = 0;
/// [`prefetch`] into the first cache level, to be written.
pub(super) const L1_WRITE: u8 = 1;
/// [`prefetch`] into the second cache level.
pub(super) const L2: u8 = 2;

/// Asks for the cache line at `address`, which need not be valid.
#[inline(always)]
pub(super) fn prefetch<const LEVEL: u8>(address: *const f32) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_ET0, _MM_HINT_T0, _MM_HINT_T1, _mm_prefetch};
        // SAFETY: a prefetch has no effect but on time, whatever the address; it is part of the base instruction set.
        unsafe {
            match LEVEL {
                L1 => _mm_prefetch::<_MM_HINT_T0>(address.cast()),
                L1_WRITE => _mm_prefetch::<_MM_HINT_ET0>(address.cast()),
                _ => _mm_prefetch::<_MM_HINT_T1>(address.cast()),
            }
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = address;
}
