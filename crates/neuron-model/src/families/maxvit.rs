//! MaxViT: Tu et al., "MaxViT: Multi-Axis Vision Transformer" (ECCV 2022). Names of modules and tensors are
//! torchvision's; what it computes on a grid that is cut into windows is shown on the grid.

use neuron_geometry::Window;
use neuron_kernels::{Activation, Divisor};

use super::blocks::{ConvNorm, activate, biased, layer_norm, linear, perceptron, squeeze_excitation};
use super::classifier::unbiased_classifier;
use super::{Description, Family, Layers, Member};
use crate::graph::{Graph, GraphBuilder};
use crate::ops::{Add, Attention, AveragePool, GlobalAveragePool, Places, Reach, Similarity};
use crate::value::NodeId;
use crate::weights::Weights;

/// Widths and depths of the stem and the four stages.
#[derive(Clone, Copy, Debug)]
struct MaxVit {
    stem: usize,
    widths: [usize; 4],
    depths: [usize; 4],
}

/// What batch norms add to the variance.
const EPS: f64 = 1e-3;
/// What layer norms add to it.
const LAYER_NORM_EPS: f64 = 1e-5;
/// Channels of a head.
const HEAD: usize = 32;
/// Positions of a window, and windows of a grid, along each axis.
const SIDE: usize = 7;
/// How many times the channels grow inside a block.
const GROWTH: usize = 4;

const MEMBERS: &[Member] = &[Member {
    name: "maxvit_t",
    description: &MaxVit { stem: 64, widths: [64, 128, 256, 512], depths: [2, 2, 5, 2] },
    layers: Layers::new(
        &[("stem", 0.1), ("blocks.0", 1.0), ("blocks.1", 1.0), ("blocks.2", 1.0), ("blocks.3", 0.0)],
        "blocks.3",
    ),
}];

/// The family of MaxViTs.
#[derive(Debug)]
pub(super) struct MaxVits;

impl Family for MaxVits {
    fn members(&self) -> &'static [Member] {
        MEMBERS
    }
}

/// A pointwise convolution.
const POINT: Window = Window::square(1, 1, 0);

impl Description for MaxVit {
    fn graph(&self, weights: &Weights) -> Graph {
        let (mut graph, image) = GraphBuilder::new(3);
        let first = conv_norm(self.stem, Window::square(3, 2, 1), 1).add(&mut graph, "stem.0", image);
        let mut value = biased(&mut graph, "stem.1.0", self.stem, Window::square(3, 1, 1), first);
        graph.name("stem.1", value);
        graph.name("stem", value);
        for (stage, (width, depth)) in self.widths.into_iter().zip(self.depths).enumerate() {
            for index in 0..depth {
                let stride = if index == 0 { 2 } else { 1 };
                value = layer(&mut graph, &format!("blocks.{stage}.layers.{index}"), (width, stride), value);
            }
            graph.name(&format!("blocks.{stage}"), value);
        }
        head(&mut graph, value, weights);
        graph.finish().expect("the table describes networks that fit together")
    }
}

fn conv_norm(out_channels: usize, window: Window, groups: usize) -> ConvNorm {
    ConvNorm { out_channels, window, groups, eps: EPS, activation: Some(Activation::Gelu) }
}

/// A convolutional block, attention within windows, and attention across the grid.
fn layer(graph: &mut GraphBuilder, name: &str, (width, stride): (usize, usize), input: NodeId) -> NodeId {
    let part = |part: &str| format!("{name}.layers.{part}");
    let value = mb_conv(graph, &part("MBconv"), (width, stride), input);
    let windows = Reach::Windows { side: SIDE, shift: 0, padded: false };
    let value = attention_layer(graph, &part("window_attention"), windows, value);
    let value = attention_layer(graph, &part("grid_attention"), Reach::Spread { side: SIDE }, value);
    graph.name(&format!("{name}.layers"), value);
    graph.name(name, value);
    value
}

