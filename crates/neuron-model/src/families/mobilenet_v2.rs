//! MobileNet V2: Sandler et al., "MobileNetV2: Inverted Residuals and Linear Bottlenecks" (CVPR 2018). Names of modules
//! and tensors are torchvision's.

use neuron_geometry::Window;
use neuron_kernels::Activation;

use super::blocks::{ConvNorm, convolution};
use super::classifier::classifier;
use super::{Description, Family, Layers, Member};
use crate::graph::{Graph, GraphBuilder};
use crate::ops::{Add, GlobalAveragePool};
use crate::value::NodeId;
use crate::weights::Weights;

/// The family of MobileNet V2.
#[derive(Debug)]
pub(super) struct MobileNetV2s;

impl Family for MobileNetV2s {
    fn members(&self) -> &'static [Member] {
        const FEATURES: &[(&str, f64)] = &[
            ("features.1", 0.1),
            ("features.3", 1.0),
            ("features.6", 1.0),
            ("features.13", 1.0),
            ("features.18", 0.0),
        ];
        const MEMBERS: &[Member] = &[Member {
            name: "mobilenet_v2",
            description: &MobileNetV2,
            layers: Layers::new(FEATURES, "features.18"),
        }];
        MEMBERS
    }
}

#[derive(Debug)]
struct MobileNetV2;

/// Blocks of one width: how many times their channels grow inside, their channels, their number, and the stride of the
/// first (table 2 of the paper).
const STAGES: [(usize, usize, usize, usize); 7] = [
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
];

/// A convolution with batch norm and ReLU6.
fn active(out_channels: usize, window: Window, groups: usize) -> ConvNorm {
    ConvNorm { out_channels, window, groups, eps: 1e-5, activation: Some(Activation::Relu6) }
}

impl Description for MobileNetV2 {
    fn graph(&self, weights: &Weights) -> Graph {
        let (mut graph, image) = GraphBuilder::new(3);
        let mut names = (0..).map(|index| format!("features.{index}"));
        let mut name = || names.next().expect("there is always another number");
        let mut value = active(32, Window::square(3, 2, 1), 1).add(&mut graph, &name(), image);
        for (growth, channels, count, first) in STAGES {
            for index in 0..count {
                let stride = if index == 0 { first } else { 1 };
                value = inverted_residual(&mut graph, &name(), (growth, channels, stride), value);
            }
        }
        value = active(1280, Window::square(1, 1, 0), 1).add(&mut graph, &name(), value);
        graph.name("features", value);
        let pooled = graph.push("avgpool", GlobalAveragePool, &[value]);
        graph.name("classifier.0", pooled);
        if let Some(classes) = classifier(&mut graph, "classifier.1", pooled, weights) {
            graph.name("classifier", classes);
        }
        graph.finish().expect("the table describes a network that fits together")
    }
}

/// To more channels, a depthwise convolution, and to few channels without an activation.
fn inverted_residual(
    graph: &mut GraphBuilder,
    name: &str,
    (growth, channels, stride): (usize, usize, usize),
    input: NodeId,
) -> NodeId {
    let mut parts = (0..).map(|index| format!("{name}.conv.{index}"));
    let mut part = || parts.next().expect("there is always another number");
    let (in_channels, mut value) = (graph.channels(input), input);
    let inner = in_channels * growth;
    if growth != 1 {
        value = active(inner, Window::square(1, 1, 0), 1).add(graph, &part(), value);
    }
    value = active(inner, Window::square(3, stride, 1), inner).add(graph, &part(), value);
    value = convolution(graph, &part(), (channels, 1), Window::square(1, 1, 0), value);
    value = graph.batch_norm(&part(), value);
    graph.name(&format!("{name}.conv"), value);
    if stride == 1 && in_channels == channels {
        return graph.module(name, Add, &[value, input]);
    }
    graph.name(name, value);
    value
}
