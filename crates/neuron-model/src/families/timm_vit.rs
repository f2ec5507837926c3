//! Vision transformers as timm has them: Steiner et al., "How to train your ViT?" (TMLR 2022), and Touvron et al., "Training
//! data-efficient image transformers & distillation through attention" (DeiT, ICML 2021), which are the same networks. Names
//! of modules and tensors are timm's, and so are those of the networks.

use neuron_kernels::Activation;

use super::blocks::layer_norm;
use super::classifier::classifier;
use super::tower::{Learned, Sizes, Style, TowerNames, quarters};
use super::transformer::{AttentionInputs, AttentionNames, Names, Part};
use super::{Description, Family, Member};
use crate::graph::{Graph, GraphBuilder};
use crate::ops::{Enlargement, TokenSelection};
use crate::weights::Weights;

/// A transformer of timm's.
#[derive(Clone, Copy, Debug)]
struct TimmVit(Sizes);

/// A block of timm's; the authors of DINOv2 name theirs alike.
pub(super) const PARTS: Names = Names {
    norms: ["norm1", "norm2"],
    attention: AttentionNames { module: "attn", inputs: AttentionInputs::Joint("qkv"), out: ("proj", true) },
    mlp: "mlp",
    layers: ["fc1", "act", "fc2"],
    scales: None,
    same: &[("attn.proj_drop", Part::Attention), ("mlp.drop1", Part::Middle), ("mlp.drop2", Part::Mlp)],
};

pub(super) const NAMES: TowerNames = TowerNames {
    patches: ("patch_embed.proj", true),
    patches_too: &["patch_embed"],
    class: Learned::of("", "cls_token"),
    table: Learned::of("", "pos_embed"),
    registers: Learned::of("", ""),
    embedded: &["pos_drop"],
    first_norm: None,
    block: "blocks.",
    parts: PARTS,
    encoded: &["blocks"],
    usual: None,
};

const STYLE: Style = Style {
    names: &NAMES,
    activation: Activation::Gelu,
    eps: 1e-6,
    enlargement: Enlargement::Never,
    registers: 0,
};

const TINY: TimmVit = TimmVit(Sizes::usual([16, 224], 12, 192));
const SMALL: TimmVit = TimmVit(Sizes::usual([16, 224], 12, 384));
const SMALL_32: TimmVit = TimmVit(Sizes::usual([32, 224], 12, 384));
const BASE: TimmVit = TimmVit(Sizes::usual([16, 224], 12, 768));
const BASE_32: TimmVit = TimmVit(Sizes::usual([32, 224], 12, 768));
const LARGE: TimmVit = TimmVit(Sizes::usual([16, 224], 24, 1024));

const fn of_12_blocks(name: &'static str, description: &'static TimmVit) -> Member {
    Member { name, description, layers: quarters!("patch_embed", "blocks.", 2 5 8 11) }
}

const fn of_24_blocks(name: &'static str, description: &'static TimmVit) -> Member {
    Member { name, description, layers: quarters!("patch_embed", "blocks.", 5 11 17 23) }
}

const MEMBERS: &[Member] = &[
    of_12_blocks("vit_tiny_patch16_224", &TINY),
    of_12_blocks("vit_small_patch16_224", &SMALL),
    of_12_blocks("vit_small_patch32_224", &SMALL_32),
    of_12_blocks("vit_base_patch16_224", &BASE),
    of_12_blocks("vit_base_patch32_224", &BASE_32),
    of_24_blocks("vit_large_patch16_224", &LARGE),
    of_12_blocks("deit_tiny_patch16_224", &TINY),
    of_12_blocks("deit_small_patch16_224", &SMALL),
    of_12_blocks("deit_base_patch16_224", &BASE),
];

/// The family of timm's vision transformers.
#[derive(Debug)]
pub(super) struct TimmVits;

impl Family for TimmVits {
    fn members(&self) -> &'static [Member] {
        MEMBERS
    }

    /// Those that timm takes by default.
    fn hub_repository(&self, name: &str) -> Option<String> {
        let tag = if name.starts_with("deit") { "fb_in1k" } else { "augreg_in21k_ft_in1k" };
        let tag = if name == "vit_base_patch16_224" { "augreg2_in21k_ft_in1k" } else { tag };
        Some(format!("timm/{name}.{tag}"))
    }

    /// What other networks of timm have beside the same blocks.
    fn is_read(&self, tensor: &str) -> Option<bool> {
        const OTHERS: [&str; 5] = ["norm_pre.", "fc_norm.", "reg_token", "dist_token", "head_dist."];
        OTHERS.iter().any(|other| tensor.starts_with(other)).then_some(true)
    }
}

impl Description for TimmVit {
    fn graph(&self, weights: &Weights) -> Graph {
        let (mut graph, image) = GraphBuilder::new(3);
        let value = STYLE.add(&mut graph, &self.0, image, weights);
        let normed = layer_norm(&mut graph, "norm", STYLE.eps, value);
        let class = graph.push("class token", TokenSelection { position: 0 }, &[normed]);
        classifier(&mut graph, "head", class, weights);
        graph.finish().expect("the table describes networks that fit together")
    }
}
