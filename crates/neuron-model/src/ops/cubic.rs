//! Cubic interpolation, of tables of positions and of maps.

/// Sharpness of cubic interpolation between places, as torch's `interpolate` has it.
pub const SHARPNESS: f64 = -0.75;

/// Sharpness where a larger map is averaged (`antialias`), as torch and Pillow have it.
pub const SHARPNESS_OF_MEANS: f64 = -0.5;

/// The weight of a value at a distance, in places (Keys, "Cubic Convolution Interpolation for Digital Image Processing", 1981).
pub fn cubic(distance: f64, sharpness: f64) -> f64 {
    let (x, a) = (distance.abs(), sharpness);
    if x < 1.0 {
        ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0
    } else if x < 2.0 {
        (((x - 5.0) * x + 8.0) * x - 4.0) * a
    } else {
        0.0
    }
}
