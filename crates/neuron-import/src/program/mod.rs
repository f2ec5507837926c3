//! An exported network as a list of operators, whatever format it was exported in.

mod operator;
mod parameter;

pub(crate) use operator::{
    Binary, Operator, PadMode, Padding, PoolKind, Reduction, Resize, ResizeKind, Sizes, Unary,
};
pub(crate) use parameter::{Element, Parameter, Payload};

use std::collections::BTreeMap;
use std::fmt;

/// A value of a program, by its index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct ValueId(pub(crate) usize);

/// What an operator reads where a tensor or a number can stand.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Operand {
    /// Another operator's result, or a parameter.
    Value(ValueId),
    /// A whole number that the file spells out.
    Int(i64),
    /// A number that the file spells out.
    Float(f64),
    /// Nothing: an optional input that is not there.
    Nothing,
}

impl Operand {
    /// The value, if it is one.
    pub(crate) fn value(self) -> Option<ValueId> {
        match self {
            Self::Value(id) => Some(id),
            _ => None,
        }
    }
}

/// A module that was being called when an operator was recorded.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Scope {
    /// Tells calls of one module apart.
    pub(crate) call: String,
    /// The module's dotted name; empty for the network itself.
    pub(crate) module: String,
}

/// One operator.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    /// Its name in the file, for messages.
    pub(crate) name: String,
    pub(crate) operator: Operator,
    pub(crate) inputs: Vec<Operand>,
    pub(crate) outputs: Vec<ValueId>,
    /// The modules in which it was recorded, outermost first.
    pub(crate) scopes: Vec<Scope>,
}

impl Node {
    /// The innermost module in which it was recorded.
    pub(crate) fn module(&self) -> &str {
        self.scopes.last().map_or("", |scope| scope.module.as_str())
    }

    /// Everything it reads: its inputs, and the values among its settings.
    pub(crate) fn reads(&self) -> impl Iterator<Item = ValueId> + '_ {
        self.inputs.iter().chain(self.operator.operands()).filter_map(|operand| operand.value())
    }
}

/// An exported network. Operators come in the order in which they ran.
pub(crate) struct Program {
    /// The names of values, for messages and for weights.
    pub(crate) names: Vec<String>,
    /// The image, and its shape when the network was exported.
    pub(crate) image: (ValueId, Vec<usize>),
    pub(crate) parameters: BTreeMap<ValueId, Parameter>,
    pub(crate) nodes: Vec<Node>,
    pub(crate) outputs: Vec<ValueId>,
    /// Whether quotients of whole numbers are whole.
    pub(crate) whole_quotients: bool,
}

impl Program {
    /// A new value.
    pub(crate) fn add(&mut self, name: impl Into<String>) -> ValueId {
        self.names.push(name.into());
        ValueId(self.names.len() - 1)
    }

    /// How often each value is read, as an output of the network, too.
    pub(crate) fn readers(&self) -> Vec<usize> {
        let mut readers = vec![0; self.names.len()];
        let reads = self.nodes.iter().flat_map(Node::reads);
        reads.chain(self.outputs.iter().copied()).for_each(|value| readers[value.0] += 1);
        readers
    }
}

impl fmt::Debug for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Program").field("nodes", &self.nodes.len()).finish_non_exhaustive()
    }
}
