//! VGG: Simonyan and Zisserman, "Very Deep Convolutional Networks for Large-Scale Image Recognition" (ICLR 2015), with
//! and without batch norms. Names of modules and tensors are torchvision's.

use neuron_geometry::Window;
use neuron_kernels::Activation;

use super::blocks::biased;
use super::classifier::{classifier, hidden_layer};
use super::{Description, Family, Layers, Member};
use crate::graph::{Graph, GraphBuilder};
use crate::ops::{AdaptiveAveragePool, Flatten, Relu};
use crate::weights::Weights;

/// 3x3 convolutions in five stages with a max-pool behind each.
#[derive(Clone, Copy, Debug)]
struct Vgg {
    /// Convolutions in each stage.
    depths: [usize; 5],
    batch_norm: bool,
}

/// Channels of the stages.
const WIDTHS: [usize; 5] = [64, 128, 256, 512, 512];
/// Height and width of the map that the classifier reads.
const POOLED: [usize; 2] = [7, 7];

const fn vgg(depths: [usize; 5], batch_norm: bool) -> Vgg {
    Vgg { depths, batch_norm }
}

/// The last ReLU of each stage, before its max-pool.
macro_rules! layers {
    ($first:literal, $second:literal, $third:literal, $fourth:literal, $last:literal) => {
        Layers::new(&[($first, 0.1), ($second, 1.0), ($third, 1.0), ($fourth, 1.0), ($last, 0.0)], $last)
    };
}

const MEMBERS: &[Member] = &[
    Member {
        name: "vgg11",
        description: &vgg([1, 1, 2, 2, 2], false),
        layers: layers!("features.1", "features.4", "features.9", "features.14", "features.19"),
    },
    Member {
        name: "vgg11_bn",
        description: &vgg([1, 1, 2, 2, 2], true),
        layers: layers!("features.2", "features.6", "features.13", "features.20", "features.27"),
    },
    Member {
        name: "vgg13",
        description: &vgg([2, 2, 2, 2, 2], false),
        layers: layers!("features.3", "features.8", "features.13", "features.18", "features.23"),
    },
    Member {
        name: "vgg13_bn",
        description: &vgg([2, 2, 2, 2, 2], true),
        layers: layers!("features.5", "features.12", "features.19", "features.26", "features.33"),
    },
    Member {
        name: "vgg16",
        description: &vgg([2, 2, 3, 3, 3], false),
        layers: layers!("features.3", "features.8", "features.15", "features.22", "features.29"),
    },
    Member {
        name: "vgg16_bn",
        description: &vgg([2, 2, 3, 3, 3], true),
        layers: layers!("features.5", "features.12", "features.22", "features.32", "features.42"),
    },
    Member {
        name: "vgg19",
        description: &vgg([2, 2, 4, 4, 4], false),
        layers: layers!("features.3", "features.8", "features.17", "features.26", "features.35"),
    },
    Member {
        name: "vgg19_bn",
        description: &vgg([2, 2, 4, 4, 4], true),
        layers: layers!("features.5", "features.12", "features.25", "features.38", "features.51"),
    },
];

/// The family of VGGs.
#[derive(Debug)]
pub(super) struct Vggs;

impl Family for Vggs {
    fn members(&self) -> &'static [Member] {
        MEMBERS
    }
}

impl Description for Vgg {
    fn graph(&self, weights: &Weights) -> Graph {
        let (mut graph, mut value) = GraphBuilder::new(3);
        let mut names = (0..).map(|index| format!("features.{index}"));
        let mut name = || names.next().expect("there is always another number");
        for (depth, channels) in self.depths.into_iter().zip(WIDTHS) {
            for _ in 0..depth {
                value = biased(&mut graph, &name(), channels, Window::square(3, 1, 1), value);
                if self.batch_norm {
                    value = graph.batch_norm(&name(), value);
                }
                value = graph.module(&name(), Relu, &[value]);
            }
            value = graph.max_pool(&name(), Window::square(2, 2, 0), value);
        }
        graph.name("features", value);
        let pooled = graph.module("avgpool", AdaptiveAveragePool { positions: POOLED }, &[value]);
        let flat = graph.push("flatten", Flatten { positions: POOLED }, &[pooled]);
        let hidden = hidden_layer(
            &mut graph,
            ["classifier.0", "classifier.1"],
            (4096, Activation::Relu),
            flat,
            weights,
        );
        let hidden = hidden.and_then(|hidden| {
            graph.name("classifier.2", hidden);
            hidden_layer(
                &mut graph,
                ["classifier.3", "classifier.4"],
                (4096, Activation::Relu),
                hidden,
                weights,
            )
        });
        let classes = hidden.and_then(|hidden| {
            graph.name("classifier.5", hidden);
            classifier(&mut graph, "classifier.6", hidden, weights)
        });
        if let Some(classes) = classes {
            graph.name("classifier", classes);
        }
        graph.finish().expect("the table describes networks that fit together")
    }
}
