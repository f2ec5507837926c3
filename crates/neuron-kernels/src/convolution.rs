use crate::bf16::{Bf16Convolution, Terms};
use crate::depthwise::Depthwise;
use crate::direct::{Direct, Filter, Gated, Sampling};
use crate::epilogue::Epilogue;
use crate::gate::multiply_by_gate;
use crate::microkernel::{FullEpilogue, Isa, Size, with_scratch};
use crate::shape::{ConvGeometry, View};
use crate::wide::Wide;
use crate::winograd::Winograd;
use neuron_geometry::Window;
use std::ops::Range;
use std::sync::OnceLock;

/// Transformed weights larger than this are streamed from memory once a batch: for a single item that takes longer than
/// the multiplications that they save.
const LARGE_BYTES: usize = 16 << 20;

/// How sums may be arranged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// The fastest that stays within a relative error of 1e-4: Winograd's minimal filtering for 3x3 kernels of
    /// stride and dilation 1.
    #[default]
    Auto,
    /// One chain of fused multiply-adds an output value. Relevance divides by small sums, so it never uses Winograd.
    Direct,
    /// Each factor as the sum of two bf16 numbers, so that three products stand for one: nearly f32 (16 bits of mantissa).
    /// Few channels, and kernels a channel, are computed as by [`Algorithm::Direct`].
    Bf16x3,
    /// Sums in f64, for few values on which much depends: the gates of whole maps. Only a
    /// [pointwise](ConvGeometry::is_pointwise) convolution can do this, and the others are computed as by
    /// [`Algorithm::Direct`].
    Wide,
}

/// A convolution on frozen weights.
#[derive(Debug)]
pub struct Convolution {
    geometry: ConvGeometry,
    algorithm: Algorithm,
    bias: Vec<f32>,
    form: Form,
}

#[derive(Debug)]
enum Form {
    /// Products over channels, and for 3x3 kernels what saves multiplications.
    Dense(Box<Dense>),
    /// A kernel a channel.
    Depthwise(Depthwise),
    /// Products of bf16 numbers.
    Bf16x3(&'static Isa, Box<Bf16Convolution>),
    /// Sums in f64.
    Wide(Wide),
}

/// With fewer channels, most of a step of bf16 products would be padding.
const FEW_CHANNELS: usize = 16;

#[derive(Debug)]
struct Dense {
    direct: Direct,
    /// 16/9 and 36/9 of the weights' memory: made when a map first asks for them.
    winograd2: OnceLock<Winograd>,
    winograd4: OnceLock<Winograd>,
}

impl Convolution {
    /// Packs the weights.
    ///
    /// # Shapes
    /// * `weight`: `[out_channels, in_channels / groups, kernel height, kernel width]`
    /// * `bias`: `[out_channels]`
    ///
    /// # Panics
    /// If a length does not fit the geometry.
    pub fn new(geometry: ConvGeometry, weight: &[f32], bias: Option<&[f32]>, algorithm: Algorithm) -> Self {
        Self::for_isa(Isa::detected(), geometry, weight, bias, algorithm)
    }

    pub(super) fn for_isa(
        isa: &'static Isa,
        geometry: ConvGeometry,
        weight: &[f32],
        bias: Option<&[f32]>,
        algorithm: Algorithm,
    ) -> Self {
        geometry.check(weight);
        let ConvGeometry { out_channels, groups, window: Window { kernel, dilation, .. }, .. } = geometry;
        let [inputs, outputs] = geometry.group();
        let at = |out: usize, channel: usize, [y, x]: [usize; 2]| {
            weight[((out * inputs + channel) * kernel[0] + y) * kernel[1] + x]
        };
        let form = if geometry.is_depthwise() {
            let weight = |channel: usize, tap: [usize; 2]| at(channel, 0, tap);
            Form::Depthwise(Depthwise::new(isa, out_channels, [kernel, dilation], weight))
        } else if algorithm == Algorithm::Bf16x3 && geometry.in_channels >= FEW_CHANNELS {
            Form::Bf16x3(isa, Box::new(Bf16Convolution::new(geometry, weight, None, Terms::Two)))
        } else if algorithm == Algorithm::Wide && geometry.is_pointwise() {
            Form::Wide(Wide::new(isa, [inputs, outputs], weight))
        } else {
            let direct = Direct::new(isa, Filter { groups, inputs, outputs, kernel, dilation }, at);
            let (winograd2, winograd4) = (OnceLock::new(), OnceLock::new());
            Form::Dense(Box::new(Dense { direct, winograd2, winograd4 }))
        };
        let bias = bias.map_or_else(|| vec![0.0; out_channels], <[f32]>::to_vec);
        assert_eq!(bias.len(), out_channels, "bias of {geometry:?}");
        Self { geometry, algorithm, bias, form }
    }

    /// Overwrites `output` with `epilogue(conv(input) + bias)`.
    ///
    /// # Shapes
    /// * `input`: `[batch, height, width, in_channels]`
    /// * `output`, and the epilogue's slices: `[batch, positions of the maps' size, out_channels]`
    ///
    /// # Panics
    /// If a length does not fit.
    pub fn forward(&self, input: View<'_>, epilogue: Epilogue<'_>, output: &mut [f32]) {
        self.run(Gated { input, gate: None }, epilogue.with_bias(&self.bias), output);
    }

