//! The frozen weights of a network in the forms that its passes need.
//!
//! Weights are held once. Each form (batch norm folded in, only the positive part, transposed, packed for a kernel) is
//! made when it is first used, and kept. Precision and the arrangement of sums are properties of a form
//! ([`Packing`]), never of an operation.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, PoisonError, RwLock};

use neuron_kernels::{Algorithm, Bf16Convolution, ConvGeometry, Convolution, ConvolutionTranspose, Terms};

use crate::arithmetic::Precision;
use crate::value::NodeId;
use crate::weights::Weights;

/// A batch norm as `scale * x + shift`.
#[derive(Clone, Debug)]
pub(crate) struct Affine {
    pub(crate) scale: Vec<f32>,
    pub(crate) shift: Vec<f32>,
}

/// Which part of an operation's weights is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Part {
    /// The weights as they are.
    Raw,
    /// `max(w, 0)`
    Positive,
    /// `min(w, 0)`
    Negative,
    /// `w + gamma * max(w, 0)`, by the bits of `gamma`: [`Part::favoured`].
    Favoured(u32),
    /// `w + gamma * min(w, 0)`, by the bits of `gamma`: [`Part::opposed`].
    Opposed(u32),
    /// `w * w`
    Squared,
    /// 1 at every weight.
    Ones,
}

impl Part {
    /// Positive weights counted `1 + gamma` times.
    pub fn favoured(gamma: f32) -> Self {
        Self::Favoured(gamma.to_bits())
    }

    /// Negative weights counted `1 + gamma` times.
    pub fn opposed(gamma: f32) -> Self {
        Self::Opposed(gamma.to_bits())
    }

    /// The part of one weight, or of one bias.
    pub(crate) fn of(self, weight: f32) -> f32 {
        match self {
            Self::Raw => weight,
            Self::Positive => weight.max(0.0),
            Self::Negative => weight.min(0.0),
            Self::Favoured(gamma) => weight + f32::from_bits(gamma) * weight.max(0.0),
            Self::Opposed(gamma) => weight + f32::from_bits(gamma) * weight.min(0.0),
            Self::Squared => weight * weight,
            Self::Ones => 1.0,
        }
    }

    /// Relevance divides by sums that may be small: it wants every output as one exact chain of products.
    pub(crate) fn algorithm(self) -> Algorithm {
        match self {
            Self::Raw => Algorithm::Auto,
            _ => Algorithm::Direct,
        }
    }
}

/// How a form is laid out for a kernel: its precision, and how sums are arranged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Packing {
    /// For maps of 32-bit floats on the CPU.
    F32(Algorithm),
    /// For maps of bf16 numbers on the CPU.
    Bf16(Terms),
}

/// What decides about a form of a node's weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Form {
    pub(crate) node: NodeId,
    /// The batch norm that is folded in.
    pub(crate) fold: Option<NodeId>,
    /// A second node, whose weights lie beside the first one's.
    pub(crate) beside: Option<NodeId>,
    pub(crate) part: Part,
    pub(crate) packing: Packing,
    /// Where positions that nobody reads are left out, another one than the operation's.
    pub(crate) stride: [usize; 2],
}

/// A node whose weights are asked for, under the name of its tensors.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Owner<'a> {
    pub(crate) node: NodeId,
    pub(crate) name: &'a str,
    /// The last part of the name of the matrix that it has, transposed, in the place of `weight`.
    pub(crate) transposed: Option<&'static str>,
}

/// A batch norm that is folded into the operation below it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fold<'a> {
    pub(crate) norm: Owner<'a>,
    pub(crate) eps: f64,
}

/// Things that are made when they are first asked for.
struct Made<K, V>(RwLock<HashMap<K, Arc<V>>>);

impl<K, V> Default for Made<K, V> {
    fn default() -> Self {
        Self(RwLock::default())
    }
}

impl<K: Copy + Eq + Hash, V> Made<K, V> {
    /// Made under the lock: of two threads that ask at once, one waits instead of packing the same weights.
    fn get(&self, key: K, make: impl FnOnce() -> V) -> Arc<V> {
        if let Some(made) = self.0.read().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return made.clone();
        }
        let mut all = self.0.write().unwrap_or_else(PoisonError::into_inner);
        all.entry(key).or_insert_with(|| Arc::new(make())).clone()
    }
}

/// A network's weights, and every form of them that was asked for.
pub(crate) struct PreparedWeights {
    weights: Weights,
    /// Whether three products of bf16 numbers stand for one where maps are in f32.
    in_bf16x3: bool,
    affines: Made<NodeId, Affine>,
    convolutions: Made<Form, Convolution>,
    transposes: Made<Form, ConvolutionTranspose>,
    in_bf16: Made<Form, Bf16Convolution>,
    derived: Made<(NodeId, &'static str, [usize; 2]), Vec<f32>>,
}

impl Owner<'_> {
    /// The full name of one of its tensors.
    fn tensor(&self, suffix: &str) -> String {
        tensor_name(self.name, suffix)
    }
}

