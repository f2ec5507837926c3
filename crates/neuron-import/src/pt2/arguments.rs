//! What an operator is given: by position or by name, with what was left out at its default.

use std::cell::RefCell;
use std::collections::HashMap;

use super::schema::{Argument, Graph, NamedArgument, Symbolic};
use crate::program::{Operand, Sizes, ValueId};

/// The arguments of one operator.
pub(super) struct Arguments<'a> {
    inputs: &'a [NamedArgument],
    by_name: &'a HashMap<String, ValueId>,
    undefined: RefCell<Option<String>>,
}

impl<'a> Arguments<'a> {
    pub(super) fn new(inputs: &'a [NamedArgument], by_name: &'a HashMap<String, ValueId>) -> Self {
        Self { inputs, by_name, undefined: RefCell::default() }
    }

    /// The first name that was asked for and that nothing has.
    pub(super) fn undefined(&self) -> Option<String> {
        self.undefined.borrow().clone()
    }

    fn get(&self, name: &str) -> Option<&'a Argument> {
        let found = self.inputs.iter().find(|input| input.name == name).map(|input| &input.arg);
        found.filter(|argument| !matches!(argument, Argument::None))
    }

    fn value(&self, name: &str) -> Operand {
        match self.by_name.get(name) {
            Some(id) => Operand::Value(*id),
            None => {
                self.undefined.borrow_mut().get_or_insert_with(|| name.to_owned());
                Operand::Nothing
            }
        }
    }

    fn symbolic(&self, size: &Symbolic) -> Operand {
        match size {
            Symbolic::AsInt(size) => Operand::Int(*size),
            Symbolic::AsName(name) => self.value(name),
        }
    }

    /// Whether an argument is there.
    pub(super) fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// A tensor or a number.
    pub(super) fn operand(&self, name: &str) -> Operand {
        match self.get(name) {
            Some(Argument::Tensor(tensor)) => self.value(&tensor.name),
            Some(Argument::Int(value)) => Operand::Int(*value),
            Some(Argument::Float(value)) => Operand::Float(*value),
            Some(Argument::Bool(value)) => Operand::Int(i64::from(*value)),
            Some(Argument::SymInt(size)) => self.symbolic(size),
            _ => Operand::Nothing,
        }
    }

    /// As [`Arguments::operand`], with a default.
    pub(super) fn operand_or(&self, name: &str, default: i64) -> Operand {
        if self.has(name) { self.operand(name) } else { Operand::Int(default) }
    }

    /// The first two arguments, whatever their names.
    pub(super) fn both(&self) -> Vec<Operand> {
        (0..2).map(|index| self.at(index)).collect()
    }

    /// The argument at a position.
    pub(super) fn at(&self, index: usize) -> Operand {
        self.inputs.get(index).map_or(Operand::Nothing, |input| match &input.arg {
            Argument::Tensor(tensor) => self.value(&tensor.name),
            Argument::Int(value) => Operand::Int(*value),
            Argument::Float(value) => Operand::Float(*value),
            Argument::SymInt(size) => self.symbolic(size),
            _ => Operand::Nothing,
        })
    }

    /// A list of tensors.
    pub(super) fn tensors(&self, name: &str) -> Vec<Operand> {
        match self.get(name) {
            Some(Argument::Tensors(list)) => list.iter().map(|tensor| self.value(&tensor.name)).collect(),
            Some(Argument::OptionalTensors(list)) => list
                .iter()
                .map(|tensor| tensor.as_ref().map_or(Operand::Nothing, |tensor| self.value(&tensor.name)))
                .collect(),
            _ => Vec::new(),
        }
    }

    /// Every value among the arguments.
    pub(super) fn all_values(&self) -> Vec<Operand> {
        let names = self.inputs.iter().flat_map(|input| input.arg.names());
        names.map(|name| self.value(name)).collect()
    }

    /// A whole number.
    pub(super) fn int(&self, name: &str, default: i64) -> i64 {
        match self.get(name) {
            Some(Argument::Int(value) | Argument::SymInt(Symbolic::AsInt(value))) => *value,
            _ => default,
        }
    }

    /// A number.
    pub(super) fn float(&self, name: &str) -> Option<f64> {
        match self.get(name) {
            Some(Argument::Float(value)) => Some(*value),
            Some(Argument::Int(value)) => Some(*value as f64),
            _ => None,
        }
    }

    /// True or false.
    pub(super) fn flag(&self, name: &str, default: bool) -> bool {
        match self.get(name) {
            Some(Argument::Bool(value)) => *value,
            _ => default,
        }
    }

    /// A text.
    pub(super) fn text(&self, name: &str) -> Option<&'a str> {
        match self.get(name) {
            Some(Argument::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// A list of numbers; a single one is a list of one.
    pub(super) fn ints(&self, name: &str) -> Option<Vec<i64>> {
        match self.get(name)? {
            Argument::Int(value) => Some(vec![*value]),
            Argument::Ints(values) => Some(values.clone()),
            Argument::SymInts(sizes) => sizes
                .iter()
                .map(|size| match size {
                    Symbolic::AsInt(size) => Some(*size),
                    Symbolic::AsName(_) => None,
                })
                .collect(),
            _ => None,
        }
    }

    /// A list of numbers that are not below 0.
    pub(super) fn counts(&self, name: &str) -> Option<Vec<usize>> {
        self.ints(name)?.into_iter().map(|count| usize::try_from(count).ok()).collect()
    }

    /// A list of numbers, of which some may be other operators' results.
    pub(super) fn sizes(&self, name: &str) -> Option<Sizes> {
        match self.get(name)? {
            Argument::Int(value) => Some(Sizes::known([*value])),
            Argument::Ints(values) => Some(Sizes::known(values.iter().copied())),
            Argument::SymInt(size) => Some(Sizes::List(vec![self.symbolic(size)])),
            Argument::SymInts(sizes) => {
                Some(Sizes::List(sizes.iter().map(|size| self.symbolic(size)).collect()))
            }
            Argument::Floats(values) => {
                Some(Sizes::List(values.iter().map(|value| Operand::Float(*value)).collect()))
            }
            _ => None,
        }
    }

    /// The kind of element, by its number.
    pub(super) fn element(&self, name: &str) -> Option<u64> {
        match self.get(name)? {
            Argument::Element(number) => Some(*number),
            _ => None,
        }
    }
}

/// A graph that an operator calls.
pub(super) fn subgraph(inputs: &[NamedArgument]) -> Option<&Graph> {
    inputs.iter().find_map(|input| match &input.arg {
        Argument::Graph(graph) => Some(&**graph),
        _ => None,
    })
}
