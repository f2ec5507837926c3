//! Vision transformers: Dosovitskiy et al., "An Image is Worth 16x16 Words" (ICLR 2021). Names of modules and tensors are
//! torchvision's.

use neuron_kernels::Activation;

use super::blocks::layer_norm;
use super::classifier::classifier;
use super::tower::{Learned, Sizes, Style, TowerNames, quarters};
use super::transformer::{AttentionInputs, AttentionNames, Names, Part};
use super::{Description, Family, Member};
use crate::graph::{Graph, GraphBuilder};
use crate::ops::{Enlargement, TokenSelection};
use crate::weights::Weights;

/// A transformer of torchvision's.
#[derive(Clone, Copy, Debug)]
struct Vit(Sizes);

/// torchvision's.
const STYLE: Style = Style {
    names: &TowerNames {
        patches: ("conv_proj", true),
        patches_too: &[],
        class: Learned::of("", "class_token"),
        table: Learned::of("encoder", "pos_embedding"),
        registers: Learned::of("", ""),
        embedded: &["encoder.dropout"],
        first_norm: None,
        block: "encoder.layers.encoder_layer_",
        parts: Names {
            norms: ["ln_1", "ln_2"],
            attention: AttentionNames {
                module: "self_attention",
                inputs: AttentionInputs::Joint("in_proj_"),
                out: ("out_proj", false),
            },
            mlp: "mlp",
            layers: ["0", "1", "3"],
            scales: None,
            same: &[("dropout", Part::Attention), ("mlp.2", Part::Middle), ("mlp.4", Part::Mlp)],
        },
        encoded: &["encoder.layers"],
        usual: None,
    },
    activation: Activation::Gelu,
    eps: 1e-6,
    enlargement: Enlargement::Never,
    registers: 0,
};

const fn of_12_blocks(name: &'static str, description: &'static Vit) -> Member {
    Member { name, description, layers: quarters!("conv_proj", "encoder.layers.encoder_layer_", 2 5 8 11) }
}

const fn of_24_blocks(name: &'static str, description: &'static Vit) -> Member {
    Member { name, description, layers: quarters!("conv_proj", "encoder.layers.encoder_layer_", 5 11 17 23) }
}

const fn of_32_blocks(name: &'static str, description: &'static Vit) -> Member {
    Member { name, description, layers: quarters!("conv_proj", "encoder.layers.encoder_layer_", 7 15 23 31) }
}

/// A small one for tests and experiments. Nobody published weights of it.
const DEMO: Member = Member {
    name: "vit_demo",
    description: &Vit(Sizes { heads: 2, hidden: 128, ..Sizes::usual([8, 64], 2, 64) }),
    layers: quarters!("conv_proj", "encoder.layers.encoder_layer_", 0 1),
};

const B_16: Vit = Vit(Sizes::usual([16, 224], 12, 768));
const B_32: Vit = Vit(Sizes::usual([32, 224], 12, 768));
const L_16: Vit = Vit(Sizes::usual([16, 224], 24, 1024));
const L_32: Vit = Vit(Sizes::usual([32, 224], 24, 1024));
const H_14: Vit = Vit(Sizes { heads: 16, ..Sizes::usual([14, 518], 32, 1280) });

const MEMBERS: &[Member] = &[
    of_12_blocks("vit_b_16", &B_16),
    of_12_blocks("vit_b_32", &B_32),
    of_24_blocks("vit_l_16", &L_16),
    of_24_blocks("vit_l_32", &L_32),
    of_32_blocks("vit_h_14", &H_14),
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

impl Description for Vit {
    fn graph(&self, weights: &Weights) -> Graph {
        let (mut graph, image) = GraphBuilder::new(3);
        let value = STYLE.add(&mut graph, &self.0, image, weights);
        let normed = layer_norm(&mut graph, "encoder.ln", STYLE.eps, value);
        graph.name("encoder", normed);
        let class = graph.push("class token", TokenSelection { position: 0 }, &[normed]);
        if let Some(classes) = classifier(&mut graph, "heads.head", class, weights) {
            graph.name("heads", classes);
        }
        graph.finish().expect("the table describes networks that fit together")
    }
}
