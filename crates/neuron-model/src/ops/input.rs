use serde::{Deserialize, Serialize};

use super::host::{Backward, Forward, HostOp, Pool, Signal};
use super::op::{Op, Saves};
use crate::error::ShapeError;
use crate::rule::Rule;
use crate::value::{Keep, Shape};

/// The normalised image, with this many channels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Input {
    /// 3 for RGB.
    pub channels: usize,
}

impl Op for Input {
    /// The image's size comes as the shape of an input that it does not read.
    fn shape(&self, inputs: &[Shape]) -> Result<Shape, ShapeError> {
        Ok(Shape { channels: self.channels, ..inputs[0] })
    }

    fn channels(&self, _: &[usize]) -> usize {
        self.channels
    }

    fn is_non_negative(&self, _: &[bool]) -> bool {
        false
    }

    fn saves(&self, _: Keep) -> Saves {
        Saves::default()
    }

    /// A signal that arrives here is at its end.
    fn knows(&self, _: &Rule) -> bool {
        true
    }
}

impl HostOp for Input {
    /// No step computes an image: it is written before the first.
    fn forward(&self, call: &Forward<'_>, output: &mut [f32], _: Option<&mut [u8]>) {
        output.copy_from_slice(call.input.data);
    }

    fn backward(&self, _: &Backward<'_>, signal: Signal, pool: &mut Pool) -> Vec<Signal> {
        pool.release(signal);
        Vec::new()
    }
}
