use std::sync::Arc;

use neuron_kernels::{layer_norm, layer_norm_gradient};
use serde::{Deserialize, Serialize};

use super::host::{Backward, Forward, HostOp, Pool, Signal};
use super::op::{Op, Saves, TensorSpec};
use crate::error::ShapeError;
use crate::rule::Rule;
use crate::value::{Keep, Shape};

/// Each position's channels by their own mean and variance, `(x - mean) / sqrt(variance + eps) * weight + bias` (Ba et
/// al., "Layer Normalization", 2016).
///
/// Tensors: `weight`, `bias`, each `[channels]`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct LayerNorm {
    /// Channels of input and output.
    pub channels: usize,
    /// Added to the variance.
    pub eps: f64,
}

impl Op for LayerNorm {
    fn shape(&self, inputs: &[Shape]) -> Result<Shape, ShapeError> {
        let (expected, found) = (self.channels, inputs[0].channels);
        if expected == found { Ok(inputs[0]) } else { Err(ShapeError::Channels { expected, found }) }
    }

    fn tensors(&self) -> Vec<TensorSpec> {
        ["weight", "bias"].map(|suffix| TensorSpec { suffix, shape: vec![self.channels] }).to_vec()
    }

    fn is_non_negative(&self, _: &[bool]) -> bool {
        false
    }

    /// Its gradient reads the input's mean and variance.
    fn saves(&self, keep: Keep) -> Saves {
        Saves { inputs: keep != Keep::Taps, ..Saves::default() }
    }

    /// Relevance passes it unchanged, as if its divisor were a constant (Ali et al., "XAI for Transformers: Better
    /// Explanations through Conservative Propagation", ICML 2022).
    fn knows(&self, rule: &Rule) -> bool {
        matches!(rule, Rule::Gradient | Rule::Identity)
    }
}

impl HostOp for LayerNorm {
    fn forward(&self, call: &Forward<'_>, output: &mut [f32], _: Option<&mut [u8]>) {
        let tensor = |suffix| call.weights.prepared.tensor(call.weights.owner, suffix);
        layer_norm(call.input, tensor("weight"), tensor("bias"), self.eps, output);
    }

    fn backward(&self, call: &Backward<'_>, signal: Signal, pool: &mut Pool) -> Vec<Signal> {
        if let Rule::Identity = call.rule {
            return vec![signal];
        }
        let weight = call.weights.prepared.tensor(call.weights.owner, "weight");
        let mut output = pool.take(signal.len());
        layer_norm_gradient(call.input(0), weight, self.eps, &signal, &mut output);
        pool.release(signal);
        vec![Arc::new(output)]
    }
}
