//! Products of rows and packed columns whose sums are in f64.
//!
//! Every sum is one chain in ascending k of exact products, rounded to f32 at its end: the same bits on every instruction set.
use super::lanes::Lanes;

/// Vectors of a panel.
pub(super) const VECTORS: usize = 2;
/// More columns than the widest panel has.
const MOST: usize = 32;

/// Some rows and a panel.
pub(super) struct WideProduct {
    /// First value of the first row of A, and the distance of rows.
    pub(super) a: *const f64,
    pub(super) a_pitch: usize,
    /// A packed panel, `[depth][columns]`.
    pub(super) b: *const f32,
    pub(super) depth: usize,
    /// `[row][columns]`
    pub(super) sums: *mut f32,
}

/// A kernel for a fixed number of rows.
///
/// # Safety
/// The machine has the kernel's instruction set, and the pointers are valid for what the fields say, `sums` exclusively.
pub(super) type WideKernel = unsafe fn(&WideProduct);

/// # Safety
/// As for [`WideKernel`]; only to be inlined into a function that enables `S`.
#[expect(clippy::needless_range_loop, reason = "indices that are constants after unrolling")]
#[inline(always)]
pub(super) unsafe fn wide_product<S: Lanes, const ROWS: usize>(product: &WideProduct) {
    let WideProduct { a, a_pitch, b, depth, sums: to } = *product;
    let columns = VECTORS * S::LEN;
    // SAFETY: passed on to the caller; the array holds a panel's row.
    unsafe {
        let mut sums = [[S::wide_splat(0.0); VECTORS]; ROWS];
        for step in 0..depth {
            for j in 0..VECTORS {
                let weights = S::load(b.add(step * columns + j * S::LEN)).widen();
                for r in 0..ROWS {
                    let value = S::wide_splat(*a.add(r * a_pitch + step));
                    sums[r][j] = S::wide_mul_add(weights, value, sums[r][j]);
                }
            }
        }
        for r in 0..ROWS {
            let mut row = [0f64; MOST];
            for j in 0..VECTORS {
                S::wide_store(sums[r][j], row.as_mut_ptr().add(j * S::LEN));
            }
            for (column, sum) in row[..columns].iter().enumerate() {
                *to.add(r * columns + column) = *sum as f32;
            }
        }
    }
}
