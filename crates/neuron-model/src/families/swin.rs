//! Swin transformers: Liu et al., "Swin Transformer: Hierarchical Vision Transformer using Shifted Windows" (ICCV 2021),
//! and "Swin Transformer V2: Scaling Up Capacity and Resolution" (CVPR 2022). Names of modules and tensors are
//! torchvision's.

use neuron_geometry::Window;
use neuron_kernels::Activation;

use super::blocks::{biased, layer_norm, perceptron};
use super::classifier::classifier;
use super::{Description, Family, Layers, Member};
use crate::graph::{Graph, GraphBuilder};
use crate::ops::{
    Add, Attention, GlobalAveragePool, Linear, PatchMerging, Places, Reach, Similarity, Stored,
};
use crate::value::NodeId;
use crate::weights::Weights;

/// Widths and depths of the four stages.
#[derive(Clone, Copy, Debug)]
struct Swin {
    version: Version,
    /// Channels of the first stage; each has twice as many as the one before, and twice as many heads.
    width: usize,
    heads: usize,
    depths: [usize; 4],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Version {
    /// Norms come first, similarities are scalar products.
    One,
    /// Norms come last, similarities are cosines.
    Two,
}

impl Version {
    /// Height and width of a window.
    fn side(self) -> usize {
        match self {
            Self::One => 7,
            Self::Two => 8,
        }
    }
}

/// What layer norms add to the variance.
const EPS: f64 = 1e-5;
/// How many times the channels grow inside a block.
const GROWTH: usize = 4;
/// Width of the network that says what places add to similarities.
const HIDDEN: usize = 512;

const fn member(name: &'static str, description: &'static Swin) -> Member {
    const FEATURES: &[(&str, f64)] = &[
        ("features.0", 0.1),
        ("features.1", 1.0),
        ("features.3", 1.0),
        ("features.5", 1.0),
        ("features.7", 0.0),
    ];
    Member { name, description, layers: Layers::new(FEATURES, "features.7") }
}

const T: Swin = Swin { version: Version::One, width: 96, heads: 3, depths: [2, 2, 6, 2] };
const S: Swin = Swin { depths: [2, 2, 18, 2], ..T };
const B: Swin = Swin { width: 128, heads: 4, ..S };

const MEMBERS: &[Member] = &[
    member("swin_t", &T),
    member("swin_s", &S),
    member("swin_b", &B),
    member("swin_v2_t", &Swin { version: Version::Two, ..T }),
    member("swin_v2_s", &Swin { version: Version::Two, ..S }),
    member("swin_v2_b", &Swin { version: Version::Two, ..B }),
];

/// The family of Swin transformers.
#[derive(Debug)]
pub(super) struct Swins;

impl Family for Swins {
    fn members(&self) -> &'static [Member] {
        MEMBERS
    }
}

impl Description for Swin {
    fn graph(&self, weights: &Weights) -> Graph {
        let (mut graph, image) = GraphBuilder::new(3);
        let patches = biased(&mut graph, "features.0.0", self.width, Window::square(4, 4, 0), image);
        graph.name("features.0.1", patches);
        let mut value = layer_norm(&mut graph, "features.0.2", EPS, patches);
        graph.name("features.0", value);
        for (stage, depth) in self.depths.into_iter().enumerate() {
            if stage > 0 {
                value = self.merged(&mut graph, &format!("features.{}", 2 * stage), value);
            }
            let name = format!("features.{}", 2 * stage + 1);
            for index in 0..depth {
                // Every second block looks across the borders of the windows before.
                let shift = if index % 2 == 0 { 0 } else { self.version.side() / 2 };
                let heads = self.heads << stage;
                value = self.block(&mut graph, &format!("{name}.{index}"), (heads, shift), value);
            }
            graph.name(&name, value);
        }
        graph.name("features", value);
        let normed = layer_norm(&mut graph, "norm", EPS, value);
        graph.name("permute", normed);
        let pooled = graph.module("avgpool", GlobalAveragePool, &[normed]);
        graph.name("flatten", pooled);
        classifier(&mut graph, "head", pooled, weights);
        graph.finish().expect("the table describes networks that fit together")
    }
}

