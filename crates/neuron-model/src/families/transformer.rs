//! The blocks of a transformer encoder, under the names of whoever trained it.

use neuron_kernels::Activation;

use super::blocks::activate;
use crate::graph::GraphBuilder;
use crate::ops::{Add, Attention, LayerNorm, Linear, Places, Reach, Similarity};
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
    /// Modules that return what others do: their names, and the parts whose values they are.
    pub(super) same: &'static [(&'static str, Part)],
}

/// A part of a block by what it computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
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
    /// The layer that makes queries, keys and values. Ends in an underscore where that is not a module of its own.
    pub(super) joint: &'static str,
    /// The layer behind the heads, and whether a value can be read there.
    pub(super) out: (&'static str, bool),
}

pub(super) fn layer_norm(graph: &mut GraphBuilder, name: &str, eps: f64, input: NodeId) -> NodeId {
    graph.module(name, LayerNorm { channels: graph.channels(input), eps }, &[input])
}

/// A fully connected layer at every position.
pub(super) fn linear(graph: &mut GraphBuilder, name: &str, out_features: usize, input: NodeId) -> NodeId {
    graph.module(name, Linear::new(graph.channels(input), out_features), &[input])
}

impl Block<'_> {
    /// Adds the block `name`.
    pub(super) fn add(&self, graph: &mut GraphBuilder, name: &str, input: NodeId) -> NodeId {
        let Names { norms, mlp, layers, same, .. } = *self.names;
        let channels = graph.channels(input);
        let named = |part: &str| format!("{name}.{part}");
        let normed = layer_norm(graph, &named(norms[0]), self.eps, input);
        let attended = self.attention(graph, &named(self.names.attention.module), normed);
        let value = graph.push(&named("sum"), Add, &[attended, input]);
        let normed = layer_norm(graph, &named(norms[1]), self.eps, value);
        let layer = |index: usize| named(&format!("{mlp}.{}", layers[index]));
        let inner = linear(graph, &layer(0), self.hidden, normed);
        let active = graph.module(&layer(1), activate(self.activation), &[inner]);
        let outer = linear(graph, &layer(2), channels, active);
        graph.name(&named(mlp), outer);
        for (other, part) in same {
            let id = match part {
                Part::Attention => attended,
                Part::Middle => active,
                Part::Mlp => outer,
            };
            graph.name(&named(other), id);
        }
        graph.module(name, Add, &[outer, value])
    }

    /// Attention of all positions to all, as the module `name`.
    fn attention(&self, graph: &mut GraphBuilder, name: &str, input: NodeId) -> NodeId {
        let AttentionNames { joint, out: (out, is_module), .. } = self.names.attention;
        let channels = graph.channels(input);
        let qkv = Linear::new(channels, 3 * channels);
        let joined = format!("{name}.{joint}");
        let qkv = graph.push(&joined, qkv, &[input]);
        if !joint.ends_with('_') {
            graph.name(&joined, qkv);
        }
        let factor = (channels as f32 / self.heads as f32).sqrt().recip();
        let attention = Attention {
            channels,
            heads: self.heads,
            reach: Reach::All,
            similarity: Similarity::Dot { factor },
            places: Places::Nothing,
        };
        let mixed = graph.push(name, attention, &[qkv]);
        let projected = Linear::new(channels, channels);
        let out = format!("{name}.{out}");
        let value = graph.push(&out, projected, &[mixed]);
        if is_module {
            graph.name(&out, value);
        }
        graph.name(name, value);
        value
    }
}
