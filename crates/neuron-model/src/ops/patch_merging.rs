use std::sync::Arc;

use neuron_geometry::{ReceptiveField, Window};
use neuron_kernels::{merge_patches, split_patches};
use serde::{Deserialize, Serialize};

use super::host::{Backward, Forward, HostOp, Pool, Signal};
use super::op::{Op, Saves, grid_of};
use crate::error::ShapeError;
use crate::rule::Rule;
use crate::value::{Keep, Shape};

/// The channels of each 2 x 2 positions as those of one, column by column; a grid of odd size is padded with zeros (Liu et
/// al., "Swin Transformer", ICCV 2021).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PatchMerging;

impl Op for PatchMerging {
    fn shape(&self, inputs: &[Shape]) -> Result<Shape, ShapeError> {
        let (channels, [height, width]) = grid_of(inputs[0])?;
        Ok(Shape::grid(4 * channels, height.div_ceil(2), width.div_ceil(2)))
    }

    fn channels(&self, inputs: &[usize]) -> usize {
        inputs.first().copied().unwrap_or(0).saturating_mul(4)
    }

    fn field(&self, input: ReceptiveField) -> Option<ReceptiveField> {
        Some(input.then(Window::square(2, 2, 0)))
    }

    fn is_non_negative(&self, inputs: &[bool]) -> bool {
        inputs[0]
    }

    fn saves(&self, _: Keep) -> Saves {
        Saves::default()
    }

    /// Every position gets its channels, whatever the rule.
    fn knows(&self, _: &Rule) -> bool {
        true
    }
}

impl HostOp for PatchMerging {
    fn forward(&self, call: &Forward<'_>, output: &mut [f32], _: Option<&mut [u8]>) {
        merge_patches(call.input, output);
    }

    fn backward(&self, call: &Backward<'_>, signal: Signal, pool: &mut Pool) -> Vec<Signal> {
        let size = call.sizes[0];
        let mut output = pool.take(size.len());
        split_patches(call.signal(&signal), [size.height, size.width], &mut output);
        pool.release(signal);
        vec![Arc::new(output)]
    }
}
