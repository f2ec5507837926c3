use neuron_geometry::ReceptiveField;
use neuron_kernels::{View, global_average_pool};
use serde::{Deserialize, Serialize};

use super::means::{self, Mean};
use super::op::{Op, Saves};
use crate::error::ShapeError;
use crate::rule::Rule;
use crate::value::{Keep, Shape};

/// Mean over all positions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GlobalAveragePool;

impl Op for GlobalAveragePool {
    fn shape(&self, inputs: &[Shape]) -> Result<Shape, ShapeError> {
        Ok(Shape::grid(inputs[0].channels, 1, 1))
    }

    fn field(&self, _: ReceptiveField) -> Option<ReceptiveField> {
        None
    }

    fn is_non_negative(&self, inputs: &[bool]) -> bool {
        inputs[0]
    }

    fn saves(&self, keep: Keep) -> Saves {
        means::saves(keep)
    }

    fn knows(&self, rule: &Rule) -> bool {
        means::knows(rule)
    }
}

impl Mean for GlobalAveragePool {
    fn average(&self, input: View<'_>, output: &mut [f32]) {
        global_average_pool(input, output);
    }

    fn transpose(&self, signal: View<'_>, _: [usize; 2], output: &mut [f32]) {
        spread_mean(signal, output);
    }
}

/// The transpose of a mean over all positions.
///
/// # Shapes
/// * `signal`: `[batch, 1, 1, channels]`
/// * `output`: `[batch, height, width, channels]`
fn spread_mean(signal: View<'_>, output: &mut [f32]) {
    let Some(item_len) = output.len().checked_div(signal.batch).filter(|len| *len > 0) else { return };
    let share = 1.0 / (item_len / signal.channels) as f32;
    let items = output.chunks_exact_mut(item_len).zip(signal.data.chunks_exact(signal.channels));
    for (item, signal) in items {
        for position in item.chunks_exact_mut(signal.len()) {
            position.iter_mut().zip(signal).for_each(|(value, signal)| *value = signal * share);
        }
    }
}
