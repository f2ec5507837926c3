use std::sync::Arc;

use neuron_geometry::{ReceptiveField, Window};
use neuron_kernels::{self as kernels, AveragePool, Bf16Output, Divisor, bf16_max_pool, update};

use super::host::{Backward, Bf16Forward, Forward, HostOp, Pool, Signal};
use super::op::{Op, Saves};
use crate::error::ShapeError;
use crate::rule::Rule;
use crate::value::{Keep, Shape};

/// Maximum over windows; padding never wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MaxPool {
    /// How it slides.
    pub window: Window,
}

impl MaxPool {
    /// The average pool of [`Rule::AveragePool`]: windows as wide as the stride, which at the border average what they
    /// hold, where the padding makes them as many as the max-pool's own; else the max-pool's own.
    pub(crate) fn averaging(&self) -> AveragePool {
        let Window { kernel, stride, padding, ceil_mode, .. } = self.window;
        let is_centred = (0..2).all(|axis| kernel[axis] == 2 * padding[axis] + 1 && stride[axis] > 1);
        let by_stride = Window { kernel: stride, stride, ceil_mode: true, ..Window::square(1, 1, 0) };
        let window = if is_centred && !ceil_mode { by_stride } else { self.window };
        AveragePool::new(window, Divisor::Inside).expect("a max-pool's window without dilation")
    }

    fn kernel(&self) -> kernels::MaxPool {
        kernels::MaxPool::new(self.window).expect("a graph holds only windows that can be pooled")
    }
}

impl Op for MaxPool {
    fn shape(&self, inputs: &[Shape]) -> Result<Shape, ShapeError> {
        let Shape { channels, height, width, .. } = inputs[0];
        if let Err(source) = kernels::MaxPool::new(self.window) {
            return Err(ShapeError::Pool { source: Box::new(source) });
        }
        let [height, width] = self.window.positions([height, width]);
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
        matches!(rule, Rule::Gradient | Rule::AveragePool { .. })
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
            let (average, input) = (self.averaging(), call.input(0));
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
