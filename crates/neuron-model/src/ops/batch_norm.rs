use neuron_kernels::{scale_by_channel, scale_shift};
use serde::{Deserialize, Serialize};

use super::host::{Backward, Forward, HostOp, Pool, Signal};
use super::op::{Op, Saves, TensorSpec};
use crate::error::ShapeError;
use crate::rule::Rule;
use crate::value::{Keep, Shape};

/// A frozen batch norm, `(x - running_mean) / sqrt(running_var + eps) * weight + bias`.
///
/// Tensors: `weight`, `bias`, `running_mean`, `running_var`, each `[channels]`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct BatchNorm {
    /// Channels of input and output.
    pub channels: usize,
    /// Added to the variance; 1e-5 in torch unless a network says otherwise.
    pub eps: f64,
}

impl Op for BatchNorm {
    fn shape(&self, inputs: &[Shape]) -> Result<Shape, ShapeError> {
        let (expected, found) = (self.channels, inputs[0].channels);
        if expected == found { Ok(inputs[0]) } else { Err(ShapeError::Channels { expected, found }) }
    }

    fn tensors(&self) -> Vec<TensorSpec> {
        let tensor = |suffix| TensorSpec { suffix, shape: vec![self.channels] };
        ["weight", "bias", "running_mean", "running_var"].map(tensor).to_vec()
    }

    fn is_non_negative(&self, _: &[bool]) -> bool {
        false
    }

    /// Its gradient is a factor that the weights give.
    fn saves(&self, _: Keep) -> Saves {
        Saves::default()
    }

    fn knows(&self, rule: &Rule) -> bool {
        matches!(rule, Rule::Gradient | Rule::Identity)
    }
}

impl HostOp for BatchNorm {
    fn forward(&self, call: &Forward<'_>, output: &mut [f32], _: Option<&mut [u8]>) {
        let affine = call.weights.prepared.affine(call.weights.owner, self.eps);
        scale_shift(call.input.data, &affine.scale, &affine.shift, call.activation, output);
    }

    fn backward(&self, call: &Backward<'_>, mut signal: Signal, pool: &mut Pool) -> Vec<Signal> {
        match call.rule {
            Rule::Identity => {}
            _ => {
                let affine = call.weights.prepared.affine(call.weights.owner, self.eps);
                scale_by_channel(pool.own(&mut signal), &affine.scale);
            }
        }
        vec![signal]
    }
}
