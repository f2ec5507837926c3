//! Maps of another size, as torch's `interpolate` makes them: each place along an axis is a sum of some of those before.

use neuron_model::ops::cubic::{SHARPNESS, SHARPNESS_OF_MEANS, cubic};

use super::along::Matrix;
use super::{Obstacle, Translator};
use crate::constant::{Constant, Kind};
use crate::program::{Node, Resize, ResizeKind};

impl Translator<'_> {
    /// A constant of another size.
    pub(super) fn resized(&self, node: &Node, resize: &Resize) -> Result<Constant, Obstacle> {
        let mut x = self.first(node)?;
        let rank = x.shape().len();
        let [.., height, width] = x.shape()[..] else { return Err("a vector of another size".to_owned()) };
        let growth = self.growth(resize, [height, width])?;
        for (axis, from, at) in [(rank - 2, height, 0), (rank - 1, width, 1)] {
            let weights = matrix(resize, from, growth.along(at))?;
            let data = weights.data.iter().map(|value| f64::from(*value)).collect();
            let matrix = Constant::new(data, &[weights.rows, weights.columns], Kind::Float)?;
            let last = x.with(x.tensor.transpose(axis, rank - 1).and_then(|tensor| tensor.contiguous()))?;
            let made = last.matmul(&matrix.turned()?)?;
            x = made.with(made.tensor.transpose(axis, rank - 1).and_then(|tensor| tensor.contiguous()))?;
        }
        Ok(x)
    }
}

/// How many times rows and columns grow.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Growth {
    pub(super) times: [f64; 2],
    /// Whether it is told: then places lie so far apart, also where the new size is rounded down. Else both sizes are told, and
    /// the new places are spread over the old ones.
    pub(super) is_told: bool,
}

impl Growth {
    /// Along rows (0) or columns (1).
    pub(super) fn along(&self, axis: usize) -> (f64, bool) {
        (self.times[axis], self.is_told)
    }
}

/// The weights of an axis of `from` places that grows so many times, which are told or follow from sizes.
pub(super) fn matrix(
    resize: &Resize,
    from: usize,
    (times, is_told): (f64, bool),
) -> Result<Matrix, Obstacle> {
    let to = (from as f64 * times + 1e-6).floor();
    if from == 0 || !(1.0..1e6).contains(&to) {
        return Err(format!("a map that grows {times} times"));
    }
    let to = to as usize;
    // What lies between two places is so wide before.
    let step = match resize.align_corners {
        true if to > 1 => (from - 1) as f64 / (to - 1) as f64,
        true => 0.0,
        false if is_told => 1.0 / times,
        false => from as f64 / to as f64,
    };
    // Which is nearest, torch and ONNX Runtime find in f32.
    let nearest = |at: usize| match is_told {
        true => f64::from((at as f32 * (1.0 / times) as f32).floor()),
        false => (at as f64 * from as f64 / to as f64).floor(),
    };
    let middle = |at: usize| {
        let at = at as f64;
        if resize.align_corners { at * step } else { (at + 0.5) * step - 0.5 }
    };
    let mut matrix = Matrix::zeros(to, from)?;
    let last = from - 1;
    let place = |at: f64| at.clamp(0.0, last as f64) as usize;
    for at in 0..to {
        match (resize.kind, resize.antialias) {
            (ResizeKind::Nearest, _) => {
                matrix.add(at, place(nearest(at)), 1.0);
            }
            (kind, true) => averaged(&mut matrix, at, (step, kind == ResizeKind::Cubic)),
            (ResizeKind::Linear, false) => {
                let middle = middle(at).max(0.0);
                let below = middle.floor();
                let above = middle - below;
                matrix.add(at, place(below), 1.0 - above);
                matrix.add(at, place(below + 1.0), above);
            }
            (ResizeKind::Cubic, false) => {
                let middle = middle(at);
                for step in [-1.0, 0.0, 1.0, 2.0] {
                    let there = middle.floor() + step;
                    matrix.add(at, place(there), cubic(there - middle, SHARPNESS));
                }
            }
        }
    }
    Ok(matrix)
}

/// A place as the mean of all within its reach.
fn averaged(matrix: &mut Matrix, at: usize, (step, is_cubic): (f64, bool)) {
    let wide = step.max(1.0);
    let reach = if is_cubic { 2.0 } else { 1.0 } * wide;
    let middle = (at as f64 + 0.5) * step;
    let first = (middle - reach + 0.5).max(0.0) as usize;
    let end = ((middle + reach + 0.5).max(0.0) as usize).min(matrix.columns);
    let weight = |place: usize| {
        let distance = (place as f64 + 0.5 - middle) / wide;
        if is_cubic { cubic(distance, SHARPNESS_OF_MEANS) } else { (1.0 - distance.abs()).max(0.0) }
    };
    let sum: f64 = (first..end).map(weight).sum();
    (first..end).for_each(|place| matrix.add(at, place, weight(place) / sum));
}
