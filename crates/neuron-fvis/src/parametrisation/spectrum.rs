use neuron_model::PixelRange;
use neuron_spectrum::{Complex32, Transform};

use super::Canvas;
use super::coefficients::Coefficients;

/// How fast amplitudes fall with the frequency `f`, as `1 / f^DECAY`: a little faster than those of photos (1), which
/// keeps single pixels quieter.
const DECAY: f64 = 1.2;

/// Standard deviation of a start's planes: next to grey.
const START: f32 = 0.01;

/// A picture as the Fourier coefficients of three decorrelated planes.
///
/// Its numbers are `[3, height, width / 2 + 1, 2]`, real and imaginary parts; normal ones make planes of variance 1.
#[derive(Clone, Debug)]
pub(super) struct Spectrum {
    coefficients: Coefficients,
    /// What each coefficient is multiplied by.
    scale: Vec<f32>,
}

impl Spectrum {
    pub(super) fn new(height: usize, width: usize, pixels: PixelRange) -> Self {
        let coefficients = Coefficients::new(height, width, pixels);
        let transform = &coefficients.transform;
        let lowest = 1.0 / height.max(width) as f64;
        let falling: Vec<f64> =
            (0..transform.len()).map(|at| transform.frequency(at).max(lowest).powf(-DECAY)).collect();
        let scale = to_unit_variance(transform, &falling, height * width);
        Self { coefficients, scale }
    }

    fn planes(&self, parameters: &[f32]) -> Vec<f32> {
        let len = 2 * self.coefficients.len();
        self.coefficients.planes(|plane, spectrum| {
            let parts = parameters[plane * len..][..len].chunks_exact(2).zip(&self.scale);
            for (value, (parts, scale)) in spectrum.iter_mut().zip(parts) {
                *value = Complex32::new(scale * parts[0], scale * parts[1]);
            }
        })
    }
}

/// Factors in proportion to `amplitudes` with which normal coefficients make planes of variance 1.
fn to_unit_variance(transform: &Transform, amplitudes: &[f64], positions: usize) -> Vec<f32> {
    let power = |(at, amplitude): (usize, &f64)| (f64::from(transform.multiplicity(at)) * amplitude).powi(2);
    let power: f64 = amplitudes.iter().enumerate().map(power).sum();
    amplitudes.iter().map(|amplitude| (positions as f64 * amplitude / power.sqrt()) as f32).collect()
}

impl Canvas for Spectrum {
    fn parameters(&self) -> usize {
        3 * 2 * self.coefficients.len()
    }

    fn start(&self, normal: Vec<f32>) -> Vec<f32> {
        normal.into_iter().map(|value| START * value).collect()
    }

    fn of_picture(&self, picture: &[f32]) -> Vec<f32> {
        let mut parameters = Vec::with_capacity(self.parameters());
        self.coefficients.of_picture(picture, |spectrum| {
            let parts = spectrum.iter().zip(&self.scale).map(|(value, scale)| value / scale);
            parameters.extend(parts.flat_map(|value| [value.re, value.im]));
        });
        parameters
    }

    fn draw(&self, parameters: &[f32], picture: &mut [f32]) {
        self.coefficients.draw(&self.planes(parameters), picture);
    }

    fn pull_back(&self, parameters: &[f32], gradient: &[f32], pulled: &mut [f32]) {
        let len = 2 * self.coefficients.len();
        self.coefficients.pull_back(&self.planes(parameters), gradient, |plane, spectrum| {
            let values = spectrum.iter().zip(&self.scale);
            for (pulled, (value, scale)) in pulled[plane * len..][..len].chunks_exact_mut(2).zip(values) {
                pulled.copy_from_slice(&[scale * value.re, scale * value.im]);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random;

    #[test]
    fn normal_numbers_make_planes_of_variance_one() {
        let canvas = Spectrum::new(32, 24, PixelRange::default());
        let mut sum = 0.0;
        for seed in 0..20 {
            let planes = canvas.planes(&random::normal(seed, 0, canvas.parameters()));
            sum += planes.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>() / planes.len() as f64;
        }
        assert!((sum / 20.0 - 1.0).abs() < 0.2, "{}", sum / 20.0);
    }
}
