//! Residual networks: He et al., "Deep Residual Learning for Image Recognition" (CVPR 2016); the wide variant:
//! Zagoruyko and Komodakis (BMVC 2016); grouped convolutions: Xie et al., "Aggregated Residual Transformations
//! for Deep Neural Networks" (CVPR 2017). Names of modules and tensors are torchvision's.

use neuron_geometry::Window;

use super::choice::Choice;
use super::classifier::classifier;
use super::{Description, Family, Layers, Member};
use crate::graph::{Graph, GraphBuilder};
use crate::ops::{Add, GlobalAveragePool, Relu};
use crate::value::NodeId;
use crate::weights::Weights;
use neuron_kernels::ConvGeometry;

/// The two kinds of residual block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Block {
    /// Two 3x3 convolutions.
    Basic,
    /// 1x1 to fewer channels, 3x3 (in groups), 1x1 to four times the channels.
    Bottleneck {
        /// Groups of the 3x3 convolution.
        groups: usize,
        /// Channels of a group where the layer's width is 64; scales with the width.
        width_per_group: usize,
    },
}

/// The table of blocks that describes a residual network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct ResNet {
    /// Kind of all blocks.
    block: Block,
    /// Number of blocks in `layer1` .. `layer4`.
    depths: [usize; 4],
    /// Channels of the stem and the width of `layer1`; it doubles with every layer. 64 in all of torchvision's.
    width: usize,
}

const fn basic(depths: [usize; 4]) -> ResNet {
    ResNet { block: Block::Basic, depths, width: 64 }
}

const fn bottleneck(depths: [usize; 4], groups: usize, width_per_group: usize) -> ResNet {
    ResNet { block: Block::Bottleneck { groups, width_per_group }, depths, width: 64 }
}

const fn member(name: &'static str, description: &'static ResNet) -> Member {
    let target_block = match description.depths[3] {
        1 => "layer4_0",
        2 => "layer4_1",
        _ => "layer4_2",
    };
    Member { name, description, layers: Layers { features: FEATURES, target: "layer4", target_block } }
}

/// Those of the reference implementation of VITAL.
const FEATURES: &[(&str, f64)] =
    &[("conv1", 0.1), ("layer1", 1.0), ("layer2", 1.0), ("layer3", 1.0), ("layer4", 0.0)];

/// torchvision's residual networks, and the small one whose weights come with this project.
const MEMBERS: &[Member] = &[
    member("resnet18", &basic([2, 2, 2, 2])),
    member("resnet34", &basic([3, 4, 6, 3])),
    member("resnet50", &bottleneck([3, 4, 6, 3], 1, 64)),
    member("resnet101", &bottleneck([3, 4, 23, 3], 1, 64)),
    member("resnet152", &bottleneck([3, 8, 36, 3], 1, 64)),
    member("wide_resnet50_2", &bottleneck([3, 4, 6, 3], 1, 128)),
    member("wide_resnet101_2", &bottleneck([3, 4, 23, 3], 1, 128)),
    member("resnext50_32x4d", &bottleneck([3, 4, 6, 3], 32, 4)),
    member("resnext101_32x8d", &bottleneck([3, 4, 23, 3], 32, 8)),
    member("resnext101_64x4d", &bottleneck([3, 4, 23, 3], 64, 4)),
    member("resnet10_demo", &ResNet { block: Block::Basic, depths: [1, 1, 1, 1], width: 16 }),
];

/// The family of residual networks.
#[derive(Debug)]
pub(super) struct ResNets;

impl Family for ResNets {
    fn members(&self) -> &'static [Member] {
        MEMBERS
    }

    fn choices(&self) -> &'static [Choice] {
        &[STRIDE_IN_1X1]
    }

    fn hub_repository(&self, name: &str) -> Option<String> {
        Some(format!("timm/{name}.tv_in1k"))
    }
}

