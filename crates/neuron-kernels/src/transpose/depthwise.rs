//! Transposed depthwise convolutions of stride 2 and more, without multiplying by the zeros between the gradients.
use super::taps::{Taps, grid};
use crate::depthwise::{Depthwise, Part, run};
use crate::epilogue::TransposeEpilogue;
use crate::microkernel::Isa;
use crate::shape::{ConvGeometry, View};
use std::array::from_fn;

/// One small stride-1 convolution over the gradient for each remainder of (position + padding) by the stride, as in
/// [`Strided`](super::strided::Strided).
#[derive(Debug)]
pub(super) struct StridedDepthwise {
    isa: &'static Isa,
    zeros: Vec<f32>,
    /// By remainder of the line, then of the column.
    phases: Vec<([Taps; 2], Depthwise)>,
}

impl StridedDepthwise {
    /// Packs the weights of the forward convolution.
    pub(super) fn new(isa: &'static Isa, geometry: ConvGeometry, weight: &[f32]) -> Self {
        let ConvGeometry { in_channels, window, .. } = geometry;
        let phase = |index: usize| {
            let remainder = [index / window.stride[1], index % window.stride[1]];
            let taps: [Taps; 2] = from_fn(|axis| Taps::new(window, axis, remainder[axis]));
            let at = |channel: usize, [y, x]: [usize; 2]| {
                let tap = taps[0].of_window(y) * window.kernel[1] + taps[1].of_window(x);
                weight[channel * window.places() + tap]
            };
            let shape = [taps.map(|taps| taps.count), taps.map(|taps| taps.apart)];
            (taps, Depthwise::new(isa, in_channels, shape, at))
        };
        let phases = (0..window.stride[0] * window.stride[1]).map(phase).collect();
        Self { isa, zeros: vec![0.0; in_channels], phases }
    }

    /// Overwrites `output` `[batch, height, width, in_channels]`.
    pub(super) fn forward(
        &self,
        gradient: View<'_>,
        size: [usize; 2],
        epilogue: TransposeEpilogue<'_>,
        output: &mut [f32],
    ) {
        let epilogue = epilogue.with_bias(&self.zeros);
        epilogue.check(output.len());
        let parts = self.phases.iter().map(|(taps, kernels)| {
            let (grid, origin) = grid(*taps);
            Part { kernels, stride: [1; 2], origin, grid }
        });
        let parts: Vec<Part<'_>> = parts.collect();
        run(self.isa, gradient, &parts, size, &epilogue, output);
    }
}
