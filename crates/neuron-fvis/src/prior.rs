use serde::Serialize;

/// What natural pictures are like, whatever they show: neighbouring pixels are similar, and none is extreme.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct ImagePriors {
    /// Weight of the total variation by absolute differences.
    pub tv_l1: f64,
    /// Weight of the total variation by Euclidean norms.
    pub tv_l2: f64,
    /// Weight of the picture's Euclidean norm.
    pub l2: f64,
}

impl Default for ImagePriors {
    fn default() -> Self {
        Self { tv_l1: 0.0, tv_l2: 3e-7, l2: 3e-7 }
    }
}

/// The terms of the priors before they are weighted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct PriorLoss {
    /// Sum over the four neighbours of the mean absolute difference.
    pub tv_l1: f64,
    /// Sum over the four neighbours of the Euclidean norm of all differences.
    pub tv_l2: f64,
    /// Euclidean norm of all values.
    pub l2: f64,
}

/// A picture's neighbours: right, below, and both diagonals below, as rows down and columns to the right.
const NEIGHBOURS: [(usize, isize); 4] = [(0, 1), (1, 0), (1, -1), (1, 1)];

/// Partial sums, so that no addition waits for the one before.
const LANES: usize = 8;

impl ImagePriors {
    /// Computes the terms of one picture and adds the gradient of their weighted sum to `gradient`.
    ///
    /// # Shapes
    /// * `picture`, `gradient`: `[height, width, 3]` with this `width`
    pub(crate) fn add_gradient(&self, picture: &[f32], width: usize, gradient: &mut [f32]) -> PriorLoss {
        let mut loss = PriorLoss::default();
        // Each sum in one order, whatever the threads.
        let mut sums = [(0.0, 0.0, 0); NEIGHBOURS.len() + 1];
        neuron_threads::for_each(&mut sums, |index, sums| {
            *sums = match NEIGHBOURS.get(index) {
                Some(neighbour) => variation(picture, width, *neighbour),
                None => (0.0, sum_of_squares(picture), 0),
            };
        });
        let [variations @ .., (_, squares, _)] = sums;
        let pulls = variations.into_iter().map(|(absolute, squares, count)| {
            let norm = squares.sqrt();
            loss.tv_l1 += absolute / count.max(1) as f64;
            loss.tv_l2 += norm;
            // At 0 the norms have no gradient; 0 is the one that stays there.
            let by_difference = if norm > 0.0 { (self.tv_l2 / norm) as f32 } else { 0.0 };
            Pull { by_difference, by_sign: (self.tv_l1 / count.max(1) as f64) as f32 }
        });
        let pulls: Vec<Pull> = pulls.collect();
        loss.l2 = squares.sqrt();
        let share = if loss.l2 > 0.0 { (self.l2 / loss.l2) as f32 } else { 0.0 };
        neuron_threads::for_each(gradient.chunks_mut(3 * width), |row, gradient| {
            for (neighbour, pull) in NEIGHBOURS.iter().zip(&pulls) {
                pull.add_to_row(picture, width, *neighbour, row, gradient);
            }
            let values = &picture[row * 3 * width..];
            gradient.iter_mut().zip(values).for_each(|(gradient, value)| *gradient += share * value);
        });
        loss
    }

    /// The weighted sum of the terms.
    pub fn total(&self, loss: &PriorLoss) -> f64 {
        self.tv_l1 * loss.tv_l1 + self.tv_l2 * loss.tv_l2 + self.l2 * loss.l2
    }
}

/// The part of a row that has a neighbour `right` columns away, and where that neighbour's row part begins.
fn shared(width: usize, right: isize) -> (usize, usize, usize) {
    let len = 3 * width.saturating_sub(right.unsigned_abs());
    let start = |is_left: bool| if is_left { 0 } else { 3 * right.unsigned_abs() };
    (start(right >= 0), start(right <= 0), len)
}

/// Sums of the absolute and the squared differences to a neighbour, and how many differences there are.
fn variation(picture: &[f32], width: usize, (down, right): (usize, isize)) -> (f64, f64, usize) {
    let (here, there, len) = shared(width, right);
    let rows = picture.chunks_exact(3 * width).zip(picture.chunks_exact(3 * width).skip(down));
    let (mut absolute, mut squares, mut count) = ([0.0; LANES], [0.0; LANES], 0);
    for (row, below) in rows {
        let pairs = row[here..][..len].chunks(LANES).zip(below[there..][..len].chunks(LANES));
        for (a, b) in pairs {
            let sums = absolute.iter_mut().zip(&mut squares);
            for ((a, b), (absolute, squares)) in a.iter().zip(b).zip(sums) {
                let difference = f64::from(a - b);
                *absolute += difference.abs();
                *squares += difference * difference;
            }
        }
        count += len;
    }
    (absolute.iter().sum(), squares.iter().sum(), count)
}

