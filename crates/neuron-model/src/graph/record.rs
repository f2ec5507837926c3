//! A graph as a file can hold it.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Graph, GraphBuilder};
use crate::error::GraphError;
use crate::ops::Operation;
use crate::value::NodeId;

/// Numbers in a file that no network has: what is computed with them must not overflow.
const LARGEST: u64 = 1 << 24;

/// What divides something, or of which there is one at least.
const NEVER_ZERO: [&str; 11] = [
    "kernel",
    "stride",
    "dilation",
    "groups",
    "heads",
    "side",
    "times",
    "channels",
    "in_channels",
    "out_channels",
    "positions",
];

/// A graph as a file can hold it: its operations in their order, and the names of its taps.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GraphRecord {
    nodes: Vec<NodeRecord>,
    modules: Vec<(String, usize)>,
    #[serde(default)]
    size: Option<[usize; 2]>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct NodeRecord {
    name: String,
    operation: Operation,
    inputs: Vec<usize>,
}

impl GraphRecord {
    /// The record of a graph.
    pub fn of(graph: &Graph) -> Self {
        let node = |node: &super::Node| NodeRecord {
            name: node.name.clone(),
            operation: node.operation,
            inputs: node.inputs.iter().map(|input| input.0).collect(),
        };
        Self {
            nodes: graph.nodes.iter().map(node).collect(),
            modules: graph.modules.iter().map(|(name, node)| (name.clone(), node.0)).collect(),
            size: graph.told_size,
        }
    }

    /// Reads what [`GraphRecord::of`] made, as JSON.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn from_json(text: &str) -> Result<Self, String> {
        let value: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
        check(&value, "")?;
        serde_json::from_value(value).map_err(|error| error.to_string())
    }

    /// The graph.
    ///
    /// # Errors
    /// [`GraphError`] for the first operation that does not fit.
    pub fn graph(&self) -> Result<Graph, GraphError> {
        let Some((NodeRecord { operation: Operation::Input(input), .. }, nodes)) = self.nodes.split_first()
        else {
            return Err(GraphError::Order { node: "the image".to_owned() });
        };
        let (mut graph, _) = GraphBuilder::new(input.channels);
        for NodeRecord { name, operation, inputs } in nodes {
            let inputs: Vec<NodeId> = inputs.iter().map(|input| NodeId(*input)).collect();
            graph.push(name, *operation, &inputs);
        }
        if let Some(size) = self.size {
            graph.tables_are_for(size);
        }
        for (name, node) in &self.modules {
            if *node >= self.nodes.len() {
                return Err(GraphError::Order { node: name.clone() });
            }
            graph.name(name, NodeId(*node));
        }
        graph.finish()
    }
}

impl Operation {
    /// Checks that its numbers are such as a file can hold: no network has others.
    ///
    /// # Errors
    /// Which of them is not, in words.
    pub fn check(&self) -> Result<(), String> {
        let value = serde_json::to_value(self).map_err(|error| error.to_string())?;
        check(&value, "")?;
        serde_json::from_value::<Self>(value).map(drop).map_err(|error| error.to_string())
    }
}

/// Checks the numbers of a record.
fn check(value: &Value, key: &str) -> Result<(), String> {
    match value {
        Value::Object(fields) => fields.iter().try_for_each(|(key, value)| check(value, key)),
        Value::Array(values) => values.iter().try_for_each(|value| check(value, key)),
        Value::Number(number) => match number.as_u64() {
            Some(number) if number > LARGEST => Err(format!("{key} is {number}")),
            Some(0) if NEVER_ZERO.contains(&key) => Err(format!("{key} is 0")),
            _ => Ok(()),
        },
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::{Filling, Function, LayerNorm, Pad, Pointwise};
    use crate::{Architecture, Weights};

    #[test]
    fn a_graph_comes_back_as_it_was() {
        for arch in ["resnet18", "mobilenet_v3_small"] {
            let graph = Architecture::from_name(arch).unwrap().graph(&Weights::default());
            let text = serde_json::to_string(&GraphRecord::of(&graph)).unwrap();
            let back = GraphRecord::from_json(&text).unwrap().graph().unwrap();
            assert_eq!(back.tap_infos(224, 224).unwrap(), graph.tap_infos(224, 224).unwrap(), "{arch}");
            assert_eq!(back.expected_tensors(), graph.expected_tensors(), "{arch}");
        }
    }

    /// As those of a clamp with one bound, and of what is added around a map below a max-pool.
    #[test]
    fn infinite_numbers_come_back_too() {
        let (low, high) = (f32::NEG_INFINITY, f32::INFINITY);
        for operation in [
            Pointwise { function: Function::Clamp { low: 0.1, high } }.into(),
            Pointwise { function: Function::Clamp { low, high: 0.1 } }.into(),
            Operation::from(Pad { before: [1; 2], after: [0; 2], filling: Filling::Value(low) }),
        ] {
            let text = serde_json::to_string(&operation).unwrap();
            assert_eq!(serde_json::from_str::<Operation>(&text).unwrap(), operation, "{text}");
            operation.check().unwrap();
        }
        let norm = Operation::from(LayerNorm { channels: 3, eps: f64::NAN });
        assert!(norm.check().is_err());
    }

    #[test]
    fn numbers_that_cannot_be_are_refused() {
        let graph = Architecture::from_name("resnet10_demo").unwrap().graph(&Weights::default());
        let text = serde_json::to_string(&GraphRecord::of(&graph)).unwrap();
        for (from, to) in [
            ("\"stride\":[2,2]", "\"stride\":[0,2]"),
            ("\"groups\":1", "\"groups\":0"),
            ("\"in_channels\":3", "\"in_channels\":99999999999"),
        ] {
            assert!(text.contains(from), "{from}");
            assert!(GraphRecord::from_json(&text.replacen(from, to, 1)).is_err(), "{to}");
        }
        let cyclic = text.replacen("\"inputs\":[0]", "\"inputs\":[7]", 1);
        assert!(GraphRecord::from_json(&cyclic).unwrap().graph().is_err());
    }
}
