//! The frozen operations of a network in the forms that its passes need.
//!
//! Weights are held once. Each form (batch norm folded in, only the positive part, transposed) is made and packed
//! when it is first used, and kept.

use std::sync::OnceLock;

use crate::graph::{Graph, NodeId, Operation};
use crate::weights::{WeightTensor, Weights};
use neuron_geometry::Window;
use neuron_kernels::{Algorithm, ConvGeometry, Convolution, ConvolutionTranspose};

/// Added to the variance in a batch norm; the same in all of torchvision's residual networks.
const NORM_EPSILON: f64 = 1e-5;

/// A batch norm as `scale * x + shift`.
#[derive(Clone, Debug)]
pub(crate) struct Affine {
    pub(crate) scale: Vec<f32>,
    pub(crate) shift: Vec<f32>,
}

/// Which part of a convolution's kernel is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Part {
    /// The kernel as it is in the weights.
    Raw,
    /// `max(w, 0)`.
    Positive,
    /// `min(w, 0)`.
    Negative,
}

/// The forms of one convolution (or fully connected layer).
#[derive(Default)]
struct Forms {
    /// By [`Algorithm`].
    folded: [OnceLock<Convolution>; 2],
    folded_transpose: OnceLock<ConvolutionTranspose>,
    parts: [OnceLock<Convolution>; 3],
    transposed_parts: [OnceLock<ConvolutionTranspose>; 3],
}

/// Every frozen operation of a network.
pub(crate) struct Kernels {
    weights: Weights,
    /// One entry a node; unused where the node has no weights.
    forms: Vec<Forms>,
    norms: Vec<Option<Affine>>,
}

impl Kernels {
    /// Prepares what is cheap. The weights were checked against the graph
    /// ([`Architecture::fit`](crate::Architecture::fit)).
    pub(crate) fn new(graph: &Graph, weights: Weights) -> Self {
        let norm = |node: &crate::graph::Node| match node.operation {
            Operation::BatchNorm { .. } => Some(Affine::from_norm(&weights, &node.name)),
            _ => None,
        };
        let norms = graph.nodes().iter().map(norm).collect();
        let forms = graph.nodes().iter().map(|_| Forms::default()).collect();
        Self { weights, forms, norms }
    }

    pub(crate) fn weights(&self) -> &Weights {
        &self.weights
    }

    /// A batch norm as a scale and a shift.
    pub(crate) fn norm(&self, norm: NodeId) -> &Affine {
        self.norms[norm.0].as_ref().expect("the graph says that this node is a batch norm")
    }

    /// A convolution with the batch norm that follows folded into it.
    pub(crate) fn folded(
        &self,
        graph: &Graph,
        convolution: NodeId,
        norm: NodeId,
        algorithm: Algorithm,
    ) -> &Convolution {
        self.forms[convolution.0].folded[algorithm as usize].get_or_init(|| {
            let weight = self.folded_weight(graph, convolution, norm);
            Convolution::new(geometry(graph, convolution), &weight, Some(&self.norm(norm).shift), algorithm)
        })
    }

    /// The gradient of [`Kernels::folded`] with respect to its input.
    pub(crate) fn folded_transpose(
        &self,
        graph: &Graph,
        convolution: NodeId,
        norm: NodeId,
    ) -> &ConvolutionTranspose {
        self.forms[convolution.0].folded_transpose.get_or_init(|| {
            let weight = self.folded_weight(graph, convolution, norm);
            ConvolutionTranspose::new(geometry(graph, convolution), &weight, Algorithm::Auto)
        })
    }

    /// A convolution by itself, or by a part of its kernel; a fully connected layer is a 1x1 convolution.
    ///
    /// Only the whole kernel has its bias: relevance leaves biases out.
    pub(crate) fn part(&self, graph: &Graph, node: NodeId, part: Part) -> &Convolution {
        self.forms[node.0].parts[part as usize].get_or_init(|| {
            let (weight, bias) = (self.part_weight(graph, node, part), self.part_bias(graph, node, part));
            Convolution::new(geometry(graph, node), &weight, bias, part.algorithm())
        })
    }

