//! The image towers of CLIP: Radford et al., "Learning Transferable Visual Models From Natural Language Supervision" (ICML
//! 2021). Names of modules and tensors are those of transformers, or those of OpenAI's code and OpenCLIP, as the weights have
//! them.

use neuron_kernels::Activation;

use super::blocks::layer_norm;
use super::choice::Choice;
use super::tower::{Learned, Sizes, Style, TowerNames, quarters};
use super::transformer::{AttentionInputs, AttentionNames, Names};
use super::{Description, Family, Member};
use crate::graph::{Graph, GraphBuilder};
use crate::ops::{Enlargement, Linear, Stored, TokenSelection};
use crate::prepared::tensor_name;
use crate::value::NodeId;
use crate::weights::Weights;

/// The image tower of a CLIP.
#[derive(Clone, Copy, Debug)]
struct Clip {
    sizes: Sizes,
    /// Channels that images and texts share, where no weights say how many.
    shared: usize,
}

/// What stands in front of one author's tower, and behind it.
#[derive(Clone, Copy, Debug)]
struct Spelling {
    tower: &'static TowerNames,
    /// Of the class token.
    last_norm: &'static str,
    /// The module of the projection, and how it is stored.
    projection: (&'static str, Stored),
}

const TRANSFORMERS: Spelling = Spelling {
    tower: &TowerNames {
        patches: ("vision_model.embeddings.patch_embedding", false),
        patches_too: &[],
        class: Learned::bare("vision_model.embeddings", "class_embedding"),
        table: Learned::bare("vision_model.embeddings.position_embedding", "weight"),
        registers: Learned::bare("", ""),
        embedded: &["vision_model.embeddings"],
        first_norm: Some("vision_model.pre_layrnorm"),
        block: "vision_model.encoder.layers.",
        parts: Names {
            norms: ["layer_norm1", "layer_norm2"],
            attention: AttentionNames {
                module: "self_attn",
                inputs: AttentionInputs::Separate(["q_proj", "k_proj", "v_proj"]),
                out: ("out_proj", true),
            },
            mlp: "mlp",
            layers: ["fc1", "activation_fn", "fc2"],
            scales: None,
            same: &[],
        },
        encoded: &["vision_model.encoder", "vision_model"],
        usual: None,
    },
    last_norm: "vision_model.post_layernorm",
    projection: ("visual_projection", Stored::WithoutBias),
};

/// OpenAI's and OpenCLIP's.
const OPENAI: Spelling = Spelling {
    tower: &TowerNames {
        patches: ("visual.conv1", false),
        patches_too: &[],
        class: Learned::bare("visual", "class_embedding"),
        table: Learned::bare("visual", "positional_embedding"),
        registers: Learned::bare("", ""),
        embedded: &[],
        first_norm: Some("visual.ln_pre"),
        block: "visual.transformer.resblocks.",
        parts: Names {
            norms: ["ln_1", "ln_2"],
            attention: AttentionNames {
                module: "attn",
                inputs: AttentionInputs::Joint("in_proj_"),
                out: ("out_proj", false),
            },
            mlp: "mlp",
            layers: ["c_fc", "gelu", "c_proj"],
            scales: None,
            same: &[],
        },
        encoded: &["visual.transformer"],
        usual: Some(TRANSFORMERS.tower),
    },
    last_norm: "visual.ln_post",
    projection: ("visual", Stored::Transposed("proj")),
};

const SPELLINGS: [&Spelling; 2] = [&TRANSFORMERS, &OPENAI];

const EPS: f64 = 1e-5;

/// The metadata that say which function is inside of the blocks: `gelu`, or `quick_gelu`, which OpenAI's weights want and
/// all others are taken to want.
const ACTIVATION: Choice = Choice::new("activation", ["quick_gelu", "gelu"]);

const fn tower(patch: usize, image: usize, depth: usize, width: usize, shared: usize) -> Clip {
    Clip { sizes: Sizes::usual([patch, image], depth, width), shared }
}

const B_32: Clip = tower(32, 224, 12, 768, 512);
const B_16: Clip = tower(16, 224, 12, 768, 512);
const L_14: Clip = tower(14, 224, 24, 1024, 768);
const L_14_336: Clip = tower(14, 336, 24, 1024, 768);

const fn of_12_blocks(name: &'static str, description: &'static Clip) -> Member {
    let layers =
        quarters!("vision_model.embeddings.patch_embedding", "vision_model.encoder.layers.", 2 5 8 11);
    Member { name, description, layers }
}

const fn of_24_blocks(name: &'static str, description: &'static Clip) -> Member {
    let layers =
        quarters!("vision_model.embeddings.patch_embedding", "vision_model.encoder.layers.", 5 11 17 23);
    Member { name, description, layers }
}

const MEMBERS: &[Member] = &[
    of_12_blocks("clip_vit_b_32", &B_32),
    of_12_blocks("clip_vit_b_16", &B_16),
    of_24_blocks("clip_vit_l_14", &L_14),
    of_24_blocks("clip_vit_l_14_336", &L_14_336),
];

/// The family of CLIP's image towers.
#[derive(Debug)]
pub(super) struct Clips;

impl Family for Clips {
    fn members(&self) -> &'static [Member] {
        MEMBERS
    }

