use neuron_geometry::Window;

use crate::graph::{Graph, NodeId, Operation};

/// One call of a kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) kind: StepKind,
    /// The value that is read; the main path's for an addition.
    pub(crate) input: NodeId,
    /// The value that is written.
    pub(crate) output: NodeId,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StepKind {
    /// A convolution, with the batch norm that is folded into its weights, the shortcut that is added, and the
    /// ReLU that closes it.
    Convolution {
        convolution: NodeId,
        norm: Option<NodeId>,
        residual: Option<NodeId>,
        relu: bool,
    },
    /// A batch norm that could not be folded.
    BatchNorm {
        norm: NodeId,
        relu: bool,
    },
    Relu,
    Add {
        shortcut: NodeId,
        relu: bool,
    },
    MaxPool(Window),
    GlobalAveragePool,
    Linear {
        linear: NodeId,
    },
}

impl Step {
    /// Every value that is read.
    pub(crate) fn reads(&self) -> impl Iterator<Item = NodeId> {
        let second = match self.kind {
            StepKind::Convolution { residual, .. } => residual,
            StepKind::Add { shortcut, .. } => Some(shortcut),
            _ => None,
        };
        [Some(self.input), second].into_iter().flatten()
    }
}

/// The steps for the `needed` nodes such that every `visible` value is written, in topological order.
pub(super) fn steps(graph: &Graph, needed: &[bool], visible: &[bool]) -> Vec<Step> {
    let absorbed = absorbed(graph, needed, visible);
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

fn is_convolution(graph: &Graph, id: NodeId) -> bool {
    matches!(graph.node(id).operation, Operation::Convolution(_))
}

/// Which nodes are computed inside the step of their only reader.
fn absorbed(graph: &Graph, needed: &[bool], visible: &[bool]) -> Vec<bool> {
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
            (Operation::Convolution(_), Operation::BatchNorm { .. }) => true,
            (Operation::BatchNorm { .. }, Operation::Add) => {
                !visible[id.0] && reader.inputs[0] == id && from_convolution()
            }
            (Operation::BatchNorm { .. } | Operation::Add, Operation::Relu) => !visible[id.0],
            _ => false,
        };
    }
    absorbed
}

/// The step that writes `output`, with everything that is absorbed into it.
fn step(graph: &Graph, absorbed: &[bool], output: NodeId) -> Step {
    let inside = |id: NodeId| absorbed[graph.node(id).inputs[0].0].then(|| graph.node(id).inputs[0]);
    let is = |id: NodeId, operation: Operation| graph.node(id).operation == operation;

    let mut at = output;
    let mut relu = false;
    if let (true, Some(inner)) = (is(at, Operation::Relu), inside(at)) {
        (relu, at) = (true, inner);
    }
    let mut residual = None;
    if let (true, Some(inner)) = (is(at, Operation::Add), inside(at)) {
        (residual, at) = (Some(graph.node(at).inputs[1]), inner);
    }
    let mut norm = None;
    if let (Operation::BatchNorm { .. }, Some(inner)) = (graph.node(at).operation, inside(at)) {
        (norm, at) = (Some(at), inner);
    }
    let node = graph.node(at);
    let kind = match node.operation {
        Operation::Convolution(_) => StepKind::Convolution { convolution: at, norm, residual, relu },
        Operation::BatchNorm { .. } => StepKind::BatchNorm { norm: at, relu },
        Operation::Add => StepKind::Add { shortcut: node.inputs[1], relu },
        Operation::MaxPool(window) => StepKind::MaxPool(window),
        Operation::GlobalAveragePool => StepKind::GlobalAveragePool,
        Operation::Linear { .. } => StepKind::Linear { linear: at },
        Operation::Relu | Operation::Input { .. } => StepKind::Relu,
    };
    Step { kind, input: node.inputs[0], output }
}