/// The full name of a node's tensor: behind a dot, unless the node is the network itself, or its name ends in an
/// underscore and is the beginning of its tensors' names (torch's `in_proj_weight`).
pub(crate) fn tensor_name(node: &str, suffix: &str) -> String {
    let joint = if node.is_empty() || node.ends_with('_') { "" } else { "." };
    format!("{node}{joint}{suffix}")
}

impl PreparedWeights {
    /// Prepares nothing yet. The weights were checked against the graph.
    pub(crate) fn new(weights: Weights, precision: Precision) -> Self {
        Self {
            weights,
            in_bf16x3: precision == Precision::Bf16x3,
            affines: Made::default(),
            convolutions: Made::default(),
            transposes: Made::default(),
            in_bf16: Made::default(),
            derived: Made::default(),
        }
    }

    pub(crate) fn weights(&self) -> &Weights {
        &self.weights
    }

    /// A tensor of a node, as it is.
    pub(crate) fn tensor(&self, owner: Owner<'_>, suffix: &str) -> &[f32] {
        let tensor = self.weights.tensor(&owner.tensor(suffix));
        &tensor.expect("checked before the weights were prepared").data
    }

    /// A matrix with rows for columns.
    fn transposed(&self, owner: Owner<'_>, suffix: &str) -> Vec<f32> {
        let values = self.tensor(owner, suffix);
        let shape = self.weights.tensor(&owner.tensor(suffix)).map(|tensor| tensor.shape.as_slice());
        let columns = shape.and_then(|shape| shape.last().copied()).unwrap_or(1);
        (0..columns).flat_map(|column| values.iter().skip(column).step_by(columns).copied()).collect()
    }

    /// Values that an operation makes of its tensors once, under a name of its own.
    pub(crate) fn derived(
        &self,
        owner: Owner<'_>,
        what: &'static str,
        make: impl FnOnce() -> Vec<f32>,
    ) -> Arc<Vec<f32>> {
        self.derived_at(owner, (what, [0; 2]), make)
    }

    /// As [`PreparedWeights::derived`], once for every height and width of a map.
    pub(crate) fn derived_at(
        &self,
        owner: Owner<'_>,
        (what, size): (&'static str, [usize; 2]),
        make: impl FnOnce() -> Vec<f32>,
    ) -> Arc<Vec<f32>> {
        self.derived.get((owner.node, what, size), make)
    }

    /// A batch norm as a scale and a shift.
    pub(crate) fn affine(&self, norm: Owner<'_>, eps: f64) -> Arc<Affine> {
        self.affines.get(norm.node, || Affine::from_norm(&self.weights, norm.name, eps))
    }

    /// A sliding product by its weights, or a part of them, with the batch norm above folded in.
    ///
    /// Only whole weights have their bias: rules say themselves which of their parts have one.
    pub(crate) fn convolution(
        &self,
        owner: Owner<'_>,
        geometry: ConvGeometry,
        choice: Choice<'_>,
    ) -> Arc<Convolution> {
        let choice = self.precise(choice);
        self.convolutions.get(choice.form(owner, geometry), || {
            let (weight, bias) = self.values(owner, &choice);
            Convolution::new(geometry, &weight, bias.as_deref(), choice.algorithm)
        })
    }

    /// As [`PreparedWeights::convolution`], by whole weights that are rounded to `terms` bf16 numbers.
    pub(crate) fn in_bf16(
        &self,
        owner: Owner<'_>,
        geometry: ConvGeometry,
        (fold, terms): (Option<Fold<'_>>, Terms),
    ) -> Arc<Bf16Convolution> {
        let choice = Choice { fold, ..Choice::part(Part::Raw) };
        let form = Form { packing: Packing::Bf16(terms), ..choice.form(owner, geometry) };
        self.in_bf16.get(form, || {
            let (weight, bias) = self.values(owner, &choice);
            Bf16Convolution::new(geometry, &weight, bias.as_deref(), terms)
        })
    }

    /// The weights of two convolutions as those of one, `geometry`, that adds up the products of both.
    pub(crate) fn side_by_side_in_bf16(
        &self,
        [first, second]: [(Owner<'_>, Option<Fold<'_>>); 2],
        (geometry, terms): (ConvGeometry, Terms),
    ) -> Arc<Bf16Convolution> {
        let choice = |fold| Choice { fold, ..Choice::part(Part::Raw) };
        let (packing, beside) = (Packing::Bf16(terms), Some(second.0.node));
        let form = Form { packing, beside, ..choice(first.1).form(first.0, geometry) };
        self.in_bf16.get(form, || {
            let [first, second] = [first, second].map(|(owner, fold)| self.values(owner, &choice(fold)));
            let rows = |weight: &[f32]| weight.len() / geometry.out_channels;
            let rows = first.0.chunks(rows(&first.0)).zip(second.0.chunks(rows(&second.0)));
            let weight: Vec<f32> = rows.flat_map(|(first, second)| [first, second].concat()).collect();
            let mut bias = vec![0.0; geometry.out_channels];
            for more in [first.1, second.1].iter().flatten() {
                bias.iter_mut().zip(more).for_each(|(bias, more)| *bias += more);
            }
            Bf16Convolution::new(geometry, &weight, Some(&bias), terms)
        })
    }

    /// The transpose of [`PreparedWeights::convolution`].
    pub(crate) fn transpose(
        &self,
        owner: Owner<'_>,
        geometry: ConvGeometry,
        choice: Choice<'_>,
    ) -> Arc<ConvolutionTranspose> {
        let choice = self.precise(choice);
        self.transposes.get(choice.form(owner, geometry), || {
            ConvolutionTranspose::new(geometry, &self.values(owner, &choice).0, choice.algorithm)
        })
    }

    /// A form by the precision of the device.
    fn precise<'a>(&self, choice: Choice<'a>) -> Choice<'a> {
        match choice.algorithm {
            Algorithm::Auto | Algorithm::Direct if self.in_bf16x3 => {
                Choice { algorithm: Algorithm::Bf16x3, ..choice }
            }
            _ => choice,
        }
    }

