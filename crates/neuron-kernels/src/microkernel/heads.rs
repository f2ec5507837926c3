//! [`attention`](super::attention)'s kernels on slices: the members of a head's groups.
use super::attention::{Flip, Slopes, Softmax, Units};
use super::isa::Isa;

/// What similarities are made of beside products.
#[derive(Clone, Copy)]
pub(crate) struct Similarities<'a> {
    /// Members of the group.
    pub(crate) keys: usize,
    /// Of the products.
    pub(crate) factor: f32,
    /// Is added, `[keys, keys]`.
    pub(crate) bias: Option<&'a [f32]>,
    /// The region of each member, a whole number.
    pub(crate) regions: Option<&'a [f32]>,
}

/// Makes weights of the products of some members of the group, `queries`, with its keys: rows `pitch` apart.
///
/// # Panics
/// If a slice is too short or a query is no member.
pub(crate) fn soften(
    isa: &Isa,
    of: &Similarities<'_>,
    queries: &[usize],
    (values, pitch): (&mut [f32], usize),
) {
    check_rows(values, queries.len(), of.keys, pitch);
    assert!(queries.iter().all(|query| *query < of.keys), "queries {queries:?} of {}", of.keys);
    assert_eq!(of.bias.map_or(of.keys * of.keys, <[f32]>::len), of.keys * of.keys, "a bias of each two");
    assert_eq!(of.regions.map_or(of.keys, <[f32]>::len), of.keys, "a region of each member");
    let softmax = Softmax {
        rows: queries.len(),
        keys: of.keys,
        values: values.as_mut_ptr(),
        pitch,
        factor: of.factor,
        queries: queries.as_ptr(),
        bias: of.bias.map(<[f32]>::as_ptr),
        regions: of.regions.map(<[f32]>::as_ptr),
    };
    // SAFETY: the instruction set was detected; the slices are as long as asserted, and the rows exclusively borrowed.
    unsafe { (isa.attention.softmax)(&softmax) };
}

/// Makes gradients of products, by the factor of the similarities, of those of weights: `rows` of both, `pitch` apart.
///
/// # Panics
/// If a slice is too short.
pub(crate) fn to_slopes(
    isa: &Isa,
    of: &Similarities<'_>,
    weights: &[f32],
    (values, rows, pitch): (&mut [f32], usize, usize),
) {
    check_rows(values, rows, of.keys, pitch);
    check_rows(weights, rows, of.keys, pitch);
    let (values, weights) = (values.as_mut_ptr(), weights.as_ptr());
    let slopes = Slopes { rows, keys: of.keys, values, weights, pitch, factor: of.factor };
    // SAFETY: as for `soften`.
    unsafe { (isa.attention.slopes)(&slopes) };
}

/// Divides rows of `width` values by their lengths; `shrink` becomes what each was multiplied by.
///
/// # Panics
/// If a slice is too short.
pub(crate) fn to_units(isa: &Isa, values: &mut [f32], width: usize, shrink: &mut [f32]) {
    check_rows(values, shrink.len(), width, width);
    let units = Units {
        rows: shrink.len(),
        width,
        values: values.as_mut_ptr(),
        pitch: width,
        signal: std::ptr::null_mut(),
        signal_pitch: 0,
        shrink: shrink.as_mut_ptr(),
    };
    // SAFETY: as for `soften`; no signal is read.
    unsafe { (isa.attention.units)(&units) };
}

/// Makes gradients of vectors of those of their units, `pitch` apart.
///
/// # Panics
/// If a slice is too short.
pub(crate) fn pass_through_units(
    isa: &Isa,
    (units, shrink): (&[f32], &[f32]),
    width: usize,
    (signal, pitch): (&mut [f32], usize),
) {
    check_rows(units, shrink.len(), width, width);
    check_rows(signal, shrink.len(), width, pitch);
    let units = Units {
        rows: shrink.len(),
        width,
        values: units.as_ptr().cast_mut(),
        pitch: width,
        signal: signal.as_mut_ptr(),
        signal_pitch: pitch,
        shrink: shrink.as_ptr().cast_mut(),
    };
    // SAFETY: as for `soften`; units and lengths are only read.
    unsafe { (isa.attention.through_units)(&units) };
}

/// Packs as many rows of `depth` values as a whole number of panels has columns, as these columns.
///
/// # Panics
/// If a slice is too short or a panel would not be whole.
pub(crate) fn pack_flipped(isa: &Isa, rows: &[f32], depth: usize, packed: &mut [f32]) {
    let columns = rows.len() / depth;
    assert_eq!(isa.padded(columns) * depth, rows.len(), "{columns} columns in whole panels");
    assert!(packed.len() >= rows.len(), "panels of {columns} columns");
    for column in (0..columns).step_by(isa.panel) {
        let rows_of = &rows[column * depth..][..isa.panel_for(columns - column) * depth];
        let to = packed[column * depth..][..rows_of.len()].as_mut_ptr();
        let flip = Flip { from: rows_of.as_ptr(), to, rows: rows_of.len() / depth, depth };
        assert!(flip.rows.is_multiple_of(4), "panels of {} columns", flip.rows);
        // SAFETY: the instruction set was detected, and a panel has as many values as its rows.
        unsafe { (isa.attention.flip)(&flip) };
    }
}

/// # Panics
/// If there are fewer than `rows` rows.
fn check_rows(values: &[f32], rows: usize, len: usize, pitch: usize) {
    assert!(len <= pitch, "rows of {len} values, {pitch} apart");
    assert!(rows == 0 || (rows - 1) * pitch + len <= values.len(), "{rows} rows of {pitch} values");
}
