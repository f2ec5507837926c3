//! GoogLeNet: Szegedy et al., "Going Deeper with Convolutions" (CVPR 2015), with batch norms, and with 3x3 kernels where
//! the paper has 5x5. Names of modules and tensors are torchvision's. Its auxiliary classifiers are not run.

use neuron_geometry::Window;

use super::blocks::{TRANSFORM_INPUT, conv_norm_relu, transformed_input};
use super::choice::Choice;
use super::classifier::classifier;
use super::{Description, Family, Layers, Member};
use crate::graph::{Graph, GraphBuilder};
use crate::ops::{Concatenation, GlobalAveragePool};
use crate::value::NodeId;
use crate::weights::Weights;

/// The family of GoogLeNet.
#[derive(Debug)]
pub(super) struct GoogLeNets;

impl Family for GoogLeNets {
    fn choices(&self) -> &'static [Choice] {
        &[TRANSFORM_INPUT]
    }

    fn members(&self) -> &'static [Member] {
        const FEATURES: &[(&str, f64)] = &[
            ("conv1", 0.1),
            ("conv3", 1.0),
            ("inception3b", 1.0),
            ("inception4e", 1.0),
            ("inception5b", 0.0),
        ];
        const MEMBERS: &[Member] = &[Member {
            name: "googlenet",
            description: &GoogLeNet,
            layers: Layers::new(FEATURES, "inception5b"),
        }];
        MEMBERS
    }
}

#[derive(Debug)]
struct GoogLeNet;

const POINT: Window = Window::square(1, 1, 0);

/// Channels of the four branches of a module; two of them come down to fewer channels first.
struct Inception {
    name: &'static str,
    branch1: usize,
    branch2: [usize; 2],
    branch3: [usize; 2],
    branch4: usize,
}

const fn inception(
    name: &'static str,
    branch1: usize,
    branch2: [usize; 2],
    branch3: [usize; 2],
    branch4: usize,
) -> Inception {
    Inception { name, branch1, branch2, branch3, branch4 }
}

const STAGE3: &[Inception] = &[
    inception("inception3a", 64, [96, 128], [16, 32], 32),
    inception("inception3b", 128, [128, 192], [32, 96], 64),
];
const STAGE4: &[Inception] = &[
    inception("inception4a", 192, [96, 208], [16, 48], 64),
    inception("inception4b", 160, [112, 224], [24, 64], 64),
    inception("inception4c", 128, [128, 256], [24, 64], 64),
    inception("inception4d", 112, [144, 288], [32, 64], 64),
    inception("inception4e", 256, [160, 320], [32, 128], 128),
];
const STAGE5: &[Inception] = &[
    inception("inception5a", 256, [160, 320], [32, 128], 128),
    inception("inception5b", 384, [192, 384], [48, 128], 128),
];

impl Description for GoogLeNet {
    /// The weights' metadata `transform_input` says whether the pixels are normalised anew inside.
    fn graph(&self, weights: &Weights) -> Graph {
        let (mut graph, image) = GraphBuilder::new(3);
        let pool = |kernel| Window { ceil_mode: true, ..Window::square(kernel, 2, 0) };
        let image = transformed_input(&mut graph, image, weights);
        let value = conv_norm_relu(&mut graph, "conv1", 64, Window::square(7, 2, 3), image);
        let value = graph.max_pool("maxpool1", pool(3), value);
        let value = conv_norm_relu(&mut graph, "conv2", 64, POINT, value);
        let value = conv_norm_relu(&mut graph, "conv3", 192, Window::square(3, 1, 1), value);
        let mut value = graph.max_pool("maxpool2", pool(3), value);
        for (stage, next) in
            [(STAGE3, Some(("maxpool3", 3))), (STAGE4, Some(("maxpool4", 2))), (STAGE5, None)]
        {
            for module in stage {
                value = module.add(&mut graph, value);
            }
            if let Some((name, kernel)) = next {
                value = graph.max_pool(name, pool(kernel), value);
            }
        }
        let pooled = graph.module("avgpool", GlobalAveragePool, &[value]);
        graph.name("dropout", pooled);
        classifier(&mut graph, "fc", pooled, weights);
        graph.finish().expect("the table describes a network that fits together")
    }
}

impl Inception {
    fn add(&self, graph: &mut GraphBuilder, input: NodeId) -> NodeId {
        let part = |part: &str| format!("{}.{part}", self.name);
        let first = conv_norm_relu(graph, &part("branch1"), self.branch1, POINT, input);
        let mut reduced = |branch: &str, [inner, outer]: [usize; 2]| {
            let value = conv_norm_relu(graph, &part(&format!("{branch}.0")), inner, POINT, input);
            let window = Window::square(3, 1, 1);
            let value = conv_norm_relu(graph, &part(&format!("{branch}.1")), outer, window, value);
            graph.name(&part(branch), value);
            value
        };
        let (second, third) = (reduced("branch2", self.branch2), reduced("branch3", self.branch3));
        let window = Window { ceil_mode: true, ..Window::square(3, 1, 1) };
        let pooled = graph.max_pool(&part("branch4.0"), window, input);
        let fourth = conv_norm_relu(graph, &part("branch4.1"), self.branch4, POINT, pooled);
        graph.name(&part("branch4"), fourth);
        graph.module(self.name, Concatenation { inputs: 4 }, &[first, second, third, fourth])
    }
}
