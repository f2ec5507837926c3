//! ONNX's operators as those of a program.
//!
//! Every node ends in one operator, which has the node's outputs; others may come before it. What cannot be
//! expressed is [`Refusal::Unknown`], so that all of that can be told at once.

mod elements;
mod known;
mod makers;
mod network;
mod norms;
mod places;
mod resize;
mod shapes;
#[cfg(test)]
mod tests;

pub(super) use known::result;

use std::collections::HashMap;

use super::attributes::{Attributes, decimal};
use super::refusal::Refusal;
use crate::program::{Element, Operand, Operator, Parameter, Program, Sizes, ValueId};

/// Settings as tensors are looked at if they have no more elements than this: more are no settings.
const MOST_SETTINGS: usize = 256;

/// The operator that has a node's outputs, and what it reads.
pub(super) type Mapped = (Operator, Vec<Operand>);

/// What a file says of a value.
#[derive(Clone, Debug, Default)]
pub(super) struct Declared {
    pub(super) element: Option<Element>,
    /// The lengths of its axes; `None` where it has a name for one.
    pub(super) shape: Option<Vec<Option<usize>>>,
}

/// A node to translate.
pub(super) struct Call<'a> {
    pub(super) operator: &'a str,
    /// Of the operator set.
    pub(super) version: i64,
    pub(super) attributes: Attributes<'a>,
    pub(super) inputs: Vec<Operand>,
    pub(super) outputs: usize,
}

impl Call<'_> {
    /// An input that must be there.
    fn input(&self, at: usize) -> Result<Operand, Refusal> {
        match self.optional(at) {
            Operand::Nothing => Err(Refusal::damaged(format!("it has no input {at}"))),
            input => Ok(input),
        }
    }

    /// An input that need not be there.
    fn optional(&self, at: usize) -> Operand {
        self.inputs.get(at).copied().unwrap_or(Operand::Nothing)
    }

    /// Its inputs, of which the first `needed` must be there, and the others up to `most` are nothing if they are not.
    fn inputs(&self, needed: usize, most: usize) -> Result<Vec<Operand>, Refusal> {
        (0..most).map(|at| if at < needed { self.input(at) } else { Ok(self.optional(at)) }).collect()
    }
}

/// What is known while a node is translated, and the operators that come before its last one.
pub(super) struct Work<'a> {
    pub(super) program: &'a mut Program,
    pub(super) declared: &'a HashMap<ValueId, Declared>,
    pub(super) node: &'a str,
    pub(super) steps: Vec<(Operator, Vec<Operand>, ValueId)>,
}

impl Work<'_> {
    /// Another operator with one result, which it returns.
    fn step(&mut self, operator: Operator, inputs: impl Into<Vec<Operand>>) -> Operand {
        let result = self.program.add(format!("{}#{}", self.node, self.steps.len()));
        self.steps.push((operator, inputs.into(), result));
        Operand::Value(result)
    }

    fn parameter(&self, operand: Operand) -> Option<&Parameter> {
        self.program.parameters.get(&operand.value()?)
    }

    fn declared(&self, operand: Operand) -> Option<&Declared> {
        self.declared.get(&operand.value()?)
    }

    fn element(&self, operand: Operand) -> Option<Element> {
        self.parameter(operand)
            .map(|parameter| parameter.element)
            .or_else(|| self.declared(operand).and_then(|declared| declared.element))
    }

    /// The lengths of a value's axes, as far as the file tells them.
    fn shape(&self, operand: Operand) -> Option<Vec<Option<usize>>> {
        match self.parameter(operand) {
            Some(parameter) => Some(parameter.shape.iter().map(|size| Some(*size)).collect()),
            None => self.declared(operand)?.shape.clone(),
        }
    }

    fn rank(&self, operand: Operand) -> Option<usize> {
        self.shape(operand).map(|shape| shape.len())
    }

    /// The elements of a small parameter with up to one axis.
    fn settings(&self, operand: Operand) -> Result<Option<Vec<Operand>>, Refusal> {
        let Some(parameter) = self.parameter(operand) else { return Ok(None) };
        let count = parameter.shape.first().copied().unwrap_or(1);
        if parameter.shape.len() > 1 || count > MOST_SETTINGS {
            return Ok(None);
        }
        let settings = match parameter.element {
            Element::F32 => parameter.read(|value| Operand::Float(decimal(value as f32))),
            element if element.is_float() => parameter.read(Operand::Float),
            _ => parameter.read(|value| Operand::Int(value as i64)),
        };
        Ok(Some(settings?))
    }

    /// The elements of a small parameter of whole numbers.
    fn integers(&self, operand: Operand) -> Result<Option<Vec<i64>>, Refusal> {
        let settings = self.settings(operand)?;
        let whole = |setting| match setting {
            Operand::Int(value) => Some(value),
            _ => None,
        };
        Ok(settings.and_then(|settings| settings.into_iter().map(whole).collect()))
    }

    /// The one element of a parameter.
    fn integer(&self, operand: Operand) -> Result<Option<i64>, Refusal> {
        Ok(self.integers(operand)?.filter(|values| values.len() == 1).map(|values| values[0]))
    }

    /// Whether it is a parameter without elements: an input that some exporters leave out in this way.
    fn is_empty(&self, operand: Operand) -> bool {
        self.parameter(operand).is_some_and(|parameter| parameter.shape.contains(&0))
    }

    /// The number itself, if it is a parameter of one.
    fn literal(&self, operand: Operand) -> Result<Operand, Refusal> {
        let settings = self.settings(operand)?;
        Ok(match settings.as_deref() {
            Some([only]) => *only,
            _ => operand,
        })
    }

    /// The numbers themselves, if it is a small parameter.
    fn sizes(&self, operand: Operand) -> Result<Sizes, Refusal> {
        Ok(self.settings(operand)?.map_or(Sizes::Tensor(operand), Sizes::List))
    }

    /// What was an attribute before version `since`, and is an input then; none if it is neither.
    fn moved(&self, call: &Call, name: &str, at: usize, since: i64) -> Result<Option<Sizes>, Refusal> {
        if call.version < since {
            return Ok(call.attributes.ints(name)?.map(|values| Sizes::known(values.iter().copied())));
        }
        match call.optional(at) {
            Operand::Nothing => Ok(None),
            input => self.sizes(input).map(Some),
        }
    }
}

/// The operators for a node. Those before the last are left in `work`.
pub(super) fn map(call: &Call, work: &mut Work) -> Result<Mapped, Refusal> {
    let families =
        [elements::map, network::map, norms::map, shapes::map, places::map, makers::map, resize::map];
    families.iter().find_map(|family| family(call, work)).unwrap_or(Err(Refusal::Unknown(None)))
}

/// A list of lengths or amounts, none of which is below 0.
fn lengths(name: &str, values: &[i64]) -> Result<Vec<usize>, Refusal> {
    let length = |value: &i64| usize::try_from(*value);
    values
        .iter()
        .map(length)
        .collect::<Result<_, _>>()
        .map_err(|_| Refusal::damaged(format!("its {name} are {values:?}, and none can be below 0")))
}