impl Swin {
    /// Half as many rows and columns, twice the channels.
    fn merged(&self, graph: &mut GraphBuilder, name: &str, input: NodeId) -> NodeId {
        let merged = graph.push(name, PatchMerging, &[input]);
        let (in_features, norm) = (graph.channels(merged), format!("{name}.norm"));
        let reduction = Linear { in_features, out_features: in_features / 2, stored: Stored::WithoutBias };
        let reduce =
            |graph: &mut GraphBuilder, value| graph.module(&format!("{name}.reduction"), reduction, &[value]);
        let value = match self.version {
            Version::One => {
                let normed = layer_norm(graph, &norm, EPS, merged);
                reduce(graph, normed)
            }
            Version::Two => {
                let reduced = reduce(graph, merged);
                layer_norm(graph, &norm, EPS, reduced)
            }
        };
        graph.name(name, value);
        value
    }

    fn block(
        &self,
        graph: &mut GraphBuilder,
        name: &str,
        (heads, shift): (usize, usize),
        input: NodeId,
    ) -> NodeId {
        let attend = |graph: &mut GraphBuilder, input| {
            self.attention(graph, &format!("{name}.attn"), (heads, shift), input)
        };
        let attended = self.normed(graph, &format!("{name}.norm1"), input, attend);
        let value = graph.push(&format!("{name}.sum"), Add, &[attended, input]);
        let layers = |graph: &mut GraphBuilder, input| mlp(graph, &format!("{name}.mlp"), input);
        let deeper = self.normed(graph, &format!("{name}.norm2"), value, layers);
        // It is called twice, and returns this at last.
        graph.name(&format!("{name}.stochastic_depth"), deeper);
        graph.module(name, Add, &[deeper, value])
    }

    /// A branch with its norm before or behind it.
    fn normed(
        &self,
        graph: &mut GraphBuilder,
        norm: &str,
        input: NodeId,
        branch: impl FnOnce(&mut GraphBuilder, NodeId) -> NodeId,
    ) -> NodeId {
        match self.version {
            Version::One => {
                let normed = layer_norm(graph, norm, EPS, input);
                branch(graph, normed)
            }
            Version::Two => {
                let value = branch(graph, input);
                layer_norm(graph, norm, EPS, value)
            }
        }
    }

    /// Attention within windows, as the module `name`; torchvision runs its layers without their modules.
    fn attention(
        &self,
        graph: &mut GraphBuilder,
        name: &str,
        (heads, shift): (usize, usize),
        input: NodeId,
    ) -> NodeId {
        let channels = graph.channels(input);
        let qkv = graph.push(&format!("{name}.qkv"), Linear::new(channels, 3 * channels), &[input]);
        let (similarity, places) = match self.version {
            Version::One => {
                let factor = (channels as f32 / heads as f32).sqrt().recip();
                (Similarity::Dot { factor }, Places::Table)
            }
            Version::Two => (Similarity::Cosine, Places::Network { hidden: HIDDEN }),
        };
        let reach = Reach::Windows { side: self.version.side(), shift, padded: true };
        let attention = Attention { channels, heads, reach, similarity, places };
        let mixed = graph.push(name, attention, &[qkv]);
        let projected = graph.push(&format!("{name}.proj"), Linear::new(channels, channels), &[mixed]);
        graph.name(name, projected);
        projected
    }
}

/// Two fully connected layers at every position.
fn mlp(graph: &mut GraphBuilder, name: &str, input: NodeId) -> NodeId {
    let channels = graph.channels(input);
    let part = |index: usize| format!("{name}.{index}");
    let layers = [0, 1, 3].map(part);
    let layers = layers.each_ref().map(String::as_str);
    let [active, value] = perceptron(graph, layers, (GROWTH * channels, Activation::Gelu), input);
    graph.name(&part(2), active);
    graph.name(&part(4), value);
    graph.name(name, value);
    value
}
