use neuron_geometry::ReceptiveField;
use neuron_kernels::{self as kernels, View};
use serde::{Deserialize, Serialize};

use super::means::{self, Mean};
use super::op::{Op, Saves, grid_of};
use crate::error::ShapeError;
use crate::rule::Rule;
use crate::value::{Keep, Shape};

/// Means over bins, so many that the output has a fixed size whatever the input's: bin `i` of `m` along an axis of `n`
/// positions is `floor(i n / m) .. ceil((i + 1) n / m)`, as torch's `AdaptiveAvgPool2d` has it.
///
/// Over all positions it is a [`GlobalAveragePool`](super::GlobalAveragePool).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AdaptiveAveragePool {
    /// Height and width of the output.
    pub positions: [usize; 2],
}

impl AdaptiveAveragePool {
    fn kernel(&self) -> kernels::AdaptiveAveragePool {
        kernels::AdaptiveAveragePool { positions: self.positions }
    }
}

impl Op for AdaptiveAveragePool {
    fn shape(&self, inputs: &[Shape]) -> Result<Shape, ShapeError> {
        let [height, width] = self.positions;
        Ok(Shape::grid(grid_of(inputs[0])?.0, height, width))
    }

    /// Bins depend on the size of the image, so that there is no one stride.
    fn field(&self, _: ReceptiveField) -> Option<ReceptiveField> {
        None
    }

    fn is_non_negative(&self, inputs: &[bool]) -> bool {
        inputs[0]
    }

    fn saves(&self, keep: Keep) -> Saves {
        means::saves(keep)
    }

    fn knows(&self, rule: &Rule) -> bool {
        means::knows(rule)
    }
}

impl Mean for AdaptiveAveragePool {
    fn average(&self, input: View<'_>, output: &mut [f32]) {
        self.kernel().forward(input, output);
    }

    fn transpose(&self, signal: View<'_>, size: [usize; 2], output: &mut [f32]) {
        self.kernel().backward(signal, size, output);
    }
}
