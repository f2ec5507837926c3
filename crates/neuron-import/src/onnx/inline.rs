//! Functions of a file and branches of its graph, in place of the nodes that call them.

use prost::Message;

use super::attributes::Attributes;
use super::frame::{Frame, normal, read, versions};
use super::graph::Reader;
use super::proto::{FunctionProto, GraphProto, NodeProto};
use super::scopes::own_name;
use crate::error::ImportError;
use crate::program::{Operand, ValueId};

/// Functions and branches nest less deeply than this.
const MOST_NESTED: usize = 32;

/// How many bytes all that is put in place of calls may take: functions that call others twice double a file each time.
const MOST_BYTES: usize = 1 << 29;

/// About what a node takes, without its names.
const NODE_BYTES: usize = 1 << 10;

impl<'a> Reader<'a> {
    /// The function that a node calls.
    pub(super) fn called(&self, node: &'a NodeProto) -> Option<&'a FunctionProto> {
        self.functions.get(&(normal(&node.domain), &node.op_type[..], &node.overload[..])).copied()
    }

    /// The branch that a node takes, if its condition is a constant.
    pub(super) fn branch(
        &self,
        node: &NodeProto,
        inputs: &[Operand],
        attributes: &Attributes<'a>,
    ) -> Result<Option<&'a GraphProto>, ImportError> {
        let [Operand::Value(condition)] = inputs else { return Ok(None) };
        let Some(condition) = self.program.parameters.get(condition) else { return Ok(None) };
        if condition.shape.iter().any(|size| *size != 1) {
            return Ok(None);
        }
        let taken = condition.read(|value| value != 0.0)? == [true];
        let name = if taken { "then_branch" } else { "else_branch" };
        attributes.graph(name).map_err(|refusal| self.told(node, refusal))
    }

    /// A branch in place of its node.
    pub(super) fn put_branch(
        &mut self,
        node: &'a NodeProto,
        graph: &'a GraphProto,
        modules: &[String],
        frame: &mut Frame<'_, 'a>,
    ) -> Result<(), ImportError> {
        let results = || graph.output.iter().map(|output| output.name.as_str());
        let mut inner = Frame {
            versions: frame.versions.clone(),
            attributes: frame.attributes.clone(),
            read: read(&graph.node, results()),
            prefix: frame.prefix.clone(),
            depth: self.deeper(frame)?,
            outer: Some(frame),
            ..Frame::default()
        };
        self.initializers(graph, &mut inner)?;
        for node in &graph.node {
            self.node(node, modules, &mut inner)?;
        }
        let results = self.results(results(), &inner)?;
        self.hand_on(node, &results, frame)
    }

    /// A function in place of its call.
    pub(super) fn put_function(
        &mut self,
        node: &'a NodeProto,
        function: &'a FunctionProto,
        (inputs, attributes): (&[Operand], Attributes<'a>),
        modules: &[String],
        frame: &mut Frame<'_, 'a>,
    ) -> Result<(), ImportError> {
        let prefix = format!("{}{}/", frame.prefix, own_name(node));
        self.count(function, prefix.len() + modules.iter().map(String::len).sum::<usize>())?;
        if inputs.len() > function.input.len() {
            let name = own_name(node);
            return Err(self.damaged(format!("node {name} has more inputs than {} takes", function.name)));
        }
        let given = inputs.iter().copied().chain(std::iter::repeat(Operand::Nothing));
        let own = versions(&function.opset_import);
        let results = || function.output.iter().map(String::as_str);
        let mut inner = Frame {
            names: function.input.iter().map(String::as_str).zip(given).collect(),
            versions: if own.contains_key("") { own } else { frame.versions.clone() },
            attributes: attributes.or(&function.attribute_proto),
            read: read(&function.node, results()),
            prefix,
            depth: self.deeper(frame)?,
            ..Frame::default()
        };
        for node in &function.node {
            self.node(node, modules, &mut inner)?;
        }
        let results = self.results(results(), &inner)?;
        self.hand_on(node, &results, frame)
    }

    fn deeper(&self, frame: &Frame) -> Result<usize, ImportError> {
        if frame.depth == MOST_NESTED {
            return Err(self.unsupported("its functions or branches nest too deeply, or call themselves"));
        }
        Ok(frame.depth + 1)
    }

    /// Counts what a function takes where it is called, `names` bytes for each of its nodes among them.
    fn count(&mut self, function: &FunctionProto, names: usize) -> Result<(), ImportError> {
        let nodes = function.node.len().saturating_mul(NODE_BYTES.saturating_add(names));
        self.inlined_bytes = self.inlined_bytes.saturating_add(function.encoded_len()).saturating_add(nodes);
        if self.inlined_bytes > MOST_BYTES {
            return Err(self.unsupported("its functions call one another too often"));
        }
        Ok(())
    }

    /// The results of what was put in a node's place, under the names of the node's.
    fn hand_on(
        &self,
        node: &'a NodeProto,
        results: &[ValueId],
        frame: &mut Frame<'_, 'a>,
    ) -> Result<(), ImportError> {
        if node.output.len() > results.len() {
            let (name, made) = (own_name(node), results.len());
            return Err(
                self.damaged(format!("node {name} has more results than the {made} that it calls for"))
            );
        }
        let mut named = node.output.iter().zip(results).filter(|(name, _)| !name.is_empty());
        named.try_for_each(|(name, value)| self.bind(name, *value, frame))
    }
}
