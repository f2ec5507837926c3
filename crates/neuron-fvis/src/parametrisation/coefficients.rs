use neuron_model::PixelRange;
use neuron_spectrum::{Complex32, Transform};

use super::colours::Colours;

/// A picture as the Fourier coefficients of three decorrelated planes, `[height, width / 2 + 1]` each, whatever they are
/// made of.
#[derive(Clone, Debug)]
pub(super) struct Coefficients {
    pub(super) transform: Transform,
    positions: usize,
    colours: Colours,
}

impl Coefficients {
    pub(super) fn new(height: usize, width: usize, pixels: PixelRange) -> Self {
        let colours = Colours::new(pixels);
        Self { transform: Transform::new(height, width), positions: height * width, colours }
    }

    /// Coefficients of one plane.
    pub(super) fn len(&self) -> usize {
        self.transform.len()
    }

    /// The three planes, `[3, height, width]`, for what `write` says of each one's coefficients.
    pub(super) fn planes(&self, write: impl Fn(usize, &mut [Complex32])) -> Vec<f32> {
        let mut planes = vec![0.0; 3 * self.positions];
        let mut spectrum = vec![Complex32::default(); self.len()];
        for (index, plane) in planes.chunks_exact_mut(self.positions).enumerate() {
            write(index, &mut spectrum);
            self.transform.inverse(&mut spectrum, plane);
        }
        planes
    }

    /// Draws the picture of three planes, `[height, width, 3]`.
    pub(super) fn draw(&self, planes: &[f32], picture: &mut [f32]) {
        self.colours.mix(planes, picture);
    }

    /// Reads each plane's coefficients off a picture.
    pub(super) fn of_picture(&self, picture: &[f32], mut read: impl FnMut(&[Complex32])) {
        let mut spectrum = vec![Complex32::default(); self.len()];
        for plane in self.colours.unmix(picture).chunks_exact(self.positions) {
            self.transform.forward(plane, &mut spectrum);
            read(&spectrum);
        }
    }

    /// Reads the gradient with respect to each plane's coefficients, for one with respect to the picture of `planes`.
    pub(super) fn pull_back(
        &self,
        planes: &[f32],
        gradient: &[f32],
        mut read: impl FnMut(usize, &[Complex32]),
    ) {
        let mut of_planes = vec![0.0; planes.len()];
        self.colours.pull_back(planes, gradient, &mut of_planes);
        let mut spectrum = vec![Complex32::default(); self.len()];
        for (index, plane) in of_planes.chunks_exact(self.positions).enumerate() {
            self.transform.pull_back(plane, &mut spectrum);
            read(index, &spectrum);
        }
    }
}
