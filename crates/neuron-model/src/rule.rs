//! What happens to a signal at an operation, on its way back through a network.
//!
//! A rule is data: both backends interpret it, each operation says which ones it knows. An embedder's own is a
//! [`CustomRule`], which only the CPU computes.

use std::fmt;
use std::sync::Arc;

use neuron_kernels::View;
use serde::Serialize;

use crate::prepared::Part;
use crate::value::Keep;

/// How a signal passes an operation.
///
/// `a` is an operation's input, `w` its weights, `R` the signal at its output; `w+` are the positive weights, `w-` the
/// negative ones. Divisions by `z +- eps` keep the sign of `z`.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Rule {
    /// The gradient, as automatic differentiation computes it; where several places of a max-pool's window hold the
    /// maximum, the first gets it all.
    Gradient,
    /// At an activation: the gradient, with negative signals stopped, but for the sigmoids of gates (guided backpropagation; Springenberg et al., "Striving
    /// for Simplicity: The All Convolutional Net", 2015).
    Guided,
    /// At an activation: positive signals pass, whatever the forward pass did (Zeiler and Fergus, "Visualizing and
    /// Understanding Convolutional Networks", ECCV 2014).
    Deconvolution,
    /// Unchanged.
    Identity,
    /// `a * w+^T (R / (w+ a + eps))`: the z+ rule (Montavon et al., "Explaining nonlinear classification decisions with
    /// deep Taylor decomposition", Pattern Recognition 2017), for inputs that are not negative.
    ZPlus {
        /// Added to every divisor.
        eps: f32,
    },
    /// `a+ * w+^T (R / z) + a- * w-^T (R / z)` with `z = w+ a+ + w- a- + eps`: the z+ rule where inputs may be negative.
    /// Relevance stays positive, and all of it arrives where any input speaks for the output; a bias takes no part. At a mean
    /// and at attention, in proportion to the magnitudes of what is averaged.
    ZPlusSigned {
        /// Added to every divisor.
        eps: f32,
    },
    /// [`Rule::ZPlus`] with the bias in the divisor, as the reference implementation of VITAL has it for networks whose
    /// convolutions have one: not conserved.
    ZPlusBias {
        /// Added to every divisor.
        eps: f32,
    },
    /// `a * w^T (R / (z +- eps))` with `z = w a + b`: the epsilon rule (Bach et al., "On Pixel-Wise Explanations for
    /// Non-Linear Classifier Decisions by Layer-Wise Relevance Propagation", PLoS ONE 2015). At an addition or a mean,
    /// in proportion to the terms.
    Epsilon {
        /// Keeps divisors off 0.
        eps: f32,
    },
    /// The epsilon rule with `w + gamma w+` (Montavon et al., "Layer-Wise Relevance Propagation: An Overview", 2019).
    /// Where inputs are negative, and where the output is, the weights that make for the output's sign are the ones that
    /// count more (Andeol et al., "Learning Domain Invariant Representations by Joint Wasserstein Distance
    /// Minimization", 2021).
    Gamma {
        /// How much more positive weights count.
        gamma: f32,
        /// Keeps divisors off 0.
        eps: f32,
    },
    /// What speaks for the output counted `alpha` times, what speaks against it `beta` times less (Bach et al., PLoS ONE
    /// 2015): with `a+`, `a-` the positive and negative inputs, `w+ a+ + w- a- + b+` and `w- a+ + w+ a- + b-`.
    AlphaBeta {
        /// Factor of what speaks for it; `alpha - beta = 1` conserves relevance.
        alpha: f32,
        /// Factor of what speaks against it.
        beta: f32,
        /// Keeps divisors off 0.
        eps: f32,
    },
    /// The epsilon rule with `w * w` and inputs of 1: the w-square rule (Montavon et al., Pattern Recognition 2017).
    WSquare {
        /// Keeps divisors off 0.
        eps: f32,
    },
    /// The epsilon rule with weights and inputs of 1, without bias: each input of a window alike (Lapuschkin et al.,
    /// "Unmasking Clever Hans Predictors and Assessing What Machines Really Learn", Nature Communications 2019).
    Flat {
        /// Keeps divisors off 0.
        eps: f32,
    },
    /// The z-B rule, for pixels, whose values lie in a range (Montavon et al., Pattern Recognition 2017).
    ZBox {
        /// The range.
        pixels: PixelRange,
        /// Added to every divisor.
        eps: f32,
    },
    /// At an addition: in proportion to the magnitudes of its two terms, one half where both are 0.
    ByMagnitude,
    /// At a max-pool: the z+ rule of an average pool over windows as wide as the stride.
    AveragePool {
        /// Added to every divisor.
        eps: f32,
    },
    /// An embedder's own.
    Custom(Arc<dyn CustomRule>),
}

impl Rule {
    /// What the forward pass must have kept for it.
    pub fn keep(&self) -> Keep {
        match self {
            Self::Gradient | Self::Guided | Self::Deconvolution | Self::Identity => Keep::Gradient,
            Self::Custom(rule) => rule.keep(),
            _ => Keep::Relevance,
        }
    }
}

impl PartialEq for dyn CustomRule {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::addr_eq(self, other)
    }
}

/// A rule of an embedder's: what [`Rule::Custom`] calls on the CPU.
///
/// It must give the same values whatever the batch, or results depend on it.
pub trait CustomRule: fmt::Debug + Send + Sync {
    /// What the forward pass must have kept: [`Keep::Relevance`] to read inputs.
    fn keep(&self) -> Keep;

    /// Writes the signal at each input of an operation for one at its output.
    ///
    /// # Shapes
    /// * `signal`: the operation's output
    /// * `outputs`: one for each input, `[batch, height, width, channels]`; must be overwritten completely
    fn pass(&self, at: &Site<'_>, signal: View<'_>, outputs: &mut [&mut [f32]]);
}

/// An operation that a signal passes, as a [`CustomRule`] sees it.
pub struct Site<'a> {
    /// The operation's values: its inputs, where they were kept.
    pub inputs: &'a [Option<View<'a>>],
    /// Its output, where that was kept.
    pub output: Option<View<'a>>,
    pub(crate) product: Option<&'a dyn Product>,
}

impl Site<'_> {
    /// `w a + b` of a convolution or fully connected layer for any input of its shape, by a part of its weights (only
    /// whole weights have their bias); `None` at any other operation.
    pub fn forward(&self, part: Part, input: View<'_>) -> Option<Vec<f32>> {
        Some(self.product?.forward(part, input))
    }

    /// `w^T s` of a convolution or fully connected layer for any signal at its output; `None` at any other operation.
    pub fn transpose(&self, part: Part, signal: View<'_>) -> Option<Vec<f32>> {
        Some(self.product?.transpose(part, signal))
    }
}

/// A product of an operation's input and its weights.
pub(crate) trait Product {
    fn forward(&self, part: Part, input: View<'_>) -> Vec<f32>;
    fn transpose(&self, part: Part, signal: View<'_>) -> Vec<f32>;
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
