//! Inception v3: Szegedy et al., "Rethinking the Inception Architecture for Computer Vision" (CVPR 2016). Names of modules
//! and tensors are torchvision's. Its auxiliary classifier is not run.

use neuron_geometry::Window;
use neuron_kernels::Divisor;

use super::blocks::{TRANSFORM_INPUT, conv_norm_relu, transformed_input};
use super::choice::Choice;
use super::classifier::classifier;
use super::{Description, Family, Layers, Member};
use crate::graph::{Graph, GraphBuilder};
use crate::ops::{AveragePool, Concatenation, GlobalAveragePool, MaxPool};
use crate::value::NodeId;
use crate::weights::Weights;

/// The family of Inception v3.
#[derive(Debug)]
pub(super) struct Inceptions;

impl Family for Inceptions {
    fn choices(&self) -> &'static [Choice] {
        &[TRANSFORM_INPUT]
    }

    fn members(&self) -> &'static [Member] {
        const FEATURES: &[(&str, f64)] = &[
            ("Conv2d_2b_3x3", 0.1),
            ("Conv2d_4a_3x3", 1.0),
            ("Mixed_5d", 1.0),
            ("Mixed_6e", 1.0),
            ("Mixed_7c", 0.0),
        ];
        const MEMBERS: &[Member] = &[Member {
            name: "inception_v3",
            description: &InceptionV3,
            layers: Layers::new(FEATURES, "Mixed_7c"),
        }];
        MEMBERS
    }
}

#[derive(Debug)]
struct InceptionV3;

const POINT: Window = Window::square(1, 1, 0);
const SAME_3X3: Window = Window::square(3, 1, 1);
const HALVING: Window = Window::square(3, 2, 0);

/// A kernel of odd sides that keeps the size of the map.
const fn same(kernel: [usize; 2]) -> Window {
    Window { kernel, padding: [kernel[0] / 2, kernel[1] / 2], ..Window::square(1, 1, 0) }
}

const ROW: Window = same([1, 7]);
const COLUMN: Window = same([7, 1]);

impl Description for InceptionV3 {
    /// The weights' metadata `transform_input` says whether the pixels are normalised anew inside.
    fn graph(&self, weights: &Weights) -> Graph {
        let (mut graph, image) = GraphBuilder::new(3);
        let image = transformed_input(&mut graph, image, weights);
        let value = conv_norm_relu(&mut graph, "Conv2d_1a_3x3", 32, HALVING, image);
        let value = conv_norm_relu(&mut graph, "Conv2d_2a_3x3", 32, Window::square(3, 1, 0), value);
        let value = conv_norm_relu(&mut graph, "Conv2d_2b_3x3", 64, SAME_3X3, value);
        let value = graph.max_pool("maxpool1", HALVING, value);
        let value = conv_norm_relu(&mut graph, "Conv2d_3b_1x1", 80, POINT, value);
        let value = conv_norm_relu(&mut graph, "Conv2d_4a_3x3", 192, Window::square(3, 1, 0), value);
        let mut value = graph.max_pool("maxpool2", HALVING, value);
        for (name, pooled) in [("Mixed_5b", 32), ("Mixed_5c", 64), ("Mixed_5d", 64)] {
            value = Mixed::new(&mut graph, name, value).figure5(pooled);
        }
        value = Mixed::new(&mut graph, "Mixed_6a", value).halving_to_768();
        for (name, inner) in [("Mixed_6b", 128), ("Mixed_6c", 160), ("Mixed_6d", 160), ("Mixed_6e", 192)] {
            value = Mixed::new(&mut graph, name, value).figure6(inner);
        }
        value = Mixed::new(&mut graph, "Mixed_7a", value).halving_to_1280();
        for name in ["Mixed_7b", "Mixed_7c"] {
            value = Mixed::new(&mut graph, name, value).figure7();
        }
        let pooled = graph.module("avgpool", GlobalAveragePool, &[value]);
        graph.name("dropout", pooled);
        classifier(&mut graph, "fc", pooled, weights);
        graph.finish().expect("the description is of a network that fits together")
    }
}

/// A module that is being added: branches side by side that read the same input.
struct Mixed<'a> {
    graph: &'a mut GraphBuilder,
    name: &'static str,
    input: NodeId,
}

impl<'a> Mixed<'a> {
    fn new(graph: &'a mut GraphBuilder, name: &'static str, input: NodeId) -> Self {
        Self { graph, name, input }
    }

    /// Convolutions one after the other.
    fn chain(&mut self, input: NodeId, convolutions: &[(&str, usize, Window)]) -> NodeId {
        convolutions.iter().fold(input, |value, (part, channels, window)| {
            conv_norm_relu(self.graph, &format!("{}.{part}", self.name), *channels, *window, value)
        })
    }

