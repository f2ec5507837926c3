//! How a picture is turned and enlarged before the network sees it.

use serde::Serialize;

use crate::error::FvisError;

/// By how much pictures are turned and enlarged at most in a step, at random: what a unit still responds to is less a
/// pattern of single pixels.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Transforms {
    /// The smallest and the largest factor by which a picture is enlarged around its middle; what leaves at one side is cut
    /// off, and where a picture is made smaller it is repeated. With the jitter: a crop at a random place.
    pub scale: (f64, f64),
    /// The largest angle by which it is turned to either side, in degrees.
    pub rotation_deg: f64,
}

impl Default for Transforms {
    fn default() -> Self {
        Self { scale: (1.0, 1.0), rotation_deg: 0.0 }
    }
}

impl Transforms {
    /// Whether they leave pictures as they are.
    pub fn are_none(&self) -> bool {
        *self == Self::default()
    }

    pub(crate) fn check(&self) -> Result<(), FvisError> {
        let (low, high) = self.scale;
        if !(low.is_finite() && high.is_finite() && 0.1 <= low && low <= high && high <= 10.0) {
            let (value, expected) =
                (format!("{low} to {high}"), "factors of 0.1 to 10, the smaller one first");
            return Err(FvisError::Setting { setting: "scale", value, expected });
        }
        if !(0.0..=180.0).contains(&self.rotation_deg) {
            let value = self.rotation_deg.to_string();
            return Err(FvisError::Setting { setting: "rotation_deg", value, expected: "0 to 180 degrees" });
        }
        Ok(())
    }

    /// The transform of one step for two numbers of 0 to 1.
    pub(crate) fn at(&self, [scale, rotation]: [f64; 2], size: (usize, usize)) -> Option<Warp> {
        let (low, high) = self.scale;
        let scale = (low.ln() + scale * (high.ln() - low.ln())).exp();
        let turn = (2.0 * rotation - 1.0) * self.rotation_deg.to_radians();
        (!self.are_none()).then(|| Warp::new(scale, turn, size))
    }
}

/// A turn and an enlargement of a picture of `height x width` around its middle, sampled between pixels; beyond its
/// borders the picture is repeated.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Warp {
    height: usize,
    width: usize,
    /// Of a step to the right: rows and columns in the picture.
    along: (f64, f64),
}

impl Warp {
    fn new(scale: f64, turn: f64, (height, width): (usize, usize)) -> Self {
        let (sine, cosine) = turn.sin_cos();
        Self { height, width, along: (sine / scale, cosine / scale) }
    }

    /// Writes the picture as it looks then.
    ///
    /// # Shapes
    /// * `picture`, `warped`: `[height, width, 3]`
    pub(crate) fn write(&self, picture: &[f32], warped: &mut [f32]) {
        neuron_threads::for_each(warped.chunks_exact_mut(3 * self.width), |y, row| {
            for (x, pixel) in row.chunks_exact_mut(3).enumerate() {
                pixel.fill(0.0);
                for (from, share) in self.sources(y, x) {
                    pixel.iter_mut().zip(&picture[from..][..3]).for_each(|(sum, v)| *sum += share * v);
                }
            }
        });
    }

    /// Writes the gradient with respect to the picture for one with respect to what [`Warp::write`] writes.
    pub(crate) fn pull_back(&self, warped: &[f32], picture: &mut [f32]) {
        picture.fill(0.0);
        for (y, row) in warped.chunks_exact(3 * self.width).enumerate() {
            for (x, pixel) in row.chunks_exact(3).enumerate() {
                for (to, share) in self.sources(y, x) {
                    picture[to..][..3].iter_mut().zip(pixel).for_each(|(sum, v)| *sum += share * v);
                }
            }
        }
    }

    /// Where the four pixels begin that a pixel lies between, and their shares.
    fn sources(&self, y: usize, x: usize) -> [(usize, f32); 4] {
        let middle = |len: usize| (len - 1) as f64 / 2.0;
        let (from_middle_y, from_middle_x) = (y as f64 - middle(self.height), x as f64 - middle(self.width));
        let (sine, cosine) = self.along;
        let row = middle(self.height) + cosine * from_middle_y + sine * from_middle_x;
        let column = middle(self.width) + cosine * from_middle_x - sine * from_middle_y;
        let (down, right) = ((row - row.floor()) as f32, (column - column.floor()) as f32);
        let around =
            |at: f64, step: i64, len: usize| (at.floor() as i64 + step).rem_euclid(len as i64) as usize;
        let rows = [around(row, 0, self.height), around(row, 1, self.height)];
        let columns = [around(column, 0, self.width), around(column, 1, self.width)];
        let at = |row: usize, column: usize| 3 * (rows[row] * self.width + columns[column]);
        [
            (at(0, 0), (1.0 - down) * (1.0 - right)),
            (at(0, 1), (1.0 - down) * right),
            (at(1, 0), down * (1.0 - right)),
            (at(1, 1), down * right),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn warped(scale: f64, turn: f64, size: (usize, usize), picture: &[f32]) -> Vec<f32> {
        let mut warped = vec![0.0; picture.len()];
        Warp::new(scale, turn, size).write(picture, &mut warped);
        warped
    }

    fn picture(len: usize) -> Vec<f32> {
        (0..len).map(|at| (at * 31 % 17) as f32).collect()
    }

    #[test]
    fn nothing_is_left_as_it_is() {
        let picture = picture(60);
        assert_eq!(warped(1.0, 0.0, (4, 5), &picture), picture);
        assert!(Transforms::default().at([0.3, 0.8], (4, 5)).is_none());
    }

    #[test]
    fn a_quarter_turn_moves_rows_to_columns() {
        let picture: Vec<f32> = (0..9).flat_map(|at| [at as f32; 3]).collect();
        let turned = warped(1.0, std::f64::consts::FRAC_PI_2, (3, 3), &picture);
        let found: Vec<f32> = turned.chunks_exact(3).map(|pixel| pixel[0].round()).collect();
        assert_eq!(found, [2.0, 5.0, 8.0, 1.0, 4.0, 7.0, 0.0, 3.0, 6.0]);
    }

    #[test]
    fn enlarged_pictures_lie_between_their_pixels() {
        let picture: Vec<f32> = (0..5).flat_map(|at| [at as f32; 3]).collect();
        let found = warped(2.0, 0.0, (1, 5), &picture);
        let found: Vec<f32> = found.chunks_exact(3).map(|pixel| pixel[0]).collect();
        assert_eq!(found, [1.0, 1.5, 2.0, 2.5, 3.0]);
    }

    #[test]
    fn a_gradient_goes_back_the_way_the_picture_came() {
        let size = (6, 5);
        let (picture, gradient) = (picture(90), picture(94)[4..].to_vec());
        let transforms = Transforms { scale: (0.8, 1.3), rotation_deg: 20.0 };
        let warp = transforms.at([0.9, 0.2], size).unwrap();
        let (mut seen, mut back) = (vec![0.0; 90], vec![1.0; 90]);
        warp.write(&picture, &mut seen);
        warp.pull_back(&gradient, &mut back);
        let dot = |a: &[f32], b: &[f32]| -> f32 { a.iter().zip(b).map(|(a, b)| a * b).sum() };
        let (there, here) = (dot(&seen, &gradient), dot(&picture, &back));
        assert!((there - here).abs() < 1e-4 * there.abs(), "{there} and {here}");
    }
}
