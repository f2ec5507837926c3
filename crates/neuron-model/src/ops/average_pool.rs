use neuron_geometry::{ReceptiveField, Window};
use neuron_kernels::{self as kernels, Divisor, View};
use serde::{Deserialize, Serialize};

use super::means::{self, Mean};
use super::op::{Op, Saves, grid_of};
use crate::error::ShapeError;
use crate::rule::Rule;
use crate::value::{Keep, Shape};

/// Mean over windows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AveragePool {
    /// How it slides.
    pub window: Window,
    /// Which places a sum is divided by; torch's default counts the padding.
    pub divisor: Divisor,
}

impl AveragePool {
    fn kernel(&self) -> kernels::AveragePool {
        kernels::AveragePool::new(self.window, self.divisor)
            .expect("a graph holds only windows that can be pooled")
    }
}

impl Op for AveragePool {
    fn shape(&self, inputs: &[Shape]) -> Result<Shape, ShapeError> {
        let (channels, size) = grid_of(inputs[0])?;
        if let Err(source) = kernels::AveragePool::new(self.window, self.divisor) {
            return Err(ShapeError::Pool { source: Box::new(source) });
        }
        let [height, width] = self.window.positions(size);
        Ok(Shape::grid(channels, height, width))
    }

    fn field(&self, input: ReceptiveField) -> Option<ReceptiveField> {
        Some(input.then(self.window))
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

impl Mean for AveragePool {
    fn average(&self, input: View<'_>, output: &mut [f32]) {
        self.kernel().forward(input, output);
    }

    fn transpose(&self, signal: View<'_>, size: [usize; 2], output: &mut [f32]) {
        self.kernel().backward(signal, size, output);
    }
}