    fn branch(&mut self, convolutions: &[(&str, usize, Window)]) -> NodeId {
        self.chain(self.input, convolutions)
    }

    /// Means of neighbours, padding counted, and a convolution.
    fn pooled_branch(&mut self, channels: usize) -> NodeId {
        let pool = AveragePool { window: SAME_3X3, divisor: Divisor::Padded };
        let pooled = self.graph.push(&format!("{}.avg_pool", self.name), pool, &[self.input]);
        self.chain(pooled, &[("branch_pool", channels, POINT)])
    }

    fn maxima(&mut self) -> NodeId {
        self.graph.push(&format!("{}.max_pool", self.name), MaxPool { window: HALVING }, &[self.input])
    }

    /// Two convolutions of one input, of a row and of a column.
    fn fork(&mut self, input: NodeId, parts: [&str; 2]) -> NodeId {
        let [row, column] = parts;
        let row = self.chain(input, &[(row, 384, same([1, 3]))]);
        let column = self.chain(input, &[(column, 384, same([3, 1]))]);
        let name = format!("{}.cat", self.name);
        self.graph.push(&name, Concatenation { inputs: 2 }, &[row, column])
    }

    fn join(self, branches: &[NodeId]) -> NodeId {
        self.graph.module(self.name, Concatenation { inputs: branches.len() }, branches)
    }

    /// Figure 5 of the paper (torchvision's `InceptionA`, whose second branch keeps one 5x5 kernel).
    fn figure5(mut self, pooled: usize) -> NodeId {
        let branches = [
            self.branch(&[("branch1x1", 64, POINT)]),
            self.branch(&[("branch5x5_1", 48, POINT), ("branch5x5_2", 64, same([5, 5]))]),
            self.branch(&[
                ("branch3x3dbl_1", 64, POINT),
                ("branch3x3dbl_2", 96, SAME_3X3),
                ("branch3x3dbl_3", 96, SAME_3X3),
            ]),
            self.pooled_branch(pooled),
        ];
        self.join(&branches)
    }

    /// From 35 x 35 to 17 x 17 (torchvision's `InceptionB`).
    fn halving_to_768(mut self) -> NodeId {
        let branches = [
            self.branch(&[("branch3x3", 384, HALVING)]),
            self.branch(&[
                ("branch3x3dbl_1", 64, POINT),
                ("branch3x3dbl_2", 96, SAME_3X3),
                ("branch3x3dbl_3", 96, HALVING),
            ]),
            self.maxima(),
        ];
        self.join(&branches)
    }

    /// Figure 6: 7x7 kernels as rows and columns (torchvision's `InceptionC`).
    fn figure6(mut self, inner: usize) -> NodeId {
        let branches = [
            self.branch(&[("branch1x1", 192, POINT)]),
            self.branch(&[
                ("branch7x7_1", inner, POINT),
                ("branch7x7_2", inner, ROW),
                ("branch7x7_3", 192, COLUMN),
            ]),
            self.branch(&[
                ("branch7x7dbl_1", inner, POINT),
                ("branch7x7dbl_2", inner, COLUMN),
                ("branch7x7dbl_3", inner, ROW),
                ("branch7x7dbl_4", inner, COLUMN),
                ("branch7x7dbl_5", 192, ROW),
            ]),
            self.pooled_branch(192),
        ];
        self.join(&branches)
    }

    /// From 17 x 17 to 8 x 8 (torchvision's `InceptionD`).
    fn halving_to_1280(mut self) -> NodeId {
        let branches = [
            self.branch(&[("branch3x3_1", 192, POINT), ("branch3x3_2", 320, HALVING)]),
            self.branch(&[
                ("branch7x7x3_1", 192, POINT),
                ("branch7x7x3_2", 192, ROW),
                ("branch7x7x3_3", 192, COLUMN),
                ("branch7x7x3_4", 192, HALVING),
            ]),
            self.maxima(),
        ];
        self.join(&branches)
    }

    /// Figure 7: branches that fork (torchvision's `InceptionE`).
    fn figure7(mut self) -> NodeId {
        let first = self.branch(&[("branch1x1", 320, POINT)]);
        let second = self.branch(&[("branch3x3_1", 384, POINT)]);
        let second = self.fork(second, ["branch3x3_2a", "branch3x3_2b"]);
        let third = self.branch(&[("branch3x3dbl_1", 448, POINT), ("branch3x3dbl_2", 384, SAME_3X3)]);
        let third = self.fork(third, ["branch3x3dbl_3a", "branch3x3dbl_3b"]);
        let pooled = self.pooled_branch(192);
        self.join(&[first, second, third, pooled])
    }
}
