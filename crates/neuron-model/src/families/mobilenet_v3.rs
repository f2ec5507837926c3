//! MobileNet V3: Howard et al., "Searching for MobileNetV3" (ICCV 2019). Names of modules and tensors are torchvision's.

use neuron_geometry::Window;
use neuron_kernels::Activation::{self, HardSigmoid, HardSwish, Relu};

use super::blocks::{ConvNorm, make_divisible, squeeze_excitation};
use super::classifier::{classifier, hidden_layer};
use super::{Description, Family, Layers, Member};
use crate::graph::{Graph, GraphBuilder};
use crate::ops::{Add, GlobalAveragePool};
use crate::value::NodeId;
use crate::weights::Weights;

/// Blocks, and the width of the hidden layer of the classifier.
#[derive(Clone, Copy, Debug)]
struct MobileNetV3 {
    blocks: &'static [Block],
    hidden: usize,
}

/// A line of the paper's tables 1 and 2.
#[derive(Clone, Copy, Debug)]
struct Block {
    kernel: usize,
    inner: usize,
    channels: usize,
    gated: bool,
    activation: Activation,
    stride: usize,
}

const fn block(
    kernel: usize,
    inner: usize,
    channels: usize,
    gated: bool,
    activation: Activation,
    stride: usize,
) -> Block {
    Block { kernel, inner, channels, gated, activation, stride }
}

const LARGE: &[Block] = &[
    block(3, 16, 16, false, Relu, 1),
    block(3, 64, 24, false, Relu, 2),
    block(3, 72, 24, false, Relu, 1),
    block(5, 72, 40, true, Relu, 2),
    block(5, 120, 40, true, Relu, 1),
    block(5, 120, 40, true, Relu, 1),
    block(3, 240, 80, false, HardSwish, 2),
    block(3, 200, 80, false, HardSwish, 1),
    block(3, 184, 80, false, HardSwish, 1),
    block(3, 184, 80, false, HardSwish, 1),
    block(3, 480, 112, true, HardSwish, 1),
    block(3, 672, 112, true, HardSwish, 1),
    block(5, 672, 160, true, HardSwish, 2),
    block(5, 960, 160, true, HardSwish, 1),
    block(5, 960, 160, true, HardSwish, 1),
];

const SMALL: &[Block] = &[
    block(3, 16, 16, true, Relu, 2),
    block(3, 72, 24, false, Relu, 2),
    block(3, 88, 24, false, Relu, 1),
    block(5, 96, 40, true, HardSwish, 2),
    block(5, 240, 40, true, HardSwish, 1),
    block(5, 240, 40, true, HardSwish, 1),
    block(5, 120, 48, true, HardSwish, 1),
    block(5, 144, 48, true, HardSwish, 1),
    block(5, 288, 96, true, HardSwish, 2),
    block(5, 576, 96, true, HardSwish, 1),
    block(5, 576, 96, true, HardSwish, 1),
];

const MEMBERS: &[Member] = &[
    Member {
        name: "mobilenet_v3_large",
        description: &MobileNetV3 { blocks: LARGE, hidden: 1280 },
        layers: Layers::new(
            &[
                ("features.1", 0.1),
                ("features.3", 1.0),
                ("features.6", 1.0),
                ("features.12", 1.0),
                ("features.16", 0.0),
            ],
            "features.16",
        ),
    },
    Member {
        name: "mobilenet_v3_small",
        description: &MobileNetV3 { blocks: SMALL, hidden: 1024 },
        layers: Layers::new(
            &[
                ("features.0", 0.1),
                ("features.1", 1.0),
                ("features.3", 1.0),
                ("features.8", 1.0),
                ("features.12", 0.0),
            ],
            "features.12",
        ),
    },
];

/// The family of MobileNet V3.
#[derive(Debug)]
pub(super) struct MobileNetV3s;

impl Family for MobileNetV3s {
    fn members(&self) -> &'static [Member] {
        MEMBERS
    }
}

/// A convolution with batch norm.
fn normed(out_channels: usize, window: Window, groups: usize, activation: Option<Activation>) -> ConvNorm {
    ConvNorm { out_channels, window, groups, eps: 1e-3, activation }
}

const POINT: Window = Window::square(1, 1, 0);

impl Description for MobileNetV3 {
    fn graph(&self, weights: &Weights) -> Graph {
        let (mut graph, image) = GraphBuilder::new(3);
        let stem = normed(16, Window::square(3, 2, 1), 1, Some(HardSwish));
        let mut value = stem.add(&mut graph, "features.0", image);
        for (index, block) in (1..).zip(self.blocks) {
            value = block.add(&mut graph, &format!("features.{index}"), value);
        }
        let last = normed(6 * graph.channels(value), POINT, 1, Some(HardSwish));
        value = last.add(&mut graph, &format!("features.{}", self.blocks.len() + 1), value);
        graph.name("features", value);
        let pooled = graph.module("avgpool", GlobalAveragePool, &[value]);
        let layers = ["classifier.0", "classifier.1"];
        let hidden = hidden_layer(&mut graph, layers, (self.hidden, HardSwish), pooled, weights);
        let classes = hidden.and_then(|hidden| {
            graph.name("classifier.2", hidden);
            classifier(&mut graph, "classifier.3", hidden, weights)
        });
        if let Some(classes) = classes {
            graph.name("classifier", classes);
        }
        graph.finish().expect("the table describes networks that fit together")
    }
}

impl Block {
    /// An inverted residual: to more channels, a depthwise convolution, gates, and to few channels.
    fn add(&self, graph: &mut GraphBuilder, name: &str, input: NodeId) -> NodeId {
        let Self { kernel, inner, channels, gated, activation, stride } = *self;
        let mut parts = (0..).map(|index| format!("{name}.block.{index}"));
        let mut part = || parts.next().expect("there is always another number");
        let (in_channels, mut value) = (graph.channels(input), input);
        if inner != in_channels {
            value = normed(inner, POINT, 1, Some(activation)).add(graph, &part(), value);
        }
        let window = Window::square(kernel, stride, kernel / 2);
        value = normed(inner, window, inner, Some(activation)).add(graph, &part(), value);
        if gated {
            let squeezed = make_divisible((inner / 4) as f64, 8);
            value = squeeze_excitation(graph, &part(), value, squeezed, [Relu, HardSigmoid]);
        }
        value = normed(channels, POINT, 1, None).add(graph, &part(), value);
        graph.name(&format!("{name}.block"), value);
        if stride == 1 && in_channels == channels {
            return graph.module(name, Add, &[value, input]);
        }
        graph.name(name, value);
        value
    }
}
