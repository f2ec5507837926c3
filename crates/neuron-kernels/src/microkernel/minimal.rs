//! The one-dimensional transforms of Winograd's minimal filtering for kernels of 3.
//!
//! Lavin and Gray, "Fast algorithms for convolutional neural networks" (arXiv 1509.09308), sections 4.1 and 4.3:
//! `y = A^T [(G g) * (B^T d)]`, nested once for two dimensions.
use super::lanes::Lanes;

/// `OUT` neighbouring outputs from `IN = OUT + 2` inputs.
pub(super) trait Filtering<const IN: usize, const OUT: usize> {
    /// `B^T d`
    ///
    /// # Safety
    /// As for [`Lanes`].
    unsafe fn input<S: Lanes>(d: [S; IN]) -> [S; IN];

    /// `A^T m`
    ///
    /// # Safety
    /// As for [`Lanes`].
    unsafe fn output<S: Lanes>(m: [S; IN]) -> [S; OUT];
}

/// F(2, 3), interpolating at 0, 1, -1 and infinity.
pub(super) struct F2;

/// F(4, 3), interpolating at 0, 1, -1, 2, -2 and infinity.
pub(super) struct F4;

/// `G` of [`F2`].
pub(crate) const F2_KERNEL: [[f64; 3]; 4] =
    [[1.0, 0.0, 0.0], [0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0.0, 0.0, 1.0]];

/// `G` of [`F4`].
pub(crate) const F4_KERNEL: [[f64; 3]; 6] = [
    [1.0 / 4.0, 0.0, 0.0],
    [-1.0 / 6.0, -1.0 / 6.0, -1.0 / 6.0],
    [-1.0 / 6.0, 1.0 / 6.0, -1.0 / 6.0],
    [1.0 / 24.0, 1.0 / 12.0, 1.0 / 6.0],
    [1.0 / 24.0, -1.0 / 12.0, 1.0 / 6.0],
    [0.0, 0.0, 1.0],
];

impl Filtering<4, 2> for F2 {
    #[inline(always)]
    unsafe fn input<S: Lanes>([d0, d1, d2, d3]: [S; 4]) -> [S; 4] {
        // SAFETY: passed on to the caller.
        unsafe { [d0.sub(d2), d1.add(d2), d2.sub(d1), d1.sub(d3)] }
    }

    #[inline(always)]
    unsafe fn output<S: Lanes>([m0, m1, m2, m3]: [S; 4]) -> [S; 2] {
        // SAFETY: passed on to the caller.
        unsafe { [m0.add(m1).add(m2), m1.sub(m2).sub(m3)] }
    }
}

impl Filtering<6, 4> for F4 {
    #[inline(always)]
    unsafe fn input<S: Lanes>([d0, d1, d2, d3, d4, d5]: [S; 6]) -> [S; 6] {
        // SAFETY: passed on to the caller.
        unsafe {
            let scaled = |value: S, factor: f32, addend: S| value.mul_add(S::splat(factor), addend);
            let (even, odd) = (scaled(d2, -4.0, d4), scaled(d1, -4.0, d3));
            let (even2, odd2) = (d4.sub(d2), d3.sub(d1));
            [
                scaled(d0, 4.0, scaled(d2, -5.0, d4)),
                even.add(odd),
                even.sub(odd),
                scaled(odd2, 2.0, even2),
                scaled(odd2, -2.0, even2),
                scaled(d1, 4.0, scaled(d3, -5.0, d5)),
            ]
        }
    }

    #[inline(always)]
    unsafe fn output<S: Lanes>([m0, m1, m2, m3, m4, m5]: [S; 6]) -> [S; 4] {
        // SAFETY: passed on to the caller.
        unsafe {
            let scaled = |value: S, factor: f32, addend: S| value.mul_add(S::splat(factor), addend);
            let (sum1, difference1) = (m1.add(m2), m1.sub(m2));
            let (sum2, difference2) = (m3.add(m4), m3.sub(m4));
            [
                m0.add(sum1).add(sum2),
                scaled(difference2, 2.0, difference1),
                scaled(sum2, 4.0, sum1),
                scaled(difference2, 8.0, difference1).add(m5),
            ]
        }
    }
}
