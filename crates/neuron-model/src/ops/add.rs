use std::sync::Arc;

use neuron_kernels::{add, split_by_magnitude, split_by_value};
use serde::{Deserialize, Serialize};

use super::host::{Backward, Forward, HostOp, Pool, Signal};
use super::op::{Op, Saves};
use crate::error::ShapeError;
use crate::rule::Rule;
use crate::value::{Keep, Shape};

/// Elementwise sum of two maps; input 0 is the main path, input 1 the shortcut.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Add;

impl Op for Add {
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
        Saves { inputs: keep == Keep::Relevance, ..Saves::default() }
    }

    fn knows(&self, rule: &Rule) -> bool {
        matches!(rule, Rule::Gradient | Rule::Identity | Rule::ByMagnitude | Rule::Epsilon { .. })
    }
}

impl HostOp for Add {
    fn forward(&self, call: &Forward<'_>, output: &mut [f32], _: Option<&mut [u8]>) {
        add(call.input.data, call.others[0].data, call.activation, output);
    }

    fn backward(&self, call: &Backward<'_>, mut signal: Signal, pool: &mut Pool) -> Vec<Signal> {
        let terms = || (call.input(0).data, call.input(1).data);
        match call.rule {
            Rule::ByMagnitude => {
                let mut shortcut = pool.take(signal.len());
                let (main, other) = terms();
                split_by_magnitude(main, other, pool.own(&mut signal), &mut shortcut);
                vec![signal, Arc::new(shortcut)]
            }
            Rule::Epsilon { eps } => {
                let mut shortcut = pool.take(signal.len());
                let (main, other) = terms();
                split_by_value(main, other, *eps, pool.own(&mut signal), &mut shortcut);
                vec![signal, Arc::new(shortcut)]
            }
            // Each input gets the whole signal, for which nothing is copied.
            _ => vec![signal.clone(), signal],
        }
    }
}
