use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::host::{Backward, Forward, HostOp, Pool, Signal};
use super::op::{Op, Saves};
use crate::error::ShapeError;
use crate::rule::Rule;
use crate::value::{Keep, Shape};

/// Of two maps the first where a third, input 0, is not 0; else the second.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Choice;

impl Op for Choice {
    fn shape(&self, inputs: &[Shape]) -> Result<Shape, ShapeError> {
        if inputs.iter().all(|input| *input == inputs[0]) {
            Ok(inputs[0])
        } else {
            Err(ShapeError::Different)
        }
    }

    fn arity(&self) -> usize {
        3
    }

    fn is_non_negative(&self, inputs: &[bool]) -> bool {
        inputs.iter().skip(1).all(|input| *input)
    }

    /// What decides.
    fn saves(&self, keep: Keep) -> Saves {
        Saves { inputs: keep != Keep::Taps, ..Saves::default() }
    }

    /// What was chosen gets the signal, whatever the rule.
    fn knows(&self, _: &Rule) -> bool {
        true
    }
}

impl HostOp for Choice {
    fn forward(&self, call: &Forward<'_>, output: &mut [f32], _: Option<&mut [u8]>) {
        let [a, b] = [0, 1].map(|index| call.others[index].data);
        for (at, (output, which)) in output.iter_mut().zip(call.input.data).enumerate() {
            // Who decides by what is no number decides nothing.
            *output = match *which {
                which if which.is_nan() => which,
                0.0 => b[at],
                _ => a[at],
            };
        }
    }

    fn backward(&self, call: &Backward<'_>, mut signal: Signal, pool: &mut Pool) -> Vec<Signal> {
        let which = call.input(0).data;
        let (mut none, mut second) = (pool.take(signal.len()), pool.take(signal.len()));
        none.fill(0.0);
        for ((second, first), which) in second.iter_mut().zip(pool.own(&mut signal).iter_mut()).zip(which) {
            *second = if *which != 0.0 { 0.0 } else { std::mem::take(first) };
        }
        vec![Arc::new(none), signal, Arc::new(second)]
    }
}
