//! How much of a picture is noise.

use std::fmt;

use neuron_spectrum::{Complex32, Transform};

/// Luminance of a colour, by Rec. 709's weights of red, green and blue, of the values as they are stored.
const WEIGHTS: [f64; 3] = [0.2126, 0.7152, 0.0722];

/// The frequency above which energy counts as noise, in cycles per pixel: a wave of four pixels.
const FINE: f64 = 0.25;

/// Spectra of the luminance of pictures of one size.
pub struct Luminance {
    transform: Transform,
    pixels: usize,
    plane: Vec<f32>,
    spectrum: Vec<Complex32>,
}

impl fmt::Debug for Luminance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Luminance").field(&self.transform).finish()
    }
}

impl Luminance {
    /// For pictures of `height x width` pixels.
    ///
    /// # Panics
    /// If one of them is 0.
    pub fn new(height: usize, width: usize) -> Self {
        let transform = Transform::new(height, width);
        let spectrum = vec![Complex32::default(); transform.len()];
        Self { transform, pixels: height * width, plane: Vec::new(), spectrum }
    }

    /// The share of the luminance's energy at more than 1/4 cycle per pixel, from 0 to 1; its mean is no part of the
    /// energy. A picture of one colour has none, and its share is 0. White noise has 0.80.
    ///
    /// # Shapes
    /// * `rgb`: `[height, width, 3]`
    ///
    /// # Panics
    /// If it is of another size.
    pub fn fine_share(&mut self, rgb: &[u8]) -> f64 {
        assert_eq!(rgb.len(), 3 * self.pixels, "pixels of the picture");
        let luminance = |pixel: &[u8]| -> f64 {
            pixel.iter().zip(WEIGHTS).map(|(value, weight)| weight * f64::from(*value) / 255.0).sum()
        };
        let mean = rgb.chunks_exact(3).map(luminance).sum::<f64>() / self.pixels as f64;
        self.plane.clear();
        self.plane.extend(rgb.chunks_exact(3).map(|pixel| (luminance(pixel) - mean) as f32));
        // What rounding leaves of a single colour is no energy.
        if self.plane.iter().all(|value| value.abs() < 1e-6) {
            return 0.0;
        }
        self.transform.forward(&self.plane, &mut self.spectrum);
        let (mut all, mut fine) = (0.0, 0.0);
        for (at, value) in self.spectrum.iter().enumerate().skip(1) {
            let square = f64::from(value.re).powi(2) + f64::from(value.im).powi(2);
            let energy = f64::from(self.transform.multiplicity(at)) * square;
            all += energy;
            if self.transform.frequency(at) > FINE {
                fine += energy;
            }
        }
        if all > 0.0 { fine / all } else { 0.0 }
    }
}

#[cfg(test)]
mod tests {
    use std::f64::consts::TAU;

    use super::*;

    fn share(height: usize, width: usize, value: impl Fn(usize, usize) -> f64) -> f64 {
        let pixel = |at: usize| [(127.5 + 100.0 * value(at / width, at % width)).round() as u8; 3];
        let rgb: Vec<u8> = (0..height * width).flat_map(pixel).collect();
        Luminance::new(height, width).fine_share(&rgb)
    }

    #[test]
    fn waves_count_by_their_length() {
        let wave = |period: f64| move |_: usize, x: usize| (TAU * x as f64 / period).sin();
        assert!(share(12, 48, wave(12.0)) < 1e-3);
        assert!(share(12, 48, wave(3.0)) > 0.999);
        // A wave of four pixels is just not above.
        assert!(share(12, 48, wave(4.0)) < 1e-3);
        // Two waves of equal energy.
        let both = share(12, 48, |y, x| 0.5 * wave(12.0)(y, x) + 0.5 * wave(3.0)(y, x));
        assert!((both - 0.5).abs() < 1e-2, "{both}");
        // Both axes count: 1/6 and 1/5 cycle together are 0.26.
        let slanted = share(30, 30, |y, x| (TAU * (y as f64 / 6.0 + x as f64 / 5.0)).sin());
        assert!(slanted > 0.999, "{slanted}");
    }

    #[test]
    fn a_colour_has_no_noise_and_a_chessboard_is_all_noise() {
        assert_eq!(share(5, 7, |_, _| 0.3), 0.0);
        assert!(share(8, 6, |y, x| if (y + x) % 2 == 0 { 1.0 } else { -1.0 }) > 0.999_999);
        assert_eq!(share(1, 1, |_, _| 1.0), 0.0);
    }

    #[test]
    fn only_luminance_counts() {
        // Green is as light as 3.364 times as much red: the chessboard is one of colours.
        let pixels = [[84u8, 0, 0], [0, 25, 0]];
        let rgb: Vec<u8> = (0..64).flat_map(|at| pixels[(at / 8 + at) % 2]).collect();
        let colours = Luminance::new(8, 8).fine_share(&rgb);
        let mut with_edge = rgb.clone();
        with_edge[..96].iter_mut().for_each(|value| *value = value.saturating_add(80));
        let edge = Luminance::new(8, 8).fine_share(&with_edge);
        assert!(colours > 0.99 && edge < 0.3, "{colours} and {edge}");
    }

    #[test]
    fn white_noise_has_what_the_frequencies_say() {
        let mut state = 1u64;
        let noise: Vec<f64> = (0..64 * 64)
            .map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (state >> 40) as f64 / f64::from(1 << 24) * 2.0 - 1.0
            })
            .collect();
        // All but a disc of radius 1/4 in a square of side 1.
        let expected = 1.0 - std::f64::consts::PI / 16.0;
        let found = share(64, 64, |y, x| noise[y * 64 + x]);
        assert!((found - expected).abs() < 0.02, "{found}, expected {expected}");
    }
}
