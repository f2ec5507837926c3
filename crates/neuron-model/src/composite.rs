//! Which rule holds where in a network: data, the same for every backend.

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::error::Unsupported;
use crate::graph::{Graph, Tap};
use crate::ops::{OpKind, Operation};
use crate::rule::{PixelRange, Rule};
use crate::value::{Keep, NodeId};

/// Which rule holds where.
///
/// The rule of a node is that of [`Composite::at`], else [`Composite::first`] where it reads the pixels with weights, else
/// that of its kind, else [`Composite::otherwise`]; [`Composite::signed`] in the place of the last two where inputs may be
/// negative.
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
    /// What [`Rule::ZPlus`] becomes where inputs may be negative.
    pub signed: Option<Rule>,
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
        Self {
            otherwise,
            by_kind: BTreeMap::new(),
            first: None,
            signed: None,
            at: BTreeMap::new(),
            merge_norms: false,
        }
    }

    /// The gradient.
    pub fn gradient() -> Self {
        Self { merge_norms: true, ..Self::of(Rule::Gradient) }
    }

    /// The gradient of what a tap would be without the ReLUs that make its values non-negative (those of its own, or below
    /// the pools and sums that it is): of a unit that is silent as well.
    pub fn gradient_before_relu(graph: &Graph, tap: &Tap) -> Self {
        let mut composite = Self::gradient();
        let mut rectified = vec![tap.node];
        let mut seen = vec![false; graph.nodes().len()];
        while let Some(id) = rectified.pop() {
            if !graph.is_non_negative(id) || std::mem::replace(&mut seen[id.0], true) {
                continue;
            }
            let node = graph.node(id);
            let (op, signs) = (node.operation.op(), vec![false; node.inputs.len()]);
            if node.operation.can_be_silent() {
                composite.at.insert(id, Rule::Identity);
            } else if !op.is_non_negative(&signs) {
                // Its values are not negative because those of its inputs are not.
                rectified.extend(&node.inputs);
            }
        }
        composite
    }

    /// The gradient, with negative signals stopped at every ReLU, and behind every other activation.
    pub fn guided_backprop() -> Self {
        [OpKind::Relu, OpKind::Activation, OpKind::Pointwise]
            .into_iter()
            .fold(Self::gradient(), |composite, kind| composite.with(kind, Rule::Guided))
    }

    /// The gradient, in which ReLUs pass positive signals, whatever the forward pass did.
    pub fn deconvolution() -> Self {
        [OpKind::Relu, OpKind::Activation, OpKind::Pointwise]
            .into_iter()
            .fold(Self::gradient(), |composite, kind| composite.with(kind, Rule::Deconvolution))
    }

    /// Layer-wise relevance propagation by the z+ rule as the reference implementation of VITAL has it
    /// (arXiv 2503.22399): at residual sums in proportion to magnitudes, max-pools as average pools, norms and activations
    /// passed over, and z-B at the pixels. Gates are constants. Where inputs may be negative, [`Rule::ZPlusSigned`].
    pub fn z_plus(pixels: PixelRange) -> Self {
        let eps = 1e-5;
        let composite = Self::of(Rule::ZPlus { eps })
            .passing_over()
            .with(OpKind::Add, Rule::ByMagnitude)
            .with(OpKind::MaxPool, Rule::AveragePool { eps });
        let (first, signed) = (Some(Rule::ZBox { pixels, eps }), Some(Rule::ZPlusSigned { eps }));
        Self { first, signed, ..composite }
    }

    /// As [`Composite::z_plus`], with the quirks of the reference implementation on networks that are not residual:
    /// biases of convolutions stay in the divisor, an average pool hands each input an equal share whatever its value,
    /// the convolution below one has a smaller epsilon, and inputs count as if none were negative. Relevance is not
    /// conserved then. On residual networks there is no difference.
    pub fn published(graph: &Graph, pixels: PixelRange) -> Self {
        let (eps, below_pools) = (1e-5, 1e-12);
        let mut composite =
            Self { signed: None, ..Self::z_plus(pixels) }.with(OpKind::AveragePool, Rule::Gradient);
        for id in graph.ids() {
            let node = graph.node(id);
            match node.operation {
                Operation::Convolution(convolution) if convolution.bias => {
                    composite.at.insert(id, Rule::ZPlusBias { eps });
                }
                Operation::AveragePool(_) if graph.node(node.inputs[0]).operation.is_product() => {
                    composite.at.insert(node.inputs[0], Rule::ZPlus { eps: below_pools });
                }
                _ => {}
            }
        }
        composite
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
            .passing_over()
            .with(OpKind::Linear, Rule::Epsilon { eps: EPS })
            .with(OpKind::Add, Rule::Epsilon { eps: EPS })
            .with(OpKind::Attention, Rule::Epsilon { eps: EPS })
            .with(OpKind::ChannelReduction, Rule::Epsilon { eps: EPS })
            .with(OpKind::CrossAttention, Rule::Epsilon { eps: EPS })
            .with(OpKind::MatrixProduct, Rule::Epsilon { eps: EPS })
            .with(OpKind::GlobalSum, Rule::Epsilon { eps: EPS })
            .with(OpKind::GlobalAveragePool, Rule::Epsilon { eps: EPS })
            .with(OpKind::AdaptiveAveragePool, Rule::Epsilon { eps: EPS })
            .with(OpKind::AveragePool, Rule::Epsilon { eps: EPS });
        Self { merge_norms: true, ..composite }
    }

    /// Norms, activations and factors pass relevance on as it is.
    fn passing_over(self) -> Self {
        use OpKind::{
            Activation, BatchNorm, Gate, GroupNorm, LayerNorm, LayerScale, Pointwise, Product, Relu, Rescale,
            RmsNorm, Softmax, TableProduct,
        };
        let norms = [BatchNorm, GroupNorm, LayerNorm, RmsNorm];
        let functions = [Activation, Pointwise, Relu, Softmax];
        let kinds =
            norms.into_iter().chain(functions).chain([Gate, LayerScale, Product, Rescale, TableProduct]);
        kinds.fold(self, |composite, kind| composite.with(kind, Rule::Identity))
    }

    /// The same composite with another rule at a kind of operation.
    #[must_use]
    pub fn with(mut self, kind: OpKind, rule: Rule) -> Self {
        self.by_kind.insert(kind, rule);
        self
    }

    /// The rule at a node.
    pub fn rule(&self, graph: &Graph, id: NodeId) -> Cow<'_, Rule> {
        if let Some(rule) = self.at.get(&id) {
            return Cow::Borrowed(rule);
        }
        if let Some(rule) = self.at_the_pixels(graph, id) {
            return rule;
        }
        let node = graph.node(id);
        let rule = self.by_kind.get(&node.operation.kind()).unwrap_or(&self.otherwise);
        let is_signed = || node.inputs.first().is_some_and(|input| !graph.is_non_negative(*input));
        let signed = self.signed.as_ref().filter(|_| matches!(rule, Rule::ZPlus { .. }) && is_signed());
        Cow::Borrowed(signed.unwrap_or(rule))
    }

    /// [`Composite::first`], if the node reads the pixels with weights; of pixels that the network changes by constants,
    /// in the range that they have then.
    fn at_the_pixels(&self, graph: &Graph, id: NodeId) -> Option<Cow<'_, Rule>> {
        let (node, first) = (graph.node(id), self.first.as_ref()?);
        let input = *node.inputs.first().filter(|_| node.operation.is_product())?;
        match graph.node(input).operation {
            _ if input == graph.input() => Some(Cow::Borrowed(first)),
            Operation::Rescale(rescale) if graph.node(input).inputs[0] == graph.input() => {
                Some(Cow::Owned(rescale.rule_behind(first)))
            }
            _ => None,
        }
    }

    /// What the forward pass must have kept.
    pub fn keep(&self) -> Keep {
        let rules = self.by_kind.values().chain(&self.first).chain(self.at.values());
        rules.chain(&self.signed).chain([&self.otherwise]).map(Rule::keep).max().unwrap_or(Keep::Gradient)
    }

    /// The operations among some nodes that do not know their rule, or that a backend does not pass by it.
    pub(crate) fn refused(
        &self,
        graph: &Graph,
        nodes: impl Iterator<Item = NodeId>,
        passes: impl Fn(NodeId) -> bool,
    ) -> Vec<Unsupported> {
        let knows = |id: NodeId| graph.node(id).operation.knows(&self.rule(graph, id));
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
