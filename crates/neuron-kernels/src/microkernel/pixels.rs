//! [`pool`](super::pool)'s kernels on slices: the pixels of a map.
use super::isa::Isa;
use super::pool::{Pixels, Pooling};

/// As many outputs as the pixels have channels, which begin at each of `places`.
///
/// # Panics
/// If a slice is too short.
pub(crate) fn pool_pixels(isa: &Isa, pooling: Pooling, data: &[f32], places: &[usize], output: &mut [f32]) {
    let channels = output.len();
    assert!(places.iter().all(|place| place + channels <= data.len()), "places {places:?} of {}", data.len());
    // SAFETY: the instruction set was detected, and each place has as many values as the output.
    unsafe { (isa.pool)(pooling, data.as_ptr(), places, output.as_mut_ptr(), channels) };
}

/// The maxima, and which of `places` has each first, by the numbers that they are given.
///
/// # Panics
/// If a slice is too short or there is no place.
pub(crate) fn pool_pixels_max(
    isa: &Isa,
    data: &[f32],
    places: &[(usize, u8)],
    output: &mut [f32],
    which: &mut [u8],
) {
    let channels = output.len();
    assert!(!places.is_empty() && which.len() == channels, "{channels} maxima of some places");
    assert!(places.iter().all(|(place, _)| place + channels <= data.len()), "{places:?} of {}", data.len());
    // SAFETY: the instruction set was detected, and each place has as many values as the outputs.
    unsafe { (isa.pool_max)(data.as_ptr(), places, output.as_mut_ptr(), which.as_mut_ptr(), channels) };
}

/// The sums of `values`, or of their products with `factors`, over `positions` pixels `pitch` apart, in their order.
///
/// # Panics
/// If a slice is too short.
pub(crate) fn sum_positions(
    isa: &Isa,
    (values, factors): (&[f32], Option<&[f32]>),
    (positions, pitch): (usize, usize),
    sums: &mut [f64],
) {
    let end = positions.saturating_sub(1) * pitch + sums.len();
    assert!(
        positions == 0 || end <= values.len().min(factors.map_or(end, <[f32]>::len)),
        "{positions} pixels"
    );
    let pixels = Pixels {
        values: values.as_ptr(),
        factors: factors.map_or(std::ptr::null(), <[f32]>::as_ptr),
        pitch,
        positions,
        sums: sums.as_mut_ptr(),
        channels: sums.len(),
    };
    // SAFETY: the instruction set was detected; the values and factors reach as far as asserted.
    unsafe { (isa.sum_pixels)(&pixels) };
}