/// Where the stride of a bottleneck sits.
const STRIDE_IN_1X1: Choice = Choice::new("stride_in_1x1", ["false", "true"]);

const STEM_POOL: Window = Window::square(3, 2, 1);

impl Description for ResNet {
    /// The weights' metadata `stride_in_1x1` says whether the stride of a bottleneck sits in its first convolution,
    /// as in the paper, or in its second, as in torchvision.
    fn graph(&self, weights: &Weights) -> Graph {
        let stride_in_1x1 = STRIDE_IN_1X1.is_second(weights);

        let (mut graph, image) = GraphBuilder::new(3);
        let stem = ConvGeometry {
            in_channels: 3,
            out_channels: self.width,
            groups: 1,
            window: Window::square(7, 2, 3),
        };
        let stem = graph.convolution("conv1", stem, image);
        let stem = graph.batch_norm("bn1", stem);
        let stem = graph.module("relu", Relu, &[stem]);
        let mut value = graph.max_pool("maxpool", STEM_POOL, stem);
        for (layer, depth) in self.depths.into_iter().enumerate() {
            let width = self.width << layer;
            for index in 0..depth {
                let stride = if layer > 0 && index == 0 { 2 } else { 1 };
                let name = format!("layer{}.{index}", layer + 1);
                value = self.residual_block(&mut graph, &name, value, width, stride, stride_in_1x1);
            }
            graph.name(&format!("layer{}", layer + 1), value);
        }
        let pooled = graph.module("avgpool", GlobalAveragePool, &[value]);
        classifier(&mut graph, "fc", pooled, weights);
        graph.finish().expect("the table describes networks that fit together")
    }
}

impl ResNet {
    /// One block: its convolutions, the shortcut, their sum and the last ReLU.
    fn residual_block(
        &self,
        graph: &mut GraphBuilder,
        name: &str,
        input: NodeId,
        width: usize,
        stride: usize,
        stride_in_1x1: bool,
    ) -> NodeId {
        let geometry = |in_channels, out_channels, kernel, stride, groups| ConvGeometry {
            in_channels,
            out_channels,
            groups,
            window: Window::square(kernel, stride, kernel / 2),
        };
        let in_channels = graph.channels(input);
        let (convolutions, out_channels) = match self.block {
            Block::Basic => {
                (vec![geometry(in_channels, width, 3, stride, 1), geometry(width, width, 3, 1, 1)], width)
            }
            Block::Bottleneck { groups, width_per_group } => {
                let inner = width * width_per_group / 64 * groups;
                let (first, second) = if stride_in_1x1 { (stride, 1) } else { (1, stride) };
                let convolutions = vec![
                    geometry(in_channels, inner, 1, first, 1),
                    geometry(inner, inner, 3, second, groups),
                    geometry(inner, 4 * width, 1, 1, 1),
                ];
                (convolutions, 4 * width)
            }
        };

        let (mut main, last) = (input, convolutions.len());
        for (index, geometry) in (1..).zip(convolutions) {
            main = graph.convolution(&format!("{name}.conv{index}"), geometry, main);
            main = graph.batch_norm(&format!("{name}.bn{index}"), main);
            if index < last {
                main = graph.push(&format!("{name}.relu"), Relu, &[main]);
            }
        }
        let shortcut = if stride != 1 || in_channels != out_channels {
            let geometry = geometry(in_channels, out_channels, 1, stride, 1);
            let projected = graph.convolution(&format!("{name}.downsample.0"), geometry, input);
            let normed = graph.batch_norm(&format!("{name}.downsample.1"), projected);
            graph.name(&format!("{name}.downsample"), normed);
            normed
        } else {
            input
        };
        let sum = graph.push(&format!("{name}.add"), Add, &[main, shortcut]);
        // The module `relu` of a block is called several times; its last call returns the block's output.
        let output = graph.module(&format!("{name}.relu"), Relu, &[sum]);
        graph.name(name, output);
        output
    }
}
