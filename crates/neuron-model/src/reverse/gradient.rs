use super::rule::{ConvolutionSite, KnownRule, PoolSite, Rule, Scratch};
use crate::kernels::Part;
use crate::plan::Keep;
use neuron_kernels::{self as kernels, ConvolutionTranspose, Gate, MaxPool, TransposeEpilogue, View};

/// The gradient, as automatic differentiation computes it; where several places of a max-pool's window hold the
/// maximum, the first gets it all.
#[derive(Clone, Copy, Debug)]
pub struct Gradient;

/// Guided backpropagation: the gradient, with negative signals stopped at every ReLU (Springenberg et al.,
/// "Striving for Simplicity: The All Convolutional Net", 2015).
#[derive(Clone, Copy, Debug)]
pub struct GuidedBackprop;

impl Rule for Gradient {
    fn keep(&self) -> Keep {
        Keep::Gradient
    }

    fn known(&self) -> Option<KnownRule> {
        Some(KnownRule::Gradient)
    }

    fn splits(&self) -> bool {
        false
    }

    fn norm(&self, scale: &[f32], signal: &mut [f32]) {
        kernels::scale_by_channel(signal, scale);
    }

    fn relu(&self, output: &[f32], signal: &mut [f32]) {
        kernels::update(signal, output, |signal, output| if output > 0.0 { signal } else { 0.0 });
    }

    fn convolution(
        &self,
        site: &ConvolutionSite<'_>,
        signal: View<'_>,
        addend: Option<&[f32]>,
        _: &mut Scratch,
        output: &mut [f32],
    ) {
        site.transpose(signal, addend, site.relu.map_or(Gate::Open, Gate::Relu), output);
    }

    fn max_pool(
        &self,
        site: &PoolSite<'_>,
        signal: View<'_>,
        (height, width): (usize, usize),
        _: &mut Scratch,
        output: &mut [f32],
    ) {
        let pool = MaxPool::new(site.window).expect("a graph holds only windows that can be pooled");
        pool.backward(signal, site.argmax, [height, width], output);
    }

    fn global_average_pool(
        &self,
        _: Option<View<'_>>,
        signal: View<'_>,
        _: &mut Scratch,
        output: &mut [f32],
    ) {
        spread_mean(signal, output);
    }
}

impl Rule for GuidedBackprop {
    fn keep(&self) -> Keep {
        Gradient.keep()
    }

    fn known(&self) -> Option<KnownRule> {
        Some(KnownRule::GuidedBackprop)
    }

    fn splits(&self) -> bool {
        Gradient.splits()
    }

    fn norm(&self, scale: &[f32], signal: &mut [f32]) {
        Gradient.norm(scale, signal);
    }

    fn relu(&self, output: &[f32], signal: &mut [f32]) {
        kernels::update(signal, output, |signal, output| if output > 0.0 { signal.max(0.0) } else { 0.0 });
    }

    fn convolution(
        &self,
        site: &ConvolutionSite<'_>,
        signal: View<'_>,
        addend: Option<&[f32]>,
        _: &mut Scratch,
        output: &mut [f32],
    ) {
        site.transpose(signal, addend, site.relu.map_or(Gate::Open, Gate::GuidedRelu), output);
    }

    fn max_pool(
        &self,
        site: &PoolSite<'_>,
        signal: View<'_>,
        input_size: (usize, usize),
        scratch: &mut Scratch,
        output: &mut [f32],
    ) {
        Gradient.max_pool(site, signal, input_size, scratch, output);
    }

    fn global_average_pool(
        &self,
        input: Option<View<'_>>,
        signal: View<'_>,
        scratch: &mut Scratch,
        output: &mut [f32],
    ) {
        Gradient.global_average_pool(input, signal, scratch, output);
    }
}

impl ConvolutionSite<'_> {
    /// The gradient with respect to the convolution's input.
    fn transpose(&self, signal: View<'_>, addend: Option<&[f32]>, gate: Gate<'_>, output: &mut [f32]) {
        let (graph, kernels) = (self.network.graph(), self.network.kernels());
        let transpose: &ConvolutionTranspose = match self.norm {
            Some(norm) => kernels.folded_transpose(graph, self.convolution, norm),
            None => kernels.part_transpose(graph, self.convolution, Part::Raw),
        };
        let (height, width) = self.input_size;
        transpose.forward(signal, [height, width], TransposeEpilogue { addend, gate }, output);
    }
}

/// The transpose of a mean over all positions.
///
/// # Shapes
/// * `signal`: `[batch, 1, 1, channels]`
/// * `output`: `[batch, height, width, channels]`
pub(super) fn spread_mean(signal: View<'_>, output: &mut [f32]) {
    let Some(item_len) = output.len().checked_div(signal.batch).filter(|len| *len > 0) else { return };
    let share = 1.0 / (item_len / signal.channels) as f32;
    let items = output.chunks_exact_mut(item_len).zip(signal.data.chunks_exact(signal.channels));
    for (item, signal) in items {
        for position in item.chunks_exact_mut(signal.len()) {
            position.iter_mut().zip(signal).for_each(|(value, signal)| *value = signal * share);
        }
    }
}
