use std::f64::consts::PI;

use neuron_spectrum::{Complex32, Transform};

/// Blurs a picture by a Gaussian of a standard deviation in pixels, as if it went on beyond its edges by being repeated.
///
/// # Shapes
/// * `picture`: `[height, width, 3]`
pub fn blur(picture: &mut [f32], (height, width): (usize, usize), sigma_px: f64) {
    let transform = Transform::new(height, width);
    let passes = |frequency: f64| (-2.0 * (PI * sigma_px * frequency).powi(2)).exp() as f32;
    let mut spectrum = vec![Complex32::default(); transform.len()];
    let mut plane = vec![0.0; height * width];
    for colour in 0..3 {
        plane.iter_mut().zip(picture.chunks_exact(3)).for_each(|(value, pixel)| *value = pixel[colour]);
        transform.forward(&plane, &mut spectrum);
        for (at, value) in spectrum.iter_mut().enumerate() {
            *value *= passes(transform.frequency(at));
        }
        transform.inverse(&mut spectrum, &mut plane);
        picture.chunks_exact_mut(3).zip(&plane).for_each(|(pixel, value)| pixel[colour] = *value);
    }
}

#[cfg(test)]
mod tests {
    use std::f64::consts::TAU;

    use super::*;

    #[test]
    fn a_blur_keeps_the_mean_and_spreads_a_point_as_a_gaussian() {
        let (height, width) = (32, 48);
        let mut picture = vec![0.0f32; 3 * height * width];
        let (row, column, sigma) = (16, 20, 3.0);
        picture[3 * (row * width + column) + 1] = 1.0;
        blur(&mut picture, (height, width), sigma);
        let total: f64 = picture.iter().map(|value| f64::from(*value)).sum();
        assert!((total - 1.0).abs() < 1e-4, "{total}");
        for (down, right) in [(0, 0), (0, 3), (2, -4), (5, 5)] {
            let squares = f64::from(down * down + right * right);
            let want = (-squares / (2.0 * sigma * sigma)).exp() / (TAU * sigma * sigma);
            let at = (row as i32 + down) as usize * width + (column as i32 + right) as usize;
            let found = f64::from(picture[3 * at + 1]);
            assert!((found - want).abs() < 1e-4, "{down} {right}: {found}, expected {want}");
            assert!(picture[3 * at].abs() < 1e-6);
        }
    }
}
