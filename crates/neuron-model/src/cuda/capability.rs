//! What a GPU can compute: asked when a plan is made, and before a signal goes back, for everything at once.

use neuron_geometry::Window;

use crate::composite::{Composite, Unsupported};
use crate::graph::Graph;
use crate::ops::Operation;
use crate::rule::Rule;
use crate::value::NodeId;

/// The needed operations that cannot be computed forward.
///
/// Our own kernels know square windows without dilation and ceil mode. cuDNN knows more, but may hand any convolution back
/// to them.
pub(super) fn forward(graph: &Graph, needed: &[bool]) -> Vec<Unsupported> {
    let plain = |window: &Window| window.is_square() && window.dilation == [1; 2] && !window.ceil_mode;
    let window = |id: NodeId| match &graph.node(id).operation {
        Operation::MaxPool(pool) => Some(pool.window),
        operation => operation.sliding().map(|geometry| geometry.window),
    };
    let refused = graph.ids().filter(|id| needed[id.0] && !window(*id).is_none_or(|window| plain(&window)));
    let unsupported = |id: NodeId| Unsupported {
        node: graph.node(id).name.clone(),
        operation: format!("{:?}", graph.node(id).operation.kind()),
        what: "on a GPU, windows that are not square, are dilated or in ceil mode".to_owned(),
    };
    refused.map(unsupported).collect()
}

/// Whether a signal can pass a node by its rule.
pub(super) fn passes(graph: &Graph, composite: &Composite, id: NodeId) -> bool {
    let (operation, rule) = (&graph.node(id).operation, composite.rule(graph, id));
    match (operation, rule) {
        (Operation::Input(_), _) | (_, Rule::Gradient) => true,
        (Operation::Relu(_), Rule::Guided | Rule::Identity) | (Operation::BatchNorm(_), Rule::Identity) => {
            true
        }
        (Operation::Add(_), Rule::ByMagnitude | Rule::Identity) => true,
        (Operation::Convolution(_) | Operation::Linear(_), Rule::ZPlus { .. } | Rule::ZBox { .. }) => {
            !composite.merge_norms
        }
        (Operation::MaxPool(_), Rule::AveragePool { .. }) => true,
        (Operation::GlobalAveragePool(_), Rule::ZPlus { .. }) => true,
        _ => false,
    }
}
