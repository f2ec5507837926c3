//! How the CPU computes an operation: what it is given, and what it gives.

use std::sync::Arc;

use neuron_kernels::{
    Activation, Algorithm, Bf16Output, Bf16Residual, Bf16View, Buffer, ConvGeometry, View, copy, round_into,
    widen_into,
};

use super::op::Op;
use super::thinning::Thinning;
use crate::prepared::{Fold, Owner, PreparedWeights};
use crate::rule::Rule;
use crate::value::Shape;

/// An operation on the CPU. An operation without a backward pass knows no rule ([`Op::knows`]).
pub(crate) trait HostOp: Op {
    /// Overwrites `output`.
    fn forward(&self, call: &Forward<'_>, output: &mut [f32], saved: Option<&mut [u8]>);

    /// As [`HostOp::forward`], on maps of bf16 numbers. An operation without products computes in f32 and rounds.
    fn forward_in_bf16(&self, call: &Bf16Forward<'_>, output: Bf16Output<'_>) {
        call.through_f32(output, |call, output| self.forward(call, output, None));
    }

    /// Passes a signal from the output to each input, in their order.
    fn backward(&self, call: &Backward<'_>, signal: Signal, pool: &mut Pool) -> Vec<Signal>;
}

/// The weights of the operation that is called.
#[derive(Clone, Copy)]
pub(crate) struct Weighted<'a> {
    pub(crate) prepared: &'a PreparedWeights,
    pub(crate) owner: Owner<'a>,
    /// The batch norm that is computed in the same step.
    pub(crate) fold: Option<Fold<'a>>,
}

/// What a forward call reads.
pub(crate) struct Forward<'a> {
    pub(crate) weights: Weighted<'a>,
    /// The first input.
    pub(crate) input: View<'a>,
    /// The other inputs of the operation.
    pub(crate) others: &'a [View<'a>],
    /// Factors of the first input's channels, where they are multiplied in the same step.
    pub(crate) gate: Option<&'a [f32]>,
    /// A value that is added to the result in the same step.
    pub(crate) addend: Option<&'a [f32]>,
    /// The function that follows in the same step.
    pub(crate) activation: Option<Activation>,
    /// How sums may be arranged.
    pub(crate) algorithm: Algorithm,
    /// Only of a convolution.
    pub(crate) thinning: Thinning,
    /// The shape of an item of the output.
    pub(crate) shape: Shape,
}

/// What a forward call on maps of bf16 numbers reads.
pub(crate) struct Bf16Forward<'a> {
    pub(crate) weights: Weighted<'a>,
    pub(crate) inputs: &'a [Bf16Input<'a>],
    /// A value that is added to the result in the same step.
    pub(crate) addend: Option<Bf16Residual<'a>>,
    /// A second convolution whose products are added up with those of the first; both find their positions side by side.
    pub(crate) shortcut: Option<Bf16Shortcut<'a>>,
    /// The function that follows in the same step.
    pub(crate) activation: Option<Activation>,
    /// Only of a convolution.
    pub(crate) thinning: Thinning,
    /// The shape of an item of the output.
    pub(crate) shape: Shape,
}

/// A second convolution that is computed in the same step.
pub(crate) struct Bf16Shortcut<'a> {
    pub(crate) weights: Weighted<'a>,
    /// The geometry of both together.
    pub(crate) geometry: ConvGeometry,
    pub(crate) input: Bf16View<'a>,
}

/// A value that is read.
#[derive(Clone, Copy)]
pub(crate) struct Bf16Input<'a> {
    pub(crate) rounded: Bf16View<'a>,
    /// Before it was rounded: where it is only kept apart from its reader because somebody looks at it.
    pub(crate) full: Option<View<'a>>,
}

impl Bf16Forward<'_> {
    /// Computes in f32.
    pub(super) fn through_f32(&self, output: Bf16Output<'_>, forward: impl FnOnce(&Forward<'_>, &mut [f32])) {
        assert!(self.addend.is_none(), "only products take an addend along");
        let widened: Vec<Vec<f32>> = self.inputs.iter().map(Bf16Input::widened).collect();
        let views: Vec<View<'_>> =
            self.inputs.iter().zip(&widened).map(|(input, data)| input.view(data)).collect();
        let call = Forward {
            weights: self.weights,
            input: views[0],
            others: &views[1..],
            gate: None,
            addend: None,
            activation: self.activation,
            algorithm: Algorithm::Auto,
            thinning: self.thinning,
            shape: self.shape,
        };
        let terms = self.inputs[0].rounded.terms;
        let mut own = Vec::new();
        let values = match (output.full, &output.rounded) {
            (Some(full), _) => full,
            (None, rounded) => {
                own.resize(rounded.as_ref().map_or(0, |rounded| rounded.len() / terms.count()), 0.0);
                &mut own[..]
            }
        };
        forward(&call, values);
        if let Some(rounded) = output.rounded {
            round_into(values, self.shape.channels, terms, rounded);
        }
    }
}

