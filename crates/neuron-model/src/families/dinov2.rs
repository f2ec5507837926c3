//! DINOv2: Oquab et al., "DINOv2: Learning Robust Visual Features without Supervision" (TMLR 2024), and with registers Darcet
//! et al., "Vision Transformers Need Registers" (ICLR 2024). Names of modules and tensors are those of
//! facebookresearch/dinov2 or those of transformers, as the weights have them.

use neuron_kernels::Activation;

use super::blocks::layer_norm;
use super::timm_vit;
use super::tower::{Learned, Sizes, Style, TowerNames, quarters};
use super::transformer::{AttentionInputs, AttentionNames, Names, Part};
use super::{Description, Family, Member};
use crate::graph::{Graph, GraphBuilder};
use crate::ops::Enlargement;
use crate::weights::Weights;

/// A transformer of DINOv2.
#[derive(Clone, Copy, Debug)]
struct DinoV2 {
    sizes: Sizes,
    registers: usize,
}

/// Who named the parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Spelling {
    Authors,
    Transformers,
}

/// Those of facebookresearch/dinov2, which are nearly timm's.
const AUTHORS: TowerNames = TowerNames {
    registers: Learned::of("", "register_tokens"),
    embedded: &[],
    parts: Names {
        scales: Some((["ls1", "ls2"], "gamma")),
        same: &[("attn.proj_drop", Part::Attention), ("mlp.drop", Part::Mlp)],
        ..timm_vit::PARTS
    },
    encoded: &[],
    ..timm_vit::NAMES
};

/// Those of transformers' files.
const TRANSFORMERS: TowerNames = TowerNames {
    patches: ("embeddings.patch_embeddings.projection", true),
    patches_too: &["embeddings.patch_embeddings"],
    class: Learned::of("embeddings", "cls_token"),
    table: Learned::of("embeddings", "position_embeddings"),
    registers: Learned::of("embeddings", "register_tokens"),
    embedded: &["embeddings", "embeddings.dropout"],
    first_norm: None,
    block: "encoder.layer.",
    parts: Names {
        norms: ["norm1", "norm2"],
        attention: AttentionNames {
            module: "attention",
            inputs: AttentionInputs::Separate(["attention.query", "attention.key", "attention.value"]),
            out: ("output.dense", true),
        },
        mlp: "mlp",
        layers: ["fc1", "activation", "fc2"],
        scales: Some((["layer_scale1", "layer_scale2"], "lambda1")),
        same: &[("attention.attention", Part::Mixed), ("attention.output", Part::Attention)],
    },
    encoded: &["encoder"],
    usual: Some(&AUTHORS),
};

const EPS: f64 = 1e-6;

/// Side of the images of the table of positions, in pixels.
const IMAGE: usize = 518;

const fn tower(depth: usize, width: usize, registers: usize) -> DinoV2 {
    DinoV2 { sizes: Sizes::usual([14, IMAGE], depth, width), registers }
}

/// How many the authors trained with.
const REGISTERS: usize = 4;

const S: DinoV2 = tower(12, 384, 0);
const B: DinoV2 = tower(12, 768, 0);
const L: DinoV2 = tower(24, 1024, 0);
const S_REG: DinoV2 = tower(12, 384, REGISTERS);
const B_REG: DinoV2 = tower(12, 768, REGISTERS);
const L_REG: DinoV2 = tower(24, 1024, REGISTERS);

const fn of_12_blocks(name: &'static str, description: &'static DinoV2) -> Member {
    Member { name, description, layers: quarters!("patch_embed", "blocks.", 2 5 8 11) }
}

const fn of_24_blocks(name: &'static str, description: &'static DinoV2) -> Member {
    Member { name, description, layers: quarters!("patch_embed", "blocks.", 5 11 17 23) }
}

const MEMBERS: &[Member] = &[
    of_12_blocks("dinov2_vits14", &S),
    of_12_blocks("dinov2_vitb14", &B),
    of_24_blocks("dinov2_vitl14", &L),
    of_12_blocks("dinov2_vits14_reg", &S_REG),
    of_12_blocks("dinov2_vitb14_reg", &B_REG),
    of_24_blocks("dinov2_vitl14_reg", &L_REG),
];

/// The family of DINOv2's transformers.
#[derive(Debug)]
pub(super) struct DinoV2s;

impl Family for DinoV2s {
    fn members(&self) -> &'static [Member] {
        MEMBERS
    }

    fn hub_repository(&self, name: &str) -> Option<String> {
        let size = match name.trim_start_matches("dinov2_vit").chars().next() {
            Some('s') => "small",
            Some('b') => "base",
            _ => "large",
        };
        let registers = if name.ends_with("_reg") { "with-registers-" } else { "" };
        Some(format!("facebook/dinov2-{registers}{size}"))
    }

    /// What stands for hidden patches is for training alone; registers are not.
    fn is_read(&self, tensor: &str) -> Option<bool> {
        match tensor {
            "mask_token" | "embeddings.mask_token" => Some(false),
            "register_tokens" => Some(true),
            _ => None,
        }
    }
}

impl DinoV2 {
    /// Both enlarge the table of positions as they do, which is not quite alike.
    fn style(&self, spelling: Spelling) -> Style {
        let enlargement = match (spelling, self.registers) {
            (Spelling::Authors, 0) => Enlargement::Bicubic { offset: 0.1, antialias: false },
            (Spelling::Transformers, 0) => Enlargement::Bicubic { offset: 0.0, antialias: false },
            _ => Enlargement::Bicubic { offset: 0.0, antialias: true },
        };
        let names = match spelling {
            Spelling::Authors => &AUTHORS,
            Spelling::Transformers => &TRANSFORMERS,
        };
        Style { names, activation: Activation::Gelu, eps: EPS, enlargement, registers: self.registers }
    }

    fn spelled(&self, spelling: Spelling, weights: &Weights) -> Graph {
        let (mut graph, image) = GraphBuilder::new(3);
        let value = self.style(spelling).add(&mut graph, &self.sizes, image, weights);
        let norm = match spelling {
            Spelling::Authors => "norm",
            Spelling::Transformers => "layernorm",
        };
        layer_norm(&mut graph, norm, EPS, value);
        graph.finish().expect("the table describes networks that fit together")
    }
}

impl Description for DinoV2 {
    fn graph(&self, weights: &Weights) -> Graph {
        let is_transformers = weights.tensor("embeddings.cls_token").is_some();
        let spelling = if is_transformers { Spelling::Transformers } else { Spelling::Authors };
        self.spelled(spelling, weights)
    }

    fn spellings(&self) -> Vec<Graph> {
        let all = [Spelling::Authors, Spelling::Transformers];
        all.map(|spelling| self.spelled(spelling, &Weights::default())).to_vec()
    }
}
