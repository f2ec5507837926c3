//! ConvNeXt: Liu et al., "A ConvNet for the 2020s" (CVPR 2022). Names of modules and tensors are torchvision's.

use neuron_geometry::Window;
use neuron_kernels::{Activation, ConvGeometry};

use super::blocks::{biased, layer_norm, perceptron};
use super::classifier::classifier;
use super::{Description, Family, Layers, Member};
use crate::graph::{Graph, GraphBuilder};
use crate::ops::{Add, GlobalAveragePool, LayerNorm, LayerScale};
use crate::value::NodeId;
use crate::weights::Weights;

/// Widths and depths of the four stages.
#[derive(Clone, Copy, Debug)]
struct ConvNext {
    widths: [usize; 4],
    depths: [usize; 4],
}

/// What layer norms add to the variance.
const EPS: f64 = 1e-6;
/// How many times the channels grow inside a block.
const GROWTH: usize = 4;

const fn member(name: &'static str, description: &'static ConvNext) -> Member {
    const FEATURES: &[(&str, f64)] = &[
        ("features.0", 0.1),
        ("features.1", 1.0),
        ("features.3", 1.0),
        ("features.5", 1.0),
        ("features.7", 0.0),
    ];
    Member { name, description, layers: Layers::new(FEATURES, "features.7") }
}

const MEMBERS: &[Member] = &[
    member("convnext_tiny", &ConvNext { widths: [96, 192, 384, 768], depths: [3, 3, 9, 3] }),
    member("convnext_small", &ConvNext { widths: [96, 192, 384, 768], depths: [3, 3, 27, 3] }),
    member("convnext_base", &ConvNext { widths: [128, 256, 512, 1024], depths: [3, 3, 27, 3] }),
    member("convnext_large", &ConvNext { widths: [192, 384, 768, 1536], depths: [3, 3, 27, 3] }),
];

/// The family of ConvNeXts.
#[derive(Debug)]
pub(super) struct ConvNexts;

impl Family for ConvNexts {
    fn members(&self) -> &'static [Member] {
        MEMBERS
    }
}

impl Description for ConvNext {
    fn graph(&self, weights: &Weights) -> Graph {
        let (mut graph, image) = GraphBuilder::new(3);
        let patches = biased(&mut graph, "features.0.0", self.widths[0], Window::square(4, 4, 0), image);
        let mut value = layer_norm(&mut graph, "features.0.1", EPS, patches);
        graph.name("features.0", value);
        for (stage, (width, depth)) in self.widths.into_iter().zip(self.depths).enumerate() {
            if stage > 0 {
                let name = format!("features.{}", 2 * stage);
                let normed = layer_norm(&mut graph, &format!("{name}.0"), EPS, value);
                let window = Window::square(2, 2, 0);
                value = biased(&mut graph, &format!("{name}.1"), width, window, normed);
                graph.name(&name, value);
            }
            let name = format!("features.{}", 2 * stage + 1);
            for index in 0..depth {
                value = block(&mut graph, &format!("{name}.{index}"), value);
            }
            graph.name(&name, value);
        }
        graph.name("features", value);
        let pooled = graph.module("avgpool", GlobalAveragePool, &[value]);
        head(&mut graph, pooled, weights);
        graph.finish().expect("the table describes networks that fit together")
    }
}

/// A wide depthwise convolution, and two fully connected layers at every position. torchvision permutes axes in between:
/// those modules return the same values.
fn block(graph: &mut GraphBuilder, name: &str, input: NodeId) -> NodeId {
    let channels = graph.channels(input);
    let part = |index: usize| format!("{name}.block.{index}");
    let window = Window::square(7, 1, 3);
    let depthwise = ConvGeometry { in_channels: channels, out_channels: channels, groups: channels, window };
    let value = graph.biased_convolution(&part(0), depthwise, input);
    graph.name(&part(1), value);
    let value = layer_norm(graph, &part(2), EPS, value);
    let layers = [3, 4, 5].map(part);
    let layers = layers.each_ref().map(String::as_str);
    let [_, value] = perceptron(graph, layers, (GROWTH * channels, Activation::Gelu), value);
    graph.name(&part(6), value);
    graph.name(&format!("{name}.block"), value);
    let scaled = graph.push(name, LayerScale { channels, tensor: "layer_scale", has_places: true }, &[value]);
    graph.name(&format!("{name}.stochastic_depth"), scaled);
    graph.module(name, Add, &[scaled, input])
}

/// The last norm and the classes. Weights without them end below.
fn head(graph: &mut GraphBuilder, pooled: NodeId, weights: &Weights) {
    let channels = graph.channels(pooled);
    let norm = LayerNorm { channels, eps: EPS };
    let has_norm = weights.tensor("classifier.0.weight").is_some_and(|tensor| tensor.shape == [channels]);
    if !has_norm && weights.names().next().is_some() {
        graph.leave_out("classifier.0", norm, vec!["classifier.0.weight".to_owned()]);
        return;
    }
    let normed = graph.module("classifier.0", norm, &[pooled]);
    graph.name("classifier.1", normed);
    if let Some(classes) = classifier(graph, "classifier.2", normed, weights) {
        graph.name("classifier", classes);
    }
}
