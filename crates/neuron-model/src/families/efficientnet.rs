//! EfficientNet: Tan and Le, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks" (ICML 2019), and
//! its second version, "EfficientNetV2: Smaller Models and Faster Training" (ICML 2021). Names of modules and tensors are
//! torchvision's.

use neuron_geometry::Window;
use neuron_kernels::Activation::{self, Sigmoid, Silu};

use super::blocks::{ConvNorm, make_divisible, squeeze_excitation};
use super::classifier::classifier;
use super::{Description, Family, Layers, Member};
use crate::graph::{Graph, GraphBuilder};
use crate::ops::{Add, GlobalAveragePool};
use crate::value::NodeId;
use crate::weights::Weights;

/// Stages, and how they are scaled.
#[derive(Clone, Copy, Debug)]
struct EfficientNet {
    stages: &'static [Stage],
    /// Channels of the stem, before they are scaled.
    stem: usize,
    /// Factor of all channels, and of the number of blocks.
    scaling: (f64, f64),
    /// Channels of the last convolution; four times its input's where it says nothing.
    last: Option<usize>,
    /// What batch norms add to the variance.
    eps: f64,
}

/// Blocks of one width.
#[derive(Clone, Copy, Debug)]
struct Stage {
    /// Whether blocks begin with one dense convolution in the place of a pointwise and a depthwise one.
    fused: bool,
    /// How many times the channels grow inside.
    growth: usize,
    kernel: usize,
    /// Of the first block.
    stride: usize,
    channels: usize,
    count: usize,
}

const fn mb(growth: usize, kernel: usize, stride: usize, channels: usize, count: usize) -> Stage {
    Stage { fused: false, growth, kernel, stride, channels, count }
}

const fn fused(growth: usize, stride: usize, channels: usize, count: usize) -> Stage {
    Stage { fused: true, growth, kernel: 3, stride, channels, count }
}

/// Table 1 of the first paper.
const B0: &[Stage] = &[
    mb(1, 3, 1, 16, 1),
    mb(6, 3, 2, 24, 2),
    mb(6, 5, 2, 40, 2),
    mb(6, 3, 2, 80, 3),
    mb(6, 5, 1, 112, 3),
    mb(6, 5, 2, 192, 4),
    mb(6, 3, 1, 320, 1),
];

const fn b(width: f64, depth: f64, eps: f64) -> EfficientNet {
    EfficientNet { stages: B0, stem: 32, scaling: (width, depth), last: None, eps }
}

/// Table 4 of the second paper, in the form of its code.
const V2_S: &[Stage] = &[
    fused(1, 1, 24, 2),
    fused(4, 2, 48, 4),
    fused(4, 2, 64, 4),
    mb(4, 3, 2, 128, 6),
    mb(6, 3, 1, 160, 9),
    mb(6, 3, 2, 256, 15),
];
const V2_M: &[Stage] = &[
    fused(1, 1, 24, 3),
    fused(4, 2, 48, 5),
    fused(4, 2, 80, 5),
    mb(4, 3, 2, 160, 7),
    mb(6, 3, 1, 176, 14),
    mb(6, 3, 2, 304, 18),
    mb(6, 3, 1, 512, 5),
];
const V2_L: &[Stage] = &[
    fused(1, 1, 32, 4),
    fused(4, 2, 64, 7),
    fused(4, 2, 96, 7),
    mb(4, 3, 2, 192, 10),
    mb(6, 3, 1, 224, 19),
    mb(6, 3, 2, 384, 25),
    mb(6, 3, 1, 640, 7),
];

const fn v2(stages: &'static [Stage], stem: usize) -> EfficientNet {
    EfficientNet { stages, stem, scaling: (1.0, 1.0), last: Some(1280), eps: 1e-3 }
}

const fn member(name: &'static str, description: &'static EfficientNet) -> Member {
    const SEVEN: Layers = Layers::new(
        &[
            ("features.1", 0.1),
            ("features.2", 1.0),
            ("features.3", 1.0),
            ("features.5", 1.0),
            ("features.8", 0.0),
        ],
        "features.8",
    );
    const SIX: Layers = Layers::new(
        &[
            ("features.1", 0.1),
            ("features.2", 1.0),
            ("features.3", 1.0),
            ("features.5", 1.0),
            ("features.7", 0.0),
        ],
        "features.7",
    );
    let layers = if description.stages.len() == 7 { SEVEN } else { SIX };
    Member { name, description, layers }
}

