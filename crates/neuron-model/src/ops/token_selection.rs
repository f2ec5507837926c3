use std::sync::Arc;

use neuron_geometry::ReceptiveField;
use neuron_kernels::{put_positions, take_positions};
use serde::{Deserialize, Serialize};

use super::host::{Backward, Forward, HostOp, Pool, Signal};
use super::op::{Op, Saves};
use crate::error::ShapeError;
use crate::rule::Rule;
use crate::value::{Keep, Shape};

/// One position, such as the class token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenSelection {
    /// Which, extra positions first.
    pub position: usize,
}

impl Op for TokenSelection {
    fn shape(&self, inputs: &[Shape]) -> Result<Shape, ShapeError> {
        if self.position < inputs[0].positions() {
            Ok(Shape::grid(inputs[0].channels, 1, 1))
        } else {
            Err(ShapeError::TooSmall)
        }
    }

    fn field(&self, _: ReceptiveField) -> Option<ReceptiveField> {
        None
    }

    fn is_non_negative(&self, inputs: &[bool]) -> bool {
        inputs[0]
    }

    fn saves(&self, _: Keep) -> Saves {
        Saves::default()
    }

    fn knows(&self, _: &Rule) -> bool {
        true
    }
}

impl HostOp for TokenSelection {
    fn forward(&self, call: &Forward<'_>, output: &mut [f32], _: Option<&mut [u8]>) {
        let position = self.position..self.position + 1;
        take_positions(call.input, std::slice::from_ref(&position), output);
    }

    fn backward(&self, call: &Backward<'_>, signal: Signal, pool: &mut Pool) -> Vec<Signal> {
        let mut output = pool.take(call.sizes[0].len());
        put_positions(call.signal(&signal), self.position, &mut output);
        pool.release(signal);
        vec![Arc::new(output)]
    }
}
