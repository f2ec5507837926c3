//! DenseNets: Huang et al., "Densely Connected Convolutional Networks" (CVPR 2017). Names of modules and tensors are
//! torchvision's.

use neuron_geometry::Window;
use neuron_kernels::Divisor;

use super::blocks::convolution;
use super::classifier::classifier;
use super::{Description, Family, Layers, Member};
use crate::graph::{Graph, GraphBuilder};
use crate::ops::{AveragePool, Concatenation, GlobalAveragePool, Relu};
use crate::value::NodeId;
use crate::weights::Weights;

/// Blocks of layers that each read all that came before them.
#[derive(Clone, Copy, Debug)]
struct DenseNet {
    /// Channels that a layer adds.
    growth: usize,
    /// Layers of each block.
    depths: [usize; 4],
    /// Channels of the stem.
    stem: usize,
}

/// Channels of a layer's first convolution for each channel that it adds.
const BOTTLENECK: usize = 4;

const fn member(name: &'static str, description: &'static DenseNet) -> Member {
    const FEATURES: &[(&str, f64)] = &[
        ("features.conv0", 0.1),
        ("features.denseblock1", 1.0),
        ("features.denseblock2", 1.0),
        ("features.denseblock3", 1.0),
        ("features.denseblock4", 0.0),
    ];
    Member { name, description, layers: Layers::new(FEATURES, "features.denseblock4") }
}

/// torchvision's DenseNets, and the small one whose weights come with this project.
const MEMBERS: &[Member] = &[
    member("densenet121", &DenseNet { growth: 32, depths: [6, 12, 24, 16], stem: 64 }),
    member("densenet161", &DenseNet { growth: 48, depths: [6, 12, 36, 24], stem: 96 }),
    member("densenet169", &DenseNet { growth: 32, depths: [6, 12, 32, 32], stem: 64 }),
    member("densenet201", &DenseNet { growth: 32, depths: [6, 12, 48, 32], stem: 64 }),
    member("densenet_demo", &DenseNet { growth: 12, depths: [2, 2, 3, 4], stem: 24 }),
];

/// The family of DenseNets.
#[derive(Debug)]
pub(super) struct DenseNets;

impl Family for DenseNets {
    fn members(&self) -> &'static [Member] {
        MEMBERS
    }

    /// `denselayer1.norm.1.weight` of the first version is `denselayer1.norm1.weight` today.
    fn current_name(&self, tensor: &str) -> Option<String> {
        let (layer, part) = tensor.rsplit_once("denselayer")?;
        let mut parts = part.split('.');
        let (number, kind, index, last) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let is_old = parts.next().is_none()
            && ["norm", "relu", "conv"].contains(&kind)
            && ["1", "2"].contains(&index)
            && ["weight", "bias", "running_mean", "running_var"].contains(&last);
        is_old.then(|| format!("{layer}denselayer{number}.{kind}{index}.{last}"))
    }
}

impl Description for DenseNet {
    fn graph(&self, weights: &Weights) -> Graph {
        let (mut graph, image) = GraphBuilder::new(3);
        let stem = convolution(&mut graph, "features.conv0", (self.stem, 1), Window::square(7, 2, 3), image);
        let stem = graph.batch_norm("features.norm0", stem);
        let stem = graph.module("features.relu0", Relu, &[stem]);
        let mut value = graph.max_pool("features.pool0", Window::square(3, 2, 1), stem);
        for (block, depth) in (1..).zip(self.depths) {
            let name = format!("features.denseblock{block}");
            for layer in 1..=depth {
                let new = self.layer(&mut graph, &format!("{name}.denselayer{layer}"), value);
                value = graph.push(&format!("{name}.cat"), Concatenation { inputs: 2 }, &[value, new]);
            }
            graph.name(&name, value);
            if block < self.depths.len() {
                value = transition(&mut graph, &format!("features.transition{block}"), value);
            }
        }
        value = graph.batch_norm("features.norm5", value);
        graph.name("features", value);
        let active = graph.push("relu", Relu, &[value]);
        let pooled = graph.push("avgpool", GlobalAveragePool, &[active]);
        classifier(&mut graph, "classifier", pooled, weights);
        graph.finish().expect("the table describes networks that fit together")
    }
}

impl DenseNet {
    /// The channels that a layer adds.
    fn layer(&self, graph: &mut GraphBuilder, name: &str, input: NodeId) -> NodeId {
        let part = |part: &str| format!("{name}.{part}");
        let value = graph.batch_norm(&part("norm1"), input);
        let value = graph.module(&part("relu1"), Relu, &[value]);
        let inner = (BOTTLENECK * self.growth, 1);
        let value = convolution(graph, &part("conv1"), inner, Window::square(1, 1, 0), value);
        let value = graph.batch_norm(&part("norm2"), value);
        let value = graph.module(&part("relu2"), Relu, &[value]);
        let value = convolution(graph, &part("conv2"), (self.growth, 1), Window::square(3, 1, 1), value);
        graph.name(name, value);
        value
    }
}

/// Half the channels at half the resolution.
fn transition(graph: &mut GraphBuilder, name: &str, input: NodeId) -> NodeId {
    let part = |part: &str| format!("{name}.{part}");
    let value = graph.batch_norm(&part("norm"), input);
    let value = graph.module(&part("relu"), Relu, &[value]);
    let half = (graph.channels(input) / 2, 1);
    let value = convolution(graph, &part("conv"), half, Window::square(1, 1, 0), value);
    let pool = AveragePool { window: Window::square(2, 2, 0), divisor: Divisor::Padded };
    let value = graph.module(&part("pool"), pool, &[value]);
    graph.name(name, value);
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_the_first_version_are_todays() {
        let old = "features.denseblock1.denselayer2.norm.1.running_mean";
        let today = "features.denseblock1.denselayer2.norm1.running_mean";
        assert_eq!(DenseNets.current_name(old).as_deref(), Some(today));
        for other in [today, "features.conv0.weight", "features.denseblock1.denselayer2.conv.3.weight"] {
            assert_eq!(DenseNets.current_name(other), None, "{other}");
        }
    }
}
