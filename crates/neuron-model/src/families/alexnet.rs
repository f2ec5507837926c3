//! AlexNet in its form with one tower: Krizhevsky, "One weird trick for parallelizing convolutional neural networks"
//! (2014). Names of modules and tensors are torchvision's.

use neuron_geometry::Window;
use neuron_kernels::Activation;

use super::blocks::biased;
use super::classifier::{classifier, hidden_layer};
use super::{Description, Family, Layers, Member};
use crate::graph::{Graph, GraphBuilder};
use crate::ops::{AdaptiveAveragePool, Flatten, Relu};
use crate::weights::Weights;

/// The family of AlexNet.
#[derive(Debug)]
pub(super) struct AlexNets;

impl Family for AlexNets {
    fn members(&self) -> &'static [Member] {
        const LAYERS: Layers = Layers::new(
            &[
                ("features.1", 0.1),
                ("features.4", 1.0),
                ("features.7", 1.0),
                ("features.9", 1.0),
                ("features.11", 0.0),
            ],
            "features.11",
        );
        const MEMBERS: &[Member] = &[Member { name: "alexnet", description: &AlexNet, layers: LAYERS }];
        MEMBERS
    }
}

#[derive(Debug)]
struct AlexNet;

/// A layer of `features`.
#[derive(Clone, Copy)]
enum Layer {
    /// A convolution with a bias, and the ReLU behind it, a module of its own.
    Convolution {
        channels: usize,
        window: Window,
    },
    MaxPool,
}

const FEATURES: [Layer; 8] = [
    Layer::Convolution { channels: 64, window: Window::square(11, 4, 2) },
    Layer::MaxPool,
    Layer::Convolution { channels: 192, window: Window::square(5, 1, 2) },
    Layer::MaxPool,
    Layer::Convolution { channels: 384, window: Window::square(3, 1, 1) },
    Layer::Convolution { channels: 256, window: Window::square(3, 1, 1) },
    Layer::Convolution { channels: 256, window: Window::square(3, 1, 1) },
    Layer::MaxPool,
];

/// Height and width of the map that the classifier reads.
const POOLED: [usize; 2] = [6, 6];

impl Description for AlexNet {
    fn graph(&self, weights: &Weights) -> Graph {
        let (mut graph, mut value) = GraphBuilder::new(3);
        let mut names = (0..).map(|index| format!("features.{index}"));
        let mut name = || names.next().expect("there is always another number");
        for layer in FEATURES {
            value = match layer {
                Layer::Convolution { channels, window } => {
                    let convolved = biased(&mut graph, &name(), channels, window, value);
                    graph.module(&name(), Relu, &[convolved])
                }
                Layer::MaxPool => graph.max_pool(&name(), Window::square(3, 2, 0), value),
            };
        }
        graph.name("features", value);
        let pooled = graph.module("avgpool", AdaptiveAveragePool { positions: POOLED }, &[value]);
        let flat = graph.push("flatten", Flatten { positions: POOLED }, &[pooled]);
        graph.name("classifier.0", flat);
        let hidden = hidden_layer(
            &mut graph,
            ["classifier.1", "classifier.2"],
            (4096, Activation::Relu),
            flat,
            weights,
        );
        let hidden = hidden.and_then(|hidden| {
            graph.name("classifier.3", hidden);
            hidden_layer(
                &mut graph,
                ["classifier.4", "classifier.5"],
                (4096, Activation::Relu),
                hidden,
                weights,
            )
        });
        let classes = hidden.and_then(|hidden| classifier(&mut graph, "classifier.6", hidden, weights));
        if let Some(classes) = classes {
            graph.name("classifier", classes);
        }
        graph.finish().expect("the table describes a network that fits together")
    }
}
