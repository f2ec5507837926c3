//! Which rule holds where in a network: data, the same for every backend.

use std::collections::BTreeMap;

use crate::error::Unsupported;
use crate::graph::Graph;
use crate::ops::OpKind;
use crate::rule::{PixelRange, Rule};
use crate::value::{Keep, NodeId};

/// Which rule holds where.
///
/// The rule of a node is that of [`Composite::at`], else [`Composite::first`] where it reads the pixels with weights, else
/// that of its kind, else [`Composite::otherwise`].
///
/// ```
/// use neuron_model::{Composite, OpKind, Rule};
///
/// // Gamma below, epsilon at the classifier.
/// let mut composite = Composite::epsilon_plus();
/// composite.by_kind.insert(OpKind::Convolution, Rule::Gamma { gamma: 0.25, eps: 1e-6 });
/// assert_eq!(composite.by_kind[&OpKind::Linear], Rule::Epsilon { eps: 1e-6 });
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Composite {
    /// The rule of every other node.
    pub otherwise: Rule,
    /// By kind of operation.
    pub by_kind: BTreeMap<OpKind, Rule>,
    /// Of convolutions and fully connected layers that read the pixels.
    pub first: Option<Rule>,
    /// Of single nodes.
    pub at: BTreeMap<NodeId, Rule>,
    /// Whether a batch norm belongs to the convolution below it: one product with one rule, wherever nobody looks in
    /// between.
    pub merge_norms: bool,
}

/// zennit's small constant in divisors.
const EPS: f32 = 1e-6;

impl Composite {
    /// One rule everywhere.
    pub fn of(otherwise: Rule) -> Self {
        Self { otherwise, by_kind: BTreeMap::new(), first: None, at: BTreeMap::new(), merge_norms: false }
    }

    /// The gradient.
    pub fn gradient() -> Self {
        Self { merge_norms: true, ..Self::of(Rule::Gradient) }
    }

    /// The gradient, with negative signals stopped at every ReLU.
    pub fn guided_backprop() -> Self {
        Self::gradient().with(OpKind::Relu, Rule::Guided)
    }

    /// The gradient, in which ReLUs pass positive signals, whatever the forward pass did.
    pub fn deconvolution() -> Self {
        Self::gradient().with(OpKind::Relu, Rule::Deconvolution)
    }

    /// Layer-wise relevance propagation by the z+ rule as the reference implementation of VITAL has it
    /// (arXiv 2503.22399): at residual sums in proportion to magnitudes, max-pools as average pools, batch norms passed
    /// over, and z-B at the pixels.
    pub fn z_plus(pixels: PixelRange) -> Self {
        let eps = 1e-5;
        let composite = Self::of(Rule::ZPlus { eps })
            .with(OpKind::BatchNorm, Rule::Identity)
            .with(OpKind::Relu, Rule::Identity)
            .with(OpKind::Add, Rule::ByMagnitude)
            .with(OpKind::MaxPool, Rule::AveragePool { eps });
        Self { first: Some(Rule::ZBox { pixels, eps }), ..composite }
    }

    /// zennit's `EpsilonPlus`: epsilon at fully connected layers, z+ at convolutions.
    pub fn epsilon_plus() -> Self {
        Self::zennit(Rule::AlphaBeta { alpha: 1.0, beta: 0.0, eps: EPS })
    }

    /// zennit's `EpsilonPlusFlat`: as [`Composite::epsilon_plus`], with the flat rule at the pixels.
    pub fn epsilon_plus_flat() -> Self {
        Self { first: Some(Rule::Flat { eps: EPS }), ..Self::epsilon_plus() }
    }

    /// zennit's `EpsilonAlpha2Beta1`: epsilon at fully connected layers, alpha-beta at convolutions.
    pub fn epsilon_alpha2_beta1() -> Self {
        Self::zennit(Rule::AlphaBeta { alpha: 2.0, beta: 1.0, eps: EPS })
    }

    /// zennit's `EpsilonAlpha2Beta1Flat`: as [`Composite::epsilon_alpha2_beta1`], with the flat rule at the pixels.
    pub fn epsilon_alpha2_beta1_flat() -> Self {
        Self { first: Some(Rule::Flat { eps: EPS }), ..Self::epsilon_alpha2_beta1() }
    }

    /// zennit's `EpsilonGammaBox`: epsilon at fully connected layers, gamma at convolutions, z-B at the pixels.
    pub fn epsilon_gamma_box(pixels: PixelRange) -> Self {
        let composite = Self::zennit(Rule::Gamma { gamma: 0.25, eps: EPS });
        Self { first: Some(Rule::ZBox { pixels, eps: EPS }), ..composite }
    }

    /// What zennit's composites have in common: norms are merged, ReLUs pass relevance on, sums and means divide it in
    /// proportion, and max-pools hand it to the maxima.
    fn zennit(convolution: Rule) -> Self {
        let composite = Self::of(Rule::Gradient)
            .with(OpKind::Convolution, convolution)
            .with(OpKind::Linear, Rule::Epsilon { eps: EPS })
            .with(OpKind::BatchNorm, Rule::Identity)
            .with(OpKind::Relu, Rule::Identity)
            .with(OpKind::Add, Rule::Epsilon { eps: EPS })
            .with(OpKind::GlobalAveragePool, Rule::Epsilon { eps: EPS });
        Self { merge_norms: true, ..composite }
    }

    /// The same composite with another rule at a kind of operation.
    #[must_use]
    pub fn with(mut self, kind: OpKind, rule: Rule) -> Self {
        self.by_kind.insert(kind, rule);
        self
    }

    /// The rule at a node.
    pub fn rule(&self, graph: &Graph, id: NodeId) -> &Rule {
        let node = graph.node(id);
        let first = || {
            let reads_pixels = node.operation.is_product() && node.inputs.contains(&graph.input());
            self.first.as_ref().filter(|_| reads_pixels)
        };
        let by_kind = || self.by_kind.get(&node.operation.kind());
        self.at.get(&id).or_else(first).or_else(by_kind).unwrap_or(&self.otherwise)
    }

    /// What the forward pass must have kept.
    pub fn keep(&self) -> Keep {
        let rules = self.by_kind.values().chain(&self.first).chain(self.at.values());
        rules.chain([&self.otherwise]).map(Rule::keep).max().unwrap_or(Keep::Gradient)
    }

    /// The operations among some nodes that do not know their rule, or that a backend does not pass by it.
    pub(crate) fn refused(
        &self,
        graph: &Graph,
        nodes: impl Iterator<Item = NodeId>,
        passes: impl Fn(NodeId) -> bool,
    ) -> Vec<Unsupported> {
        let knows = |id: NodeId| graph.node(id).operation.knows(self.rule(graph, id));
        nodes.filter(|id| !knows(*id) || !passes(*id)).map(|id| self.unsupported(graph, id)).collect()
    }

    fn unsupported(&self, graph: &Graph, id: NodeId) -> Unsupported {
        let node = graph.node(id);
        Unsupported {
            node: node.name.clone(),
            operation: format!("{:?}", node.operation.kind()),
            what: format!("rule {:?}", self.rule(graph, id)),
        }
    }
}
