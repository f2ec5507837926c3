use neuron_kernels::{
    self as kernels, activate, activation_gradient, activation_gradient_guided, clamp_negative,
};
use serde::{Deserialize, Serialize};

use super::host::{Backward, Forward, HostOp, Pool, Signal};
use super::op::{Op, Saves};
use crate::error::ShapeError;
use crate::rule::Rule;
use crate::value::{Keep, Shape};

/// A function of every value by itself, other than [`Relu`](super::Relu).
///
/// ReLU6 (Howard et al., "MobileNets", 2017); SiLU, `x * sigmoid(x)` (Elfwing et al., 2017); hard-swish and
/// hard-sigmoid (Howard et al., "Searching for MobileNetV3", ICCV 2019); GELU by the error function (Hendrycks and
/// Gimpel, 2016).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Activation {
    /// Which function.
    pub function: kernels::Activation,
}

impl Activation {
    /// Whether it is one of the functions whose values are factors between 0 and 1.
    fn is_of_a_gate(&self) -> bool {
        matches!(self.function, kernels::Activation::Sigmoid | kernels::Activation::HardSigmoid)
    }
}

impl Op for Activation {
    fn shape(&self, inputs: &[Shape]) -> Result<Shape, ShapeError> {
        Ok(inputs[0])
    }

    fn is_non_negative(&self, _: &[bool]) -> bool {
        use kernels::Activation as A;
        matches!(self.function, A::Relu | A::Relu6 | A::Sigmoid | A::HardSigmoid)
    }

    /// The slope is a function of the input.
    fn saves(&self, keep: Keep) -> Saves {
        Saves { inputs: keep != Keep::Taps, ..Saves::default() }
    }

    fn knows(&self, rule: &Rule) -> bool {
        matches!(rule, Rule::Gradient | Rule::Guided | Rule::Deconvolution | Rule::Identity)
    }

    fn activation(&self) -> Option<kernels::Activation> {
        Some(self.function)
    }
}

impl HostOp for Activation {
    fn forward(&self, call: &Forward<'_>, output: &mut [f32], _: Option<&mut [u8]>) {
        activate(self.function, call.input.data, output);
    }

    fn backward(&self, call: &Backward<'_>, mut signal: Signal, pool: &mut Pool) -> Vec<Signal> {
        let input = || call.input(0).data;
        match call.rule {
            Rule::Identity => {}
            Rule::Deconvolution => clamp_negative(pool.own(&mut signal)),
            // The sigmoids of gates are no units' activations.
            Rule::Guided if self.is_of_a_gate() => {
                activation_gradient(self.function, input(), pool.own(&mut signal));
            }
            Rule::Guided => activation_gradient_guided(self.function, input(), pool.own(&mut signal)),
            _ => activation_gradient(self.function, input(), pool.own(&mut signal)),
        }
        vec![signal]
    }
}
