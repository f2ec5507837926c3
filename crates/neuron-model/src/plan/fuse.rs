//! Which operations are computed in one call: patterns over the graph.
//!
//! Asking for a value that would stay inside a call splits it there, and changes no bit of any other value.

use super::Step;
use crate::graph::{Graph, Node};
use crate::ops::{OpKind, Operation};
use crate::value::NodeId;

/// The steps for the `needed` nodes such that every `visible` value is written, in topological order.
pub(super) fn steps(graph: &Graph, needed: &[bool], visible: &[bool], takes_gates: bool) -> Vec<Step> {
    let absorbed = absorbed(graph, needed, visible, takes_gates);
    let mut steps = Vec::new();
    for id in graph.ids().filter(|id| needed[id.0] && *id != graph.input()) {
        // A convolution that is looked at is computed once more by itself: its batch norm keeps the folded
        // weights, so that looking at one value never changes the bits of another.
        if !absorbed[id.0] || (visible[id.0] && is_convolution(graph, id)) {
            steps.push(step(graph, &absorbed, id));
        }
    }
    steps
}

/// Which nodes would be absorbed if nobody looked at them, and are not.
pub(super) fn kept_apart(graph: &Graph, needed: &[bool], visible: &[bool], takes_gates: bool) -> Vec<bool> {
    let unseen = absorbed(graph, needed, &vec![false; visible.len()], takes_gates);
    let seen = absorbed(graph, needed, visible, takes_gates);
    unseen.into_iter().zip(seen).map(|(unseen, seen)| unseen && !seen).collect()
}

fn is_convolution(graph: &Graph, id: NodeId) -> bool {
    is(graph, id, OpKind::Convolution)
}

fn is(graph: &Graph, id: NodeId, kind: OpKind) -> bool {
    graph.node(id).operation.kind() == kind
}

/// Whether an operation computes a function of its values in the same call. A convolution without bias has its batch norm
/// in between.
fn takes_activation(node: &Node) -> bool {
    match node.operation {
        Operation::Convolution(convolution) => convolution.bias,
        Operation::BatchNorm(_) | Operation::Add(_) | Operation::Linear(_) => true,
        _ => false,
    }
}

/// Which nodes are computed inside the step of their only reader.
fn absorbed(graph: &Graph, needed: &[bool], visible: &[bool], takes_gates: bool) -> Vec<bool> {
    let mut readers: Vec<Vec<NodeId>> = vec![Vec::new(); graph.nodes().len()];
    for id in graph.ids().filter(|id| needed[id.0]) {
        graph.node(id).inputs.iter().for_each(|input| readers[input.0].push(id));
    }
    let mut absorbed = vec![false; graph.nodes().len()];
    for id in graph.ids() {
        let [reader] = readers[id.0][..] else { continue };
        let (node, reader) = (graph.node(id), graph.node(reader));
        let from_convolution = || absorbed[node.inputs[0].0] && is_convolution(graph, node.inputs[0]);
        absorbed[id.0] = match (node.operation, reader.operation) {
            (Operation::Convolution(_), Operation::BatchNorm(_)) => true,
            (Operation::BatchNorm(_), Operation::Add(_)) => {
                !visible[id.0] && reader.inputs[0] == id && from_convolution()
            }
            (Operation::Gate(_), Operation::Convolution(convolution)) => {
                takes_gates && !visible[id.0] && convolution.geometry.is_pointwise()
            }
            _ if reader.operation.op().activation().is_some() => takes_activation(node) && !visible[id.0],
            _ => false,
        };
    }
    absorbed
}

/// The step that writes `output`, with everything that is absorbed into it.
fn step(graph: &Graph, absorbed: &[bool], output: NodeId) -> Step {
    // From the last operation of the call down to the first, as far as each was absorbed into its reader.
    let inside = |id: NodeId| absorbed[graph.node(id).inputs[0].0].then(|| graph.node(id).inputs[0]);
    let mut at = output;
    let mut activation = graph.node(at).operation.op().activation();
    match inside(at).filter(|_| activation.is_some()) {
        Some(inner) => at = inner,
        None => activation = None,
    }
    let mut addend = None;
    if let (true, Some(inner)) = (is(graph, at, OpKind::Add), inside(at)) {
        (addend, at) = (Some(graph.node(at).inputs[1]), inner);
    }
    let mut fold = None;
    if let (true, Some(inner)) = (is(graph, at, OpKind::BatchNorm), inside(at)) {
        (fold, at) = (Some(at), inner);
    }
    let (mut inputs, mut gate) = (graph.node(at).inputs.clone(), None);
    if let (true, Some(inner)) = (is_convolution(graph, at), inside(at)) {
        let [map, factors] = graph.node(inner).inputs[..] else { unreachable!("a gate has two inputs") };
        (inputs, gate) = (vec![map], Some(factors));
    }
    Step { before: Vec::new(), node: at, inputs, gate, fold, addend, activation, output }
}
