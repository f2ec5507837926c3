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

    unsafe fn splat(value: f32) -> Self;
    unsafe fn load(from: *const f32) -> Self;
    unsafe fn store(self, to: *mut f32);
    /// `self * factor + addend`, rounded once.
    unsafe fn mul_add(self, factor: Self, addend: Self) -> Self;
    unsafe fn add(self, other: Self) -> Self;
    unsafe fn sub(self, other: Self) -> Self;
    unsafe fn mul(self, other: Self) -> Self;
    unsafe fn div(self, other: Self) -> Self;
    /// `if self < 0 { 0 } else { self }`: NaN stays NaN, as in PyTorch.
    unsafe fn relu(self) -> Self;
    /// `if gate > 0 { self } else { 0 }`
    unsafe fn where_positive(self, gate: Self) -> Self;

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
}

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
