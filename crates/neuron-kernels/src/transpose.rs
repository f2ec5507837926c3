use crate::convolution::{Algorithm, Convolution};
use crate::direct::Gated;
use crate::epilogue::TransposeEpilogue;
use crate::microkernel::Isa;
use crate::shape::{ConvGeometry, View};
use depthwise::StridedDepthwise;
use neuron_geometry::Window;
use scatter::Scatter;
use spread::Spread;
use std::array::from_fn;
use strided::Strided;

mod depthwise;
mod scatter;
mod spread;
mod strided;
mod taps;

/// The gradient of a convolution with respect to its input, on frozen weights.
#[derive(Debug)]
pub struct ConvolutionTranspose {
    geometry: ConvGeometry,
    form: Form,
}

#[derive(Debug)]
enum Form {
    /// Stride 1: a convolution with the kernel turned by half a turn.
    Convolution(Box<Convolution>),
    /// Larger strides: one small convolution for each remainder of the position.
    Strided(Strided),
    /// The same, with a kernel a channel.
    StridedDepthwise(StridedDepthwise),
    /// The same for a kernel of one place in products of bf16 numbers, which are those of whole maps.
    Spread(Spread),
    /// Few channels to write: products scattered over the positions.
    Scatter(Scatter),
}

/// With fewer channels to write, the columns of a product would leave most of a register tile empty.
const FEW_CHANNELS: usize = 16;

impl ConvolutionTranspose {
    /// Packs the weights of the *forward* convolution.
    ///
    /// # Shapes
    /// * `weight`: `[out_channels, in_channels / groups, kernel height, kernel width]`
    ///
    /// # Panics
    /// If a length does not fit the geometry.
    pub fn new(geometry: ConvGeometry, weight: &[f32], algorithm: Algorithm) -> Self {
        Self::for_isa(Isa::detected(), geometry, weight, algorithm)
    }

    pub(super) fn for_isa(
        isa: &'static Isa,
        geometry: ConvGeometry,
        weight: &[f32],
        algorithm: Algorithm,
    ) -> Self {
        geometry.check(weight);
        let ConvGeometry { in_channels, groups, window, .. } = geometry;
        let (extent, padding) = (window.extent(), window.padding);
        let turned = || turn(geometry, weight);
        let form = if groups == 1 && in_channels < FEW_CHANNELS && window.places() > 1 {
            Form::Scatter(Scatter::new(isa, geometry, weight))
        } else if window.stride == [1; 2] && (0..2).all(|axis| padding[axis] < extent[axis]) {
            let reverse = ConvGeometry {
                in_channels: geometry.out_channels,
                out_channels: in_channels,
                window: Window { padding: from_fn(|axis| extent[axis] - 1 - padding[axis]), ..window },
                ..geometry
            };
            Form::Convolution(Box::new(Convolution::for_isa(isa, reverse, &turned(), None, algorithm)))
        } else if geometry.is_depthwise() {
            Form::StridedDepthwise(StridedDepthwise::new(isa, geometry, weight))
        } else {
            let in_bf16 = algorithm == Algorithm::Bf16x3;
            let spread = in_bf16.then(|| Spread::new(isa, geometry, turned, algorithm)).flatten();
            spread.map_or_else(|| Form::Strided(Strided::new(isa, geometry, weight)), Form::Spread)
        };
        Self { geometry, form }
    }

    /// Overwrites `output` with `epilogue(conv^T(gradient))`.
    ///
    /// `size` is that of the forward convolution's input: inputs of several sizes share one output's.
    ///
    /// # Shapes
    /// * `gradient`: `[batch, positions of the size, out_channels]`
    /// * `output`, and the epilogue's slices: `[batch, height, width, in_channels]`
    ///
    /// # Panics
    /// If a length does not fit.
    pub fn forward(
        &self,
        gradient: View<'_>,
        size: [usize; 2],
        epilogue: TransposeEpilogue<'_>,
        output: &mut [f32],
    ) {
        gradient.check();
        let expected = (self.geometry.positions(size), self.geometry.out_channels);
        assert_eq!((gradient.size(), gradient.channels), expected, "gradient of {:?}", self.geometry);
        let expected = gradient.batch * size[0] * size[1] * self.geometry.in_channels;
        assert_eq!(output.len(), expected, "gradient of the input of {:?}", self.geometry);
        match &self.form {
            Form::Convolution(reverse) => {
                reverse.run(
                    Gated { input: gradient, gate: None },
                    epilogue.with_bias(reverse.bias()),
                    output,
                );
            }
            Form::Strided(strided) => strided.forward(gradient, size, epilogue, output),
            Form::StridedDepthwise(strided) => strided.forward(gradient, size, epilogue, output),
            Form::Spread(spread) => spread.forward(gradient, size, epilogue, output),
            Form::Scatter(scatter) => scatter.forward(gradient, size, epilogue, output),
        }
    }
}

/// `[in_channels, out_channels / groups, kernel height, kernel width]`: the weights with inputs and outputs exchanged and
/// the kernel turned by half a turn.
fn turn(geometry: ConvGeometry, weight: &[f32]) -> Vec<f32> {
    let ([group_in, group_out], taps) = (geometry.group(), geometry.window.places());
    let mut turned = Vec::with_capacity(weight.len());
    for (channel, out) in
        (0..geometry.in_channels).flat_map(|channel| (0..group_out).map(move |out| (channel, out)))
    {
        let filter = (channel / group_in * group_out + out) * group_in + channel % group_in;
        turned.extend(weight[filter * taps..][..taps].iter().rev());
    }
    turned
}