    fn choices(&self) -> &'static [Choice] {
        &[ACTIVATION]
    }

    fn hub_repository(&self, name: &str) -> Option<String> {
        let (size, rest) = match name.trim_start_matches("clip_vit_").split_once('_')? {
            ("b", patch) => ("base", patch.to_owned()),
            (_, patch) => ("large", patch.replace('_', "-")),
        };
        Some(format!("openai/clip-vit-{size}-patch{rest}"))
    }
}

impl Clip {
    fn spelled(&self, spelling: &Spelling, weights: &Weights) -> Graph {
        let (mut graph, image) = GraphBuilder::new(3);
        let is_exact = ACTIVATION.is_second(weights);
        let style = Style {
            names: spelling.tower,
            activation: if is_exact { Activation::Gelu } else { Activation::QuickGelu },
            eps: EPS,
            enlargement: Enlargement::Never,
            registers: 0,
        };
        let value = style.add(&mut graph, &self.sizes, image, weights);
        let class = graph.push("class token", TokenSelection { position: 0 }, &[value]);
        let normed = layer_norm(&mut graph, spelling.last_norm, EPS, class);
        self.project(&mut graph, spelling, normed, weights);
        graph.finish().expect("the table describes networks that fit together")
    }

    /// To the channels that images and texts share. Weights of the tower alone end below.
    fn project(&self, graph: &mut GraphBuilder, spelling: &Spelling, class: NodeId, weights: &Weights) {
        let (name, stored) = spelling.projection;
        let in_features = graph.channels(class);
        let tensor = match stored {
            Stored::Transposed(suffix) => tensor_name(name, suffix),
            _ => tensor_name(name, "weight"),
        };
        let out_features = match (stored, weights.tensor(&tensor).map(|tensor| tensor.shape.as_slice())) {
            (Stored::Transposed(_), Some([_, out_features])) | (_, Some([out_features, _])) => *out_features,
            _ => self.shared,
        };
        let layer = Linear { in_features, out_features, stored };
        if weights.tensor(&tensor).is_none() && weights.names().next().is_some() {
            graph.leave_out(name, layer, vec![tensor]);
        } else {
            graph.module(name, layer, &[class]);
        }
    }
}

impl Description for Clip {
    fn graph(&self, weights: &Weights) -> Graph {
        let has_patches = |spelling: &&&Spelling| {
            weights.tensor(&tensor_name(spelling.tower.patches.0, "weight")).is_some()
        };
        self.spelled(SPELLINGS.iter().find(has_patches).unwrap_or(&SPELLINGS[0]), weights)
    }

    fn spellings(&self) -> Vec<Graph> {
        SPELLINGS.map(|spelling| self.spelled(spelling, &Weights::default())).to_vec()
    }
}