const MEMBERS: &[Member] = &[
    member("efficientnet_b0", &b(1.0, 1.0, 1e-5)),
    member("efficientnet_b1", &b(1.0, 1.1, 1e-5)),
    member("efficientnet_b2", &b(1.1, 1.2, 1e-5)),
    member("efficientnet_b3", &b(1.2, 1.4, 1e-5)),
    member("efficientnet_b4", &b(1.4, 1.8, 1e-5)),
    member("efficientnet_b5", &b(1.6, 2.2, 1e-3)),
    member("efficientnet_b6", &b(1.8, 2.6, 1e-3)),
    member("efficientnet_b7", &b(2.0, 3.1, 1e-3)),
    member("efficientnet_v2_s", &v2(V2_S, 24)),
    member("efficientnet_v2_m", &v2(V2_M, 24)),
    member("efficientnet_v2_l", &v2(V2_L, 32)),
];

/// The family of EfficientNets.
#[derive(Debug)]
pub(super) struct EfficientNets;

impl Family for EfficientNets {
    fn members(&self) -> &'static [Member] {
        MEMBERS
    }
}

const POINT: Window = Window::square(1, 1, 0);

impl Description for EfficientNet {
    fn graph(&self, weights: &Weights) -> Graph {
        let (width, depth) = self.scaling;
        let scaled = |channels: usize| make_divisible(channels as f64 * width, 8);
        let (mut graph, image) = GraphBuilder::new(3);
        let stem = self.normed(scaled(self.stem), Window::square(3, 2, 1), 1, Some(Silu));
        let mut value = stem.add(&mut graph, "features.0", image);
        for (index, stage) in (1..).zip(self.stages) {
            for block in 0..(stage.count as f64 * depth).ceil() as usize {
                let stride = if block == 0 { stage.stride } else { 1 };
                let stage = Stage { stride, channels: scaled(stage.channels), ..*stage };
                value = self.block(&mut graph, &format!("features.{index}.{block}"), stage, value);
            }
            graph.name(&format!("features.{index}"), value);
        }
        let last = self.last.unwrap_or(4 * graph.channels(value));
        let last = self.normed(last, POINT, 1, Some(Silu));
        value = last.add(&mut graph, &format!("features.{}", self.stages.len() + 1), value);
        graph.name("features", value);
        let pooled = graph.module("avgpool", GlobalAveragePool, &[value]);
        graph.name("classifier.0", pooled);
        if let Some(classes) = classifier(&mut graph, "classifier.1", pooled, weights) {
            graph.name("classifier", classes);
        }
        graph.finish().expect("the table describes networks that fit together")
    }
}

impl EfficientNet {
    fn normed(
        &self,
        out_channels: usize,
        window: Window,
        groups: usize,
        activation: Option<Activation>,
    ) -> ConvNorm {
        ConvNorm { out_channels, window, groups, eps: self.eps, activation }
    }

    /// One block of a stage, by its own stride.
    fn block(&self, graph: &mut GraphBuilder, name: &str, stage: Stage, input: NodeId) -> NodeId {
        let Stage { fused, growth, kernel, stride, channels, .. } = stage;
        let mut parts = (0..).map(|index| format!("{name}.block.{index}"));
        let mut part = || parts.next().expect("there is always another number");
        let in_channels = graph.channels(input);
        let inner = make_divisible((in_channels * growth) as f64, 8);
        let window = Window::square(kernel, stride, kernel / 2);
        let mut value = input;
        if fused {
            let first = if inner == in_channels { channels } else { inner };
            value = self.normed(first, window, 1, Some(Silu)).add(graph, &part(), value);
        } else {
            if inner != in_channels {
                value = self.normed(inner, POINT, 1, Some(Silu)).add(graph, &part(), value);
            }
            value = self.normed(inner, window, inner, Some(Silu)).add(graph, &part(), value);
            let squeezed = (in_channels / 4).max(1);
            value = squeeze_excitation(graph, &part(), value, squeezed, [Silu, Sigmoid]);
        }
        if !fused || inner != in_channels {
            value = self.normed(channels, POINT, 1, None).add(graph, &part(), value);
        }
        graph.name(&format!("{name}.block"), value);
        if stride == 1 && in_channels == channels {
            graph.name(&format!("{name}.stochastic_depth"), value);
            return graph.module(name, Add, &[value, input]);
        }
        graph.name(name, value);
        value
    }
}
