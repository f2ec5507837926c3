use std::sync::Arc;

use neuron_geometry::{ReceptiveField, Window};
use neuron_kernels::{self as kernels, AveragePool, Bf16Output, Divisor, bf16_max_pool, update};
use serde::{Deserialize, Serialize};

use super::host::{Backward, Bf16Forward, Forward, HostOp, Pool, Signal};
use super::op::{Op, Saves, grid_of};
use crate::error::ShapeError;
use crate::rule::Rule;
use crate::value::{Keep, Shape};

/// Maximum over windows; padding never wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MaxPool {
    /// How it slides.
    pub window: Window,
}

impl MaxPool {
    /// The average pool of [`Rule::AveragePool`]: windows as wide as the stride, which at the border average what they
    /// hold, where the padding makes them as many as the max-pool's own; else the max-pool's own. `None` if these are
    /// dilated.
    fn averaging(&self) -> Option<AveragePool> {
        let stride = self.window.stride;
        let by_stride = Window { kernel: stride, stride, ceil_mode: true, ..Window::square(1, 1, 0) };
        let window = if self.averages_by_stride() { by_stride } else { self.window };
        AveragePool::new(window, Divisor::Inside).ok()
    }

    /// Whether relevance takes windows as wide as the stride in the place of its own.
    pub(crate) fn averages_by_stride(&self) -> bool {
        let Window { kernel, stride, padding, dilation, ceil_mode } = self.window;
        let is_centred = |axis: usize| kernel[axis] == 2 * padding[axis] + 1 && stride[axis] > 1;
        dilation == [1; 2] && !ceil_mode && (0..2).all(is_centred)
    }

    fn kernel(&self) -> kernels::MaxPool {
        kernels::MaxPool::new(self.window).expect("a graph holds only windows that can be pooled")
    }
}

impl Op for MaxPool {
    fn shape(&self, inputs: &[Shape]) -> Result<Shape, ShapeError> {
        let (channels, size) = grid_of(inputs[0])?;
        if let Err(source) = kernels::MaxPool::new(self.window) {
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
        Saves { inputs: keep == Keep::Relevance, output: false, beside: keep != Keep::Taps }
    }

    fn knows(&self, rule: &Rule) -> bool {
        match rule {
            Rule::Gradient => true,
            Rule::AveragePool { .. } => self.averaging().is_some(),
            _ => false,
        }
    }
}

impl HostOp for MaxPool {
    fn forward(&self, call: &Forward<'_>, output: &mut [f32], saved: Option<&mut [u8]>) {
        self.kernel().forward(call.input, output, saved);
    }

    fn forward_in_bf16(&self, call: &Bf16Forward<'_>, output: Bf16Output<'_>) {
        // The greatest of rounded values is one of them.
        let Bf16Output { rounded: Some(rounded), full: None } = output else {
            return call.through_f32(output, |call, output| self.forward(call, output, None));
        };
        bf16_max_pool(self.window, call.inputs[0].rounded, rounded);
    }

    fn backward(&self, call: &Backward<'_>, signal: Signal, pool: &mut Pool) -> Vec<Signal> {
        let size = call.sizes[0];
        let mut output = pool.take(size.len());
        if let Rule::AveragePool { eps } = call.rule {
            let average = self.averaging().expect("asked for by `knows`");
            let input = call.input(0);
            let quotient = pool.scratch(signal.len());
            average.forward(input, quotient);
            update(quotient, &signal, |mean, signal| signal / (mean + eps));
            average.backward(call.output_size.view(quotient), [size.height, size.width], &mut output);
            update(&mut output, input.data, |value, input| value * input);
        } else {
            let signal = call.signal(&signal);
            self.kernel().backward(signal, call.saved, [size.height, size.width], &mut output);
        }
        pool.release(signal);
        vec![Arc::new(output)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Relevance at a pool has as many windows as the pool, or no way through it.
    #[test]
    fn averages_are_as_many_as_maxima() {
        let same = |window: Window| {
            let pool = MaxPool { window };
            let average = pool.averaging().expect("only dilated pools have none");
            for size in [[7, 8], [16, 15], [9, 9]] {
                let [height, width] = size;
                let (positions, input) = (window.positions(size), vec![1.0; height * width]);
                let mut means = vec![0.0; positions[0] * positions[1]];
                average.forward(kernels::View::new(1, height, width, 1, &input), &mut means);
                assert!(means.iter().all(|mean| *mean == 1.0), "{window:?}: {means:?}");
            }
            pool.averages_by_stride()
        };
        assert!(same(Window::square(3, 2, 1)), "of residual networks");
        for own in [
            Window::square(2, 2, 0),
            Window::square(3, 2, 0),
            Window::square(3, 1, 1),
            Window { ceil_mode: true, ..Window::square(3, 2, 0) },
        ] {
            assert!(!same(own), "{own:?}");
        }
        let dilated = MaxPool { window: Window { dilation: [2; 2], ..Window::square(3, 1, 2) } };
        assert!(!dilated.knows(&Rule::AveragePool { eps: 1e-5 }) && dilated.knows(&Rule::Gradient));
    }
}
