use neuron_geometry::Window;
use serde::Serialize;

use super::gradient::spread_mean;
use super::rule::{ConvolutionSite, KnownRule, PoolSite, Rule, Scratch};
use crate::kernels::Part;
use crate::plan::Keep;
use neuron_kernels::{self as kernels, AveragePool, Divisor, Epilogue, Gate, TransposeEpilogue, View};

/// Layer-wise relevance propagation with the z+ rule: Bach et al., "On Pixel-Wise Explanations for Non-Linear
/// Classifier Decisions by Layer-Wise Relevance Propagation" (PLoS ONE, 2015); the variant for residual networks
/// follows the reference implementation of VITAL (arXiv 2503.22399).
///
/// * convolution with input `a` and kernel `w`: `R_in = a * conv^T(R / (conv(a, max(w, 0)) + eps), max(w, 0))`;
/// * the sum of a residual block: in proportion to the magnitudes of its two terms;
/// * max-pool: as an average pool over windows as wide as its stride;
/// * batch norm and ReLU: unchanged.
///
/// Pixels are not positive, so that the convolution that reads them follows the z-B rule instead (Montavon et
/// al., "Explaining nonlinear classification decisions with deep Taylor decomposition", Pattern Recognition 2017).
#[derive(Clone, Copy, Debug)]
pub struct LrpZPlus {
    /// Added to every divisor.
    pub eps: f32,
    /// The range of the network's input, for walks that go down to the pixels.
    pub pixels: PixelRange,
}

/// The values that the channels of a normalised image can take.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct PixelRange {
    /// Value of a black pixel, by channel.
    pub lowest: [f32; 3],
    /// Value of a white pixel, by channel.
    pub highest: [f32; 3],
}

impl PixelRange {
    /// The range after normalisation by `mean` and `std`.
    pub fn normalised(mean: [f32; 3], std: [f32; 3]) -> Self {
        let at = |value: f32| std::array::from_fn(|c| (value - mean[c]) / std[c]);
        Self { lowest: at(0.0), highest: at(1.0) }
    }
}

