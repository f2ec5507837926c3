use std::sync::Arc;

use neuron_kernels::{gate_gradient, multiply_by_gate, scale_by_gate};
use serde::{Deserialize, Serialize};

use super::host::{Backward, Forward, HostOp, Pool, Signal};
use super::op::{Op, Saves};
use crate::error::ShapeError;
use crate::rule::Rule;
use crate::value::{Keep, Shape};

/// Every channel times one number: input 0 is the map, input 1 the gate, a map of one position (squeeze-and-excitation:
/// Hu et al., CVPR 2018).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gate;

impl Op for Gate {
    fn shape(&self, inputs: &[Shape]) -> Result<Shape, ShapeError> {
        let gate = Shape::grid(inputs[0].channels, 1, 1);
        if inputs[1] == gate { Ok(inputs[0]) } else { Err(ShapeError::Different) }
    }

    fn arity(&self) -> usize {
        2
    }

    fn gate(&self) -> Option<usize> {
        Some(1)
    }

    fn is_non_negative(&self, inputs: &[bool]) -> bool {
        inputs.iter().all(|input| *input)
    }

    fn saves(&self, keep: Keep) -> Saves {
        Saves { inputs: keep != Keep::Taps, ..Saves::default() }
    }

    fn knows(&self, rule: &Rule) -> bool {
        matches!(rule, Rule::Gradient | Rule::Identity)
    }
}

impl HostOp for Gate {
    fn forward(&self, call: &Forward<'_>, output: &mut [f32], _: Option<&mut [u8]>) {
        multiply_by_gate(call.input, call.others[0].data, output);
    }

    /// Relevance belongs to what was let through: the gate is a constant (Arras et al., "Explaining Recurrent Neural
    /// Network Predictions in Sentiment Analysis", 2017).
    fn backward(&self, call: &Backward<'_>, mut signal: Signal, pool: &mut Pool) -> Vec<Signal> {
        let (input, gate) = (call.input(0), call.input(1));
        let mut at_gate = pool.take(gate.data.len());
        if let Rule::Identity = call.rule {
            at_gate.fill(0.0);
            return vec![signal, Arc::new(at_gate)];
        }
        gate_gradient(input, &signal, &mut at_gate);
        scale_by_gate(pool.own(&mut signal), gate.data, input.channels);
        vec![signal, Arc::new(at_gate)]
    }
}
