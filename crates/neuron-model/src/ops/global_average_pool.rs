use std::sync::Arc;

use neuron_geometry::ReceptiveField;
use neuron_kernels::{View, global_average_pool, stabilised, update};

use super::host::{Backward, Forward, HostOp, Pool, Signal};
use super::op::{Op, Saves};
use crate::error::ShapeError;
use crate::rule::Rule;
use crate::value::{Keep, Shape};

/// Mean over all positions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
        Saves { inputs: keep == Keep::Relevance, ..Saves::default() }
    }

    fn knows(&self, rule: &Rule) -> bool {
        matches!(rule, Rule::Gradient | Rule::ZPlus { .. } | Rule::Epsilon { .. })
    }
}

impl HostOp for GlobalAveragePool {
    fn forward(&self, call: &Forward<'_>, output: &mut [f32], _: Option<&mut [u8]>) {
        global_average_pool(call.input, output);
    }

    fn backward(&self, call: &Backward<'_>, signal: Signal, pool: &mut Pool) -> Vec<Signal> {
        let mut output = pool.take(call.sizes[0].len());
        match call.rule {
            Rule::ZPlus { .. } | Rule::Epsilon { .. } => {
                let input = call.input(0);
                let quotient = pool.scratch(signal.len());
                global_average_pool(input, quotient);
                match *call.rule {
                    Rule::Epsilon { eps } => {
                        update(quotient, &signal, |mean, signal| signal / stabilised(mean, eps));
                    }
                    Rule::ZPlus { eps } => update(quotient, &signal, |mean, signal| signal / (mean + eps)),
                    _ => {}
                }
                spread_mean(call.output_size.view(quotient), &mut output);
                update(&mut output, input.data, |value, input| value * input);
            }
            _ => spread_mean(call.signal(&signal), &mut output),
        }
        pool.release(signal);
        vec![Arc::new(output)]
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
