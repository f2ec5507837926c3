//! Vision transformers: Dosovitskiy et al., "An Image is Worth 16x16 Words" (ICLR 2021). Names of modules and tensors are
//! torchvision's.

use neuron_geometry::Window;
use neuron_kernels::Activation;

use super::blocks::biased;
use super::classifier::classifier;
use super::transformer::{AttentionNames, Block, Names, Part, layer_norm};
use super::{Description, Family, Layers, Member};
use crate::graph::{Graph, GraphBuilder};
use crate::ops::{PositionTable, TokenInsertion, TokenSelection};
use crate::weights::Weights;

/// Sizes of a transformer.
#[derive(Clone, Copy, Debug)]
struct Vit {
    /// Side of a patch, in pixels.
    patch: usize,
    depth: usize,
    heads: usize,
    width: usize,
    hidden: usize,
    /// Side of the image of its usual weights, in pixels.
    image: usize,
}

/// What layer norms add to the variance.
const EPS: f64 = 1e-6;

/// torchvision's.
const NAMES: Names = Names {
    norms: ["ln_1", "ln_2"],
    attention: AttentionNames { module: "self_attention", joint: "in_proj_", out: ("out_proj", false) },
    mlp: "mlp",
    layers: ["0", "1", "3"],
    same: &[("dropout", Part::Attention), ("mlp.2", Part::Middle), ("mlp.4", Part::Mlp)],
};

/// Every quarter of the blocks.
macro_rules! quarters {
    ($($block:literal)+) => {
        &[("conv_proj", 0.1), $((concat!("encoder.layers.encoder_layer_", $block), 1.0)),+]
    };
}

const fn base(name: &'static str, description: &'static Vit) -> Member {
    let layers = Layers::new(quarters!(2 5 8 11), "encoder.layers.encoder_layer_11");
    Member { name, description, layers }
}

const fn large(name: &'static str, description: &'static Vit) -> Member {
    let layers = Layers::new(quarters!(5 11 17 23), "encoder.layers.encoder_layer_23");
    Member { name, description, layers }
}

const fn huge(name: &'static str, description: &'static Vit) -> Member {
    let layers = Layers::new(quarters!(7 15 23 31), "encoder.layers.encoder_layer_31");
    Member { name, description, layers }
}

/// A small one for tests and experiments. Nobody published weights of it.
const DEMO: Member = Member {
    name: "vit_demo",
    description: &Vit { patch: 8, depth: 2, heads: 2, width: 64, hidden: 128, image: 64 },
    layers: Layers::new(quarters!(0 1), "encoder.layers.encoder_layer_1"),
};

const B_16: Vit = Vit { patch: 16, depth: 12, heads: 12, width: 768, hidden: 3072, image: 224 };
const L_16: Vit = Vit { patch: 16, depth: 24, heads: 16, width: 1024, hidden: 4096, image: 224 };

const MEMBERS: &[Member] = &[
    base("vit_b_16", &B_16),
    base("vit_b_32", &Vit { patch: 32, ..B_16 }),
    large("vit_l_16", &L_16),
    large("vit_l_32", &Vit { patch: 32, ..L_16 }),
    huge("vit_h_14", &Vit { patch: 14, depth: 32, heads: 16, width: 1280, hidden: 5120, image: 518 }),
    DEMO,
];

/// The family of vision transformers.
#[derive(Debug)]
pub(super) struct Vits;

impl Family for Vits {
    fn members(&self) -> &'static [Member] {
        MEMBERS
    }

    /// The fully connected layers once had names of their own.
    fn current_name(&self, tensor: &str) -> Option<String> {
        let renamed = tensor.replace(".mlp.linear_1.", ".mlp.0.").replace(".mlp.linear_2.", ".mlp.3.");
        (renamed != tensor).then_some(renamed)
    }
}

impl Vit {
    /// Side of the grid, by the table of positions where there is one.
    fn grid(&self, weights: &Weights) -> usize {
        let table = weights.tensor(&format!("encoder.{TABLE}")).map(|tensor| tensor.shape.as_slice());
        let by_table = match table {
            Some([1, positions, _]) if *positions > 1 => Some((positions - 1).isqrt()),
            _ => None,
        };
        by_table.unwrap_or(self.image / self.patch)
    }
}

/// The last part of the name of the table of positions.
const TABLE: &str = "pos_embedding";

impl Description for Vit {
    fn graph(&self, weights: &Weights) -> Graph {
        let Self { patch, width, .. } = *self;
        let (mut graph, image) = GraphBuilder::new(3);
        let window = Window::square(patch, patch, 0);
        let patches = biased(&mut graph, "conv_proj", width, window, image);
        let class =
            TokenInsertion { channels: width, count: 1, at: 0, tensor: "class_token", has_batch: true };
        let tokens = graph.push("", class, &[patches]);
        let grid = [self.grid(weights); 2];
        let table = PositionTable { channels: width, extra: 1, grid, tensor: TABLE, has_batch: true };
        let mut value = graph.push("encoder", table, &[tokens]);
        graph.name("encoder.dropout", value);
        let block = Block {
            names: &NAMES,
            heads: self.heads,
            hidden: self.hidden,
            activation: Activation::Gelu,
            eps: EPS,
        };
        for index in 0..self.depth {
            value = block.add(&mut graph, &format!("encoder.layers.encoder_layer_{index}"), value);
        }
        graph.name("encoder.layers", value);
        let normed = layer_norm(&mut graph, "encoder.ln", EPS, value);
        graph.name("encoder", normed);
        let class = graph.push("class token", TokenSelection { position: 0 }, &[normed]);
        if let Some(classes) = classifier(&mut graph, "heads.head", class, weights) {
            graph.name("heads", classes);
        }
        graph.finish().expect("the table describes networks that fit together")
    }
}
