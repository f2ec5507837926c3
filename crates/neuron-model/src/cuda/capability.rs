//! What a GPU can compute: asked when a plan is made, and before a signal goes back, for everything at once.

use neuron_geometry::Window;

use crate::composite::Composite;
use crate::error::Unsupported;
use crate::graph::Graph;
use crate::ops::{OpKind, Operation};
use crate::rule::Rule;
use crate::value::NodeId;

/// What our kernels compute.
const KNOWN: [OpKind; 8] = [
    OpKind::Input,
    OpKind::Convolution,
    OpKind::BatchNorm,
    OpKind::Relu,
    OpKind::MaxPool,
    OpKind::Add,
    OpKind::GlobalAveragePool,
    OpKind::Linear,
];

/// The needed operations that cannot be computed forward.
///
/// Our own kernels know square windows without dilation and ceil mode. cuDNN knows more, but may hand any convolution back
/// to them.
pub(crate) fn forward(graph: &Graph, needed: &[bool]) -> Vec<Unsupported> {
    let what = |operation: &Operation| {
        let plain = |window: Window| window.is_square() && window.dilation == [1; 2] && !window.ceil_mode;
        let window = match operation {
            Operation::MaxPool(pool) => Some(pool.window),
            operation => operation.op().sliding().map(|geometry| geometry.window),
        };
        if !KNOWN.contains(&operation.kind()) {
            return Some("no kernel for GPUs");
        }
        (!window.is_none_or(plain))
            .then_some("on a GPU, windows that are not square, are dilated or in ceil mode")
    };
    let refused = graph.ids().filter(|id| needed[id.0]).filter_map(|id| {
        let node = graph.node(id);
        let what = what(&node.operation)?.to_owned();
        Some(Unsupported { node: node.name.clone(), operation: format!("{:?}", node.operation.kind()), what })
    });
    refused.collect()
}

/// Whether a signal can pass a node by its rule.
pub(crate) fn passes(graph: &Graph, composite: &Composite, id: NodeId) -> bool {
    let (operation, rule) = (&graph.node(id).operation, composite.rule(graph, id));
    match (operation, &*rule) {
        (Operation::Input(_), _) | (_, Rule::Gradient) => true,
        (Operation::Relu(_), Rule::Guided | Rule::Identity) | (Operation::BatchNorm(_), Rule::Identity) => {
            true
        }
        (Operation::Add(_), Rule::ByMagnitude | Rule::Identity) => true,
        (Operation::Convolution(_) | Operation::Linear(_), Rule::ZPlus { .. } | Rule::ZBox { .. }) => {
            !composite.merge_norms
        }
        // Its kernel has no other windows.
        (Operation::MaxPool(pool), Rule::AveragePool { .. }) => pool.averages_by_stride(),
        (Operation::GlobalAveragePool(_), Rule::ZPlus { .. }) => true,
        _ => false,
    }
}
