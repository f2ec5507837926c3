use std::f32::consts::PI;

use neuron_model::PixelRange;
use neuron_spectrum::Complex32;

use super::Canvas;
use super::coefficients::Coefficients;
use super::magnitudes::Magnitudes;

/// A picture as the phases of Fourier coefficients whose magnitudes stay.
///
/// Its numbers are `[3, height, width / 2 + 1]`, in radians. Planes have the variance that the magnitudes say, whatever the
/// phases.
#[derive(Clone, Debug)]
pub(super) struct Phases {
    coefficients: Coefficients,
    magnitudes: Magnitudes,
}

impl Phases {
    pub(super) fn new(magnitudes: Magnitudes, pixels: PixelRange) -> Self {
        let (height, width) = magnitudes.size();
        Self { coefficients: Coefficients::new(height, width, pixels), magnitudes }
    }

    fn planes(&self, parameters: &[f32]) -> Vec<f32> {
        let len = self.coefficients.len();
        self.coefficients.planes(|plane, spectrum| {
            let phases = parameters[plane * len..][..len].iter().zip(self.magnitudes.plane(plane));
            for (value, (phase, magnitude)) in spectrum.iter_mut().zip(phases) {
                *value = Complex32::from_polar(*magnitude, *phase);
            }
        })
    }
}

impl Canvas for Phases {
    fn parameters(&self) -> usize {
        3 * self.coefficients.len()
    }

    fn start(&self, normal: Vec<f32>) -> Vec<f32> {
        normal.into_iter().map(|value| PI * value).collect()
    }

    fn of_picture(&self, picture: &[f32]) -> Vec<f32> {
        let mut parameters = Vec::with_capacity(self.parameters());
        self.coefficients.of_picture(picture, |spectrum| {
            parameters.extend(spectrum.iter().map(|value| value.arg()));
        });
        parameters
    }

    fn draw(&self, parameters: &[f32], picture: &mut [f32]) {
        self.coefficients.draw(&self.planes(parameters), picture);
    }

    fn pull_back(&self, parameters: &[f32], gradient: &[f32], pulled: &mut [f32]) {
        let len = self.coefficients.len();
        self.coefficients.pull_back(&self.planes(parameters), gradient, |plane, spectrum| {
            let phases = parameters[plane * len..][..len].iter().zip(self.magnitudes.plane(plane));
            let pulled = pulled[plane * len..][..len].iter_mut();
            for (pulled, (gradient, (phase, magnitude))) in pulled.zip(spectrum.iter().zip(phases)) {
                // A phase turns its coefficient: along i times it.
                let (sine, cosine) = phase.sin_cos();
                *pulled = magnitude * (cosine * gradient.im - sine * gradient.re);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random;

    #[test]
    fn planes_keep_their_mean_and_variance() {
        for (height, width) in [(16, 15), (9, 12)] {
            let canvas = Phases::new(Magnitudes::falling((height, width)), PixelRange::default());
            let planes = canvas.planes(&random::normal(4, 0, canvas.parameters()));
            for plane in planes.chunks_exact(height * width) {
                let count = plane.len() as f32;
                let mean = plane.iter().sum::<f32>() / count;
                let square = plane.iter().map(|value| value * value).sum::<f32>() / count;
                // What is its own mirror has only the real part of its phase.
                assert!(mean.abs() < 1e-4 && (0.5..1.2).contains(&square), "{mean} {square}");
            }
        }
    }
}