fn sum_of_squares(values: &[f32]) -> f64 {
    let mut sums = [0.0; LANES];
    for values in values.chunks(LANES) {
        sums.iter_mut().zip(values).for_each(|(sum, value)| *sum += f64::from(*value).powi(2));
    }
    sums.iter().sum()
}

/// How strongly neighbours pull at each other: in proportion to their difference, and by its sign alone.
struct Pull {
    by_difference: f32,
    by_sign: f32,
}

impl Pull {
    fn of(&self, difference: f32) -> f32 {
        let sign = if difference == 0.0 { 0.0 } else { self.by_sign.copysign(difference) };
        self.by_difference * difference + sign
    }

    /// Adds what pulls at the values of one row: first those whose neighbours they are, then their own neighbours.
    fn add_to_row(
        &self,
        picture: &[f32],
        width: usize,
        (down, right): (usize, isize),
        row: usize,
        gradient: &mut [f32],
    ) {
        let (here, there, len) = shared(width, right);
        let values = |row: usize, start: usize| &picture[row * 3 * width + start..][..len];
        if row >= down {
            let pairs = values(row - down, here).iter().zip(values(row, there));
            let gradient = gradient[there..][..len].iter_mut();
            gradient.zip(pairs).for_each(|(gradient, (a, b))| *gradient -= self.of(a - b));
        }
        if row + down < picture.len() / (3 * width) {
            let pairs = values(row, here).iter().zip(values(row + down, there));
            let gradient = gradient[here..][..len].iter_mut();
            gradient.zip(pairs).for_each(|(gradient, (a, b))| *gradient += self.of(a - b));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEIGHT: usize = 4;
    const WIDTH: usize = 5;

    fn picture() -> Vec<f32> {
        (0..HEIGHT * WIDTH * 3).map(|at| ((at * 7919) % 101) as f32 / 50.0 - 1.0).collect()
    }

    fn loss(picture: &[f32]) -> PriorLoss {
        ImagePriors::default().add_gradient(picture, WIDTH, &mut vec![0.0; picture.len()])
    }

    #[test]
    fn terms_by_definition() {
        let picture = picture();
        let at = |y: usize, x: usize, c: usize| f64::from(picture[(y * WIDTH + x) * 3 + c]);
        let (mut tv_l1, mut tv_l2) = (0.0, 0.0);
        for (down, right) in [(0, 1), (1, 0), (1, -1), (1, 1)] {
            let mut differences = Vec::new();
            for (y, x) in (0..HEIGHT).flat_map(|y| (0..WIDTH).map(move |x| (y, x))) {
                let (y2, x2) = (y + down, x as isize + right);
                if y2 < HEIGHT && (0..WIDTH as isize).contains(&x2) {
                    differences.extend((0..3).map(|c| at(y, x, c) - at(y2, x2 as usize, c)));
                }
            }
            tv_l1 += differences.iter().map(|d| d.abs()).sum::<f64>() / differences.len() as f64;
            tv_l2 += differences.iter().map(|d| d * d).sum::<f64>().sqrt();
        }
        let found = loss(&picture);
        assert!((found.tv_l1 - tv_l1).abs() < 1e-6 && (found.tv_l2 - tv_l2).abs() < 1e-5, "{found:?}");
    }

    #[test]
    fn gradients_by_finite_differences() {
        let picture = picture();
        let weights = [(1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)];
        for (tv_l1, tv_l2, l2) in weights {
            let priors = ImagePriors { tv_l1, tv_l2, l2 };
            let mut gradient = vec![0.0; picture.len()];
            priors.add_gradient(&picture, WIDTH, &mut gradient);
            for at in 0..picture.len() {
                let step = 1.0 / 1024.0;
                let moved = |by: f32| {
                    let mut picture = picture.clone();
                    picture[at] += by;
                    priors.total(&loss(&picture))
                };
                let want = (moved(step) - moved(-step)) / f64::from(2.0 * step);
                let error = (want - f64::from(gradient[at])).abs();
                assert!(error < 1e-3, "{priors:?} at {at}: {} instead of {want}", gradient[at]);
            }
        }
    }

    #[test]
    fn a_flat_picture_has_no_variation_and_no_gradient_of_it() {
        let mut gradient = vec![0.0; 60];
        let priors = ImagePriors { tv_l1: 1.0, tv_l2: 1.0, l2: 0.0 };
        let loss = priors.add_gradient(&[0.5; 60], WIDTH, &mut gradient);
        assert_eq!((loss.tv_l1, loss.tv_l2), (0.0, 0.0));
        assert_eq!(gradient, [0.0; 60]);
    }
}
