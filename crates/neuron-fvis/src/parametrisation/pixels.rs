use neuron_model::PixelRange;

use super::Canvas;

/// A picture as its own pixels.
#[derive(Clone, Debug)]
pub(super) struct Pixels {
    positions: usize,
    range: PixelRange,
}

impl Pixels {
    pub(super) fn new(positions: usize, range: PixelRange) -> Self {
        Self { positions, range }
    }
}

impl Canvas for Pixels {
    fn parameters(&self) -> usize {
        3 * self.positions
    }

    fn start(&self, normal: Vec<f32>) -> Vec<f32> {
        normal
    }

    fn of_picture(&self, picture: &[f32]) -> Vec<f32> {
        picture.to_vec()
    }

    fn draw(&self, parameters: &[f32], picture: &mut [f32]) {
        picture.copy_from_slice(parameters);
    }

    fn pull_back(&self, _: &[f32], gradient: &[f32], pulled: &mut [f32]) {
        pulled.copy_from_slice(gradient);
    }

    fn confine(&self, parameters: &mut [f32]) {
        for pixel in parameters.chunks_exact_mut(3) {
            let range = self.range.lowest.iter().zip(&self.range.highest);
            pixel.iter_mut().zip(range).for_each(|(value, (low, high))| *value = value.clamp(*low, *high));
        }
    }
}
