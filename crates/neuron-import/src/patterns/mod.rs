//! What exporters spell out, put together again: one file for each pattern.
//!
//! Nothing here is needed for right values: what is not recognised is computed operator by operator. But a step less is
//! faster, and relevance and guided backpropagation know activations, not their parts.

mod fully_connected;
mod gelu;

use std::collections::HashMap;

use crate::program::{Node, Operand, Program, ValueId};

/// Replaces operators by the one that they spell out.
pub(crate) fn simplify(program: &mut Program) {
    for replace in [fully_connected::joined, gelu::joined] {
        let uses = Uses::of(program);
        for index in 0..program.nodes.len() {
            if let Some((operator, inputs)) = replace(program, &uses, index) {
                let node = &mut program.nodes[index];
                (node.operator, node.inputs) = (operator, inputs);
            }
        }
    }
}

/// Who makes a value, and how often it is read.
struct Uses {
    makers: HashMap<ValueId, usize>,
    readers: Vec<usize>,
}

impl Uses {
    fn of(program: &Program) -> Self {
        let outputs = program.nodes.iter().enumerate();
        let makers =
            outputs.flat_map(|(index, node)| node.outputs.iter().map(move |output| (*output, index)));
        Self { makers: makers.collect(), readers: program.readers() }
    }

    /// The operator that makes an operand which nobody else reads.
    fn only<'p>(&self, program: &'p Program, operand: Operand) -> Option<&'p Node> {
        let value = operand.value().filter(|value| self.readers[value.0] == 1)?;
        program.nodes.get(*self.makers.get(&value)?)
    }
}

/// A number that an operand is, spelled out or as a parameter of one element.
fn number(program: &Program, operand: Operand) -> Option<f64> {
    match operand {
        Operand::Int(value) => Some(value as f64),
        Operand::Float(value) => Some(value),
        Operand::Value(id) => {
            let parameter = program.parameters.get(&id)?;
            let is_one = parameter.shape.iter().all(|size| *size == 1);
            if is_one { parameter.read(|value| value).ok()?.first().copied() } else { None }
        }
        Operand::Nothing => None,
    }
}

/// Two operands in both orders.
fn either(inputs: &[Operand]) -> impl Iterator<Item = (Operand, Operand)> + use<> {
    let pair = match *inputs {
        [a, b] => vec![(a, b), (b, a)],
        _ => Vec::new(),
    };
    pair.into_iter()
}