impl Bf16Input<'_> {
    /// The values, unless they are there.
    fn widened(&self) -> Vec<f32> {
        if self.full.is_some() {
            return Vec::new();
        }
        let Bf16View { data, channels, terms, .. } = self.rounded;
        let mut values = vec![0.0; data.len() / terms.count()];
        widen_into(data, channels, terms, &mut values);
        values
    }

    fn view<'v>(&'v self, widened: &'v [f32]) -> View<'v> {
        let Bf16View { batch, height, width, channels, .. } = self.rounded;
        self.full.unwrap_or_else(|| View::new(batch, height, width, channels, widened))
    }
}

/// What a backward call reads.
pub(crate) struct Backward<'a> {
    pub(crate) rule: &'a Rule,
    pub(crate) weights: Weighted<'a>,
    /// The operation's inputs, where they were kept.
    pub(crate) inputs: &'a [Option<View<'a>>],
    /// The size of each input.
    pub(crate) sizes: &'a [Size],
    /// The size of the output.
    pub(crate) output_size: Size,
    /// The output, where it was kept.
    pub(crate) output: Option<View<'a>>,
    /// What the forward call saved beside the output.
    pub(crate) saved: &'a [u8],
    /// What has arrived at the first input along other paths, if the operation adds it itself ([`Op::sliding`]).
    pub(crate) addend: Option<Signal>,
    /// The ReLU below that the signal passes in the same call, by its output and its rule.
    pub(crate) gate: Option<(&'a [f32], &'a Rule)>,
}

/// The size of a batch of maps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Size {
    pub(crate) batch: usize,
    pub(crate) height: usize,
    pub(crate) width: usize,
    pub(crate) channels: usize,
}

impl Size {
    pub(crate) fn len(self) -> usize {
        self.batch * self.height * self.width * self.channels
    }

    pub(crate) fn view(self, data: &[f32]) -> View<'_> {
        View::new(self.batch, self.height, self.width, self.channels, data)
    }
}

impl<'a> Backward<'a> {
    /// The signal at the output with its shape.
    pub(crate) fn signal<'s>(&self, signal: &'s Signal) -> View<'s> {
        self.output_size.view(signal)
    }

    /// An input that the rule reads.
    ///
    /// # Panics
    /// If it was not kept: a pass checks before it starts that the session keeps what its rules read.
    pub(crate) fn input(&self, index: usize) -> View<'a> {
        self.inputs[index].expect("a pass checks that the session keeps what its rules read")
    }
}

/// A signal in main memory. Several places may hold the same; one that changes it makes it its own before.
pub(crate) type Signal = Arc<Buffer>;

/// Memory for the signals of backward passes, used again by the next one.
#[derive(Default)]
pub(crate) struct Pool {
    buffers: Vec<Buffer>,
    scratch: Buffer,
}

impl Pool {
    /// A buffer of `len` arbitrary values, the smallest of the spare ones that is large enough.
    pub(crate) fn take(&mut self, len: usize) -> Buffer {
        let fits = self.buffers.iter().enumerate().filter(|(_, buffer)| buffer.capacity() >= len);
        let best = fits.min_by_key(|(_, buffer)| buffer.capacity()).map(|(index, _)| index);
        let mut buffer = best.map(|index| self.buffers.swap_remove(index)).unwrap_or_default();
        buffer.resize(len);
        buffer
    }

    /// Takes back a buffer.
    pub(crate) fn give(&mut self, buffer: Buffer) {
        self.buffers.push(buffer);
    }

    /// Takes back a signal, unless another place holds it still.
    pub(crate) fn release(&mut self, signal: Signal) {
        if let Some(buffer) = Arc::into_inner(signal) {
            self.give(buffer);
        }
    }

    /// The signal for one place to change.
    pub(crate) fn own<'s>(&mut self, signal: &'s mut Signal) -> &'s mut Buffer {
        if Arc::get_mut(signal).is_none() {
            let mut own = self.take(signal.len());
            copy(signal, &mut own);
            *signal = Arc::new(own);
        }
        Arc::get_mut(signal).expect("one holder")
    }

    /// `len` arbitrary values for an intermediate map.
    pub(crate) fn scratch(&mut self, len: usize) -> &mut [f32] {
        self.scratch.resize(len);
        &mut self.scratch
    }
}
