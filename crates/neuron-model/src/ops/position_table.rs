use neuron_kernels::add_to_items;
use serde::{Deserialize, Serialize};

use super::cubic::{SHARPNESS, SHARPNESS_OF_MEANS, cubic};
use super::host::{Backward, Forward, HostOp, Pool, Signal};
use super::op::{Op, Saves, TensorSpec};
use crate::error::ShapeError;
use crate::rule::Rule;
use crate::value::{Keep, Shape};

/// A learned vector for every position, added to it (Dosovitskiy et al., ICLR 2021). Unless it is enlarged, it fixes the size
/// of the image.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct PositionTable {
    /// Channels of every position.
    pub channels: usize,
    /// Extra positions that it holds, too.
    pub extra: usize,
    /// Height and width of its grid.
    pub grid: [usize; 2],
    /// The last part of the tensor's name.
    #[serde(deserialize_with = "super::names::deserialize")]
    pub tensor: super::Suffix,
    /// Whether the tensor is `[1, positions, channels]`, else `[positions, channels]`.
    pub has_batch: bool,
    /// How its grid becomes another one.
    pub enlargement: Enlargement,
}

/// How a table for one grid becomes that of another one, larger or smaller.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Enlargement {
    /// Not at all.
    Never,
    /// By bicubic interpolation between its vectors, as torch's `interpolate` computes it.
    Bicubic {
        /// What is added to the number of positions along an axis before it is divided by the table's: so much is known of
        /// where vectors lie (DINOv2 was trained with 0.1).
        offset: f64,
        /// Whether vectors of a larger table are averaged, and not picked.
        antialias: bool,
    },
}

impl PositionTable {
    /// The table for a grid: the vectors of extra positions are those that it has.
    fn enlarged(&self, table: &[f32], to: [usize; 2], (offset, antialias): (f64, bool)) -> Vec<f32> {
        let [rows, columns] = [0, 1].map(|axis| {
            let scale = self.grid[axis] as f64 / (to[axis] as f64 + offset);
            (0..to[axis]).map(|at| weights(at, self.grid[axis], scale, antialias)).collect::<Vec<_>>()
        });
        let (extra, vectors) = table.split_at(self.extra * self.channels);
        let mut enlarged = extra.to_vec();
        let mut sum = vec![0.0f64; self.channels];
        for row in &rows {
            for column in &columns {
                sum.fill(0.0);
                for (y, by_row) in row {
                    for (x, by_column) in column {
                        let vector = &vectors[(y * self.grid[1] + x) * self.channels..][..self.channels];
                        let by = by_row * by_column;
                        sum.iter_mut().zip(vector).for_each(|(sum, value)| *sum += by * f64::from(*value));
                    }
                }
                enlarged.extend(sum.iter().map(|sum| *sum as f32));
            }
        }
        enlarged
    }
}

/// The entries along an axis of `len` that make position `at`, and their weights. A position is `scale` entries wide.
fn weights(at: usize, len: usize, scale: f64, antialias: bool) -> Vec<(usize, f64)> {
    let middle = (at as f64 + 0.5) * scale;
    if antialias {
        let wide = scale.max(1.0);
        let reach = 2.0 * wide;
        let first = (middle - reach + 0.5).max(0.0) as usize;
        let end = ((middle + reach + 0.5).max(0.0) as usize).min(len);
        let weight = |entry: usize| cubic((entry as f64 + 0.5 - middle) / wide, SHARPNESS_OF_MEANS);
        let sum: f64 = (first..end).map(weight).sum();
        return (first..end).map(|entry| (entry, weight(entry) / sum)).collect();
    }
    let middle = middle - 0.5;
    let last = len as f64 - 1.0;
    // Beyond its edges the table is as at them.
    let entry = |step: f64| {
        let place = middle.floor() + step;
        (place.clamp(0.0, last) as usize, cubic(place - middle, SHARPNESS))
    };
    [-1.0, 0.0, 1.0, 2.0].map(entry).to_vec()
}

