//! Transposed pointwise convolutions of stride 2 and more: a product, whose rows lie apart among zeros.
use crate::convolution::{Algorithm, Convolution};
use crate::direct::Gated;
use crate::epilogue::{Epilogue, TransposeEpilogue};
use crate::microkernel::{Axis, Isa, Split, apply_to_line, with_scratch};
use crate::shape::{ConvGeometry, View};
use neuron_geometry::Window;

/// Output lines a task.
const LINES: usize = 4;

/// The product of all gradients as one pointwise convolution of stride 1, by an algorithm that computes whole maps.
#[derive(Debug)]
pub(super) struct Spread {
    isa: &'static Isa,
    stride: [usize; 2],
    product: Convolution,
}

impl Spread {
    /// Packs the weights of the forward convolution, [turned](super::turn); `None` if it is not pointwise, or has padding.
    pub(super) fn new(
        isa: &'static Isa,
        geometry: ConvGeometry,
        turned: impl FnOnce() -> Vec<f32>,
        algorithm: Algorithm,
    ) -> Option<Self> {
        let Window { kernel, stride, padding, .. } = geometry.window;
        if (kernel, padding) != ([1; 2], [0; 2]) {
            return None;
        }
        let ConvGeometry { in_channels, out_channels, groups, .. } = geometry;
        let window = Window::square(1, 1, 0);
        let reverse = ConvGeometry { in_channels: out_channels, out_channels: in_channels, groups, window };
        let product = Convolution::for_isa(isa, reverse, &turned(), None, algorithm);
        Some(Self { isa, stride, product })
    }

    /// Overwrites `output` `[batch, height, width, in_channels]`.
    pub(super) fn forward(
        &self,
        gradient: View<'_>,
        [height, width]: [usize; 2],
        epilogue: TransposeEpilogue<'_>,
        output: &mut [f32],
    ) {
        let channels = self.product.geometry().out_channels;
        let epilogue = epilogue.with_bias(self.product.bias());
        epilogue.check(output.len());
        if output.is_empty() {
            return;
        }
        let zeros = vec![0.0; channels];
        let split = Split::new(
            [
                Axis::whole(channels, 1),
                Axis::whole(gradient.batch, height * width * channels).every(1),
                Axis::whole(height, width * channels).every(LINES),
                Axis::whole(width, channels),
            ],
            0,
        );
        with_scratch(gradient.batch * gradient.height * gradient.width * channels, |sums: &mut [f32]| {
            let plain = Epilogue::Activation { residual: None, activation: None };
            let input = Gated { input: gradient, gate: None };
            self.product.run(input, plain.with_bias(self.product.bias()), sums);
            let sums = &*sums;
            // What a position sees, if it is one that the forward convolution reads.
            let seen = |at: usize, axis: usize, count: usize| {
                let place = at / self.stride[axis];
                (at.is_multiple_of(self.stride[axis]) && place < count).then_some(place)
            };
            split.for_each(output, |_, mut cell| {
                let ([_, item, top, left], [_, _, lines, columns]) = (cell.first, cell.extent);
                for (y, x) in (0..lines).flat_map(|y| (0..columns).map(move |x| (y, x))) {
                    let place = seen(top + y, 0, gradient.height).zip(seen(left + x, 1, gradient.width));
                    let row = place.map_or(&*zeros, |(line, column)| {
                        let at = (item * gradient.height + line) * gradient.width + column;
                        &sums[at * channels..][..channels]
                    });
                    apply_to_line(self.isa, row, &epilogue, cell.line([0, 0, y, x]));
                }
            });
        });
    }
}