    /// As [`Convolution::forward`] of `input * gate`, with the bits of [`multiply_by_gate`](crate::multiply_by_gate) before it.
    /// Only a [pointwise](ConvGeometry::is_pointwise) convolution can do this.
    ///
    /// # Shapes
    /// * `gate`: `[batch, in_channels]`
    ///
    /// # Panics
    /// If a length does not fit, or the convolution is not pointwise.
    pub fn forward_gated(
        &self,
        (input, gate): (View<'_>, &[f32]),
        epilogue: Epilogue<'_>,
        output: &mut [f32],
    ) {
        assert!(self.geometry.is_pointwise(), "a gate before {:?}", self.geometry);
        assert_eq!(gate.len(), input.batch * input.channels, "gates of [batch, channels]");
        self.run(Gated { input, gate: Some(gate) }, epilogue.with_bias(&self.bias), output);
    }

    /// As [`Convolution::forward_gated`], with any epilogue that begins with the bias, and with or without a gate.
    pub(super) fn run(&self, gated: Gated<'_>, epilogue: FullEpilogue<'_>, output: &mut [f32]) {
        let Gated { input, .. } = gated;
        input.check();
        let ConvGeometry { in_channels, out_channels, window, .. } = self.geometry;
        let positions = self.geometry.positions(input.size());
        assert_eq!(input.channels, in_channels, "channels of the input");
        let expected = input.batch * positions[0] * positions[1] * out_channels;
        assert_eq!(output.len(), expected, "output of {:?} for {:?}", self.geometry, input.size());
        epilogue.check(output.len());
        let origin = window.padding.map(|padding| -(padding as isize));
        let sampling = Sampling { stride: window.stride, origin, positions };
        if let (Form::Bf16x3(..) | Form::Wide(_), Some(gate)) = (&self.form, gated.gate) {
            return with_scratch(input.data.len(), |gated: &mut [f32]| {
                multiply_by_gate(input, gate, gated);
                self.run(Gated { input: View { data: gated, ..input }, gate: None }, epilogue, output);
            });
        }
        self.compute(gated, &sampling, self.tile_size(positions), &epilogue, output);
    }

    fn compute(
        &self,
        gated: Gated<'_>,
        sampling: &Sampling,
        tiles: Option<Size>,
        epilogue: &FullEpilogue<'_>,
        output: &mut [f32],
    ) {
        let Gated { input, .. } = gated;
        match (&self.form, tiles) {
            (Form::Depthwise(depthwise), _) => depthwise.forward(input, sampling, epilogue, output),
            (Form::Bf16x3(isa, product), _) => product.forward_on_values(input, (isa, epilogue), output),
            (Form::Wide(product), _) => product.forward(input, epilogue, output),
            (Form::Dense(dense), Some(size)) => {
                dense.winograd(size).forward(input, sampling.origin, sampling.positions, epilogue, output);
            }
            (Form::Dense(dense), None) => dense.direct.forward(gated, sampling, epilogue, output),
        }
    }

    /// As [`Convolution::forward`] for some lines of an output of `size`, of a single item. `input` is those lines of the item,
    /// from line `first` on, that they see. Only where it [goes line by line](Self::goes_line_by_line).
    pub(super) fn forward_lines(
        &self,
        (input, first): (View<'_>, usize),
        (lines, size): (Range<usize>, [usize; 2]),
        epilogue: Epilogue<'_>,
        output: &mut [f32],
    ) {
        input.check();
        let window = self.geometry.window;
        let epilogue = epilogue.with_bias(&self.bias);
        assert_eq!(
            output.len(),
            lines.len() * size[1] * self.geometry.out_channels,
            "lines {lines:?} of {size:?}"
        );
        let [above, left] = window.padding.map(|padding| padding as isize);
        let top = (lines.start * window.stride[0]) as isize - above - first as isize;
        let sampling =
            Sampling { stride: window.stride, origin: [top, -left], positions: [lines.len(), size[1]] };
        self.compute(Gated { input, gate: None }, &sampling, None, &epilogue, output);
    }

    /// Whether each line of the output is computed by itself.
    pub(super) fn goes_line_by_line(&self) -> bool {
        !matches!(self.form, Form::Bf16x3(..)) && !self.geometry.is_minimally_filtered()
    }

    pub(super) fn geometry(&self) -> &ConvGeometry {
        &self.geometry
    }

    pub(super) fn bias(&self) -> &[f32] {
        &self.bias
    }

    /// The algorithm for maps of a size. Never decided by the batch: an item's bits must not depend on it.
    fn tile_size(&self, [height, width]: [usize; 2]) -> Option<Size> {
        let applies = self.algorithm == Algorithm::Auto && self.geometry.is_minimally_filtered();
        // On maps of up to 2x2 the direct path leaves out what lies in the padding and has no more to do.
        if !applies || height * width <= 4 {
            return None;
        }
        // What the weights of a 4x4 tile take: 36 frequencies for 9 places. Not what they take with the zeros between merged
        // groups, of which each instruction set has others: the bits must not depend on it.
        let weights = 36 * self.geometry.weight_len() / 9;
        Some(if weights * size_of::<f32>() > LARGE_BYTES { Size::F2 } else { Size::F4 })
    }
}

impl Dense {
    fn winograd(&self, size: Size) -> &Winograd {
        let form = match size {
            Size::F2 => &self.winograd2,
            Size::F4 => &self.winograd4,
        };
        form.get_or_init(|| Winograd::new(&self.direct, size))
    }
}