    /// The bias of a sliding product, past the norm above if that is folded in; `None` if it has none.
    pub(crate) fn bias(&self, owner: Owner<'_>, fold: Option<Fold<'_>>) -> Option<Vec<f32>> {
        let bias = self.weights.tensor(&owner.tensor("bias")).map(|bias| bias.data.to_vec());
        let Some(fold) = fold else { return bias };
        let affine = self.affine(fold.norm, fold.eps);
        Some(bias.map_or_else(|| affine.shift.clone(), |bias| affine.apply(&bias)))
    }

    /// Weights `[out_channels, in_channels / groups, kernel, kernel]` and bias of a form, before they are packed.
    pub(crate) fn values(&self, owner: Owner<'_>, choice: &Choice<'_>) -> (Vec<f32>, Option<Vec<f32>>) {
        let turned;
        let weight = match owner.transposed {
            None => self.tensor(owner, "weight"),
            Some(matrix) => {
                turned = self.transposed(owner, matrix);
                &turned
            }
        };
        let folded = choice.fold.map(|fold| self.affine(fold.norm, fold.eps).fold(weight));
        let weight = folded.as_deref().unwrap_or(weight);
        if choice.part == Part::Raw {
            return (weight.to_vec(), self.bias(owner, choice.fold));
        }
        (weight.iter().map(|w| choice.part.of(*w)).collect(), None)
    }
}

/// Which form of a node's weights.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Choice<'a> {
    pub(crate) part: Part,
    pub(crate) fold: Option<Fold<'a>>,
    pub(crate) algorithm: Algorithm,
}

impl Choice<'_> {
    /// A part by itself, as it is always computed.
    pub(crate) fn part(part: Part) -> Self {
        Self { part, fold: None, algorithm: part.algorithm() }
    }

    fn form(&self, owner: Owner<'_>, geometry: ConvGeometry) -> Form {
        let fold = self.fold.map(|fold| fold.norm.node);
        let (packing, stride) = (Packing::F32(self.algorithm), geometry.window.stride);
        Form { node: owner.node, fold, beside: None, part: self.part, packing, stride }
    }
}

impl Affine {
    fn from_norm(weights: &Weights, name: &str, eps: f64) -> Self {
        let values = |tensor: &str| -> Vec<f64> {
            let tensor = weights.tensor(&format!("{name}.{tensor}"));
            let tensor = tensor.expect("checked before the weights were prepared");
            tensor.data.iter().map(|v| f64::from(*v)).collect()
        };
        let (weight, bias) = (values("weight"), values("bias"));
        let (mean, variance) = (values("running_mean"), values("running_var"));
        let scale: Vec<f64> =
            weight.iter().zip(&variance).map(|(weight, variance)| weight / (variance + eps).sqrt()).collect();
        let shift = (0..scale.len()).map(|c| (bias[c] - mean[c] * scale[c]) as f32).collect();
        Self { scale: scale.into_iter().map(|scale| scale as f32).collect(), shift }
    }

    /// Weights `[out_channels, ..]` with each output channel scaled.
    fn fold(&self, weight: &[f32]) -> Vec<f32> {
        let per_channel = weight.len() / self.scale.len();
        let rows = weight.chunks_exact(per_channel).zip(&self.scale);
        rows.flat_map(|(row, scale)| row.iter().map(move |w| w * scale)).collect()
    }

    /// The bias below a norm as the bias of both.
    fn apply(&self, bias: &[f32]) -> Vec<f32> {
        let channels = bias.iter().zip(&self.scale).zip(&self.shift);
        channels.map(|((bias, scale), shift)| bias * scale + shift).collect()
    }
}