/// An inverted bottleneck (Sandler et al., "MobileNetV2", CVPR 2018) with a norm before it, and gates.
fn mb_conv(graph: &mut GraphBuilder, name: &str, (width, stride): (usize, usize), input: NodeId) -> NodeId {
    let in_channels = graph.channels(input);
    let inner = GROWTH * width;
    let part = |part: &str| format!("{name}.layers.{part}");
    let value = graph.batch_norm_by(&part("pre_norm"), EPS, input);
    let value = conv_norm(inner, POINT, 1).add(graph, &part("conv_a"), value);
    let value = conv_norm(inner, Window::square(3, stride, 1), inner).add(graph, &part("conv_b"), value);
    let functions = [Activation::Silu, Activation::Sigmoid];
    let value = squeeze_excitation(graph, &part("squeeze_excitation"), value, width / 4, functions);
    let value = biased(graph, &part("conv_c"), width, POINT, value);
    graph.name(&format!("{name}.layers"), value);
    graph.name(&format!("{name}.stochastic_depth"), value);
    let mut shortcut = input;
    if stride > 1 {
        let window = Window::square(3, stride, 1);
        let pool = AveragePool { window, divisor: Divisor::Padded };
        shortcut = graph.module(&format!("{name}.proj.0"), pool, &[shortcut]);
    }
    if stride > 1 || in_channels != width {
        shortcut = biased(graph, &format!("{name}.proj.1"), width, POINT, shortcut);
    }
    graph.name(&format!("{name}.proj"), shortcut);
    graph.module(name, Add, &[value, shortcut])
}

/// Attention and two fully connected layers at every position, each beside a shortcut.
fn attention_layer(graph: &mut GraphBuilder, name: &str, reach: Reach, input: NodeId) -> NodeId {
    let channels = graph.channels(input);
    let part = |part: &str| format!("{name}.{part}");
    let attention_name = part("attn_layer.1");
    let value = layer_norm(graph, &part("attn_layer.0"), LAYER_NORM_EPS, input);
    let qkv = linear(graph, &format!("{attention_name}.to_qkv"), 3 * channels, value);
    // By all channels, not those of a head.
    let similarity = Similarity::Dot { factor: (channels as f32).sqrt().recip() };
    let attention = Attention { channels, heads: channels / HEAD, reach, similarity, places: Places::Table };
    let mixed = graph.push(&attention_name, attention, &[qkv]);
    let attended = linear(graph, &format!("{attention_name}.merge"), channels, mixed);
    for same in ["attn_layer.1", "attn_layer.2", "attn_layer"] {
        graph.name(&part(same), attended);
    }
    let sum = graph.push(&part("sum"), Add, &[attended, input]);
    let value = layer_norm(graph, &part("mlp_layer.0"), LAYER_NORM_EPS, sum);
    let layers = ["mlp_layer.1", "mlp_layer.2", "mlp_layer.3"].map(part);
    let layers = layers.each_ref().map(String::as_str);
    let [_, deeper] = perceptron(graph, layers, (GROWTH * channels, Activation::Gelu), value);
    for same in ["mlp_layer.4", "mlp_layer", "stochastic_dropout"] {
        graph.name(&part(same), deeper);
    }
    graph.module(name, Add, &[deeper, sum])
}

fn head(graph: &mut GraphBuilder, input: NodeId, weights: &Weights) {
    let pooled = graph.module("classifier.0", GlobalAveragePool, &[input]);
    graph.name("classifier.1", pooled);
    let channels = graph.channels(pooled);
    let value = layer_norm(graph, "classifier.2", LAYER_NORM_EPS, pooled);
    let value = linear(graph, "classifier.3", channels, value);
    let value = graph.module("classifier.4", activate(Activation::Tanh), &[value]);
    if let Some(classes) = unbiased_classifier(graph, "classifier.5", value, weights) {
        graph.name("classifier", classes);
    }
}
