use std::sync::Arc;

use neuron_geometry::ReceptiveField;
use neuron_kernels::View;
use serde::{Deserialize, Serialize};

use super::host::{Backward, Forward, HostOp, Pool, Signal};
use super::op::{Op, Saves, grid_of};
use crate::error::ShapeError;
use crate::rule::Rule;
use crate::value::{Keep, Shape};

/// A map that becomes a whole number of times larger (torch's `interpolate` without aligned corners).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Enlarge {
    /// How many times, down and across.
    pub times: [usize; 2],
    /// What stands between the old positions.
    pub interpolation: Interpolation,
}

/// What stands between the positions of a map that was enlarged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Interpolation {
    /// The nearest one.
    Nearest,
    /// A mixture of the nearest on both sides.
    Linear,
}

impl Enlarge {
    /// The two old places along an axis that a new one is made of, and the second one's weight.
    fn places(&self, axis: usize, at: usize, len: usize) -> (usize, usize, f32) {
        let times = self.times[axis];
        if self.interpolation == Interpolation::Nearest {
            return (at / times, at / times, 0.0);
        }
        let middle = ((at as f32 + 0.5) / times as f32 - 0.5).max(0.0);
        let first = (middle as usize).min(len - 1);
        (first, (first + 1).min(len - 1), middle - first as f32)
    }

    /// The old positions of a new one with their weights.
    fn sources(&self, [height, width]: [usize; 2], [y, x]: [usize; 2]) -> [(usize, f32); 4] {
        let (top, bottom, down) = self.places(0, y, height);
        let (left, right, across) = self.places(1, x, width);
        [
            (top * width + left, (1.0 - down) * (1.0 - across)),
            (top * width + right, (1.0 - down) * across),
            (bottom * width + left, down * (1.0 - across)),
            (bottom * width + right, down * across),
        ]
    }
}

impl Op for Enlarge {
    fn shape(&self, inputs: &[Shape]) -> Result<Shape, ShapeError> {
        let (channels, [height, width]) = grid_of(inputs[0])?;
        let [down, across] = self.times;
        Ok(Shape::grid(channels, height.saturating_mul(down), width.saturating_mul(across)))
    }

    /// Neighbours see the same.
    fn field(&self, _: ReceptiveField) -> Option<ReceptiveField> {
        None
    }

    fn is_non_negative(&self, inputs: &[bool]) -> bool {
        inputs[0]
    }

    fn saves(&self, _: Keep) -> Saves {
        Saves::default()
    }

    /// Every place gets its share of the signal, whatever the rule.
    fn knows(&self, _: &Rule) -> bool {
        true
    }
}

impl HostOp for Enlarge {
    fn forward(&self, call: &Forward<'_>, output: &mut [f32], _: Option<&mut [u8]>) {
        let View { height, width, channels, data, .. } = call.input;
        let (item_len, columns) = (call.input.item_len(), call.shape.width);
        let positions = call.shape.height * columns;
        neuron_threads::for_each(output.chunks_mut(channels.max(1)), |index, values| {
            let (item, at) = (index / positions, index % positions);
            let input = &data[item * item_len..][..item_len];
            values.fill(0.0);
            for (from, by) in self.sources([height, width], [at / columns, at % columns]) {
                if by != 0.0 {
                    values
                        .iter_mut()
                        .zip(&input[from * channels..])
                        .for_each(|(value, old)| *value += by * old);
                }
            }
        });
    }

    fn backward(&self, call: &Backward<'_>, signal: Signal, pool: &mut Pool) -> Vec<Signal> {
        let (size, columns) = (call.sizes[0], call.output_size.width);
        let mut back = pool.take(size.len());
        let (channels, item_len) = (size.channels, size.height * size.width * size.channels);
        let signal_len = call.output_size.height * columns * channels;
        neuron_threads::for_each(back.chunks_mut(item_len.max(1)), |item, back| {
            back.fill(0.0);
            let signal = &signal[item * signal_len..][..signal_len];
            for (at, signal) in signal.chunks_exact(channels).enumerate() {
                for (from, by) in self.sources([size.height, size.width], [at / columns, at % columns]) {
                    if by != 0.0 {
                        let back = &mut back[from * channels..][..channels];
                        back.iter_mut().zip(signal).for_each(|(back, signal)| *back += by * signal);
                    }
                }
            }
        });
        pool.release(signal);
        vec![Arc::new(back)]
    }
}
