use crate::microkernel::{Activation, FullEpilogue, Last};

/// What happens to a convolution's sums while they are still in registers, or at least in the first-level cache.
#[derive(Clone, Copy, Debug)]
pub enum Epilogue<'a> {
    /// `activation?(conv + bias + residual?)`
    Activation {
        /// Added after the bias; laid out like the output.
        residual: Option<&'a [f32]>,
        /// The same bits as [`activate`](crate::activate) would give afterwards.
        activation: Option<Activation>,
    },
    /// `numerator / (conv + bias + eps)`: the quotient `R / z` of layer-wise relevance propagation.
    Quotient {
        /// Laid out like the output.
        numerator: &'a [f32],
        /// Keeps the divisor off 0.
        eps: f32,
    },
}

/// `output = gate(transpose + addend?)`; for a product, `transpose * factor + addend?`.
#[derive(Clone, Copy, Debug, Default)]
pub struct TransposeEpilogue<'a> {
    /// The signal that arrives along another path. Laid out like the output.
    pub addend: Option<&'a [f32]>,
    /// How the sum, or for a product the transpose alone, goes on.
    pub gate: Gate<'a>,
}

/// How a signal passes the operation below a transposed convolution. The slices are laid out like the output.
#[derive(Clone, Copy, Debug, Default)]
pub enum Gate<'a> {
    /// Unchanged.
    #[default]
    Open,
    /// 0 where the forward ReLU's output, given here, is not above 0.
    Relu(&'a [f32]),
    /// As [`Gate::Relu`], then negative values become 0: guided backpropagation (Springenberg et al., 2015).
    GuidedRelu(&'a [f32]),
    /// The elementwise product: the `a * conv^T(s)` of layer-wise relevance propagation.
    Product(&'a [f32]),
}

impl<'a> Epilogue<'a> {
    /// With the bias that comes before it.
    pub(super) fn with_bias(self, bias: &'a [f32]) -> FullEpilogue<'a> {
        match self {
            Self::Activation { residual, activation } => {
                let last = activation.map_or(Last::Keep, Last::Activate);
                FullEpilogue { bias, addend: residual, last }
            }
            Self::Quotient { numerator, eps } => {
                FullEpilogue { bias, addend: None, last: Last::Quotient { numerator, eps } }
            }
        }
    }
}

impl<'a> TransposeEpilogue<'a> {
    /// With a bias before it; a transpose has none, so these are zeros.
    pub(super) fn with_bias(self, zeros: &'a [f32]) -> FullEpilogue<'a> {
        let last = match self.gate {
            Gate::Open => Last::Keep,
            Gate::Relu(forward) => Last::Mask(forward),
            Gate::GuidedRelu(forward) => Last::MaskRelu(forward),
            Gate::Product(factor) => Last::Multiply(factor),
        };
        FullEpilogue { bias: zeros, addend: self.addend, last }
    }
}
