//! SqueezeNet: Iandola et al., "SqueezeNet: AlexNet-level accuracy with 50x fewer parameters" (2016); 1.1 is the authors'
//! later form with less arithmetic. Names of modules and tensors are torchvision's.

use neuron_geometry::Window;

use super::blocks::biased;
use super::classifier::convolutional_classifier;
use super::{Description, Family, Layers, Member};
use crate::graph::{Graph, GraphBuilder};
use crate::ops::{Concatenation, GlobalAveragePool, Relu};
use crate::value::NodeId;
use crate::weights::Weights;

/// Where the max-pools sit, and the stem.
#[derive(Clone, Copy, Debug)]
struct SqueezeNet {
    stem: (usize, Window),
    /// Fire modules in front of which there is a max-pool, counted from 0; the first has always one.
    pools: [usize; 2],
}

const MEMBERS: &[Member] = &[
    Member {
        name: "squeezenet1_0",
        description: &SqueezeNet { stem: (96, Window::square(7, 2, 0)), pools: [3, 7] },
        layers: Layers::new(
            &[("features.1", 0.1), ("features.5", 1.0), ("features.10", 1.0), ("features.12", 0.0)],
            "features.12",
        ),
    },
    Member {
        name: "squeezenet1_1",
        description: &SqueezeNet { stem: (64, Window::square(3, 2, 0)), pools: [2, 4] },
        layers: Layers::new(
            &[("features.1", 0.1), ("features.4", 1.0), ("features.7", 1.0), ("features.12", 0.0)],
            "features.12",
        ),
    },
];

/// Channels of each fire module: of its squeeze, and of each of its two expansions.
const FIRES: [[usize; 2]; 8] =
    [[16, 64], [16, 64], [32, 128], [32, 128], [48, 192], [48, 192], [64, 256], [64, 256]];

/// The family of SqueezeNets.
#[derive(Debug)]
pub(super) struct SqueezeNets;

impl Family for SqueezeNets {
    fn members(&self) -> &'static [Member] {
        MEMBERS
    }
}

impl Description for SqueezeNet {
    fn graph(&self, weights: &Weights) -> Graph {
        let (mut graph, image) = GraphBuilder::new(3);
        let mut names = (0..).map(|index| format!("features.{index}"));
        let mut name = || names.next().expect("there is always another number");
        let (channels, window) = self.stem;
        let stem = biased(&mut graph, &name(), channels, window, image);
        let mut value = graph.module(&name(), Relu, &[stem]);
        for (index, channels) in FIRES.into_iter().enumerate() {
            if index == 0 || self.pools.contains(&index) {
                let window = Window { ceil_mode: true, ..Window::square(3, 2, 0) };
                value = graph.max_pool(&name(), window, value);
            }
            value = fire(&mut graph, &name(), channels, value);
        }
        graph.name("features", value);
        graph.name("classifier.0", value);
        if let Some(classes) = convolutional_classifier(&mut graph, "classifier.1", value, weights) {
            let active = graph.module("classifier.2", Relu, &[classes]);
            let pooled = graph.module("classifier.3", GlobalAveragePool, &[active]);
            graph.name("classifier", pooled);
        }
        graph.finish().expect("the table describes networks that fit together")
    }
}

/// 1x1 convolutions to few channels, then 1x1 and 3x3 ones side by side.
fn fire(graph: &mut GraphBuilder, name: &str, [squeezed, expanded]: [usize; 2], input: NodeId) -> NodeId {
    let mut active = |part: &str, channels, window, input| {
        let value = biased(graph, &format!("{name}.{part}"), channels, window, input);
        graph.module(&format!("{name}.{part}_activation"), Relu, &[value])
    };
    let point = Window::square(1, 1, 0);
    let squeezed = active("squeeze", squeezed, point, input);
    let expansions = [
        active("expand1x1", expanded, point, squeezed),
        active("expand3x3", expanded, Window::square(3, 1, 1), squeezed),
    ];
    graph.module(name, Concatenation { inputs: 2 }, &expansions)
}
