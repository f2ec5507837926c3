//! The blocks of a transformer encoder, under the names of whoever trained it.

use neuron_kernels::Activation;

use super::blocks::{layer_norm, linear, perceptron};
use crate::graph::GraphBuilder;
use crate::ops::{Add, Attention, Concatenation, LayerScale, Linear, Places, Reach, Similarity};
use crate::value::NodeId;

/// A block whose norms come first (Dosovitskiy et al., "An Image is Worth 16x16 Words", ICLR 2021).
#[derive(Clone, Copy, Debug)]
pub(super) struct Block<'a> {
    pub(super) names: &'a Names,
    pub(super) heads: usize,
    /// Width of the middle layer.
    pub(super) hidden: usize,
    pub(super) activation: Activation,
    /// What layer norms add to the variance.
    pub(super) eps: f64,
}

/// What a block calls its parts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Names {
    /// The norms before the attention, and before the fully connected layers.
    pub(super) norms: [&'static str; 2],
    pub(super) attention: AttentionNames,
    /// The module of the fully connected layers.
    pub(super) mlp: &'static str,
    /// The first fully connected layer, the function behind it, and the second.
    pub(super) layers: [&'static str; 3],
    /// The scales of what the attention and the fully connected layers add, and the last part of their tensors' names; `None`
    /// where both are added as they are.
    pub(super) scales: Option<([&'static str; 2], &'static str)>,
    /// Modules that return what others do: their names, and the parts whose values they are.
    pub(super) same: &'static [(&'static str, Part)],
}

/// A part of a block by what it computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// What the heads see, one beside the other.
    Mixed,
    /// The attention, projected.
    Attention,
    /// The middle layer.
    Middle,
    /// The second fully connected layer.
    Mlp,
}

/// What an attention calls its parts.
#[derive(Clone, Copy, Debug)]
pub(super) struct AttentionNames {
    /// The module.
    pub(super) module: &'static str,
    /// What makes queries, keys and values.
    pub(super) inputs: AttentionInputs,
    /// The layer behind the heads, and whether a value can be read there.
    pub(super) out: (&'static str, bool),
}

/// What makes queries, keys and values.
#[derive(Clone, Copy, Debug)]
pub(super) enum AttentionInputs {
    /// One layer. Its name ends in an underscore where it is not a module of its own.
    Joint(&'static str),
    /// A layer for each of them.
    Separate([&'static str; 3]),
}

impl Block<'_> {
    /// Adds the block `name`.
    pub(super) fn add(&self, graph: &mut GraphBuilder, name: &str, input: NodeId) -> NodeId {
        let Names { norms, mlp, layers, same, .. } = *self.names;
        let named = |part: &str| format!("{name}.{part}");
        let normed = layer_norm(graph, &named(norms[0]), self.eps, input);
        let (mixed, attended) = self.attention(graph, &named(self.names.attention.module), normed);
        let scaled = self.scaled(graph, name, 0, attended);
        let value = graph.push(&named("sum"), Add, &[scaled, input]);
        let normed = layer_norm(graph, &named(norms[1]), self.eps, value);
        let layers = layers.map(|layer| named(&format!("{mlp}.{layer}")));
        let layers = layers.each_ref().map(String::as_str);
        let [active, outer] = perceptron(graph, layers, (self.hidden, self.activation), normed);
        graph.name(&named(mlp), outer);
        for (other, part) in same {
            let id = match part {
                Part::Mixed => mixed,
                Part::Attention => attended,
                Part::Middle => active,
                Part::Mlp => outer,
            };
            graph.name(&named(other), id);
        }
        let scaled = self.scaled(graph, name, 1, outer);
        graph.module(name, Add, &[scaled, value])
    }

    /// What is added to the block's input, by its scale if it has one.
    fn scaled(&self, graph: &mut GraphBuilder, name: &str, which: usize, value: NodeId) -> NodeId {
        let Some((names, tensor)) = self.names.scales else { return value };
        let scale = LayerScale { channels: graph.channels(value), tensor, has_places: false };
        graph.module(&format!("{name}.{}", names[which]), scale, &[value])
    }

    /// Attention of all positions to all, as the module `name`: before and behind its last layer.
    fn attention(&self, graph: &mut GraphBuilder, name: &str, input: NodeId) -> (NodeId, NodeId) {
        let AttentionNames { inputs, out: (out, is_module), .. } = self.names.attention;
        let channels = graph.channels(input);
        let qkv = match inputs {
            AttentionInputs::Joint(joint) => {
                let joined = format!("{name}.{joint}");
                let qkv = graph.push(&joined, Linear::new(channels, 3 * channels), &[input]);
                if !joint.ends_with('_') {
                    graph.name(&joined, qkv);
                }
                qkv
            }
            AttentionInputs::Separate(layers) => {
                let parts = layers.map(|layer| linear(graph, &format!("{name}.{layer}"), channels, input));
                graph.push(&format!("{name}.qkv"), Concatenation { inputs: parts.len() }, &parts)
            }
        };
        let factor = (channels as f32 / self.heads as f32).sqrt().recip();
        let attention = Attention {
            channels,
            heads: self.heads,
            reach: Reach::All,
            similarity: Similarity::Dot { factor },
            places: Places::Nothing,
        };
        let mixed = graph.push(name, attention, &[qkv]);
        let out = format!("{name}.{out}");
        let value = graph.push(&out, Linear::new(channels, channels), &[mixed]);
        if is_module {
            graph.name(&out, value);
        }
        graph.name(name, value);
        (mixed, value)
    }
}
