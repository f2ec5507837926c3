//! MNASNet: Tan et al., "MnasNet: Platform-Aware Neural Architecture Search for Mobile" (CVPR 2019). Names of modules and
//! tensors are torchvision's.

use neuron_geometry::Window;

use super::blocks::{convolution, make_divisible};
use super::classifier::classifier;
use super::{Description, Family, Layers, Member};
use crate::graph::{Graph, GraphBuilder};
use crate::ops::{Add, GlobalAveragePool, Relu};
use crate::value::NodeId;
use crate::weights::Weights;

/// The network with its channels multiplied.
#[derive(Clone, Copy, Debug)]
struct MnasNet {
    multiplier: f64,
}

/// Channels of the stem, before they are multiplied.
const STEM: [usize; 2] = [32, 16];

/// Blocks of one width.
struct Stage {
    channels: usize,
    kernel: usize,
    /// Of the first block.
    stride: usize,
    /// How many times the channels grow inside.
    growth: usize,
    count: usize,
}

const fn stage(channels: usize, kernel: usize, stride: usize, growth: usize, count: usize) -> Stage {
    Stage { channels, kernel, stride, growth, count }
}

const STAGES: [Stage; 6] = [
    stage(24, 3, 2, 3, 3),
    stage(40, 5, 2, 3, 3),
    stage(80, 5, 2, 6, 3),
    stage(96, 3, 1, 6, 2),
    stage(192, 5, 2, 6, 4),
    stage(320, 3, 1, 6, 1),
];

const fn member(name: &'static str, description: &'static MnasNet) -> Member {
    const FEATURES: &[(&str, f64)] =
        &[("layers.7", 0.1), ("layers.8", 1.0), ("layers.9", 1.0), ("layers.11", 1.0), ("layers.16", 0.0)];
    Member { name, description, layers: Layers::new(FEATURES, "layers.16") }
}

const MEMBERS: &[Member] = &[
    member("mnasnet0_5", &MnasNet { multiplier: 0.5 }),
    member("mnasnet0_75", &MnasNet { multiplier: 0.75 }),
    member("mnasnet1_0", &MnasNet { multiplier: 1.0 }),
    member("mnasnet1_3", &MnasNet { multiplier: 1.3 }),
];

/// The family of MNASNets.
#[derive(Debug)]
pub(super) struct MnasNets;

impl Family for MnasNets {
    fn members(&self) -> &'static [Member] {
        MEMBERS
    }
}

const POINT: Window = Window::square(1, 1, 0);

impl Description for MnasNet {
    /// In torchvision's first version of these networks the channels of the stem were not multiplied: the shape of the
    /// first tensor decides.
    fn graph(&self, weights: &Weights) -> Graph {
        let widened = |channels: usize| make_divisible(channels as f64 * self.multiplier, 8);
        let first = weights.tensor("layers.0.weight").and_then(|tensor| tensor.shape.first().copied());
        let stem = if first == Some(STEM[0]) { STEM } else { STEM.map(widened) };

        let (mut graph, image) = GraphBuilder::new(3);
        let layer = |index: usize| format!("layers.{index}");
        let mut value = convolution(&mut graph, &layer(0), (stem[0], 1), Window::square(3, 2, 1), image);
        value = graph.batch_norm(&layer(1), value);
        value = graph.module(&layer(2), Relu, &[value]);
        value = convolution(&mut graph, &layer(3), (stem[0], stem[0]), Window::square(3, 1, 1), value);
        value = graph.batch_norm(&layer(4), value);
        value = graph.module(&layer(5), Relu, &[value]);
        value = convolution(&mut graph, &layer(6), (stem[1], 1), POINT, value);
        value = graph.batch_norm(&layer(7), value);
        for (index, stage) in (8..).zip(&STAGES) {
            for block in 0..stage.count {
                let stride = if block == 0 { stage.stride } else { 1 };
                let name = format!("{}.{block}", layer(index));
                value = stage.block(&mut graph, &name, (widened(stage.channels), stride), value);
            }
            graph.name(&layer(index), value);
        }
        value = convolution(&mut graph, &layer(14), (1280, 1), POINT, value);
        value = graph.batch_norm(&layer(15), value);
        value = graph.module(&layer(16), Relu, &[value]);
        graph.name("layers", value);
        let pooled = graph.push("mean", GlobalAveragePool, &[value]);
        graph.name("classifier.0", pooled);
        if let Some(classes) = classifier(&mut graph, "classifier.1", pooled, weights) {
            graph.name("classifier", classes);
        }
        graph.finish().expect("the table describes networks that fit together")
    }
}

impl Stage {
    /// An inverted residual.
    fn block(
        &self,
        graph: &mut GraphBuilder,
        name: &str,
        (channels, stride): (usize, usize),
        input: NodeId,
    ) -> NodeId {
        let layer = |index: usize| format!("{name}.layers.{index}");
        let in_channels = graph.channels(input);
        let inner = in_channels * self.growth;
        let mut value = convolution(graph, &layer(0), (inner, 1), POINT, input);
        value = graph.batch_norm(&layer(1), value);
        value = graph.module(&layer(2), Relu, &[value]);
        let window = Window::square(self.kernel, stride, self.kernel / 2);
        value = convolution(graph, &layer(3), (inner, inner), window, value);
        value = graph.batch_norm(&layer(4), value);
        value = graph.module(&layer(5), Relu, &[value]);
        value = convolution(graph, &layer(6), (channels, 1), POINT, value);
        value = graph.batch_norm(&layer(7), value);
        graph.name(&format!("{name}.layers"), value);
        if stride == 1 && in_channels == channels {
            return graph.module(name, Add, &[value, input]);
        }
        graph.name(name, value);
        value
    }
}
