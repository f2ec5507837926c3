//! RegNets: Radosavovic et al., "Designing Network Design Spaces" (CVPR 2020); Y has gates, X has none. Names of modules
//! and tensors are torchvision's.

use neuron_geometry::Window;
use neuron_kernels::Activation::{self, Relu, Sigmoid};

use super::blocks::{ConvNorm, make_divisible, squeeze_excitation};
use super::classifier::classifier;
use super::{Description, Family, Layers, Member};
use crate::graph::{Graph, GraphBuilder};
use crate::ops::{self, Add, GlobalAveragePool};
use crate::value::NodeId;
use crate::weights::Weights;

/// The few numbers that describe a network: widths grow along a line and are rounded to powers and to multiples of 8
/// (section 3.4 of the paper).
#[derive(Clone, Copy, Debug)]
struct RegNet {
    gated: bool,
    /// Number of blocks.
    depth: usize,
    /// Width of the first block.
    first: usize,
    /// By how much the width grows with every block.
    slope: f64,
    /// The quotient of the widths of two stages.
    quotient: f64,
    /// Channels of a group.
    group_width: usize,
}

const fn x(depth: usize, first: usize, slope: f64, quotient: f64, group_width: usize) -> RegNet {
    RegNet { gated: false, depth, first, slope, quotient, group_width }
}

const fn y(depth: usize, first: usize, slope: f64, quotient: f64, group_width: usize) -> RegNet {
    RegNet { gated: true, ..x(depth, first, slope, quotient, group_width) }
}

const fn member(name: &'static str, description: &'static RegNet) -> Member {
    const FEATURES: &[(&str, f64)] = &[
        ("stem", 0.1),
        ("trunk_output.block1", 1.0),
        ("trunk_output.block2", 1.0),
        ("trunk_output.block3", 1.0),
        ("trunk_output.block4", 0.0),
    ];
    Member { name, description, layers: Layers::new(FEATURES, "trunk_output.block4") }
}

const MEMBERS: &[Member] = &[
    member("regnet_x_400mf", &x(22, 24, 24.48, 2.54, 16)),
    member("regnet_x_800mf", &x(16, 56, 35.73, 2.28, 16)),
    member("regnet_x_1_6gf", &x(18, 80, 34.01, 2.25, 24)),
    member("regnet_x_3_2gf", &x(25, 88, 26.31, 2.25, 48)),
    member("regnet_x_8gf", &x(23, 80, 49.56, 2.88, 120)),
    member("regnet_x_16gf", &x(22, 216, 55.59, 2.1, 128)),
    member("regnet_x_32gf", &x(23, 320, 69.86, 2.0, 168)),
    member("regnet_y_400mf", &y(16, 48, 27.89, 2.09, 8)),
    member("regnet_y_800mf", &y(14, 56, 38.84, 2.4, 16)),
    member("regnet_y_1_6gf", &y(27, 48, 20.71, 2.65, 24)),
    member("regnet_y_3_2gf", &y(21, 80, 42.63, 2.66, 24)),
    member("regnet_y_8gf", &y(17, 192, 76.82, 2.19, 56)),
    member("regnet_y_16gf", &y(18, 200, 106.23, 2.48, 112)),
    member("regnet_y_32gf", &y(20, 232, 115.89, 2.53, 232)),
    member("regnet_y_128gf", &y(27, 456, 160.83, 2.52, 264)),
];

/// The family of RegNets.
#[derive(Debug)]
pub(super) struct RegNets;

impl Family for RegNets {
    fn members(&self) -> &'static [Member] {
        MEMBERS
    }
}

/// Channels of the stem.
const STEM: usize = 32;
const POINT: Window = Window::square(1, 1, 0);

/// Blocks of one width.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stage {
    width: usize,
    group_width: usize,
    count: usize,
}

