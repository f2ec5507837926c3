//! The names that are known at a place in a file.

use std::collections::{HashMap, HashSet};

use super::attributes::Attributes;
use super::operators::Declared;
use super::proto::{NodeProto, OperatorSetIdProto};
use crate::program::Operand;

/// Names of values in a graph or a function, as far as its nodes are translated, and what else its nodes refer to.
#[derive(Default)]
pub(super) struct Frame<'f, 'a> {
    /// Values; nothing, where a function's call leaves out an input.
    pub(super) names: HashMap<&'a str, Operand>,
    /// The graph around a branch. A function knows nothing of where it is called.
    pub(super) outer: Option<&'f Frame<'f, 'a>>,
    /// Those of the sets of operators.
    pub(super) versions: HashMap<&'a str, i64>,
    /// The settings of the call, inside a function.
    pub(super) attributes: Attributes<'a>,
    /// What the file declares of values, until they are made.
    pub(super) infos: HashMap<&'a str, Declared>,
    /// All that is read here: other results can be left out.
    pub(super) read: HashSet<&'a str>,
    /// What stands in front of the names of values inside a function: names are unique in a program.
    pub(super) prefix: String,
    /// How many functions and branches are around it.
    pub(super) depth: usize,
}

impl Frame<'_, '_> {
    pub(super) fn find(&self, name: &str) -> Option<Operand> {
        self.names.get(name).copied().or_else(|| self.outer?.find(name))
    }
}

/// The two names of the set of ONNX's own operators are one.
pub(super) fn normal(domain: &str) -> &str {
    if domain == "ai.onnx" { "" } else { domain }
}

/// The version of each set of operators.
pub(super) fn versions(imports: &[OperatorSetIdProto]) -> HashMap<&str, i64> {
    imports.iter().map(|import| (normal(&import.domain), import.version)).collect()
}

/// What nodes read, with all that is nested in them, and `results`.
pub(super) fn read<'a>(nodes: &'a [NodeProto], results: impl Iterator<Item = &'a str>) -> HashSet<&'a str> {
    let mut names: HashSet<_> = results.collect();
    let mut left = vec![nodes];
    while let Some(nodes) = left.pop() {
        for node in nodes {
            names.extend(node.input.iter().map(String::as_str));
            for graph in node.attribute.iter().filter_map(|attribute| attribute.g.as_deref()) {
                names.extend(graph.output.iter().map(|output| output.name.as_str()));
                left.push(&graph.node);
            }
        }
    }
    names
}