impl Default for PixelRange {
    /// The usual normalisation of ImageNet's networks.
    fn default() -> Self {
        Self::normalised([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
    }
}

impl Default for LrpZPlus {
    fn default() -> Self {
        Self { eps: 1e-5, pixels: PixelRange::default() }
    }
}

impl Rule for LrpZPlus {
    fn keep(&self) -> Keep {
        Keep::Relevance
    }

    fn known(&self) -> Option<KnownRule> {
        Some(KnownRule::LrpZPlus(*self))
    }

    fn norm(&self, _: &[f32], _: &mut [f32]) {}

    fn relu(&self, _: &[f32], _: &mut [f32]) {}

    fn split(
        &self,
        main: Option<View<'_>>,
        shortcut: Option<View<'_>>,
        signal: &mut [f32],
        rest: &mut [f32],
    ) {
        kernels::split_by_magnitude(kept(main).data, kept(shortcut).data, signal, rest);
    }

    fn convolution(
        &self,
        site: &ConvolutionSite<'_>,
        signal: View<'_>,
        addend: Option<&[f32]>,
        scratch: &mut Scratch,
        output: &mut [f32],
    ) {
        if site.reads_pixels() {
            self.z_b(site, signal, scratch, output);
            if let Some(addend) = addend {
                kernels::update(output, addend, |value, more| value + more);
            }
        } else {
            self.z_plus(site, signal, addend, scratch, output);
        }
    }

    fn max_pool(
        &self,
        site: &PoolSite<'_>,
        signal: View<'_>,
        (height, width): (usize, usize),
        scratch: &mut Scratch,
        output: &mut [f32],
    ) {
        let stride = site.window.stride;
        let window = Window { kernel: stride, stride, ceil_mode: true, ..Window::square(1, 1, 0) };
        let average = AveragePool::new(window, Divisor::Inside).expect("windows as wide as their stride");
        let input = kept(site.input);
        let quotient = scratch.get(signal.data.len());
        average.forward(input, quotient);
        kernels::update(quotient, signal.data, |mean, signal| signal / (mean + self.eps));
        let quotient = View { data: quotient, ..signal };
        average.backward(quotient, [height, width], output);
        kernels::update(output, input.data, |value, input| value * input);
    }

    fn global_average_pool(
        &self,
        input: Option<View<'_>>,
        signal: View<'_>,
        scratch: &mut Scratch,
        output: &mut [f32],
    ) {
        let input = kept(input);
        let quotient = scratch.get(signal.data.len());
        kernels::global_average_pool(input, quotient);
        kernels::update(quotient, signal.data, |mean, signal| signal / (mean + self.eps));
        spread_mean(View { data: quotient, ..signal }, output);
        kernels::update(output, input.data, |value, input| value * input);
    }
}

impl LrpZPlus {
    fn z_plus(
        &self,
        site: &ConvolutionSite<'_>,
        signal: View<'_>,
        addend: Option<&[f32]>,
        scratch: &mut Scratch,
        output: &mut [f32],
    ) {
        let (graph, kernels) = (site.network.graph(), site.network.kernels());
        let input = kept(site.input);
        let quotient = scratch.get(signal.data.len());
        let epilogue = Epilogue::Quotient { numerator: signal.data, eps: self.eps };
        kernels.part(graph, site.convolution, Part::Positive).forward(input, epilogue, quotient);
        let epilogue = TransposeEpilogue { addend, gate: Gate::Product(input.data) };
        kernels.part_transpose(graph, site.convolution, Part::Positive).forward(
            View { data: quotient, ..signal },
            input.size(),
            epilogue,
            output,
        );
    }

    /// With `l` and `h` the lowest and highest pixels, `w+` and `w-` the parts of the kernel:
    /// `z = conv(x, w) - conv(l, w+) - conv(h, w-) + eps`, and back through the same three terms.
    fn z_b(&self, site: &ConvolutionSite<'_>, signal: View<'_>, scratch: &mut Scratch, output: &mut [f32]) {
        let (graph, kernels) = (site.network.graph(), site.network.kernels());
        let input = kept(site.input);
        let constant = |pixel: [f32; 3]| pixel.repeat(input.data.len() / 3);
        let (lowest, highest) = (constant(self.pixels.lowest), constant(self.pixels.highest));
        let terms = [(Part::Raw, input.data), (Part::Positive, &lowest[..]), (Part::Negative, &highest[..])];

        let quotient = scratch.get(signal.data.len());
        quotient.fill(self.eps);
        let mut term = vec![0.0; quotient.len()];
        for (index, (part, values)) in terms.into_iter().enumerate() {
            let epilogue = Epilogue::Activation { residual: None, relu: false };
            let values = View { data: values, ..input };
            kernels.part(graph, site.convolution, part).forward(values, epilogue, &mut term);
            let sign = if index == 0 { 1.0 } else { -1.0 };
            kernels::update(quotient, &term, |sum, term| sum + sign * term);
        }
        kernels::update(quotient, signal.data, |z, signal| signal / z);

        output.fill(0.0);
        let mut back = vec![0.0; output.len()];
        for (index, (part, values)) in terms.into_iter().enumerate() {
            let epilogue = TransposeEpilogue { addend: None, gate: Gate::Product(values) };
            kernels.part_transpose(graph, site.convolution, part).forward(
                View { data: quotient, ..signal },
                input.size(),
                epilogue,
                &mut back,
            );
            let sign = if index == 0 { 1.0 } else { -1.0 };
            kernels::update(output, &back, |sum, back| sum + sign * back);
        }
    }
}

impl ConvolutionSite<'_> {
    /// Whether the convolution's input is the image.
    fn reads_pixels(&self) -> bool {
        let graph = self.network.graph();
        graph.node(self.convolution).inputs[0] == graph.input()
    }
}

/// A value that [`Keep::Relevance`] keeps.
fn kept(value: Option<View<'_>>) -> View<'_> {
    value.expect("a walk checks that the session keeps what its rule reads")
}