impl Op for PositionTable {
    fn shape(&self, inputs: &[Shape]) -> Result<Shape, ShapeError> {
        let (expected, input) = (self.channels, inputs[0]);
        if expected != input.channels {
            return Err(ShapeError::Channels { expected, found: input.channels });
        }
        if input.extra != self.extra {
            return Err(ShapeError::Extra { extra: input.extra });
        }
        let found = [input.height, input.width];
        let fits = found == self.grid || self.enlargement != Enlargement::Never;
        if fits { Ok(input) } else { Err(ShapeError::Grid { expected: self.grid, found }) }
    }

    fn tensors(&self) -> Vec<TensorSpec> {
        let table = vec![self.extra + self.grid[0] * self.grid[1], self.channels];
        let shape = if self.has_batch { [vec![1], table].concat() } else { table };
        vec![TensorSpec { suffix: self.tensor, shape }]
    }

    fn only_grid(&self) -> Option<[usize; 2]> {
        (self.enlargement == Enlargement::Never).then_some(self.grid)
    }

    fn is_non_negative(&self, _: &[bool]) -> bool {
        false
    }

    fn saves(&self, _: Keep) -> Saves {
        Saves::default()
    }

    /// A constant takes nothing.
    fn knows(&self, _: &Rule) -> bool {
        true
    }
}

impl HostOp for PositionTable {
    fn forward(&self, call: &Forward<'_>, output: &mut [f32], _: Option<&mut [u8]>) {
        let prepared = call.weights.prepared;
        let table = prepared.tensor(call.weights.owner, self.tensor);
        let grid = [call.shape.height, call.shape.width];
        match self.enlargement {
            Enlargement::Bicubic { offset, antialias } if grid != self.grid => {
                let make = || self.enlarged(table, grid, (offset, antialias));
                let table = prepared.derived_at(call.weights.owner, ("enlarged", grid), make);
                add_to_items(call.input, &table, output);
            }
            _ => add_to_items(call.input, table, output),
        }
    }

    fn backward(&self, _: &Backward<'_>, signal: Signal, _: &mut Pool) -> Vec<Signal> {
        vec![signal]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One channel, one extra position, a table of 3 x 4 with the numbers 0, 1, 4, 9, ... and a grid of 2 x 6:
    /// `torch.nn.functional.interpolate(table, size=(2, 6), mode="bicubic", antialias=...)`, and once with
    /// `scale_factor=(2.1 / 3, 6.1 / 4)`.
    #[test]
    fn tables_are_enlarged_as_torch_does_it() {
        let squares: Vec<f32> = (0..12u8).map(|n| f32::from(n) * f32::from(n)).collect();
        let table = [&[7.0], squares.as_slice()].concat();
        let wanted: [(f64, bool, [f32; 12]); 3] = [
            (
                0.0,
                false,
                [
                    1.71777, 2.77832, 5.2254, 7.82668, 12.69043, 16.0982, 52.34474, 59.78418, 72.66811,
                    82.69647, 97.99707, 107.78375,
                ],
            ),
            (
                0.1,
                false,
                [
                    1.54094, 2.46514, 4.65659, 7.0221, 11.59898, 15.06337, 47.32178, 54.22036, 66.27583,
                    75.67425, 90.2159, 100.1235,
                ],
            ),
            (
                0.0,
                true,
                [
                    3.44371, 4.98716, 7.92504, 11.57726, 16.91058, 20.59953, 46.89054, 53.70777, 64.98231,
                    75.99675, 89.6667, 98.62945,
                ],
            ),
        ];
        for (offset, antialias, wanted) in wanted {
            let enlargement = Enlargement::Bicubic { offset, antialias };
            let grid = [3, 4];
            let operation =
                PositionTable { channels: 1, extra: 1, grid, tensor: "t", has_batch: false, enlargement };
            let found = operation.enlarged(&table, [2, 6], (offset, antialias));
            assert_eq!(found[0], 7.0);
            for (found, wanted) in found[1..].iter().zip(wanted) {
                assert!((found - wanted).abs() < 1e-4, "{offset} {antialias}: {found} instead of {wanted}");
            }
        }
    }
}
