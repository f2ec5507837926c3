use neuron_kernels::{Activation, activate, clamp_negative, update};
use serde::{Deserialize, Serialize};

use super::host::{Backward, Forward, HostOp, Pool, Signal};
use super::op::{Op, Saves};
use crate::error::ShapeError;
use crate::rule::Rule;
use crate::value::{Keep, Shape};

/// `max(x, 0)`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Relu;

impl Op for Relu {
    fn shape(&self, inputs: &[Shape]) -> Result<Shape, ShapeError> {
        Ok(inputs[0])
    }

    fn is_non_negative(&self, _: &[bool]) -> bool {
        true
    }

    /// A gradient asks of the output whether it is above 0.
    fn saves(&self, keep: Keep) -> Saves {
        Saves { output: keep != Keep::Taps, ..Saves::default() }
    }

    fn activation(&self) -> Option<Activation> {
        Some(Activation::Relu)
    }

    fn knows(&self, rule: &Rule) -> bool {
        matches!(rule, Rule::Gradient | Rule::Guided | Rule::Deconvolution | Rule::Identity)
    }
}

impl HostOp for Relu {
    fn forward(&self, call: &Forward<'_>, output: &mut [f32], _: Option<&mut [u8]>) {
        activate(Activation::Relu, call.input.data, output);
    }

    fn backward(&self, call: &Backward<'_>, mut signal: Signal, pool: &mut Pool) -> Vec<Signal> {
        let output = || call.output.expect("every pass that keeps anything keeps this").data;
        match call.rule {
            Rule::Identity => {}
            Rule::Deconvolution => clamp_negative(pool.own(&mut signal)),
            Rule::Guided => update(pool.own(&mut signal), output(), guided),
            _ => update(pool.own(&mut signal), output(), gated),
        }
        vec![signal]
    }
}

/// The gradient: what arrives where the ReLU was open.
fn gated(signal: f32, output: f32) -> f32 {
    if output > 0.0 { signal } else { 0.0 }
}

/// Of that, what is not negative.
fn guided(signal: f32, output: f32) -> f32 {
    if output > 0.0 { signal.max(0.0) } else { 0.0 }
}