    /// The transpose of [`Kernels::part`].
    pub(crate) fn part_transpose(&self, graph: &Graph, node: NodeId, part: Part) -> &ConvolutionTranspose {
        self.forms[node.0].transposed_parts[part as usize].get_or_init(|| {
            let weight = self.part_weight(graph, node, part);
            ConvolutionTranspose::new(geometry(graph, node), &weight, part.algorithm())
        })
    }

    /// The weights of [`Kernels::folded`], `[out_channels, in_channels / groups, kernel, kernel]`; its bias is the
    /// norm's shift.
    pub(crate) fn folded_weight(&self, graph: &Graph, convolution: NodeId, norm: NodeId) -> Vec<f32> {
        self.norm(norm).fold(&self.weight(graph, convolution).data)
    }

    /// The weights of [`Kernels::part`], laid out as [`Kernels::folded_weight`].
    pub(crate) fn part_weight(&self, graph: &Graph, node: NodeId, part: Part) -> Vec<f32> {
        part.of(&self.weight(graph, node).data)
    }

    /// The bias of [`Kernels::part`].
    pub(crate) fn part_bias(&self, graph: &Graph, node: NodeId, part: Part) -> Option<&[f32]> {
        self.bias(graph, node).filter(|_| part == Part::Raw).map(|bias| &*bias.data)
    }

    fn weight(&self, graph: &Graph, node: NodeId) -> &WeightTensor {
        let name = format!("{}.weight", graph.node(node).name);
        self.weights.tensor(&name).expect("checked before the kernels were made")
    }

    fn bias(&self, graph: &Graph, node: NodeId) -> Option<&WeightTensor> {
        match graph.node(node).operation {
            Operation::Linear { .. } => self.weights.tensor(&format!("{}.bias", graph.node(node).name)),
            _ => None,
        }
    }
}

impl Part {
    fn of(self, weight: &[f32]) -> Vec<f32> {
        match self {
            Self::Raw => weight.to_vec(),
            Self::Positive => weight.iter().map(|w| w.max(0.0)).collect(),
            Self::Negative => weight.iter().map(|w| w.min(0.0)).collect(),
        }
    }

    /// Relevance divides by sums that may be small: it wants every output as one exact chain of products.
    pub(crate) fn algorithm(self) -> Algorithm {
        match self {
            Self::Raw => Algorithm::Auto,
            Self::Positive | Self::Negative => Algorithm::Direct,
        }
    }
}

impl Affine {
    fn from_norm(weights: &Weights, name: &str) -> Self {
        let values = |tensor: &str| -> Vec<f64> {
            let tensor = weights.tensor(&format!("{name}.{tensor}"));
            tensor.expect("checked before the kernels were made").data.iter().map(|v| f64::from(*v)).collect()
        };
        let (weight, bias) = (values("weight"), values("bias"));
        let (mean, variance) = (values("running_mean"), values("running_var"));
        let scale: Vec<f64> = weight
            .iter()
            .zip(&variance)
            .map(|(weight, variance)| weight / (variance + NORM_EPSILON).sqrt())
            .collect();
        let shift = (0..scale.len()).map(|c| (bias[c] - mean[c] * scale[c]) as f32).collect();
        Self { scale: scale.into_iter().map(|scale| scale as f32).collect(), shift }
    }

    /// The kernel `[out_channels, ..]` with each output channel scaled.
    fn fold(&self, weight: &[f32]) -> Vec<f32> {
        let per_channel = weight.len() / self.scale.len();
        let rows = weight.chunks_exact(per_channel).zip(&self.scale);
        rows.flat_map(|(row, scale)| row.iter().map(move |w| w * scale)).collect()
    }
}

/// The geometry of a convolution, or of a fully connected layer as one.
pub(crate) fn geometry(graph: &Graph, node: NodeId) -> ConvGeometry {
    match graph.node(node).operation {
        Operation::Convolution(geometry) => geometry,
        Operation::Linear { in_features, out_features } => ConvGeometry {
            in_channels: in_features,
            out_channels: out_features,
            groups: 1,
            window: Window::square(1, 1, 0),
        },
        other => unreachable!("{other:?} has no kernel"),
    }
}
