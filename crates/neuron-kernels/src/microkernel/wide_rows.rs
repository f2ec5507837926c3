//! [`wide`](super::wide)'s kernels on slices: rows of any number.
use super::isa::Isa;
use super::wide::{VECTORS, WideProduct};

/// Columns of a panel.
pub(crate) fn wide_panel(isa: &Isa) -> usize {
    VECTORS * isa.lanes
}

/// The sums `[row][columns of a panel]` of rows of A, which lie `pitch` apart, and a panel `[depth][columns]`.
///
/// # Panics
/// If a slice is too short.
pub(crate) fn wide_sums(isa: &Isa, (a, pitch): (&[f64], usize), panel: &[f32], sums: &mut [f32]) {
    let columns = wide_panel(isa);
    let (rows, depth) = (sums.len() / columns, panel.len() / columns);
    assert!(rows == 0 || (rows - 1) * pitch + depth <= a.len(), "{rows} rows of {depth} values");
    for (index, sums) in sums.chunks_mut(columns * isa.wide.len()).enumerate() {
        let rows = sums.len() / columns;
        let first = index * isa.wide.len() * pitch;
        let product = WideProduct {
            a: a[first..].as_ptr(),
            a_pitch: pitch,
            b: panel.as_ptr(),
            depth,
            sums: sums.as_mut_ptr(),
        };
        let Some(kernel) = rows.checked_sub(1).map(|last| isa.wide[last]) else { return };
        // SAFETY: the instruction set was detected, and the rows, the panel and the sums are as long as the lengths say.
        unsafe { kernel(&product) };
    }
}
