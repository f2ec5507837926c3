use neuron_geometry::Window;

use super::LrpZPlus;
use crate::graph::NodeId;
use crate::network::Network;
use crate::plan::Keep;
use neuron_kernels::{self as kernels, Buffer, View};

/// How a signal passes each kind of operation on its way back.
///
/// All values and signals are channels-last. `scratch` is memory for intermediate maps.
pub trait Rule: Sync {
    /// What the forward pass must have kept.
    fn keep(&self) -> Keep;

    /// Which of the rules it is that GPUs walk by; by any other, only the CPU walks.
    fn known(&self) -> Option<KnownRule> {
        None
    }

    /// Through a batch norm, in place; `scale` is by channel.
    fn norm(&self, scale: &[f32], signal: &mut [f32]);

    /// Through a ReLU whose output is given, in place.
    fn relu(&self, output: &[f32], signal: &mut [f32]);

    /// Whether additions ask [`Rule::split`]; if not, each input gets the whole signal, for which nothing is copied.
    fn splits(&self) -> bool {
        true
    }

    /// Through an addition: `signal` becomes the main path's, `rest` is overwritten with the shortcut's. By default
    /// each gets the whole signal.
    fn split(
        &self,
        _main: Option<View<'_>>,
        _shortcut: Option<View<'_>>,
        signal: &mut [f32],
        rest: &mut [f32],
    ) {
        kernels::copy(signal, rest);
    }

    /// Through a convolution (a fully connected layer is one): writes the signal at its input plus `addend`,
    /// passed through the ReLU of the site where it has one.
    fn convolution(
        &self,
        site: &ConvolutionSite<'_>,
        signal: View<'_>,
        addend: Option<&[f32]>,
        scratch: &mut Scratch,
        output: &mut [f32],
    );

    /// Through a max-pool over a map of `input_size` (height, width).
    fn max_pool(
        &self,
        site: &PoolSite<'_>,
        signal: View<'_>,
        input_size: (usize, usize),
        scratch: &mut Scratch,
        output: &mut [f32],
    );

    /// Through the mean over all positions.
    fn global_average_pool(
        &self,
        input: Option<View<'_>>,
        signal: View<'_>,
        scratch: &mut Scratch,
        output: &mut [f32],
    );
}

/// A rule that GPUs walk by.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum KnownRule {
    /// [`Gradient`](super::Gradient)
    Gradient,
    /// [`GuidedBackprop`](super::GuidedBackprop)
    GuidedBackprop,
    /// [`LrpZPlus`]
    LrpZPlus(LrpZPlus),
}

/// A convolution that a signal passes, and what surrounds it.
pub struct ConvolutionSite<'a> {
    pub(super) network: &'a Network,
    pub(super) convolution: NodeId,
    /// The batch norm that the signal passes in the same step.
    pub(super) norm: Option<NodeId>,
    /// The convolution's input, where it was kept.
    pub(super) input: Option<View<'a>>,
    /// Height and width of the input.
    pub(super) input_size: (usize, usize),
    /// The output of the ReLU that the signal passes in the same step.
    pub(super) relu: Option<&'a [f32]>,
}

/// A max-pool that a signal passes.
pub struct PoolSite<'a> {
    pub(super) window: Window,
    /// The pool's input, where it was kept.
    pub(super) input: Option<View<'a>>,
    /// Which place of each window held its maximum.
    pub(super) argmax: &'a [u8],
}

/// Memory for intermediate maps, reused from operation to operation.
#[derive(Default)]
pub struct Scratch {
    buffer: Buffer,
}

impl Scratch {
    /// `len` arbitrary values.
    pub(super) fn get(&mut self, len: usize) -> &mut [f32] {
        self.buffer.resize(len);
        &mut self.buffer
    }
}
