//! ShuffleNet V2: Ma et al., "ShuffleNet V2: Practical Guidelines for Efficient CNN Architecture Design" (ECCV 2018).
//! Names of modules and tensors are torchvision's.

use neuron_geometry::Window;

use super::blocks::convolution;
use super::classifier::classifier;
use super::{Description, Family, Layers, Member};
use crate::graph::{Graph, GraphBuilder};
use crate::ops::{ChannelShuffle, ChannelSlice, Concatenation, GlobalAveragePool, Relu};
use crate::value::NodeId;
use crate::weights::Weights;

/// Channels of the three stages and of the last convolution (table 5 of the paper).
#[derive(Clone, Copy, Debug)]
struct ShuffleNet {
    widths: [usize; 3],
    last: usize,
}

/// Channels of the stem.
const STEM: usize = 24;
/// Blocks of each stage.
const DEPTHS: [usize; 3] = [4, 8, 4];
const POINT: Window = Window::square(1, 1, 0);

const fn member(name: &'static str, description: &'static ShuffleNet) -> Member {
    const FEATURES: &[(&str, f64)] =
        &[("conv1", 0.1), ("stage2", 1.0), ("stage3", 1.0), ("stage4", 1.0), ("conv5", 0.0)];
    Member { name, description, layers: Layers::new(FEATURES, "conv5") }
}

const MEMBERS: &[Member] = &[
    member("shufflenet_v2_x0_5", &ShuffleNet { widths: [48, 96, 192], last: 1024 }),
    member("shufflenet_v2_x1_0", &ShuffleNet { widths: [116, 232, 464], last: 1024 }),
    member("shufflenet_v2_x1_5", &ShuffleNet { widths: [176, 352, 704], last: 1024 }),
    member("shufflenet_v2_x2_0", &ShuffleNet { widths: [244, 488, 976], last: 2048 }),
];

/// The family of ShuffleNet V2.
#[derive(Debug)]
pub(super) struct ShuffleNets;

impl Family for ShuffleNets {
    fn members(&self) -> &'static [Member] {
        MEMBERS
    }
}

impl Description for ShuffleNet {
    fn graph(&self, weights: &Weights) -> Graph {
        let (mut graph, image) = GraphBuilder::new(3);
        let dense = |channels, window| Layer { channels, groups: 1, window, active: true };
        let stem = dense(STEM, Window::square(3, 2, 1));
        let mut value = sequence(&mut graph, "conv1", &[stem], image);
        value = graph.max_pool("maxpool", Window::square(3, 2, 1), value);
        for ((stage, width), depth) in (2..).zip(self.widths).zip(DEPTHS) {
            value = halving_block(&mut graph, &format!("stage{stage}.0"), width, value);
            for block in 1..depth {
                value = block_at_size(&mut graph, &format!("stage{stage}.{block}"), value);
            }
            graph.name(&format!("stage{stage}"), value);
        }
        value = sequence(&mut graph, "conv5", &[dense(self.last, POINT)], value);
        let pooled = graph.push("mean", GlobalAveragePool, &[value]);
        classifier(&mut graph, "fc", pooled, weights);
        graph.finish().expect("the table describes networks that fit together")
    }
}

/// A convolution with its batch norm, and a ReLU where it is active.
struct Layer {
    channels: usize,
    groups: usize,
    window: Window,
    active: bool,
}

/// Layers one after the other: their modules are numbered.
fn sequence(graph: &mut GraphBuilder, name: &str, layers: &[Layer], input: NodeId) -> NodeId {
    let mut parts = (0..).map(|index| format!("{name}.{index}"));
    let mut part = || parts.next().expect("there is always another number");
    let mut value = input;
    for Layer { channels, groups, window, active } in layers {
        value = convolution(graph, &part(), (*channels, *groups), *window, value);
        value = graph.batch_norm(&part(), value);
        if *active {
            value = graph.module(&part(), Relu, &[value]);
        }
    }
    graph.name(name, value);
    value
}

/// Pointwise, depthwise, pointwise.
fn main_branch(channels: usize, stride: usize) -> [Layer; 3] {
    let pointwise = || Layer { channels, groups: 1, window: POINT, active: true };
    let window = Window::square(3, stride, 1);
    [pointwise(), Layer { channels, groups: channels, window, active: false }, pointwise()]
}

/// All channels through two branches, to half the resolution.
fn halving_block(graph: &mut GraphBuilder, name: &str, width: usize, input: NodeId) -> NodeId {
    let (channels, inputs) = (width / 2, graph.channels(input));
    let depthwise =
        Layer { channels: inputs, groups: inputs, window: Window::square(3, 2, 1), active: false };
    let pointwise = Layer { channels, groups: 1, window: POINT, active: true };
    let first = sequence(graph, &format!("{name}.branch1"), &[depthwise, pointwise], input);
    let second = sequence(graph, &format!("{name}.branch2"), &main_branch(channels, 2), input);
    shuffled(graph, name, [first, second])
}

/// Half of the channels as they are, half through a branch.
fn block_at_size(graph: &mut GraphBuilder, name: &str, input: NodeId) -> NodeId {
    let count = graph.channels(input) / 2;
    let mut half = |first| graph.push(&format!("{name}.chunk"), ChannelSlice { first, count }, &[input]);
    let (kept, changed) = (half(0), half(count));
    let changed = sequence(graph, &format!("{name}.branch2"), &main_branch(count, 1), changed);
    shuffled(graph, name, [kept, changed])
}

fn shuffled(graph: &mut GraphBuilder, name: &str, halves: [NodeId; 2]) -> NodeId {
    let both = graph.push(&format!("{name}.cat"), Concatenation { inputs: 2 }, &halves);
    graph.module(name, ChannelShuffle { groups: 2 }, &[both])
}