impl RegNet {
    fn stages(&self) -> Vec<Stage> {
        let first = self.first as f64;
        let mut stages: Vec<Stage> = Vec::new();
        for block in 0..self.depth {
            let continuous = block as f64 * self.slope + first;
            let power = ((continuous / first).ln() / self.quotient.ln()).round_ties_even();
            let width = (first * self.quotient.powf(power) / 8.0).round_ties_even() as usize * 8;
            match stages.last_mut().filter(|stage| stage.width == width) {
                Some(stage) => stage.count += 1,
                None => stages.push(Stage { width, group_width: self.group_width, count: 1 }),
            }
        }
        // Groups divide the width, and are not wider than it.
        for stage in &mut stages {
            stage.group_width = stage.group_width.min(stage.width);
            stage.width = make_divisible(stage.width as f64, stage.group_width);
        }
        stages
    }
}

fn normed(out_channels: usize, window: Window, groups: usize, activation: Option<Activation>) -> ConvNorm {
    ConvNorm { out_channels, window, groups, eps: 1e-5, activation }
}

impl Description for RegNet {
    fn graph(&self, weights: &Weights) -> Graph {
        let (mut graph, image) = GraphBuilder::new(3);
        let stem = normed(STEM, Window::square(3, 2, 1), 1, Some(Relu));
        let mut value = stem.add(&mut graph, "stem", image);
        for (number, stage) in (1..).zip(self.stages()) {
            let name = format!("trunk_output.block{number}");
            for block in 0..stage.count {
                let stride = if block == 0 { 2 } else { 1 };
                let name = format!("{name}.block{number}-{block}");
                value = self.block(&mut graph, &name, (stage, stride), value);
            }
            graph.name(&name, value);
        }
        graph.name("trunk_output", value);
        let pooled = graph.module("avgpool", GlobalAveragePool, &[value]);
        classifier(&mut graph, "fc", pooled, weights);
        graph.finish().expect("the table describes networks that fit together")
    }
}

impl RegNet {
    /// A bottleneck that does not narrow, with a shortcut.
    fn block(
        &self,
        graph: &mut GraphBuilder,
        name: &str,
        (stage, stride): (Stage, usize),
        input: NodeId,
    ) -> NodeId {
        let Stage { width, group_width, .. } = stage;
        let part = |part: &str| format!("{name}.{part}");
        let in_channels = graph.channels(input);
        let shortcut = if in_channels != width || stride != 1 {
            normed(width, Window::square(1, stride, 0), 1, None).add(graph, &part("proj"), input)
        } else {
            input
        };
        let mut value = normed(width, POINT, 1, Some(Relu)).add(graph, &part("f.a"), input);
        let grouped = normed(width, Window::square(3, stride, 1), width / group_width, Some(Relu));
        value = grouped.add(graph, &part("f.b"), value);
        if self.gated {
            // A quarter of the block's input, not of its own width.
            let squeezed = (in_channels as f64 / 4.0).round_ties_even() as usize;
            value = squeeze_excitation(graph, &part("f.se"), value, squeezed, [Relu, Sigmoid]);
        }
        value = normed(width, POINT, 1, None).add(graph, &part("f.c"), value);
        graph.name(&part("f"), value);
        let sum = graph.push(&part("add"), Add, &[value, shortcut]);
        let output = graph.module(&part("activation"), ops::Relu, &[sum]);
        graph.name(name, output);
        output
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Appendix D of the paper.
    #[test]
    fn widths_and_depths_are_those_of_the_paper() {
        let stages = |regnet: RegNet| -> Vec<_> {
            regnet.stages().iter().map(|stage| (stage.width, stage.count, stage.group_width)).collect()
        };
        let x_400mf = stages(x(22, 24, 24.48, 2.54, 16));
        assert_eq!(x_400mf, [(32, 1, 16), (64, 2, 16), (160, 7, 16), (400, 12, 16)]);
        let y_8gf = stages(y(17, 192, 76.82, 2.19, 56));
        assert_eq!(y_8gf, [(224, 2, 56), (448, 4, 56), (896, 10, 56), (2016, 1, 56)]);
    }
}
