//! Which operations are computed in one call: patterns over the graph.
//!
//! Asking for a value that would stay inside a call splits it there, and changes no bit of any other value.

use super::{Engine, Shortcut, Step};
use crate::graph::{Graph, Node};
use crate::ops::{OpKind, Operation};
use crate::value::NodeId;
use neuron_kernels::Bf16Convolution;

/// The steps for the `needed` nodes such that every `visible` value is written, in topological order.
pub(super) fn steps(graph: &Graph, needed: &[bool], visible: &[bool], engine: Engine) -> Vec<Step> {
    let absorbed = absorbed(graph, needed, visible, engine);
    let mut steps = Vec::new();
    for id in graph.ids().filter(|id| needed[id.0] && *id != graph.input()) {
        // What is looked at although it is part of a product is computed once more by itself: a batch norm keeps the
        // folded weights, and two convolutions their common sum, so that looking at one value never changes the bits of
        // another.
        if !absorbed[id.0] || visible[id.0] {
            steps.push(step(graph, &absorbed, id));
        }
    }
    steps
}

/// Which nodes would be absorbed if nobody looked at them, and are not.
pub(super) fn kept_apart(graph: &Graph, needed: &[bool], visible: &[bool], engine: Engine) -> Vec<bool> {
    let unseen = absorbed(graph, needed, &vec![false; visible.len()], engine);
    let seen = absorbed(graph, needed, visible, engine);
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
fn absorbed(graph: &Graph, needed: &[bool], visible: &[bool], engine: Engine) -> Vec<bool> {
    let mut readers: Vec<Vec<NodeId>> = vec![Vec::new(); graph.nodes().len()];
    for id in graph.ids().filter(|id| needed[id.0]) {
        graph.node(id).inputs.iter().for_each(|input| readers[input.0].push(id));
    }
    let is_read_once = |id: NodeId| readers[id.0].len() == 1;
    let mut absorbed = vec![false; graph.nodes().len()];
    for id in graph.ids() {
        let [reader] = readers[id.0][..] else { continue };
        let (node, reader) = (graph.node(id), graph.node(reader));
        let from_convolution = || absorbed[node.inputs[0].0] && is_convolution(graph, node.inputs[0]);
        absorbed[id.0] = match (node.operation, reader.operation) {
            (Operation::Convolution(_), Operation::BatchNorm(_)) => true,
            (Operation::BatchNorm(_), Operation::Add(_))
                if engine.takes_shortcuts() && is_of_two_products(graph, reader, is_read_once) =>
            {
                true
            }
            (Operation::BatchNorm(_), Operation::Add(_)) => {
                !visible[id.0] && reader.inputs[0] == id && from_convolution()
            }
            (Operation::Gate(_), Operation::Convolution(convolution)) => {
                engine.takes_gates() && !visible[id.0] && convolution.geometry.is_pointwise()
            }
            _ if reader.operation.op().activation().is_some() => takes_activation(node) && !visible[id.0],
            _ => false,
        };
    }
    absorbed
}

/// Whether both values that are added are folded convolutions that can be taken together, which nobody else reads.
fn is_of_two_products(graph: &Graph, add: &Node, is_read_once: impl Fn(NodeId) -> bool) -> bool {
    let convolution = |norm: NodeId| {
        let product = *graph.node(norm).inputs.first()?;
        match graph.node(product).operation {
            Operation::Convolution(convolution) if is(graph, norm, OpKind::BatchNorm) => {
                let [lines, columns] = convolution.geometry.window.stride;
                let fits = lines == columns && is_read_once(norm) && is_read_once(product);
                fits.then_some(convolution.geometry)
            }
            _ => None,
        }
    };
    let [first, second] = add.inputs[..] else { return false };
    let both = convolution(first).zip(convolution(second));
    both.is_some_and(|(first, second)| Bf16Convolution::side_by_side([first, second]).is_some())
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
    let (mut addend, mut shortcut) = (None, None);
    if let (true, Some(inner)) = (is(graph, at, OpKind::Add), inside(at)) {
        let other = graph.node(at).inputs[1];
        if absorbed[other.0] {
            let node = graph.node(other).inputs[0];
            shortcut = Some(Shortcut { node, fold: other, input: graph.node(node).inputs[0] });
        } else {
            addend = Some(other);
        }
        at = inner;
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
    Step { before: Vec::new(), node: at, inputs, gate, fold, addend, shortcut, activation, output }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use crate::plan::{Engine, Plan};
    use crate::value::Keep;
    use crate::{Architecture, Weights};
    use neuron_kernels::Algorithm;

    fn plan(network: &str, taps: &[&str], engine: Engine) -> Plan {
        let graph = Arc::new(Architecture::from_name(network).unwrap().graph(&Weights::default()));
        let taps = taps.iter().map(|name| graph.tap(name).unwrap()).collect();
        Plan::new(graph, taps, Keep::Taps, Algorithm::Auto, engine)
    }

    /// Of each step with two convolutions, their modules.
    fn together(plan: &Plan) -> Vec<[&str; 2]> {
        let shortcuts = plan.steps().iter().filter_map(|step| Some([step.node, step.shortcut?.node]));
        shortcuts.map(|both| both.map(|node| &*plan.graph().node(node).name)).collect()
    }

    #[test]
    fn shortcuts_are_more_depth() {
        let layer = |layer: usize| [format!("layer{layer}.0.conv3"), format!("layer{layer}.0.downsample.0")];
        let expected = [1, 2, 3, 4].map(layer);
        assert_eq!(together(&plan("resnet50", &["layer4"], Engine::Bf16)), expected);
        // Their products are those of windows, or in another engine.
        assert!(together(&plan("resnet18", &["layer4"], Engine::Bf16)).is_empty());
        for engine in [Engine::F32, Engine::Gpu] {
            assert!(together(&plan("resnet50", &["layer4"], engine)).is_empty(), "{engine:?}");
        }
    }

    #[test]
    fn shortcuts_that_are_looked_at_are_computed_once_more() {
        let steps = |taps: &[&str]| plan("resnet50", taps, Engine::Bf16).steps().len();
        let alone = steps(&["layer1"]);
        for tap in ["layer1.0.downsample.0", "layer1.0.downsample.1", "layer1.0.bn3", "layer1.0.conv3"] {
            let seen = plan("resnet50", &[tap, "layer1"], Engine::Bf16);
            assert_eq!((seen.steps().len(), together(&seen).len()), (alone + 1, 1), "{tap}");
        }
    }
}
