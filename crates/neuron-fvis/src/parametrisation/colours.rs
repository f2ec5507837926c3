//! Decorrelated colours, bounded between black and white.

use neuron_model::PixelRange;

/// The square root of the covariance of red, green and blue in photos, divided by the length of its longest column: the
/// constants that are published with Lucid (Olah et al., 2017). Column 0 is brightness.
const MIX: [[f32; 3]; 3] = [
    [0.562_828_24, 0.194_823_62, 0.043_294_14],
    [0.584_475_45, 0.0, -0.108_235_35],
    [0.584_475_45, -0.194_823_62, 0.064_941_21],
];

/// Of a black or white pixel, how far it is taken to be from the bound that it cannot reach.
const MARGIN: f32 = 1e-3;

/// From three decorrelated planes to a picture and back.
#[derive(Clone, Debug)]
pub(super) struct Colours {
    pixels: PixelRange,
    /// The inverse of [`MIX`].
    unmix: [[f32; 3]; 3],
}

impl Colours {
    pub(super) fn new(pixels: PixelRange) -> Self {
        Self { pixels, unmix: inverse(MIX) }
    }

    /// # Shapes
    /// * `planes`: `[3, height, width]`
    /// * `picture`: `[height, width, 3]`, normalised
    pub(super) fn mix(&self, planes: &[f32], picture: &mut [f32]) {
        let positions = planes.len() / 3;
        for (at, pixel) in picture.chunks_exact_mut(3).enumerate() {
            let values = mixed(&MIX, [0, 1, 2].map(|plane| planes[plane * positions + at]));
            for (colour, value) in pixel.iter_mut().enumerate() {
                *value = self.pixels.lowest[colour] + self.span(colour) * sigmoid(values[colour]);
            }
        }
    }

    /// The gradient with respect to the planes for one with respect to the picture.
    ///
    /// # Shapes
    /// * `planes`, `pulled`: `[3, height, width]`
    /// * `gradient`: `[height, width, 3]`
    pub(super) fn pull_back(&self, planes: &[f32], gradient: &[f32], pulled: &mut [f32]) {
        let positions = planes.len() / 3;
        for (at, gradient) in gradient.chunks_exact(3).enumerate() {
            let values = mixed(&MIX, [0, 1, 2].map(|plane| planes[plane * positions + at]));
            let sent: [f32; 3] = std::array::from_fn(|colour| {
                let share = sigmoid(values[colour]);
                gradient[colour] * self.span(colour) * share * (1.0 - share)
            });
            for plane in 0..3 {
                pulled[plane * positions + at] = (0..3).map(|colour| MIX[colour][plane] * sent[colour]).sum();
            }
        }
    }

    /// The planes of a picture; what is as dark or bright as a pixel can be, a little less so.
    pub(super) fn unmix(&self, picture: &[f32]) -> Vec<f32> {
        let positions = picture.len() / 3;
        let mut planes = vec![0.0; picture.len()];
        for (at, pixel) in picture.chunks_exact(3).enumerate() {
            let values = std::array::from_fn(|colour| {
                let share = (pixel[colour] - self.pixels.lowest[colour]) / self.span(colour);
                let share = share.clamp(MARGIN, 1.0 - MARGIN);
                (share / (1.0 - share)).ln()
            });
            for (plane, value) in mixed(&self.unmix, values).into_iter().enumerate() {
                planes[plane * positions + at] = value;
            }
        }
        planes
    }

    fn span(&self, colour: usize) -> f32 {
        self.pixels.highest[colour] - self.pixels.lowest[colour]
    }
}

fn sigmoid(value: f32) -> f32 {
    1.0 / (1.0 + (-value).exp())
}

fn mixed(matrix: &[[f32; 3]; 3], values: [f32; 3]) -> [f32; 3] {
    matrix.map(|row| row.iter().zip(values).map(|(weight, value)| weight * value).sum())
}

/// By cofactors.
fn inverse(m: [[f32; 3]; 3]) -> [[f32; 3]; 3] {
    let minor = |row: usize, column: usize| {
        let [a, b] = [(row + 1) % 3, (row + 2) % 3];
        let [c, d] = [(column + 1) % 3, (column + 2) % 3];
        m[a][c] * m[b][d] - m[a][d] * m[b][c]
    };
    let determinant: f32 = (0..3).map(|column| m[0][column] * minor(0, column)).sum();
    std::array::from_fn(|row| std::array::from_fn(|column| minor(column, row) / determinant))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_inverse_undoes_the_mixture() {
        let unmix = inverse(MIX);
        for plane in 0..3 {
            let mut values = [0.0; 3];
            values[plane] = 1.0;
            let again = mixed(&unmix, mixed(&MIX, values));
            for (found, want) in again.iter().zip(values) {
                assert!((found - want).abs() < 1e-5, "{again:?}");
            }
        }
    }

    #[test]
    fn zeros_are_grey() {
        let colours = Colours::new(PixelRange { lowest: [-2.0, 0.0, 1.0], highest: [2.0, 4.0, 3.0] });
        let mut picture = [9.0; 3];
        colours.mix(&[0.0; 3], &mut picture);
        assert_eq!(picture, [0.0, 2.0, 2.0]);
    }
}
