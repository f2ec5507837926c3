use neuron_kernels::{scale_by_channel, scale_shift};
use serde::{Deserialize, Serialize};

use super::host::{Backward, Forward, HostOp, Pool, Signal};
use super::op::{Op, Saves, TensorSpec};
use crate::error::ShapeError;
use crate::rule::Rule;
use crate::value::{Keep, Shape};

/// Every channel times a weight of its own (Touvron et al., "Going deeper with Image Transformers", ICCV 2021).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LayerScale {
    /// Channels of input and output.
    pub channels: usize,
    /// The last part of the tensor's name.
    #[serde(deserialize_with = "super::names::deserialize")]
    pub tensor: super::Suffix,
    /// Whether the tensor is `[channels, 1, 1]`, as a map's, else `[channels]`.
    pub has_places: bool,
}

impl Op for LayerScale {
    fn shape(&self, inputs: &[Shape]) -> Result<Shape, ShapeError> {
        let (expected, found) = (self.channels, inputs[0].channels);
        if expected == found { Ok(inputs[0]) } else { Err(ShapeError::Channels { expected, found }) }
    }

    fn tensors(&self) -> Vec<TensorSpec> {
        let shape = if self.has_places { vec![self.channels, 1, 1] } else { vec![self.channels] };
        vec![TensorSpec { suffix: self.tensor, shape }]
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

impl HostOp for LayerScale {
    fn forward(&self, call: &Forward<'_>, output: &mut [f32], _: Option<&mut [u8]>) {
        let scale = call.weights.prepared.tensor(call.weights.owner, self.tensor);
        scale_shift(call.input.data, scale, &vec![0.0; scale.len()], None, output);
    }

    fn backward(&self, call: &Backward<'_>, mut signal: Signal, pool: &mut Pool) -> Vec<Signal> {
        match call.rule {
            Rule::Identity => {}
            _ => {
                let scale = call.weights.prepared.tensor(call.weights.owner, self.tensor);
                scale_by_channel(pool.own(&mut signal), scale);
            }
        }
        vec![signal]
    }
}
