use std::sync::Arc;

use neuron_kernels::update;
use serde::{Deserialize, Serialize};

use super::host::{Backward, Forward, HostOp, Pool, Signal};
use super::op::{Op, Saves};
use crate::error::ShapeError;
use crate::rule::Rule;
use crate::value::{Keep, Shape};

/// Elementwise product of two maps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Product {
    /// Whether the second is a factor that lets more or less of the first through: relevance belongs to the first alone.
    pub is_gate: bool,
}

impl Op for Product {
    fn shape(&self, inputs: &[Shape]) -> Result<Shape, ShapeError> {
        if inputs[0] == inputs[1] { Ok(inputs[0]) } else { Err(ShapeError::Different) }
    }

    fn arity(&self) -> usize {
        2
    }

    fn is_non_negative(&self, inputs: &[bool]) -> bool {
        inputs.iter().all(|input| *input)
    }

    fn saves(&self, keep: Keep) -> Saves {
        Saves { inputs: keep != Keep::Taps, ..Saves::default() }
    }

    /// Without a gate, relevance belongs to both alike (Achtibat et al., "AttnLRP", ICML 2024).
    fn knows(&self, rule: &Rule) -> bool {
        matches!(rule, Rule::Gradient | Rule::Identity)
    }
}

impl HostOp for Product {
    fn forward(&self, call: &Forward<'_>, output: &mut [f32], _: Option<&mut [u8]>) {
        output.copy_from_slice(call.input.data);
        update(output, call.others[0].data, |a, b| a * b);
    }

    fn backward(&self, call: &Backward<'_>, mut signal: Signal, pool: &mut Pool) -> Vec<Signal> {
        let mut second = pool.take(signal.len());
        match (call.rule, self.is_gate) {
            (Rule::Identity, true) => second.fill(0.0),
            (Rule::Identity, false) => {
                pool.own(&mut signal).iter_mut().for_each(|value| *value *= 0.5);
                second.copy_from_slice(&signal);
            }
            _ => {
                second.copy_from_slice(&signal);
                update(&mut second, call.input(0).data, |signal, a| signal * a);
                update(pool.own(&mut signal), call.input(1).data, |signal, b| signal * b);
            }
        }
        vec![signal, Arc::new(second)]
    }
}
